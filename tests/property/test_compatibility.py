"""The engine's compatibility against a second table, written by other hands from the sources.

Every patient that the rules can tell apart is gone through by `test_safety_kernel.py`, which asks
for each unit; here Hypothesis adds what lies between the limits, and the order of the groups.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.compatibility import RHD_FALLBACK, Patient, Situation, Terms, get_allowed
from models import compatibility as engine
from models import patients
from models.components import Component, ComponentClass
from models.facilities import StationPolicy
from models.groups import Abo, BloodGroup
from models.requests import Priority
from tests.support.kernel_tables import CONSENT, POLICIES

AGES = (None, 18, 19, 50, 51)


def told_by_engine(
    component: Component,
    patient: patients.Patient,
    priority: Priority,
    policy: StationPolicy,
) -> dict[str, Terms]:
    listed = engine.list_candidates(
        component=component, patient=patient, priority=priority, policy=policy
    )
    assert [one.rank for one in listed] == list(range(len(listed)))
    found = {
        str(one.group): Terms(low_titre=one.low_titre_only, capped=one.capped) for one in listed
    }
    assert len(found) == len(listed)
    return found


def told_by_table(
    component: Component,
    patient: patients.Patient,
    priority: Priority,
    policy: StationPolicy,
) -> dict[str, Terms]:
    return get_allowed(
        Situation(
            component=component.value,
            patient=Patient.from_json(patient.model_dump(mode="json")),
            emergency=priority is Priority.LIFE_THREATENING,
            low_titre_a_plasma=policy.low_titre_a_plasma,
        )
    )


PATIENTS = st.builds(
    patients.Patient,
    group=st.none() | st.sampled_from(BloodGroup),
    sex=st.none() | st.sampled_from(patients.Sex),
    age_years=st.none() | st.integers(0, 130),
    antibodies=st.sets(st.sampled_from(("D", "C", "e", "Mur", "Dia", "Jka"))).map(tuple),
    asian_del=st.booleans(),
    chronically_transfused=st.booleans(),
    rhd_consent=st.none() | st.just(CONSENT),
    anti_d_prophylaxis_ordered=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(
    component=st.sampled_from(Component),
    patient=PATIENTS,
    priority=st.sampled_from(Priority),
    policy=st.sampled_from(POLICIES),
)
def test_engine_agrees_between_the_limits(
    component: Component, patient: patients.Patient, priority: Priority, policy: StationPolicy
) -> None:
    told = told_by_engine(component, patient, priority, policy)

    assert told == told_by_table(component, patient, priority, policy)


@settings(max_examples=200, deadline=None)
@given(component=st.sampled_from(Component), patient=PATIENTS, priority=st.sampled_from(Priority))
def test_the_identical_group_comes_first_unless_it_would_harm(
    component: Component, patient: patients.Patient, priority: Priority
) -> None:
    listed = engine.list_candidates(
        component=component, patient=patient, priority=priority, policy=POLICIES[0]
    )
    groups = [one.group for one in listed]
    is_rhd_matched = component.spec.component_class is not ComponentClass.PLASMA
    if patient.group in groups and not patient.asian_del and is_rhd_matched:
        assert groups[0] == patient.group


@pytest.mark.parametrize("group", sorted(RHD_FALLBACK))
def test_the_consented_fallback_keeps_the_order_of_its_source(group: str) -> None:
    listed = engine.list_candidates(
        component=Component.RED_CELLS,
        patient=patients.Patient(
            group=BloodGroup(group), sex=patients.Sex.MALE, age_years=40, rhd_consent=CONSENT
        ),
        priority=Priority.LIFE_THREATENING,
        policy=POLICIES[0],
    )

    assert [str(one.group) for one in listed] == RHD_FALLBACK[group].split()


Mutation = tuple[str, Any]


def mutate_abo(component_class: str, recipient: Abo, donors: tuple[Abo, ...]) -> Mutation:
    table = {name: dict(rows) for name, rows in engine._ABO.items()}
    table[ComponentClass(component_class)][recipient] = donors
    return "_ABO", MappingProxyType(table)


def mutate_rule(name: str, **changes: object) -> Mutation:
    return "_RULES", {**engine._RULES, name: {**engine._RULES[name], **changes}}


MUTATIONS = {
    "A may get B red cells": mutate_abo("red_cells", Abo.A, (Abo.A, Abo.O, Abo.B)),
    "O may not get O red cells": mutate_abo("red_cells", Abo.O, ()),
    "AB may get O plasma": mutate_abo("plasma", Abo.AB, (Abo.AB, Abo.O)),
    "B platelets for A without low titre": mutate_abo("platelets", Abo.A, (Abo.A, Abo.AB, Abo.B)),
    "whole blood of any group for AB": mutate_abo("whole_blood", Abo.AB, (Abo.AB, Abo.B)),
    "childbearing ends at 49": mutate_rule("childbearing", female_to_age_years=49),
    "unknown women protected to 51": mutate_rule("unknown", female_rhd_negative_to_age_years=51),
    "unknown boys protected to 17": mutate_rule("unknown", male_rhd_negative_to_age_years=17),
    "no fallback for B": mutate_rule("rhd_fallback", B=[]),
}


@pytest.fixture
def forget_answers() -> Iterator[Callable[[], None]]:
    """The engine remembers its answers; those of a changed table must not outlive the test."""
    yield engine._list_candidates.cache_clear
    engine._list_candidates.cache_clear()


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_a_changed_rule_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch, forget_answers: Callable[[], None]
) -> None:
    one_per_class = (
        Component.RED_CELLS,
        Component.FROZEN_PLASMA,
        Component.PLATELETS,
        Component.WHOLE_BLOOD,
    )
    before = _list_differing(one_per_class)
    attribute, value = MUTATIONS[name]
    with monkeypatch.context() as changed:
        changed.setattr(engine, attribute, value)
        forget_answers()
        after = _list_differing(one_per_class)

    assert after - before


def _list_differing(components: tuple[Component, ...]) -> set[tuple[object, ...]]:
    """Where the two differ, over patients with no exception but a signed consent."""
    found: set[tuple[object, ...]] = set()
    for group, sex, age in itertools.product((None, *BloodGroup), patients.Sex, AGES):
        patient = patients.Patient(group=group, sex=sex, age_years=age, rhd_consent=CONSENT)
        for component, priority in itertools.product(components, Priority):
            told = told_by_engine(component, patient, priority, POLICIES[0])
            if told != told_by_table(component, patient, priority, POLICIES[0]):
                found.add((group, sex, age, component, priority))
    return found
