"""How a unit was made decides how long it lives, and what it may still be used for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.files.sheets import open_csv
from gateway.files.stock_imports import ReleaseTerms, parse_units
from models.components import Component
from models.decisions import Decision, Outcome
from models.directory import Directory, Journey
from models.events.stock import Attestation, CountedUnit
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient, RhdConsent, Sex
from models.requests import HardAttributes, Priority
from models.rules.rulebook import PACKAGED
from models.shelf_lives import Anticoagulant, PlateletBag, find_full_life, rests_on_label
from models.texts.instants import BEIJING
from models.units import Unit, UnitTraits
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from tests.support.safety import build_facts
from tests.support.world import NOW, PEOPLES, build_request

Bag = tuple[str, timedelta, timedelta, dict[str, Any]]
"""Component, age, time left to its label, and how it was made."""

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def label(component: str, *, age: timedelta, left: timedelta, **made: Any) -> Unit:  # noqa: ANN401 - any trait
    return Unit(
        unit_id="u",
        donation_id="d",
        station_id="shigatse",
        component=Component(component),
        group=BloodGroup.A_POS,
        volume_ml=200,
        collected_at=NOW - age,
        expires_at=NOW + left,
        traits=UnitTraits.model_validate(made),
    )


def choose(
    *bags: Bag,
    component: str = "red_cells",
    wanted: HardAttributes | None = None,
    patient: Patient | None = None,
    need_h: float = 3,
    eta_s: int = 1800,
) -> tuple[list[str], list[str]]:
    """What a request for one unit gets of these bags, and why not; a bag is named by its place."""
    shelf = [
        build_facts(
            unit_id=f"u{at}",
            component=Component(name),
            collected_at=NOW - age,
            expires_at=NOW + left,
            traits=UnitTraits.model_validate(made),
        )
        for at, (name, age, left, made) in enumerate(bags)
    ]
    request = build_request(
        request_id="r",
        patient=patient or Patient(group=BloodGroup.A_POS),
        component=Component(component),
        quantity=1,
        priority=Priority.URGENT,
        needed_in_h=need_h,
    )
    (asked,) = request.lines
    request = request.but(lines=(asked.but(attributes=wanted or HardAttributes()),))
    case = Case(
        request=request,
        hospital=PEOPLES,
        policy=StationPolicy(),
        journey=Journey(eta_s=eta_s, estimated=False),
        version=1,
        cause_id="e",
        rules=PACKAGED,
    )
    (matched,) = decide_batch([case], shelf=Shelf(shelf), now=NOW, hold_s=3600)
    (line,) = matched.decision.lines
    return [reserved.unit_id for reserved in line.reserved], [
        reason.code for reason in line.refusals
    ]


@pytest.mark.parametrize("solution", ["as_1", "as_3", "as_5"])
def test_c02_red_cells_in_an_additive_solution_keep_for_42_days(solution: str) -> None:
    label("red_cells", age=0 * DAY, left=41 * DAY, anticoagulant=solution)
    bag = ("red_cells", 41 * DAY, 1 * DAY, {"anticoagulant": solution})
    assert choose(bag)[0] == ["u0"]
    # Which solution it is, is not made up.
    with pytest.raises(ValidationError, match="expiry_too_late"):
        label("red_cells", age=0 * DAY, left=41 * DAY)


@pytest.mark.parametrize("solution", ["cpda_1", "map", "sagm"])
def test_red_cells_of_35_days_have_no_label_of_42(solution: str) -> None:
    label("red_cells", age=0 * DAY, left=35 * DAY, anticoagulant=solution)
    with pytest.raises(ValidationError, match="expiry_too_late"):
        label("red_cells", age=0 * DAY, left=42 * DAY, anticoagulant=solution)


def test_red_cells_in_saline_keep_for_a_day() -> None:
    label("red_cells", age=0 * DAY, left=1 * DAY, anticoagulant="saline")
    with pytest.raises(ValidationError, match="expiry_too_late"):
        label("red_cells", age=0 * DAY, left=3 * DAY, anticoagulant="saline")


@pytest.mark.parametrize("solution", ["cpd", "acd_b", "cp2d"])
@pytest.mark.parametrize("component", ["red_cells", "whole_blood"])
def test_c03_a_bag_of_21_days_has_no_label_of_35(solution: str, component: str) -> None:
    with pytest.raises(ValidationError, match="expiry_too_late") as told:
        label(component, age=0 * DAY, left=35 * DAY, anticoagulant=solution)
    assert f"shelf_life.{component}" in str(told.value.errors()[0]["ctx"]["error"].params["cited"])
    label(component, age=0 * DAY, left=21 * DAY, anticoagulant=solution)
    late = (component, 22 * DAY + HOUR, 10 * DAY, {"anticoagulant": solution})
    reserved, why = choose(late, component=component)
    assert not reserved
    assert "expires_before_arrival" in why


@pytest.mark.parametrize(
    "made", [{"bag": "ordinary"}, {"agitated": False}, {"bag": "ordinary", "agitated": True}]
)
def test_c04_platelets_in_an_ordinary_bag_or_lying_still_keep_for_24_h(
    made: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError, match="expiry_too_late"):
        label("platelets", age=0 * DAY, left=6 * DAY, **made)
    label("platelets", age=0 * DAY, left=1 * DAY, **made)
    old = ("platelets", 25 * HOUR, 3 * DAY, made)
    moved = ("platelets", 25 * HOUR, 4 * DAY, {"bag": "permeable", "agitated": True})
    assert choose(old, moved, component="platelets")[0] == ["u1"]


def test_c05_washed_red_cells_keep_for_24_h_from_washing() -> None:
    made = {"washed_at": NOW - HOUR}
    label("washed_red_cells", age=10 * DAY, left=23 * HOUR, **made)
    bag = ("washed_red_cells", 10 * DAY, 23 * HOUR, made)
    assert choose(bag, component="washed_red_cells")[0] == ["u0"]
    with pytest.raises(ValidationError, match="expiry_too_late"):
        label("washed_red_cells", age=10 * DAY, left=24 * HOUR, **made)
    # Whatever is washed keeps no longer than that, whichever name it has.
    washed = ("red_cells", 10 * DAY, 20 * DAY, {"washed_at": NOW - 25 * HOUR})
    assert choose(washed)[0] == []


@pytest.mark.parametrize(
    ("age_d", "irradiated_ago_h", "given"),
    [
        (20, 13 * 24, True),
        (20, 14 * 24, False),
        # Irradiated only after a fortnight: a day, of which four hours are for the transfusion.
        (20, 19, True),
        (20, 25, False),
    ],
)
def test_c06_irradiation_has_an_hour_and_a_life_of_its_own(
    age_d: int, irradiated_ago_h: int, given: bool
) -> None:
    made = {"irradiated_at": NOW - irradiated_ago_h * HOUR}
    bag = ("red_cells", age_d * DAY, 10 * DAY, made)
    wanted = HardAttributes(irradiated=True)
    assert choose(bag, wanted=wanted, need_h=0.2)[0] == (["u0"] if given else [])


@pytest.mark.parametrize(
    ("component", "ago_h", "given"),
    [
        ("fresh_frozen_plasma", 19, True),
        ("fresh_frozen_plasma", 24, False),
        ("frozen_plasma", 24, False),
        ("cryoprecipitate", 2, True),
        ("cryoprecipitate", 4, False),
    ],
)
def test_c07_what_is_thawed_has_a_life_of_hours(component: str, ago_h: int, given: bool) -> None:
    patient = Patient(group=BloodGroup.A_POS)
    bag = (component, 90 * DAY, 100 * DAY, {"thawed_at": NOW - ago_h * HOUR})
    reserved, _ = choose(bag, component=component, patient=patient, need_h=0.2)
    assert reserved == (["u0"] if given else [])


def test_c63_a_bag_outlives_its_use() -> None:
    ends_on_arrival: Bag = ("platelets", 4 * DAY, timedelta(seconds=1801), {})
    lives: Bag = ("platelets", 1 * DAY, 4 * DAY, {})
    reserved, _ = choose(ends_on_arrival, lives, component="platelets", need_h=0.2)
    assert reserved == ["u1"]
    reserved, why = choose(ends_on_arrival, component="platelets", need_h=0.2)
    assert not reserved
    assert "expires_during_use" in why


def test_c64_platelets_for_tomorrow_live_tomorrow() -> None:
    today: Bag = ("platelets", 4 * DAY, HOUR, {})
    later: Bag = ("platelets", 1 * DAY, 4 * DAY, {})
    assert choose(today, later, component="platelets", need_h=24)[0] == ["u1"]


def test_c65_irradiated_when_it_was_fresh_is_too_old_for_a_child() -> None:
    child, wanted = Patient(group=BloodGroup.A_POS, age_years=0), HardAttributes(irradiated=True)
    long_ago = ("red_cells", 34 * DAY, 1 * DAY, {"irradiated_at": NOW - 33 * DAY})
    # Nobody wrote down when: it may have been as long ago.
    unknown = ("red_cells", 34 * DAY, 1 * DAY, {"irradiated": True})
    for bag in (long_ago, unknown):
        reserved, why = choose(bag, wanted=wanted, patient=child)
        assert not reserved
        assert "expired" in why
    fresh = ("red_cells", 3 * DAY, 20 * DAY, {"irradiated": True})
    assert choose(fresh, wanted=wanted, patient=child)[0] == ["u0"]


@pytest.mark.parametrize("component", ["red_cells", "washed_red_cells", "whole_blood"])
def test_c10_c67_red_cells_are_at_most_24_h_on_the_road(component: str) -> None:
    washed = {"washed_at": NOW} if component == "washed_red_cells" else {}
    bag = (component, 5 * DAY, 10 * DAY, washed)
    reserved, why = choose(bag, component=component, need_h=60, eta_s=40 * 3600)
    assert not reserved
    assert "transit_too_long" in why
    plasma: Bag = ("fresh_frozen_plasma", 5 * DAY, 90 * DAY, {})
    assert choose(plasma, component="fresh_frozen_plasma", need_h=60, eta_s=40 * 3600)[0] == ["u0"]


def test_what_was_done_to_a_bag_was_done_after_its_donation() -> None:
    with pytest.raises(ValidationError, match="made_before_collection"):
        label("red_cells", age=1 * DAY, left=1 * DAY, irradiated_at=NOW - 3 * DAY)


def test_whoever_says_when_says_that() -> None:
    traits = UnitTraits.model_validate({"irradiated_at": NOW, "washed_at": NOW})
    assert (traits.irradiated, traits.washed) == (True, True)


HEAD = (
    "血袋号,献血码,品种,血型,规格,采血时间,失效时间,放行,保养液,血小板袋,振荡,辐照日期,洗涤时间\n"
)


def read(
    product: str, collected: str, expires: str, made: str
) -> tuple[list[CountedUnit], list[str]]:
    """Read one row of a count, and name what is wrong with it."""
    releasing = ReleaseTerms(
        attestation=Attestation(released_by="质控", released_at=NOW), now=NOW + HOUR
    )
    row = f"u1,d1,{product},A+,200,{collected},{expires},是,{made}\n"
    parsed = parse_units(
        open_csv(HEAD + row), station_id="shigatse", releasing=releasing, zone=BEIJING
    )
    return list(parsed.values), [f"{error.column} {error.code}" for error in parsed.errors]


def day(at: datetime) -> str:
    return at.astimezone(BEIJING).isoformat(sep=" ", timespec="minutes")


def test_c66_washed_today_counted_today_is_taken() -> None:
    washed, collected = day(NOW - HOUR), day(NOW - 10 * DAY)
    (counted,), _ = read("洗涤红细胞", collected, day(NOW + 23 * HOUR), f",,,,{washed}")
    assert counted.unit.traits.washed_at == (NOW - HOUR).replace(second=0, microsecond=0)
    none, faults = read("洗涤红细胞", collected, day(NOW + 23 * HOUR), ",,,,")
    assert (none, faults) == ([], ["expires_at fix_other"])


def test_a_count_says_how_a_unit_was_made() -> None:
    (cells,), _ = read("红细胞", day(NOW - 5 * DAY), day(NOW + 9 * DAY), "CPDA-1,,,2025-01-05,")
    traits = cells.unit.traits
    assert (traits.anticoagulant, traits.irradiated) == (Anticoagulant.CPDA_1, True)
    assert traits.irradiated_at == datetime(2025, 1, 4, 16, tzinfo=UTC)
    (platelets,), _ = read("血小板", day(NOW), day(NOW + 4 * DAY), ",专用袋,是,,")
    assert (platelets.unit.traits.bag, platelets.unit.traits.agitated) == (
        PlateletBag.PERMEABLE, True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("product", "days", "made", "fault"),
    [
        ("红细胞", 30, "CPD,,,,", "expires_at fix_other"),
        ("红细胞", 30, "某液,,,,", "anticoagulant anticoagulant_unknown"),
        ("血小板", 4, ",普通袋,是,,", "expires_at fix_other"),
        ("血小板", 4, ",专用袋,否,,", "expires_at fix_other"),
        ("血小板", 4, ",纸袋,,,", "bag bag_unknown"),
        ("红细胞", 9, ",,,2199-01-01,", "irradiated_at moment_ahead"),
    ],
)
def test_a_count_that_contradicts_how_a_unit_was_made_is_refused(
    product: str, days: int, made: str, fault: str
) -> None:
    assert read(product, day(NOW), day(NOW + days * DAY), made) == ([], [fault])


A_NEG = Patient(
    group=BloodGroup.A_NEG,
    sex=Sex.FEMALE,
    age_years=25,
    rhd_consent=RhdConsent(physician="d", signed_by="x"),
)


def decide_frozen(
    asked: str,
    *units: tuple[str, str],
    patient: Patient = A_NEG,
    can_thaw: bool = True,
    priority: Priority = Priority.LIFE_THREATENING,
) -> Decision:
    """Ask for one unit, life-saving if not told, where these lie: a component and a group each."""
    shelf = [
        build_facts(
            unit_id=f"u{at}",
            component=Component(component),
            group=BloodGroup(group),
            collected_at=NOW - 400 * DAY if "frozen" in component else NOW - 5 * DAY,
            expires_at=NOW + (900 * DAY if "frozen" in component else 10 * DAY),
        )
        for at, (component, group) in enumerate(units)
    ]
    request = build_request(
        request_id="r",
        patient=patient,
        component=Component(asked),
        quantity=1,
        priority=priority,
        needed_in_h=3,
    )
    case = Case(
        request=request,
        hospital=PEOPLES.but(can_thaw=can_thaw),
        policy=StationPolicy(),
        journey=Journey(eta_s=1800, estimated=False),
        version=1,
        cause_id="e",
        rules=PACKAGED,
    )
    (matched,) = decide_batch([case], shelf=Shelf(shelf), now=NOW, hold_s=3600)
    return matched.decision


@pytest.mark.parametrize("can_thaw", [True, False])
def test_c59_frozen_red_cells_go_to_no_hospital(can_thaw: bool) -> None:
    told = decide_frozen("frozen_red_cells", ("frozen_red_cells", "A-"), can_thaw=can_thaw)
    assert told.outcome is Outcome.REFUSED
    (line,) = told.lines
    assert not line.reserved
    (why,) = [reason for reason in line.refusals if reason.code == "not_deglycerolised"]
    assert why.params["component"] == "deglycerolised_red_cells"
    assert "hospital_cannot_thaw" not in {reason.code for reason in line.refusals}


def test_c08_deglycerolised_red_cells_are_what_is_issued() -> None:
    bag = ("deglycerolised_red_cells", 400 * DAY, 20 * HOUR, {"deglycerolised_at": NOW - 4 * HOUR})
    assert choose(bag, component="deglycerolised_red_cells")[0] == ["u0"]
    late = ("deglycerolised_red_cells", 400 * DAY, 9 * DAY, {"deglycerolised_at": NOW - DAY})
    assert choose(late, component="deglycerolised_red_cells")[0] == []
    with pytest.raises(ValidationError, match="deglycerolised_when"):
        label("deglycerolised_red_cells", age=400 * DAY, left=20 * HOUR)


def test_c60_frozen_bags_of_the_own_group_are_told_while_rhd_positive_goes() -> None:
    told = decide_frozen("red_cells", ("frozen_red_cells", "A-"), ("red_cells", "A+"))
    (line,) = told.lines
    assert [reserved.unit_id for reserved in line.reserved] == ["u1"]
    (why,) = [reason for reason in told.reasons if reason.code == "deglycerolising_would_match"]
    assert (why.params["groups"], why.params["units"]) == ("A-", 1)


def test_c60_frozen_bags_are_told_to_whom_nothing_else_serves() -> None:
    anti_d = A_NEG.but(antibodies=("D",))
    told = decide_frozen("red_cells", ("frozen_red_cells", "A-"), patient=anti_d)
    (line,) = told.lines
    assert line.uncovered == 1
    (why,) = [reason for reason in line.refusals if reason.code == "deglycerolising_would_open"]
    assert (why.params["groups"], why.params["units"]) == ("A-", 1)


@pytest.mark.parametrize(
    ("group", "priority", "is_told"),
    [
        ("O+", Priority.ROUTINE, False),
        ("O+", Priority.URGENT, False),
        ("O+", Priority.LIFE_THREATENING, True),
        ("O-", Priority.ROUTINE, True),
        (None, Priority.ROUTINE, False),
        (None, Priority.URGENT, True),
    ],
)
def test_c60_frozen_rhd_negative_bags_are_kept_as_liquid_ones_are(
    group: str | None, priority: Priority, is_told: bool
) -> None:
    # Deglycerolised it would live for a day, but nobody has to make it.
    patient = Patient(group=group, sex=Sex.MALE, age_years=60)
    told = decide_frozen(
        "red_cells", ("frozen_red_cells", "O-"), patient=patient, priority=priority
    )
    codes = {reason.code for reason in told.lines[0].refusals}
    assert ("deglycerolising_would_open" in codes) is is_told


def test_frozen_bags_of_another_group_help_nobody() -> None:
    told = decide_frozen("red_cells", ("frozen_red_cells", "B-"), ("red_cells", "A+"))
    assert not [reason for reason in told.reasons if reason.code == "deglycerolising_would_match"]


@pytest.mark.parametrize("irradiated", [True, False])
def test_c09_granulocytes_are_irradiated(irradiated: bool) -> None:
    bag = ("apheresis_granulocytes", HOUR, 20 * HOUR, {"irradiated": irradiated})
    reserved, why = choose(bag, component="apheresis_granulocytes")
    assert bool(reserved) is irradiated
    assert ("lacks_attribute" in why) is not irradiated


def reasons_of(journey: Journey, **made: Any) -> list[str]:  # noqa: ANN401 - any trait
    """What a decision tells that gives a bag of 25 days."""
    bag = build_facts(
        collected_at=NOW - 25 * DAY,
        expires_at=NOW + 5 * DAY,
        traits=UnitTraits.model_validate(made),
    )
    case = Case(
        request=build_request(request_id="r", patient=Patient(group=BloodGroup.A_POS), quantity=1),
        hospital=PEOPLES,
        policy=StationPolicy(),
        journey=journey,
        version=1,
        cause_id="e",
        rules=PACKAGED,
    )
    (matched,) = decide_batch([case], shelf=Shelf([bag]), now=NOW, hold_s=3600)
    assert matched.cleared
    return [reason.code for reason in matched.decision.reasons]


def test_c68_the_temperature_is_claimed_only_of_a_box_that_is_proven() -> None:
    ends = ("shigatse", "shigatse-people")
    directory = Directory(routes={ends: 1800})
    told = reasons_of(directory.get_journey(*ends))
    assert "temperature_not_proven" in told
    proven = Directory(routes={ends: 1800}, proven=frozenset({ends}))
    assert "temperature_not_proven" not in reasons_of(proven.get_journey(*ends))
    # The other way is another way.
    assert (
        Directory(routes={ends: 1800}, proven=frozenset({ends[::-1]})).get_journey(*ends).unproven
    )


def test_c03_what_a_bag_does_not_say_is_told() -> None:
    journey = Journey(eta_s=1800, estimated=False)
    assert "life_rests_on_label" in reasons_of(journey)
    assert "life_rests_on_label" not in reasons_of(journey, anticoagulant="cpda_1")


AT_ITS_END = NOW + 21 * DAY
"""Where CPD would end; nobody knows of any other solution."""


@pytest.mark.parametrize(
    ("component", "traits", "at", "rests"),
    [
        (Component.RED_CELLS, {}, AT_ITS_END, True),
        (Component.RED_CELLS, {}, AT_ITS_END - timedelta(seconds=1), False),
        (Component.RED_CELLS, {"anticoagulant": "cpda_1"}, AT_ITS_END, False),
        (Component.WASHED_RED_CELLS, {}, NOW + 1 * DAY, True),
        (Component.WASHED_RED_CELLS, {"washed": True, "washed_at": NOW}, NOW + 1 * DAY, False),
    ],
)
def test_a_life_rests_on_the_label_where_nothing_else_says_it(
    component: Component, traits: dict[str, object], at: datetime, rests: bool
) -> None:
    stated = UnitTraits.model_validate(traits)
    assert rests_on_label(component, NOW, stated, PACKAGED.components, at=at) is rests


def test_a_full_life_begins_with_the_preparation() -> None:
    def ends(component: Component, **traits: object) -> datetime:
        stated = UnitTraits.model_validate(traits)
        return find_full_life(component, NOW - 9 * DAY, stated, PACKAGED.components)

    assert ends(Component.RED_CELLS, anticoagulant="cpd") == NOW + 12 * DAY
    deglycerolised = ends(Component.DEGLYCEROLISED_RED_CELLS, deglycerolised_at=NOW)
    assert deglycerolised == NOW + 1 * DAY
