"""The engine's compatibility against a second table, written by other hands from the sources.

Every patient that the rules can tell apart is gone through by `test_safety_kernel.py`, which asks
for each unit; here Hypothesis adds what lies between the limits, and the order of the groups.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.compatibility import RHD_FALLBACK, GroupTerms, Patient, Situation, get_allowed
from models import compatibility as engine
from models import patients
from models.components import Component, ComponentClass
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.requests import Priority
from models.rules.rulebook import PACKAGED, Rulebook
from tests.support.kernel_tables import CONSENT, POLICIES
from tests.support.rules import change_rule

AGES = (None, 18, 19, 50, 51)


def told_by_engine(
    component: Component,
    patient: patients.Patient,
    priority: Priority,
    policy: StationPolicy,
    rules: Rulebook = PACKAGED,
) -> dict[str, GroupTerms]:
    listed = engine.list_candidates(
        component=component, patient=patient, priority=priority, policy=policy, rules=rules
    )
    assert [candidate.rank for candidate in listed] == list(range(len(listed)))
    found = {
        str(candidate.group): GroupTerms(
            low_titre=candidate.low_titre_only, capped=candidate.capped
        )
        for candidate in listed
    }
    assert len(found) == len(listed)
    return found


def told_by_table(
    component: Component,
    patient: patients.Patient,
    priority: Priority,
    policy: StationPolicy,
) -> dict[str, GroupTerms]:
    return get_allowed(
        Situation(
            component=component.value,
            patient=Patient.from_json(patient.model_dump(mode="json")),
            priority=priority.value,
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
        component=component, patient=patient, priority=priority, policy=POLICIES[0], rules=PACKAGED
    )
    groups = [candidate.group for candidate in listed]
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
        rules=PACKAGED,
    )

    assert [str(candidate.group) for candidate in listed] == RHD_FALLBACK[group].split()


MUTATIONS = {
    "A may get B red cells": change_rule("compatibility", "abo.red_cells", A=["A", "O", "B"]),
    "O may not get O red cells": change_rule("compatibility", "abo.red_cells", O=[]),
    "AB may get O plasma": change_rule("compatibility", "abo.plasma", AB=["AB", "O"]),
    "B platelets for A without low titre": change_rule(
        "compatibility", "abo.platelets", A=["A", "AB", "B"]
    ),
    "whole blood of any group for AB": change_rule(
        "compatibility", "abo.whole_blood", AB=["AB", "B"]
    ),
    "childbearing ends at 49": change_rule("compatibility", "childbearing", female_to_age_years=49),
    "unknown women protected to 51": change_rule(
        "compatibility", "unknown", female_rhd_negative_to_age_years=51
    ),
    "unknown boys protected to 17": change_rule(
        "compatibility", "unknown", male_rhd_negative_to_age_years=17
    ),
    "no fallback for B": change_rule("compatibility", "rhd_fallback", B=[]),
}


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_a_changed_rule_is_noticed(name: str) -> None:
    one_per_class = (
        Component.RED_CELLS,
        Component.FROZEN_PLASMA,
        Component.PLATELETS,
        Component.WHOLE_BLOOD,
    )
    before = _list_differing(one_per_class, PACKAGED)
    assert _list_differing(one_per_class, MUTATIONS[name]) - before


def _list_differing(components: tuple[Component, ...], rules: Rulebook) -> set[tuple[object, ...]]:
    """Where the two differ, over patients with no exception but a signed consent."""
    found: set[tuple[object, ...]] = set()
    for group, sex, age in itertools.product((None, *BloodGroup), patients.Sex, AGES):
        patient = patients.Patient(group=group, sex=sex, age_years=age, rhd_consent=CONSENT)
        for component, priority in itertools.product(components, Priority):
            told = told_by_engine(component, patient, priority, POLICIES[0], rules)
            if told != told_by_table(component, patient, priority, POLICIES[0]):
                found.add((group, sex, age, component, priority))
    return found
