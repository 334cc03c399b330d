"""The spaces of groups: every patient, those whose one group is not enough, and donors of DEL.

A component that stands for all of its rule is crossed with every patient; the others of the rule
are asked about a share of the same cases, drawn with a fixed seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

from models.clearance import Step
from models.components import Component
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Mother, Patient, RareGroup, Transplant, TransplantPhase
from models.requests import HardAttributes, Priority
from models.units import UnitTraits
from tests.support.kernel_cases import Case
from tests.support.kernel_tables import (
    AGES,
    FLAGS,
    GROUPS,
    POLICIES,
    READ,
    SEXES,
    build_patient,
    plain_patients,
    special_patients,
    stands_for_itself,
)
from tests.support.safety import build_facts, build_purpose, build_route

BOTH = (False, True)
ROUTE = build_route()
LOW = UnitTraits(low_titre=True)
SHARE = 1 / 8
"""Of the cases of a rule, those that each further component of it is asked about."""

Line = tuple[Patient, Priority, StationPolicy]


def groups(components: Iterable[Component] = tuple(Component)) -> Iterator[Case]:
    """Every patient, component, priority, policy and donor group; low titre or not; the cap.

    What the rule of a component does not read is drawn.
    """
    for component in components:
        draw = Random(f"groups {component}")
        units = [
            build_facts(component=component, group=group, traits=traits)
            for group in BloodGroup
            for traits in (UnitTraits(), LOW)
        ]
        for patient, priority, policy in _draw_lines(component, draw):
            # The cap is of unknown patients; one known is asked with what may exceed it.
            counts = (3, 4) if patient.group is None else (draw.choice((0, 3, 4, 5)),)
            for capped in counts:
                purpose = build_purpose(
                    component=component,
                    patient=patient,
                    priority=priority,
                    policy=policy,
                    capped_units=capped,
                )
                for unit in units:
                    yield Case(unit=unit, purpose=purpose, step=Step.RESERVE, route=ROUTE)


def _draw_lines(component: Component, draw: Random) -> Iterator[Line]:
    """Yield what the rule of a component reads in every combination; the rest is drawn."""
    read = READ[component] if stands_for_itself(component) else frozenset[str]()
    crossed = [name for name in FLAGS if name in read]
    policies = POLICIES if "policy" in read else (None,)
    for group, sex, age, priority, policy in itertools.product(
        GROUPS, SEXES, AGES, Priority, policies
    ):
        for flags in itertools.product(BOTH, repeat=len(crossed)):
            told = {name: draw.choice(BOTH) for name in FLAGS}
            told |= dict(zip(crossed, flags, strict=True))
            patient = build_patient(group, sex, age, **told)
            yield patient, priority, policy or draw.choice(POLICIES)


def special_groups(components: Iterable[Component] = tuple(Component)) -> Iterator[Case]:
    """Patients whose group differs by class of components, and bags of every group.

    Of low titre or not, without H or not. The identical group is demanded in danger or when it is
    urgent, by turns: what it is does not depend on how urgent a line is.
    """
    marks = (UnitTraits(), LOW, UnitTraits(antigen_negative=("H",)))
    for component in components:
        draw = Random(f"special groups {component}")
        units = [
            build_facts(component=component, group=group, traits=traits)
            for group in BloodGroup
            for traits in marks
        ]
        for patient in special_patients():
            if not stands_for_itself(component) and draw.random() >= SHARE:
                continue
            identical = draw.choice(BOTH)
            for priority in (Priority.LIFE_THREATENING, Priority.URGENT):
                identical = not identical
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
    asked = {None, BloodGroup.A_NEG, BloodGroup.A_POS}
    patients = [patient for patient in plain_patients() if patient.group in asked]
    for component in components:
        draw = Random(f"donors of DEL {component}")
        # Only components with red cells are of any rule of DEL.
        is_whole = stands_for_itself(component) and component.spec.carries_red_cells
        units = [
            build_facts(component=component, group=group, traits=traits)
            for traits, group in itertools.product(marks, (BloodGroup.A_NEG, BloodGroup.A_POS))
        ]
        for patient, priority in itertools.product(patients, Priority):
            if not is_whole and draw.random() >= SHARE:
                continue
            purpose = build_purpose(component=component, patient=patient, priority=priority)
            for unit in units:
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
