"""What follows from a patient's condition, decided as a batch is: the cases by name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from models.clearance import Cleared, Refused, Step, UnitFacts
from models.components import Component
from models.decisions import Decision
from models.directory import Journey
from models.emergency_release import EmergencyRelease
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import HardAttributes, Priority, RequestLine
from models.rules.rulebook import PACKAGED
from models.safety import clear
from models.units import UnitTraits
from models.use_times import find_last_departure
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from streams.matching.shelf_reads import list_wants
from tests.support.safety import build_facts, build_purpose, build_route
from tests.support.world import NOW, PEOPLES, build_request

Bag = Mapping[str, Any]
ETA_S = 1200


def bag(component: str, group: str, *, age_d: float = 1, left_d: float = 2, **traits: Any) -> Bag:  # noqa: ANN401 - any trait
    return {
        "component": Component(component),
        "group": BloodGroup(group),
        "collected_at": NOW - timedelta(days=age_d),
        "expires_at": NOW + timedelta(days=left_d),
        "traits": UnitTraits(**traits),
    }


def decide(shelf: list[Bag], **told: Any) -> tuple[list[str], Decision]:  # noqa: ANN401 - any fact
    """Return the units that are reserved, by their place on the shelf, and the decision.

    What is told beside component, quantity, priority and attributes is of the patient.
    """
    patient = {"group": "A+", **told}
    line = RequestLine(
        line_no=1,
        component=Component(patient.pop("component", "red_cells")),
        quantity=patient.pop("quantity", 1),
        attributes=HardAttributes.model_validate(patient.pop("attributes", {})),
    )
    priority = Priority(patient.pop("priority", "urgent"))
    request = build_request(
        lines=(line,),
        patient=Patient.model_validate(patient),
        priority=priority,
    )
    case = Case(
        request=request,
        hospital=PEOPLES,
        policy=StationPolicy(),
        journey=Journey(eta_s=ETA_S, estimated=False),
        version=1,
        cause_id="cause",
        rules=PACKAGED,
    )
    units: list[UnitFacts] = [
        build_facts(unit_id=str(number), **facts) for number, facts in enumerate(shelf)
    ]
    read = {(cell.component, cell.group) for cell in list_wants([case])}
    lying = [unit for unit in units if (unit.component, unit.group) in read]
    (matched,) = decide_batch([case], shelf=Shelf(lying), now=NOW, hold_s=3600)
    (decided,) = matched.decision.lines
    return [unit.unit_id for unit in decided.reserved], matched.decision


def list_codes(decision: Decision) -> set[str]:
    return {reason.code for line in decision.lines for reason in line.refusals}


def test_c22_and_c54_a_donor_with_antigens_that_the_patient_lacks_is_refused() -> None:
    own = {"hla_matched": ("A2", "B7")}
    foreign = bag("platelets", "A+", hla=("A2", "A33", "B7", "B58"), irradiated=True)
    fitting = bag("platelets", "A+", hla=("A2", "B7"), irradiated=True)
    reserved, decision = decide([foreign], component="platelets", attributes=own)
    assert reserved == []
    assert "hla_mismatched" in list_codes(decision)
    assert decide([foreign, fitting], component="platelets", attributes=own)[0] == ["1"]


def test_c22_types_may_differ_that_the_known_antibodies_do_not_hit() -> None:
    own = {"hla_matched": ("A2", "B7")}
    other = bag("platelets", "A+", hla=("A2", "A33", "B7", "B58"), irradiated=True)
    asked: dict[str, Any] = {"component": "platelets", "attributes": own}
    assert decide([other], **asked, hla_antibodies=["A24"])[0] == ["0"]
    assert decide([other], **asked, hla_antibodies=["A*33:03"])[0] == []


@pytest.mark.parametrize(
    "told", [{"attributes": {"hla_matched": ("A2", "B7")}}, {"hla_antibodies": ["A33"]}]
)
def test_c23_platelets_that_are_selected_by_hla_are_irradiated(told: dict[str, Any]) -> None:
    plain = bag("platelets", "A+", hla=("A2", "B7"))
    reserved, decision = decide([plain], component="platelets", **told)
    assert reserved == []
    assert "lacks_attribute" in list_codes(decision)


def test_c46_a_newborn_gets_fresh_blood_and_never_what_lies_for_a_month() -> None:
    old = bag("red_cells", "O+", age_d=34)
    fresh = bag("red_cells", "O+", age_d=2, cmv_negative=True, irradiated=True)
    for age in ({"age_years": 0}, {"age_days": 2}):
        for priority in ("life_threatening", "urgent"):
            assert decide([old, fresh], priority=priority, group="O+", **age)[0] == ["1"]
            assert decide([old], priority=priority, group="O+", **age)[0] == []
    assert decide([old], group="O+", age_days=200)[0] == ["0"]


def test_c46_cmv_negative_is_waived_in_danger_and_taken_first() -> None:
    plain = bag("red_cells", "O+", age_d=2, left_d=1)
    negative = bag("red_cells", "O+", age_d=2, left_d=2, cmv_negative=True)
    child = {"group": "O+", "age_days": 2}
    assert decide([plain], **child)[0] == []
    assert decide([plain], priority="life_threatening", **child)[0] == ["0"]
    assert decide([plain, negative], priority="life_threatening", **child)[0] == ["1"]


def test_c46_an_age_in_days_says_the_years_and_contradicts_others() -> None:
    assert Patient(age_days=3).age_years == 0
    assert Patient(age_days=364).age_years == 0
    assert Patient(age_days=365).age_years == 1
    with pytest.raises(ValidationError, match=r"age_days: age_contradicts\b"):
        Patient(age_days=3, age_years=30)


@pytest.mark.parametrize(
    ("days", "years", "may_be"),
    [
        (728, 0, True),
        (729, 1, True),
        (730, 1, True),
        (730, 2, True),
        (730, 0, False),
        (730, 3, False),
    ],
)
def test_years_and_days_may_differ_by_the_year_that_was_not_counted_yet(
    days: int, years: int, may_be: bool
) -> None:
    if may_be:
        assert Patient(age_days=days, age_years=years).age_years == years
    else:
        with pytest.raises(ValidationError, match=r"age_days: age_contradicts\b"):
            Patient(age_days=days, age_years=years)


def test_c47_a_mothers_antibodies_are_the_childs() -> None:
    shelf = [bag("red_cells", "A+", age_d=2), bag("red_cells", "O+", age_d=2)]
    assert decide(shelf, age_years=0, antibodies=("A",))[0] == ["1"]
    told = {"mother": {"group": "A+", "antibodies": ["抗-E"]}, "age_days": 40}
    assert decide([bag("red_cells", "A+", age_d=2)], **told)[0] == []
    assert decide([bag("red_cells", "A+", age_d=2, antigen_negative=("E",))], **told)[0] == ["0"]


@pytest.mark.parametrize("indication", ["intrauterine", "exchange"])
def test_c48_the_indication_brings_its_whole_specification(indication: str) -> None:
    ready: dict[str, Any] = {
        "cmv_negative": True,
        "hbs_negative": True,
        "low_titre": True,
        "antigen_negative": ("K",),
        "irradiated_at": NOW - timedelta(hours=2),
    }
    asked = {"attributes": {"indications": (indication,)}, "group": "O+", "age_years": 1}
    assert decide([bag("red_cells", "O+", age_d=2, **ready)], **asked)[0] == ["0"]
    for changed in (
        {"cmv_negative": False},
        {"hbs_negative": False},
        {"low_titre": False},
        {"antigen_negative": ()},
        {"irradiated_at": NOW - timedelta(hours=30)},
        {"irradiated_at": None},
    ):
        assert decide([bag("red_cells", "O+", age_d=2, **{**ready, **changed})], **asked)[0] == []
    assert decide([bag("red_cells", "O+", age_d=8, **ready)], **asked)[0] == []


@pytest.mark.parametrize("indication", ["intrauterine", "exchange"])
def test_c06_c48_the_24_h_since_irradiation_count_until_the_last_drop(indication: str) -> None:
    """Irradiated, carried to the hospital, given over four hours: all of it within 24 h."""
    asked = {"attributes": {"indications": (indication,)}, "group": "O+", "age_years": 1}
    used_at = max(NOW + timedelta(seconds=ETA_S), build_request().needed_by)
    just = used_at + timedelta(hours=4) - timedelta(hours=24)

    def decide_at(irradiated_at: datetime) -> tuple[list[str], Decision]:
        ready: dict[str, Any] = {"cmv_negative": True, "hbs_negative": True, "low_titre": True}
        told = {**ready, "antigen_negative": ("K",), "irradiated_at": irradiated_at}
        return decide([bag("red_cells", "O+", age_d=2, **told)], **asked)

    assert NOW - just < timedelta(hours=19), "it is well within 24 h when it is decided"
    assert decide_at(just)[0] == ["0"]
    reserved, decision = decide_at(just - timedelta(seconds=1))
    assert reserved == []
    assert list_codes(decision) >= {"irradiated_too_long_ago"}


EXCHANGE: dict[str, Any] = {
    "cmv_negative": True,
    "hbs_negative": True,
    "low_titre": True,
    "antigen_negative": ("K",),
}


@pytest.mark.parametrize(
    ("unit", "patient", "latest"),
    [
        # Its own end, less the transfusion and the way.
        ({"expires_at": NOW + timedelta(hours=9)}, {}, NOW + timedelta(hours=5)),
        (
            {
                "component": Component.FRESH_FROZEN_PLASMA,
                "expires_at": NOW + timedelta(hours=9),
            },
            {},
            NOW + timedelta(hours=7, minutes=30),
        ),
        (
            {
                "component": Component.FRESH_FROZEN_PLASMA,
                "traits": UnitTraits(thawed_at=NOW - timedelta(hours=20)),
                "expires_at": NOW + timedelta(days=90),
            },
            {},
            NOW + timedelta(hours=3),
        ),
        # Its age when it is given.
        (
            {"collected_at": NOW - timedelta(days=4)},
            {"age_days": 40, "age_years": 0, "indications": ("infant",)},
            NOW + timedelta(days=1),
        ),
        # The hours since it was irradiated, less the transfusion; at collection if nobody says.
        (
            {"traits": UnitTraits(**EXCHANGE, irradiated_at=NOW - timedelta(hours=11))},
            {"age_years": 1, "indications": ("exchange",)},
            NOW + timedelta(hours=9),
        ),
        (
            {
                "traits": UnitTraits(**EXCHANGE, irradiated=True),
                "collected_at": NOW - timedelta(hours=15),
            },
            {"age_years": 1, "indications": ("exchange",)},
            NOW + timedelta(hours=5),
        ),
    ],
)
def test_c63_a_unit_may_leave_until_it_could_not_be_given_in_time(
    unit: dict[str, Any], patient: dict[str, Any], latest: datetime
) -> None:
    facts = build_facts(**{"expires_at": NOW + timedelta(days=9), **unit})
    told = Patient.model_validate({"group": "A+", **patient})
    purpose = build_purpose(component=facts.component, patient=told)
    at = find_last_departure(facts, purpose, release=None, eta_s=ETA_S, rules=PACKAGED)
    assert at == latest - timedelta(seconds=ETA_S)

    def clear_at(departure: datetime) -> Cleared | Refused:
        arrival_at = departure + timedelta(seconds=ETA_S)
        route = build_route(arrival_at=arrival_at, transport_s=ETA_S)
        return clear(
            facts,
            purpose=purpose,
            step=Step.RESERVE,
            route=route,
            now=min(departure, NOW),
            rules=PACKAGED,
        )

    assert isinstance(clear_at(at), Cleared)
    assert isinstance(clear_at(at + timedelta(seconds=1)), Refused), "as the kernel has it"


@pytest.mark.parametrize(
    ("passes", "unit", "patient", "latest"),
    [
        # Too old or not irradiated, and taken all the same: its own end alone counts.
        (
            "special_needs",
            {"collected_at": NOW - timedelta(days=9)},
            {"age_days": 40, "age_years": 0, "indications": ("infant",)},
            timedelta(days=9) - timedelta(hours=4),
        ),
        (
            "special_needs",
            {"collected_at": NOW - timedelta(days=4)},
            {"age_years": 1, "indications": ("exchange",)},
            timedelta(days=9) - timedelta(hours=4),
        ),
        # Irradiated hours ago, and taken all the same; or not.
        (
            "special_needs",
            {"traits": UnitTraits(irradiated_at=NOW - timedelta(hours=5))},
            {"age_years": 1, "indications": ("exchange",)},
            timedelta(days=9) - timedelta(hours=4),
        ),
        (
            "antibodies",
            {"traits": UnitTraits(irradiated_at=NOW - timedelta(hours=5))},
            {"age_years": 1, "indications": ("exchange",)},
            timedelta(hours=24 - 5 - 4),
        ),
        # It was never irradiated: no hours run.
        (
            "antibodies",
            {},
            {"age_years": 1, "indications": ("exchange",)},
            timedelta(days=5) - timedelta(hours=6),
        ),
        # What is passed is another thing.
        (
            "antibodies",
            {"collected_at": NOW - timedelta(days=4)},
            {"age_days": 40, "age_years": 0, "indications": ("infant",)},
            timedelta(days=1),
        ),
    ],
)
def test_what_a_clinician_passes_ends_no_hold(
    passes: str, unit: dict[str, Any], patient: dict[str, Any], latest: timedelta
) -> None:
    facts = build_facts(**{"expires_at": NOW + timedelta(days=9), **unit})
    told = Patient.model_validate({"group": "A+", **patient})
    purpose = build_purpose(component=facts.component, patient=told)
    release = EmergencyRelease.model_validate(
        {"clinician": "Dr A", "reason": "bleeds to death", "passes": [passes]}
    )
    at = find_last_departure(facts, purpose, release=release, eta_s=ETA_S, rules=PACKAGED)
    assert at == NOW + latest - timedelta(seconds=ETA_S)


def test_c52_an_anti_cd38_drug_is_told_to_the_laboratory_and_red_cells_lack_k() -> None:
    shelf = [bag("red_cells", "A+"), bag("red_cells", "A+", antigen_negative=("K",))]
    reserved, decision = decide(shelf, indications=["anti_cd38"])
    assert reserved == ["1"]
    assert "laboratory_anti_cd38" in {reason.code for reason in decision.reasons}
    assert decide(shelf[:1], indications=["anti_cd38"], priority="life_threatening")[0] == ["0"]


def test_c53_red_cells_that_are_to_be_washed_find_washed_red_cells() -> None:
    shelf = [bag("washed_red_cells", "A+", age_d=0.1, left_d=0.8) for _ in range(2)]
    washed = {"washed": True}
    assert decide(shelf, quantity=2, attributes=washed)[0] == ["0", "1"]
    assert decide(shelf, quantity=2)[0] == []
    assert decide(shelf, component="platelets", attributes=washed)[0] == []


def test_c53_iga_deficiency_asks_for_washed_cells_and_plasma_of_such_donors() -> None:
    needs = {"indications": ["iga_deficient"]}
    washed = bag("washed_red_cells", "A+", age_d=0.1, left_d=0.8)
    assert decide([bag("red_cells", "A+"), washed], **needs)[0] == ["1"]
    plasma = [
        bag("frozen_plasma", "A+"),
        bag("frozen_plasma", "A+", washed=True),
        bag("frozen_plasma", "A+", iga_deficient=True),
    ]
    assert decide(plasma, component="frozen_plasma", **needs)[0] == ["2"]


@pytest.mark.parametrize(
    "told", [{"indications": ["iga_deficient"]}, {"attributes": {"washed": True}}]
)
def test_c53_deglycerolised_red_cells_were_washed_in_being_made(told: dict[str, Any]) -> None:
    made = bag("deglycerolised_red_cells", "A+", age_d=0.1, left_d=0.8)
    assert decide([made], component="deglycerolised_red_cells", **told)[0] == ["0"]


def test_c55_the_same_type_in_other_words_is_found() -> None:
    typed = bag("platelets", "A+", hla=("A*02:01",), irradiated=True)
    asked = {"component": "platelets", "attributes": {"hla_matched": ("A2",)}}
    assert decide([typed], **asked)[0] == ["0"]


def test_c56_antibodies_against_platelet_antigens_count_for_platelets_alone() -> None:
    untyped, typed = (
        bag("platelets", "A+"),
        bag("platelets", "A+", platelet_antigen_negative=("Nak(a)",)),
    )
    told = {"platelet_antibodies": ["CD36"]}
    assert decide([untyped, typed], component="platelets", **told)[0] == ["1"]
    assert decide([bag("red_cells", "A+")], **told)[0] == ["0"]
    mothers = {"mother": {"group": "A+", "platelet_antibodies": ["HPA-1a"]}, "age_days": 1}
    assert decide([untyped], component="platelets", **mothers)[0] == []


def test_c57_a_phenotype_is_matched_and_while_it_is_unknown_typed_units_go_first() -> None:
    untyped = bag("red_cells", "A+", left_d=1)
    typed = bag("red_cells", "A+", left_d=2, antigen_negative=("E", "c", "K"))
    patient = {"chronically_transfused": True, "age_years": 12}
    reserved, decision = decide([untyped, typed], priority="routine", **patient)
    assert reserved == ["1"]
    assert "phenotype_wanted" in {reason.code for reason in decision.reasons}
    known = {**patient, "antigen_negative": ("E", "c", "K")}
    assert decide([untyped], priority="routine", **known)[0] == []
    reserved, decision = decide([untyped, typed], priority="routine", **known)
    assert reserved == ["1"]
    assert "phenotype_wanted" not in {reason.code for reason in decision.reasons}
    assert decide([typed], indications=["sickle_cell"])[0] == [], "it was not tested for HbS"


def test_c58_blood_of_a_relative_is_irradiated_whoever_gets_it() -> None:
    for component in ("red_cells", "platelets", "whole_blood"):
        given = bag(component, "A+", of_relative=True, age_d=0.5, left_d=1)
        reserved, decision = decide([given], component=component)
        assert reserved == []
        assert "relative_not_irradiated" in list_codes(decision)
        safe = bag(component, "A+", of_relative=True, irradiated=True, age_d=0.5, left_d=1)
        assert decide([safe], component=component)[0] == ["0"]
    assert decide([bag("frozen_plasma", "A+", of_relative=True)], component="frozen_plasma")[0]
