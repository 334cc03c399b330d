"""Who gets which bag: the order of choice, and what a batch covers. Cases by their number."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from models.clearance import UnitFacts
from models.components import Component
from models.decisions import Decision, LineDecision, Outcome
from models.directory import Journey
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient, Sex
from models.requests import HardAttributes, Priority, RequestLine, UrgentRequest
from models.rules.rulebook import PACKAGED, Rulebook
from models.units import UnitStatus, UnitTraits
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.available_units import Cell, Shelf
from streams.matching.choice_order import count_rare
from streams.matching.decision_inputs import Case
from streams.matching.shelf_reads import list_wants
from tests.support.rules import change_rule
from tests.support.world import NOW, PEOPLES, build_request, one_unit_ml

DYING, URGENT, ROUTINE = Priority.LIFE_THREATENING, Priority.URGENT, Priority.ROUTINE
CELLS, PLATELETS, CRYO = Component.RED_CELLS, Component.PLATELETS, Component.CRYOPRECIPITATE

_IDS = itertools.count(1)


def bag(
    group: str,
    component: Component = CELLS,
    *,
    left_d: float = 10,
    age_d: float = 1,
    may_have_left: bool = False,
    **traits: object,
) -> UnitFacts:
    return UnitFacts(
        unit_id=f"u{next(_IDS):05d}",
        station_id=PEOPLES.station_id,
        component=component,
        group=BloodGroup(group),
        volume_ml=one_unit_ml(component),
        status=UnitStatus.AVAILABLE,
        collected_at=NOW - timedelta(days=age_d),
        expires_at=NOW + timedelta(days=left_d),
        released=True,
        recalled=False,
        epoch=0,
        traits=UnitTraits.model_validate(traits),
        may_have_left=may_have_left,
    )


def ask(
    group: str | None,
    quantity: int = 1,
    component: Component = CELLS,
    *,
    priority: Priority = URGENT,
    need_h: float = 3,
    attributes: HardAttributes | None = None,
    **patient: object,
) -> UrgentRequest:
    line = RequestLine(
        line_no=1,
        component=component,
        quantity=quantity,
        attributes=attributes or HardAttributes(),
    )
    who = Patient.model_validate({"group": group, **patient})
    return build_request(lines=(line,), patient=who, priority=priority, needed_in_h=need_h)


def build_case(request: UrgentRequest, rules: Rulebook = PACKAGED) -> Case:
    return Case(
        request=request,
        hospital=PEOPLES,
        policy=StationPolicy(),
        journey=Journey(eta_s=1800, estimated=False),
        version=1,
        cause_id="e1",
        rules=rules,
    )


def decide(
    requests: Sequence[UrgentRequest],
    units: Sequence[UnitFacts],
    *,
    rules: Rulebook = PACKAGED,
    promised: dict[str, Priority] | None = None,
) -> list[Decision]:
    cases = [build_case(request, rules) for request in requests]
    shelf = Shelf(units, promised=promised)
    return [matched.decision for matched in decide_batch(cases, shelf=shelf, now=NOW, hold_s=3600)]


def got(decision: Decision) -> list[str]:
    return [unit.unit_id for line in decision.lines for unit in line.reserved]


def codes(decision: Decision) -> set[str]:
    return {reason.code for line in decision.lines for reason in line.refusals}


def only_line(decision: Decision) -> LineDecision:
    (line,) = decision.lines
    return line


@pytest.mark.parametrize("ago_s", [0, 10])
def test_c39_needed_now_is_served_and_marked_late(ago_s: float) -> None:
    request = ask("A+", 2, priority=DYING, need_h=-ago_s / 3600)
    (decision,) = decide([request], [bag("A+"), bag("A+")])
    assert decision.outcome is Outcome.RESERVED
    assert "arrives_late" in {reason.code for reason in decision.reasons}


@pytest.mark.parametrize(
    ("component", "need_h", "short_h", "long_d"),
    [(PLATELETS, 24, 1, 4), (PLATELETS, 60, 48, 4), (CELLS, 72, 48, 20)],
)
def test_c64_a_bag_that_will_have_expired_is_not_promised(
    component: Component, need_h: float, short_h: float, long_d: float
) -> None:
    request = ask("A+", 1, component, priority=ROUTINE, need_h=need_h)
    short, long = bag("A+", component, left_d=short_h / 24), bag("A+", component, left_d=long_d)
    (decision,) = decide([request], [short, long])
    assert got(decision) == [long.unit_id]
    (decision,) = decide([request], [short])
    assert not got(decision)
    assert "expires_before_needed" in codes(decision)


def test_c73_the_last_o_negative_is_not_for_a_routine_o_positive_man() -> None:
    request = ask("O+", 4, priority=ROUTINE, need_h=48, sex=Sex.MALE, age_years=60)
    (decision,) = decide([request], [bag("O-") for _ in range(4)])
    assert not got(decision)
    assert "kept_for_rhd_negative" in codes(decision)


@pytest.mark.parametrize("priority", [ROUTINE, URGENT])
@pytest.mark.parametrize("group", ["O+", "A+", "AB+"])
def test_c73_rhd_negative_waits_for_danger_of_life(priority: Priority, group: str) -> None:
    negative = bag("O-")
    (decision,) = decide([ask(group, priority=priority)], [negative])
    assert not got(decision)
    (decision,) = decide([ask(group, priority=DYING)], [negative])
    assert got(decision) == [negative.unit_id]
    positive = bag("O+")
    (decision,) = decide([ask(group, priority=DYING)], [negative, positive])
    assert got(decision) == [positive.unit_id]


def test_c73_a_routine_order_for_who_is_not_typed_waits_for_a_sample() -> None:
    stranger: dict[str, Any] = {"sex": Sex.MALE, "age_years": 60}
    (decision,) = decide([ask(None, priority=ROUTINE, **stranger)], [bag("O-")])
    assert not got(decision)
    (decision,) = decide([ask(None, priority=DYING, **stranger)], [bag("O-")])
    assert len(got(decision)) == 1


def test_c73_what_expires_soon_is_kept_from_nobody() -> None:
    (decision,) = decide([ask("O+", priority=ROUTINE)], [bag("O-", left_d=2.9)])
    assert len(got(decision)) == 1


def test_c73_who_needs_rhd_negative_gets_it_whatever_the_priority() -> None:
    for request in (
        ask("O-", priority=ROUTINE),
        ask("A-", priority=ROUTINE),
        ask("O+", priority=ROUTINE, antibodies=("D",)),
    ):
        (decision,) = decide([request], [bag("O-")])
        assert len(got(decision)) == 1, request.patient


def test_c74_the_last_o_is_not_for_who_can_wait() -> None:
    (decision,) = decide([ask("B+", 2, priority=ROUTINE, need_h=17)], [bag("O+"), bag("O+")])
    assert decision.outcome is Outcome.WAITING
    told = {reason.code: reason.params for reason in only_line(decision).refusals}
    # 17 h ahead, half an hour on the way, given 6 h before the last moment.
    assert (
        told["kept_for_emergencies"]["given_from"]
        == (NOW + timedelta(hours=17 - 0.5 - 6)).isoformat()
    )


@pytest.mark.parametrize(
    ("group", "priority", "need_h", "patient"),
    [
        ("B+", DYING, 17, {}),
        ("B+", ROUTINE, 6.4, {}),
        ("B+", URGENT, 6.4, {}),
        ("O+", ROUTINE, 17, {}),
        (None, URGENT, 17, {"sex": Sex.MALE, "age_years": 60}),
    ],
)
def test_c74_who_cannot_wait_or_has_no_other_blood_gets_the_last_o(
    group: str | None, priority: Priority, need_h: float, patient: dict[str, Any]
) -> None:
    request = ask(group, 2, priority=priority, need_h=need_h, **patient)
    (decision,) = decide([request], [bag("O+"), bag("O+")])
    assert len(got(decision)) == 2


def test_c74_beyond_the_floor_o_is_given_to_who_can_wait() -> None:
    (decision,) = decide([ask("B+", 9, priority=URGENT, need_h=17)], [bag("O+") for _ in range(6)])
    assert len(got(decision)) == 2
    assert decision.outcome is Outcome.PARTLY_RESERVED


def test_c74_the_floor_is_the_stations_own() -> None:
    rules = change_rule("policies", "emergency_reserve", o_units=0)
    (decision,) = decide([ask("B+", 2, need_h=17)], [bag("O+"), bag("O+")], rules=rules)
    assert len(got(decision)) == 2
    rules = change_rule("policies", "emergency_reserve", given_ahead_h=20)
    (decision,) = decide([ask("B+", 2, need_h=17)], [bag("O+"), bag("O+")], rules=rules)
    assert len(got(decision)) == 2


RARE = [
    {"antigen_negative": ("E",)},
    {"irradiated": True},
    {"cmv_negative": True},
    {"low_titre": True},
    {"leukoreduced": True},
    {"hla": ("A2",)},
]


@pytest.mark.parametrize("traits", RARE, ids=lambda traits: next(iter(traits)))
def test_c76_the_plain_bag_comes_first_and_the_rare_one_last(traits: dict[str, Any]) -> None:
    rare, plain = bag("A+", left_d=2, **traits), bag("A+", left_d=20)
    (decision,) = decide([ask("A+")], [rare, plain])
    assert got(decision) == [plain.unit_id]
    # Where it is all there is, nobody waits beside it.
    (decision,) = decide([ask("A+", 2)], [rare, plain])
    assert len(got(decision)) == 2


def test_c76_both_are_served_and_first_expiry_is_first_among_equals() -> None:
    special = bag("A+", left_d=2, antigen_negative=("E",))
    later, sooner = bag("A+", left_d=20), bag("A+", left_d=15)
    first, second = decide(
        [ask("A+", need_h=1), ask("A+", need_h=2, antibodies=("E",))], [special, later, sooner]
    )
    assert got(first) == [sooner.unit_id]
    assert got(second) == [special.unit_id]


def test_c76_who_needs_a_property_gets_the_bag_with_the_fewest_others() -> None:
    one = bag("A+", left_d=20, antigen_negative=("E",))
    many = bag("A+", left_d=2, antigen_negative=("E", "c", "Jka"))
    (decision,) = decide([ask("A+", antibodies=("E",))], [many, one])
    assert got(decision) == [one.unit_id]


def test_c76_every_property_that_can_be_demanded_makes_a_bag_rare() -> None:
    demanded = {
        name for name, field in HardAttributes.model_fields.items() if field.annotation is bool
    }
    for name in demanded & UnitTraits.model_fields.keys():
        assert count_rare(UnitTraits.model_validate({name: True})) == 1, name


def test_c76_a_shelf_read_with_a_limit_shows_the_plain_bags() -> None:
    """What is read of a place covers what would be chosen of it, and the O that stays."""
    cases = [build_case(ask("A+", 2)), build_case(ask("A+", 1))]
    wants = list_wants(cases)
    place = Cell(station_id=PEOPLES.station_id, component=CELLS, group=BloodGroup.A_POS)
    assert wants[place] == 3 + 4
    universal = Cell(station_id=PEOPLES.station_id, component=CELLS, group=BloodGroup.O_POS)
    assert wants[universal] == 3 + 4 + PACKAGED.policies.emergency_reserve.o_units
    # Who needs what few bags have sees all of them.
    assert list_wants([build_case(ask("A+", antibodies=("E",)))])[place] is None
    irradiated = HardAttributes(irradiated=True)
    assert list_wants([build_case(ask("A+", attributes=irradiated))])[place] is None


def test_c77_who_has_a_choice_makes_room_for_who_has_none() -> None:
    flexible, other = ask("AB+", 2, need_h=1), ask("A+", 2, need_h=2)
    first, second = decide([flexible, other], [bag("A+"), bag("A+"), bag("B+"), bag("B+")])
    assert {unit.group for unit in only_line(first).reserved} == {BloodGroup.B_POS}
    assert {unit.group for unit in only_line(second).reserved} == {BloodGroup.A_POS}


def test_c77_an_exchange_goes_over_several_patients() -> None:
    units = [bag("A+"), bag("B+"), bag("AB+", left_d=20)]
    requests = [ask("AB+", need_h=1), ask("AB+", need_h=2), ask("A+", need_h=3)]
    assert all(len(got(decision)) == 1 for decision in decide(requests, units))
    # The same where what the flexible one has is rare.
    rare = bag("A+", left_d=2, antigen_negative=("E",))
    requests = [ask("A+", need_h=1), ask("A+", need_h=2, antibodies=("E",))]
    assert all(
        len(got(decision)) == 1 for decision in decide(requests, [rare, bag("O+", left_d=20)])
    )


def test_c77_no_exchange_uses_up_what_is_kept_for_others() -> None:
    """The routine order would be served at the price of the last O, or of O-."""
    for scarce in ("O+", "O-"):
        requests = [
            ask("A+", priority=DYING, need_h=1),
            ask("A+", priority=ROUTINE, need_h=20, attributes=HardAttributes()),
        ]
        first, second = decide(requests, [bag("A+"), bag(scarce)])
        assert {unit.group for unit in only_line(first).reserved} == {BloodGroup.A_POS}
        assert not got(second)


def test_c77_a_higher_priority_never_gets_less() -> None:
    requests = [ask("A+", 2, priority=ROUTINE, need_h=1), ask("AB+", 2, priority=DYING)]
    routine, dying = decide(requests, [bag("A+"), bag("A+")])
    assert len(got(dying)) == 2
    assert not got(routine)


@pytest.mark.parametrize(("there", "held"), [(4, 0), (5, 0), (6, 6), (9, 9), (12, 10)])
def test_c79_a_part_below_a_dose_is_not_held(there: int, held: int) -> None:
    units = [bag("A+", CRYO, left_d=90) for _ in range(there)]
    (decision,) = decide([ask("A+", 10, CRYO)], units)
    assert len(got(decision)) == held
    told = {reason.code: reason.params for reason in only_line(decision).refusals}
    if held == 0:
        expected = {"there": there, "least": 6, "missing": 6 - there}
        assert told["part_of_no_use"] == expected
    else:
        assert "part_of_no_use" not in told


@pytest.mark.parametrize(("asked", "there", "held"), [(3, 1, 0), (3, 2, 2), (4, 2, 0), (20, 6, 6)])
def test_c79_who_asks_for_less_needs_less(asked: int, there: int, held: int) -> None:
    units = [bag("A+", CRYO, left_d=90) for _ in range(there)]
    (decision,) = decide([ask("A+", asked, CRYO)], units)
    assert len(got(decision)) == held


def test_c79_what_is_put_back_serves_who_can_use_it() -> None:
    units = [bag("A+", CRYO, left_d=90) for _ in range(4)]
    adult, child = ask("A+", 10, CRYO, need_h=1), ask("A+", 3, CRYO, need_h=2)
    first, second = decide([adult, child], units)
    assert not got(first)
    assert len(got(second)) == 3


def test_c79_red_cells_and_platelets_help_one_by_one() -> None:
    for component in (CELLS, PLATELETS, Component.FRESH_FROZEN_PLASMA):
        (decision,) = decide([ask("A+", 10, component)], [bag("A+", component, left_d=3)])
        assert len(got(decision)) == 1


def test_c81_a_bag_that_may_have_left_is_the_last_resort_and_marked() -> None:
    doubted, plain, other = bag("A+", may_have_left=True), bag("A+", left_d=20), bag("O+")
    (decision,) = decide([ask("A+")], [doubted, plain])
    assert got(decision) == [plain.unit_id]
    (decision,) = decide([ask("A+")], [doubted, other])
    assert got(decision) == [other.unit_id]
    (decision,) = decide([ask("A+")], [doubted])
    assert got(decision) == [doubted.unit_id]
    marked = [reason.params for reason in decision.reasons if reason.code == "may_have_left"]
    assert marked == [{"unit_id": doubted.unit_id}]


@pytest.mark.parametrize("priority", [ROUTINE, URGENT])
def test_c72_nobody_but_who_is_in_danger_of_life_takes_what_is_promised(
    priority: Priority,
) -> None:
    held = bag("A+")
    promised = {held.unit_id: ROUTINE}
    (decision,) = decide([ask("A+", priority=priority)], [held], promised=promised)
    assert not got(decision)
    (decision,) = decide([ask("A+", priority=DYING)], [held], promised=promised)
    assert got(decision) == [held.unit_id]


def test_c72_free_blood_comes_before_what_is_promised_and_routine_before_urgent() -> None:
    urgent, routine, free, doubted = bag("A+"), bag("A+"), bag("O+"), bag("A+", may_have_left=True)
    promised = {urgent.unit_id: URGENT, routine.unit_id: ROUTINE}
    units = [urgent, routine, free, doubted]
    for quantity, expected in enumerate(
        ([free], [free, routine], [free, routine, urgent], [free, routine, urgent, doubted]), 1
    ):
        request = ask("A+", quantity, priority=DYING)
        (decision,) = decide([request], units, promised=promised)
        assert got(decision) == [unit.unit_id for unit in expected]


def test_c72_no_exchange_serves_an_urgent_request_at_a_routine_ones_cost() -> None:
    """The dying patient has a free bag; the urgent one must not push her onto a promised bag."""
    free, promised = bag("A+"), bag("A+")
    dying, urgent = decide(
        [ask("A+", priority=DYING), ask("A+", priority=URGENT)],
        [free, promised],
        promised={promised.unit_id: ROUTINE},
    )
    assert got(dying) == [free.unit_id]
    assert not got(urgent)


@pytest.mark.parametrize(
    ("request_of", "there", "lever"),
    [
        (ask(None, priority=DYING, sex=Sex.MALE, age_years=60), bag("A+"), "typing_would_open"),
        (
            ask(None, 1, Component.FRESH_FROZEN_PLASMA),
            bag("A+", Component.FRESH_FROZEN_PLASMA),
            "typing_would_open",
        ),
        (ask("A+", need_h=30), bag("A+", left_d=1), "time_would_open"),
        (
            ask("A+"),
            bag("A+", Component.WASHED_RED_CELLS, age_d=0.1, left_d=0.8),
            "component_would_open",
        ),
        (ask("B+", priority=ROUTINE, need_h=17), bag("O+"), "kept_for_emergencies"),
        (ask("B+", priority=ROUTINE), bag("O-"), "kept_for_rhd_negative"),
        (ask("A+", 10, CRYO), bag("A+", CRYO, left_d=90), "part_of_no_use"),
        (ask("A+", antibodies=("E",)), bag("A+"), "not_antigen_negative"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_c90_whoever_gets_nothing_is_told_what_would_serve(
    request_of: UrgentRequest, there: UnitFacts, lever: str
) -> None:
    (decision,) = decide([request_of], [there])
    assert not got(decision)
    assert lever in codes(decision)
