"""The group for which a class of components is chosen, by itself."""

from __future__ import annotations

import pytest

from models.components import ComponentClass
from models.groups import Abo, BloodGroup, RhD
from models.patients import Patient
from models.recipients import Recipient, find_recipient


def test_a_group_is_known_only_with_both_abo_and_rhd() -> None:
    assert Recipient(abo=Abo.A, rhd=RhD.NEGATIVE).group is BloodGroup.A_NEG
    assert Recipient(abo=Abo.A).group is None
    assert Recipient(rhd=RhD.NEGATIVE).group is None


@pytest.mark.parametrize("component_class", ComponentClass)
def test_of_whom_nothing_is_known_nothing_is_chosen_for(component_class: ComponentClass) -> None:
    assert find_recipient(component_class, Patient()) == Recipient()
    assert find_recipient(component_class, Patient(group=BloodGroup.B_POS)) == Recipient(
        abo=Abo.B, rhd=RhD.POSITIVE
    )
