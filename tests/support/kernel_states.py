"""The space of the states of a unit: what is true of a bag, whoever it is for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import NamedTuple

import checker.compatibility as other_hands
from models.clearance import ForPatient, Step, UnitFacts
from models.components import Component
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Priority
from models.units import UnitStatus
from tests.oracle.safety import list_terms
from tests.support.kernel_cases import Case
from tests.support.kernel_tables import POLICIES, STANDS_FOR, every_patient
from tests.support.safety import ARRIVAL, build_facts, build_purpose, build_route
from tests.support.world import NOW

BOTH = (False, True)
ROUTE = build_route()
SECOND = timedelta(seconds=1)
EXPIRIES = (NOW - SECOND, NOW, NOW + SECOND, ARRIVAL - SECOND, ARRIVAL, ARRIVAL + SECOND)


class State(NamedTuple):
    released: bool
    recalled: bool
    expires_at: datetime


STATES = tuple(State(*facts) for facts in itertools.product(BOTH, BOTH, EXPIRIES))


def states(components: Iterable[Component] = tuple(Component)) -> Iterator[Case]:
    """Every status, step, release, recall and expiry, for each kind of patient and donor group.

    A state of the bag and a group that may go to a patient have nothing to do with each other. So
    every state of every group is asked for a kind of patient that is drawn, and every kind with
    every group, status and step for a state that is drawn.
    """
    for component in components:
        draw = Random(f"states {component}")
        purposes = list(kinds_of_patient(component))
        groups = list(itertools.product(BloodGroup, UnitStatus, Step))
        units = {
            (group, status, state): _build(component, group, status, state)
            for group, status, state in itertools.product(BloodGroup, UnitStatus, STATES)
        }
        for (group, status, step), state in itertools.product(groups, STATES):
            yield Case(
                unit=units[group, status, state],
                purpose=draw.choice(purposes),
                step=step,
                route=ROUTE,
            )
        for purpose, (group, status, step) in itertools.product(purposes, groups):
            unit = units[group, status, draw.choice(STATES)]
            yield Case(unit=unit, purpose=purpose, step=step, route=ROUTE)


def _build(component: Component, group: BloodGroup, status: UnitStatus, state: State) -> UnitFacts:
    return build_facts(component=component, group=group, status=status, **state._asdict())


def kinds_of_patient(component: Component) -> Iterator[ForPatient]:
    """One purpose for each answer that the oracle can give to the question of groups."""
    for patient, priority, policy in _list_kinds(STANDS_FOR[component]):
        yield build_purpose(component=component, patient=patient, priority=priority, policy=policy)


@cache
def _list_kinds(component: Component) -> list[tuple[Patient, Priority, StationPolicy]]:
    found: dict[object, tuple[Patient, Priority, StationPolicy]] = {}
    for patient in every_patient():
        told = other_hands.Patient.from_json(patient.model_dump(mode="json"))
        for priority, policy in itertools.product(Priority, POLICIES):
            terms = list_terms(component.value, told, priority.value, policy.low_titre_a_plasma)
            kind = (patient.group, patient.has_anti_d, tuple(sorted(terms.items(), key=str)))
            found.setdefault(kind, (patient, priority, policy))
    return list(found.values())
