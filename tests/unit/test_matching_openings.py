"""What would open blood that lies on the shelf: the kernel asked again with one fact changed."""

from __future__ import annotations

from models.components import Component
from models.decisions import LineDecision, Outcome
from models.directory import Journey
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient, Sex
from models.requests import Priority
from streams.matching.cases import Case
from streams.matching.requests import decide_batch
from streams.matching.shelf import Shelf
from tests.support.supply import AT, make_units
from tests.support.world import PEOPLES, build_request

DYING = Priority.LIFE_THREATENING


def decide(
    patient: Patient,
    shelf: dict[str, int],
    *,
    component: Component = Component.RED_CELLS,
    quantity: int = 2,
    priority: Priority = DYING,
    same_patient: tuple[str, ...] = (),
) -> tuple[Outcome, LineDecision, list[str]]:
    units = [
        unit
        for group, count in shelf.items()
        for unit in make_units(
            count, station_id="shigatse", group=BloodGroup(group), component=component
        )
    ]
    request = build_request(
        patient=patient, quantity=quantity, component=component, priority=priority, now=AT
    )
    case = Case(
        request=request,
        hospital=PEOPLES,
        policy=StationPolicy(),
        journey=Journey(eta_s=1200, estimated=False),
        version=1,
        cause_id="cause",
        same_patient=same_patient,
    )
    (matched,) = decide_batch([case], shelf=Shelf(units), now=AT, hold_s=3600)
    decision = matched.decision
    return decision.outcome, decision.lines[0], [reason.code for reason in decision.reasons]


def told(line: LineDecision) -> dict[str, dict[str, object]]:
    return {reason.code: dict(reason.params) for reason in line.refusals}


def test_f13_a_signed_consent_is_named_with_what_it_would_open() -> None:
    woman = Patient(group=BloodGroup.A_NEG, sex=Sex.FEMALE, age_years=25)
    _, line, _ = decide(woman, {"A-": 1, "A+": 3})
    assert told(line)["consent_would_open"] == {"groups": "A+", "units": 3}


def test_f13_nothing_is_named_that_would_open_nothing() -> None:
    woman = Patient(group=BloodGroup.A_NEG, sex=Sex.FEMALE, age_years=25)
    _, line, _ = decide(woman, {"A-": 1, "B+": 3})
    assert "consent_would_open" not in told(line)
    covered = decide(woman, {"A-": 2, "A+": 3})[1]
    assert covered.refusals == ()


def test_f13_no_consent_opens_anything_to_a_holder_of_anti_d() -> None:
    woman = Patient(group=BloodGroup.A_NEG, antibodies=("D",))
    _, line, _ = decide(woman, {"A+": 3})
    assert "consent_would_open" not in told(line)


def test_f04_an_age_or_a_sample_is_named_for_an_unidentified_man() -> None:
    stranger = Patient(sex=Sex.MALE)
    _, line, _ = decide(stranger, {"O-": 1, "O+": 3, "A+": 5}, priority=Priority.URGENT)
    assert told(line)["age_would_open"] == {"groups": "O+", "units": 3}
    assert told(line)["typing_would_open"]["units"] == 8


def test_f13_an_order_for_anti_d_is_named_for_platelets() -> None:
    woman = Patient(group=BloodGroup.A_NEG, sex=Sex.FEMALE, age_years=25)
    _, line, _ = decide(woman, {"A+": 2}, component=Component.PLATELETS)
    assert told(line)["prophylaxis_would_open"] == {"groups": "A+", "units": 2}


def test_f14_groups_that_must_be_of_low_titre_are_told_apart() -> None:
    patient = Patient(group=BloodGroup.AB_POS)
    _, line, _ = decide(patient, {"O+": 2}, component=Component.PLATELETS)
    short = told(line)["stock_short_low_titre"]
    assert short["groups"] == "AB+ AB-"
    assert "O+" in str(short["low_titre_groups"]).split()


def test_f55_the_same_order_again_names_the_first() -> None:
    patient = Patient(group=BloodGroup.A_POS, reference="bed-1")
    outcome, _, reasons = decide(patient, {"A+": 4}, same_patient=("r-first",))
    assert outcome is Outcome.RESERVED
    assert reasons == ["same_patient_open"]
