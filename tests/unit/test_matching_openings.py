"""What would open blood that lies on the shelf: the kernel asked again with one fact changed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.components import Component
from models.decisions import LineDecision, Outcome
from models.directory import Journey
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient, Sex
from models.requests import Priority
from models.rules.rulebook import PACKAGED, Rulebook
from models.texts import render
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from tests.support.rules import accept
from tests.support.supply import AT, make_units
from tests.support.world import PEOPLES, build_request

DYING = Priority.LIFE_THREATENING
PROTECTING = accept({"unknown.group": {"rhd_positive_for_all": False}})
"""The rules of a station that keeps RhD- for untyped females to 50 and males to 18."""


def decide(
    patient: Patient,
    shelf: dict[str, int],
    *,
    component: Component = Component.RED_CELLS,
    quantity: int = 2,
    priority: Priority = DYING,
    same_patient: tuple[str, ...] = (),
    lying: Component | None = None,
    within_d: int = 0,
    rules: Rulebook = PACKAGED,
) -> tuple[Outcome, LineDecision, list[str]]:
    units = [
        unit
        for group, count in shelf.items()
        for unit in make_units(
            count, station_id="shigatse", group=BloodGroup(group), component=lying or component
        )
    ]
    request = build_request(
        patient=patient, quantity=quantity, component=component, priority=priority, now=AT
    )
    if within_d:
        request = request.but(needed_by=AT + timedelta(days=within_d))
    case = Case(
        request=request,
        hospital=PEOPLES,
        policy=StationPolicy(),
        journey=Journey(eta_s=1200, estimated=False),
        version=1,
        cause_id="cause",
        same_patient=same_patient,
        rules=rules,
    )
    (matched,) = decide_batch([case], shelf=Shelf(units), now=AT, hold_s=3600)
    decision = matched.decision
    return decision.outcome, decision.lines[0], [reason.code for reason in decision.reasons]


def told(line: LineDecision) -> dict[str, dict[str, object]]:
    return {reason.code: dict(reason.params) for reason in line.refusals}


def test_f13_a_signed_consent_is_named_with_what_it_would_open() -> None:
    woman = Patient(group=BloodGroup.A_NEG, sex=Sex.FEMALE, age_years=25)
    _, line, _ = decide(woman, {"A-": 1, "A+": 3}, priority=Priority.URGENT)
    assert told(line)["consent_would_open"] == {"groups": "A+", "units": 3}


def test_f13_nothing_is_named_that_would_open_nothing() -> None:
    woman = Patient(group=BloodGroup.A_NEG, sex=Sex.FEMALE, age_years=25)
    _, line, _ = decide(woman, {"A-": 1, "B+": 3}, priority=Priority.URGENT)
    assert "consent_would_open" not in told(line)
    covered = decide(woman, {"A-": 2, "A+": 3})[1]
    assert covered.refusals == ()


def test_f13_no_consent_opens_anything_to_a_holder_of_anti_d() -> None:
    woman = Patient(group=BloodGroup.A_NEG, antibodies=("D",))
    _, line, _ = decide(woman, {"A+": 3})
    assert "consent_would_open" not in told(line)


def test_f04_an_age_or_a_sample_is_named_for_an_unidentified_man() -> None:
    stranger = Patient(sex=Sex.MALE)
    _, line, _ = decide(stranger, {"O+": 3, "A+": 5}, priority=Priority.ROUTINE)
    assert told(line)["age_would_open"] == {"groups": "O+", "units": 3}
    assert told(line)["typing_would_open"]["units"] == 8


def test_f13_an_order_for_anti_d_is_named_for_platelets() -> None:
    woman = Patient(group=BloodGroup.A_NEG, sex=Sex.FEMALE, age_years=25)
    _, line, _ = decide(woman, {"A+": 2}, component=Component.PLATELETS, priority=Priority.URGENT)
    assert told(line)["prophylaxis_would_open"] == {"groups": "A+", "units": 2}


def test_f14_groups_that_must_be_of_low_titre_are_told_apart() -> None:
    patient = Patient(group=BloodGroup.AB_POS)
    _, line, _ = decide(patient, {"O+": 2}, component=Component.PLATELETS)
    short = told(line)["stock_short_low_titre"]
    assert short["groups"] == "AB+ AB-"
    assert "O+" in str(short["low_titre_groups"]).split()


def test_f14_a_group_that_is_kept_for_others_is_not_among_those_that_may_be_given() -> None:
    patient = Patient(group=BloodGroup.A_POS)
    _, line, _ = decide(patient, {"A-": 2, "O-": 2}, priority=Priority.ROUTINE)
    assert told(line)["kept_for_rhd_negative"]["units"] == 4
    assert told(line)["stock_short"]["groups"] == "A+ O+"
    # Nor does another component or an earlier time open what would be kept all the same.
    washed = Component.WASHED_RED_CELLS
    _, line, _ = decide(patient, {"A-": 2}, priority=Priority.ROUTINE, lying=washed)
    assert "component_would_open" not in told(line)
    _, line, _ = decide(patient, {"A-": 2}, priority=Priority.ROUTINE, within_d=20)
    assert "time_would_open" not in told(line)
    _, line, _ = decide(patient, {"B-": 2}, priority=Priority.LIFE_THREATENING)
    assert told(line)["stock_short"]["groups"] == "A+ O+ A- O-"


def test_f14_no_list_of_groups_is_empty() -> None:
    """Of a routine order for who is not typed nothing is simply given: it waits for a sample."""
    stranger = Patient(sex=Sex.FEMALE, age_years=43)
    _, line, _ = decide(stranger, {"A+": 2}, priority=Priority.ROUTINE)
    assert set(told(line)) == {"typing_would_open", "stock_short_of_any"}
    assert "sample" in render("stock_short_of_any", told(line)["stock_short_of_any"]).en
    _, line, _ = decide(stranger, {"A+": 2}, priority=Priority.LIFE_THREATENING)
    assert told(line)["stock_short"]["groups"] == "O+ O-"


def test_f55_the_same_order_again_names_the_first() -> None:
    patient = Patient(group=BloodGroup.A_POS, reference="bed-1")
    outcome, _, reasons = decide(patient, {"A+": 4}, same_patient=("r-first",))
    assert outcome is Outcome.RESERVED
    assert reasons == ["same_patient_open"]


def test_f04_the_last_o_negative_bags_come_with_what_would_spare_them() -> None:
    stranger = Patient(sex=Sex.MALE)
    outcome, line, reasons = decide(stranger, {"O-": 2}, rules=PROTECTING)
    assert outcome is Outcome.RESERVED
    assert {unit.group for unit in line.reserved} == {BloodGroup.O_NEG}
    assert reasons == ["age_would_spare", "typing_would_spare"]
    # What is said there holds: some 40 years, and O+ is given.
    adult = stranger.but(age_years=40, age_estimated=True)
    line, reasons = decide(adult, {"O-": 2, "O+": 6}, rules=PROTECTING)[1:]
    assert {unit.group for unit in line.reserved} == {BloodGroup.O_POS}
    assert reasons == []
    # Where RhD- is rare, it is the last that anybody untyped is given.
    assert decide(stranger, {"O-": 2})[2] == ["typing_would_spare"]


def test_f04_a_known_patient_is_told_of_nothing_to_spare() -> None:
    assert decide(Patient(group=BloodGroup.O_NEG), {"O-": 2})[2] == []
    # For a holder of anti-D there is no other blood.
    assert decide(Patient(antibodies=("D",)), {"O-": 2})[2] == []


@pytest.mark.parametrize(
    ("sex", "age_years", "group"),
    [
        (Sex.FEMALE, 45, BloodGroup.O_NEG),
        (Sex.FEMALE, 60, BloodGroup.O_NEG),
        (Sex.FEMALE, 61, BloodGroup.O_POS),
        (Sex.MALE, 28, BloodGroup.O_NEG),
        (Sex.MALE, 29, BloodGroup.O_POS),
        (None, 60, BloodGroup.O_NEG),
        (None, 61, BloodGroup.O_POS),
    ],
)
def test_f04_an_estimated_age_protects_whoever_may_be_under_the_limit(
    sex: Sex | None, age_years: int, group: BloodGroup
) -> None:
    patient = Patient(sex=sex, age_years=age_years, age_estimated=True)
    _, line, _ = decide(patient, {"O-": 2, "O+": 2}, priority=Priority.URGENT, rules=PROTECTING)
    assert {unit.group for unit in line.reserved} == {group}


def test_f04_an_estimated_age_keeps_rhd_negative_platelets_for_a_woman() -> None:
    woman = Patient(group=BloodGroup.A_NEG, sex=Sex.FEMALE, age_years=55, age_estimated=True)
    urgent, platelets = Priority.URGENT, Component.PLATELETS
    assert decide(woman, {"A+": 2}, component=platelets, priority=urgent)[0] is Outcome.WAITING
    known = woman.but(age_estimated=False)
    assert decide(known, {"A+": 2}, component=platelets, priority=urgent)[0] is Outcome.RESERVED


def test_f13_an_age_is_named_for_platelets_of_a_typed_patient() -> None:
    patient = Patient(group=BloodGroup.A_NEG)
    _, line, _ = decide(patient, {"A+": 2}, component=Component.PLATELETS, priority=Priority.URGENT)
    assert told(line)["age_would_open"] == {"groups": "A+", "units": 2}


def test_f13_another_component_of_the_same_use_is_named() -> None:
    patient = Patient(group=BloodGroup.A_POS)
    _, line, _ = decide(
        patient,
        {"A+": 2},
        component=Component.FRESH_FROZEN_PLASMA,
        lying=Component.FROZEN_PLASMA,
    )
    assert told(line)["component_would_open"] == {
        "groups": "A+",
        "units": 2,
        "component": "frozen_plasma",
    }


def test_f13_an_earlier_time_is_named_for_what_will_have_expired() -> None:
    patient = Patient(group=BloodGroup.A_POS)
    _, line, _ = decide(patient, {"A+": 2}, within_d=400)
    opening = told(line)["time_would_open"]
    assert (opening["groups"], opening["units"]) == ("A+", 2)
    assert str(opening["expires_at"]).endswith("+00:00")


def test_f13_a_sample_opens_only_what_the_kernel_would_clear() -> None:
    stranger = Patient(sex=Sex.MALE, antibodies=("E",))
    _, line, _ = decide(stranger, {"A+": 5})
    assert "typing_would_open" not in told(line)
