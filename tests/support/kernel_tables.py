"""Every kind of patient that the group rules tell apart, and the table that SQL keeps of them.

Here stands too which components share a rule of groups, and what that rule does not read. The
spaces cross what is read and draw the rest; `tests/property/test_safety_kernel.py` shows for every
component and patient that the kernel and the oracle answer as this says.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from models.compatibility import list_candidates
from models.components import Component
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import (
    Mother,
    Patient,
    RareGroup,
    RhdConsent,
    Sex,
    Transplant,
    TransplantPhase,
)
from models.requests import Priority
from models.rules.rulebook import PACKAGED

CONSENT = RhdConsent(physician="Dr Tashi", signed_by="the patient")
POLICIES = (StationPolicy(low_titre_a_plasma=False), StationPolicy(low_titre_a_plasma=True))
AGES = (None, 0, 17, 18, 19, 50, 51)
"""Both sides of every age limit of the rules, and birth."""


GROUPS: tuple[BloodGroup | None, ...] = (None, *BloodGroup)
SEXES: tuple[Sex | None, ...] = (None, *Sex)
BOTH = (False, True)

STANDS_FOR: Mapping[Component, Component] = {
    Component.RED_CELLS: Component.RED_CELLS,
    Component.WASHED_RED_CELLS: Component.RED_CELLS,
    Component.FROZEN_RED_CELLS: Component.RED_CELLS,
    Component.DEGLYCEROLISED_RED_CELLS: Component.RED_CELLS,
    Component.PLATELETS: Component.PLATELETS,
    Component.PLATELET_CONCENTRATE: Component.PLATELETS,
    Component.POOLED_PLATELETS: Component.PLATELETS,
    Component.FRESH_FROZEN_PLASMA: Component.FROZEN_PLASMA,
    Component.FROZEN_PLASMA: Component.FROZEN_PLASMA,
    Component.CRYOPRECIPITATE: Component.CRYOPRECIPITATE,
    Component.WHOLE_BLOOD: Component.WHOLE_BLOOD,
    Component.APHERESIS_GRANULOCYTES: Component.WHOLE_BLOOD,
}
"""A component to the one that stands for all of its rule of groups."""

READ: Mapping[Component, frozenset[str]] = {
    Component.RED_CELLS: frozenset({"anti_d", "is_del", "consent"}),
    Component.WHOLE_BLOOD: frozenset({"anti_d", "is_del", "consent"}),
    Component.PLATELETS: frozenset({"anti_d", "is_del", "prophylaxis"}),
    Component.FROZEN_PLASMA: frozenset({"policy"}),
    Component.CRYOPRECIPITATE: frozenset({"policy"}),
}
"""What a rule of groups reads beside the group, the sex, the age and the priority."""

FLAGS = ("anti_d", "is_del", "consent", "prophylaxis")


def stands_for_itself(component: Component) -> bool:
    return STANDS_FOR[component] is component


def build_patient(
    group: BloodGroup | None,
    sex: Sex | None,
    age: int | None,
    *,
    anti_d: bool,
    is_del: bool,
    consent: bool,
    prophylaxis: bool,
) -> Patient:
    return Patient(
        group=group,
        sex=sex,
        age_years=age,
        antibodies=("D",) if anti_d else (),
        asian_del=is_del,
        rhd_consent=CONSENT if consent else None,
        anti_d_prophylaxis_ordered=prophylaxis,
    )


def every_patient() -> Iterator[Patient]:
    for group, sex, age in itertools.product(GROUPS, SEXES, AGES):
        for flags in itertools.product(BOTH, repeat=len(FLAGS)):
            yield build_patient(group, sex, age, **dict(zip(FLAGS, flags, strict=True)))


def plain_patients() -> Iterator[Patient]:
    """Those with no exception or one, at every age limit and at birth."""
    for patient in every_patient():
        special = (
            patient.has_anti_d,
            patient.asian_del,
            patient.rhd_consent is not None,
            patient.anti_d_prophylaxis_ordered,
        )
        if sum(special) <= 1:
            yield patient


_TYPED_AFTER = (None, BloodGroup.O_POS, BloodGroup.B_NEG)
"""What may be typed of a transplanted patient: nothing, or one of the groups, or a third."""


def special_patients() -> Iterator[Patient]:
    """Those whose group differs by class of components: each reason for it, and some together.

    A woman who may bear children, so that RhD matters, with each group that may be typed.
    """
    for group in GROUPS:
        plain = Patient(group=group, sex=Sex.FEMALE, age_years=30)
        pairs = itertools.product(BloodGroup, BloodGroup) if group in _TYPED_AFTER else ()
        for (donor, own), phase in itertools.product(pairs, TransplantPhase):
            transplant = Transplant(donor_group=donor, recipient_group=own, phase=phase)
            yield plain.but(transplant=transplant)
        for rare in RareGroup:
            yield plain.but(rare_group=rare)
        for mother, antibodies in itertools.product(GROUPS, ((), ("D",), ("A",))):
            yield plain.but(mother=Mother(group=mother, antibodies=antibodies))
        for first, other in itertools.combinations(BloodGroup, 2):
            yield plain.but(disputed_groups=(first, other))
        for antibodies in (("A",), ("A1",), ("B",), ("AB",), ("H",), ("A", "D"), ("A", "B")):
            yield plain.but(antibodies=antibodies)
            yield plain.but(antibodies=antibodies, rare_group=RareGroup.CIS_AB)
            yield plain.but(antibodies=antibodies, mother=Mother(group=BloodGroup.AB_NEG))


Row = tuple[str, str, str, str]
"""Component, recipient, donor, rule."""


def compatible_groups() -> dict[Row, tuple[bool, tuple[str, ...]]]:
    """Return what `compatible_groups` must hold, from the rules: low titre, and how urgent."""
    titres: dict[Row, bool] = {}
    priorities: dict[Row, set[str]] = {}
    for patient in every_patient():
        recipient = str(patient.group or "unknown")
        for component, priority, policy in itertools.product(Component, Priority, POLICIES):
            for candidate in list_candidates(
                component=component,
                patient=patient,
                priority=priority,
                policy=policy,
                rules=PACKAGED,
            ):
                rule = candidate.rule.partition("@")[0]
                row = (component.value, recipient, candidate.group.value, rule)
                low_titre = titres.setdefault(row, candidate.low_titre_only)
                assert low_titre is candidate.low_titre_only, f"{row}: one rule, two terms"
                priorities.setdefault(row, set()).add(priority.value)
    return {row: (low_titre, tuple(sorted(priorities[row]))) for row, low_titre in titres.items()}
