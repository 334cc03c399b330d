"""The spaces of cases about patients whose one group is not enough, and about donors of DEL."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

from models.clearance import Step
from models.components import Component
from models.groups import BloodGroup
from models.patients import Mother, RareGroup, Transplant, TransplantPhase
from models.requests import HardAttributes, Priority
from models.units import UnitTraits
from tests.support.kernel_cases import Case
from tests.support.kernel_tables import plain_patients, special_patients
from tests.support.safety import build_facts, build_purpose, build_route

BOTH = (False, True)
ROUTE = build_route()
LOW = UnitTraits(low_titre=True)


def special_groups(components: Iterable[Component] = tuple(Component)) -> Iterator[Case]:
    """Patients whose group differs by class of components, and bags of every group.

    Of low titre or not, without H or not, and of the identical group or any.
    """
    marks = (UnitTraits(), LOW, UnitTraits(antigen_negative=("H",)))
    for component in components:
        units = [
            build_facts(component=component, group=group, traits=traits)
            for group in BloodGroup
            for traits in marks
        ]
        for patient, priority, identical in itertools.product(
            special_patients(), (Priority.LIFE_THREATENING, Priority.URGENT), BOTH
        ):
            purpose = build_purpose(
                component=component,
                patient=patient,
                priority=priority,
                attributes=HardAttributes(identical_group_only=identical),
            )
            for unit in units:
                yield Case(unit=unit, purpose=purpose, step=Step.RESERVE, route=ROUTE)


def donors_of_del(components: Iterable[Component] = tuple(Component)) -> Iterator[Case]:
    """C and DEL of a bag for every patient that the group rules tell apart, typed RhD- or not."""
    marks = [UnitTraits(c_positive=c, del_typed=d) for c, d in itertools.product(BOTH, BOTH)]
    for patient, component, priority in itertools.product(plain_patients(), components, Priority):
        if patient.group not in {None, BloodGroup.A_NEG, BloodGroup.A_POS}:
            continue
        purpose = build_purpose(component=component, patient=patient, priority=priority)
        for traits, group in itertools.product(marks, (BloodGroup.A_NEG, BloodGroup.A_POS)):
            unit = build_facts(component=component, group=group, traits=traits)
            yield Case(unit=unit, purpose=purpose, step=Step.RESERVE, route=ROUTE)


def draw_special(draw: Random) -> dict[str, Any]:
    """Draw what makes one group not enough."""
    groups = list(BloodGroup)
    transplant = Transplant(
        donor_group=draw.choice(groups),
        recipient_group=draw.choice(groups),
        phase=draw.choice(list(TransplantPhase)),
    )
    mother = Mother(
        group=draw.choice((None, *groups)),
        antibodies=draw.choice(((), ("A",), ("C",), ("D",), ("A", "C"), ("A", "D"), ("C", "D"))),
    )
    return {
        "transplant": draw.choice((None, transplant)),
        "rare_group": draw.choice((None, *RareGroup)),
        "mother": draw.choice((None, mother)),
        "disputed_groups": tuple(draw.sample(groups, k=draw.choice((0, 0, 2, 3)))),
    }
