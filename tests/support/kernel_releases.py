"""The cases of emergency releases: what a named clinician may pass, and what nobody may."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from datetime import timedelta
from random import Random

from models.clearance import Step, UnitFacts
from models.components import Component
from models.emergency_release import EmergencyRelease
from models.groups import BloodGroup
from models.patients import Indication, Patient
from models.requests import HardAttributes, Priority
from models.units import UnitTraits
from tests.support.kernel_cases import Case
from tests.support.kernel_groups import SHARE
from tests.support.kernel_tables import stands_for_itself
from tests.support.safety import build_facts, build_purpose, build_route
from tests.support.world import NOW

BOTH = (False, True)
ROUTE = build_route()

RELEASES = tuple(
    EmergencyRelease(clinician="Dr Tashi", reason="exsanguinating", passes=passes)
    for passes in (("antibodies",), ("special_needs",), ("antibodies", "special_needs"))
)


def releases(components: Iterable[Component] = tuple(Component)) -> Iterator[Case]:
    """Every release, in danger and not, against what may be passed and what never is.

    Some bags that nobody may pass, unreleased or recalled, are drawn for each line.
    """
    attributes = (
        HardAttributes(),
        HardAttributes(irradiated=True, antigen_negative=("K",)),
        HardAttributes(low_titre=True),
        HardAttributes(max_age_d=1),
        HardAttributes(cmv_negative=True),
        HardAttributes(hla_matched=("A2", "B46")),
        HardAttributes(iga_deficient=True, indications=(Indication.INTRAUTERINE,)),
    )
    for component in components:
        draw = Random(f"releases {component}")
        fit = list(_lay(component, released=True, recalled=False))
        unfit = [
            *_lay(component, released=False, recalled=False),
            *_lay(component, released=True, recalled=True),
        ]
        for release, priority, group, against, wanted in itertools.product(
            (None, *RELEASES),
            (Priority.LIFE_THREATENING, Priority.URGENT),
            (None, BloodGroup.O_NEG, BloodGroup.A_POS, BloodGroup.AB_POS),
            ((), ("E",), ("D",), ("D", "E"), ("A",), ("H", "E")),
            attributes,
        ):
            if not stands_for_itself(component) and draw.random() >= SHARE:
                continue
            purpose = build_purpose(
                component=component,
                patient=Patient(group=group, antibodies=against),
                attributes=wanted,
                priority=priority,
                release=release,
            )
            for unit in (*fit, *draw.sample(unfit, k=4)):
                yield Case(unit=unit, purpose=purpose, step=Step.RESERVE, route=ROUTE)


TRAITS: tuple[dict[str, object], ...] = (
    {},
    {"antigen_negative": ("E",)},
    {"c_positive": True, "hla": ("A2", "B7")},
)


def _lay(component: Component, *, released: bool, recalled: bool) -> Iterator[UnitFacts]:
    for group, typed, irradiated, age in itertools.product(
        (BloodGroup.O_NEG, BloodGroup.O_POS, BloodGroup.A_POS, BloodGroup.AB_NEG),
        TRAITS,
        BOTH,
        (timedelta(hours=6), timedelta(days=2)),
    ):
        yield build_facts(
            component=component,
            group=group,
            traits=UnitTraits.model_validate({**typed, "irradiated": irradiated}),
            released=released,
            recalled=recalled,
            collected_at=NOW - age,
        )
