"""Who can wait leaves what graver patients are likely to need, and is told until when and why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from models.clearance import UnitFacts
from models.components import Component
from models.decisions import Decision, LineDecision, Outcome
from models.directory import Journey
from models.doses import OrderMeasure
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient, Sex
from models.requests import HardAttributes, Priority, RequestLine, UrgentRequest
from models.rules.rulebook import PACKAGED, Rulebook
from models.units import UnitTraits
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.allocation.greedy import GreedyAllocator
from streams.matching.allocation.shelf_shares import StationOutlook, pose_problem, read_shares
from streams.matching.available_units import Cell, Shelf
from streams.matching.decision_inputs import Case
from streams.matching.demand_outlook import (
    AskedOften,
    StationDemand,
    count_hours_until_filled,
    look_ahead,
)
from streams.matching.expected_demand import DemandKind
from streams.matching.shelf_reads import list_wants
from streams.solver.direct import DirectSolver
from tests.support.rules import change_rule
from tests.support.safety import build_facts
from tests.support.world import NOW, PEOPLES, build_request, one_unit_ml

DYING, URGENT, ROUTINE = Priority
CELLS = Component.RED_CELLS
POLICY = StationPolicy()
ETA_S = 1800
AHEAD_H = PACKAGED.policies.emergency_reserve.given_ahead_h


def asked(
    group: str | None, priority: Priority, requests: int, *, is_recent: bool = False
) -> AskedOften:
    return AskedOften(
        component=CELLS,
        group=BloodGroup(group) if group else None,
        priority=priority,
        measure=OrderMeasure.UNIT,
        quantity=2,
        requests=requests,
        is_recent=is_recent,
    )


BUSY = [asked("A+", DYING, 40), asked("A+", URGENT, 40)]
"""A week in which patients of group A asked for 160 units, all of them in need."""


def outlook(
    rows: Sequence[AskedOften] = BUSY,
    *,
    days: float = 7,
    waiting: dict[tuple[Component, DemandKind], int] | None = None,
    rules: Rulebook = PACKAGED,
) -> StationOutlook:
    demand = StationDemand(began_at=NOW - timedelta(days=days), asked=tuple(rows))
    return StationOutlook(
        ahead=look_ahead(demand, policy=POLICY, now=NOW, rules=rules), waiting=waiting or {}
    )


def bags(
    count: int, group: str = "A+", *, left_d: float = 20, traits: UnitTraits | None = None
) -> list[UnitFacts]:
    return [
        build_facts(
            unit_id=f"{BloodGroup(group).name}-{left_d:g}-{at:03d}",
            group=BloodGroup(group),
            volume_ml=one_unit_ml(CELLS),
            expires_at=NOW + timedelta(days=left_d),
            traits=traits or UnitTraits(),
        )
        for at in range(count)
    ]


def ask(
    priority: Priority = ROUTINE, *, units: int = 2, need_h: float = 24, group: str = "A+"
) -> UrgentRequest:
    return build_request(
        priority=priority,
        quantity=units,
        needed_in_h=need_h,
        patient=Patient(group=BloodGroup(group), sex=Sex.MALE, age_years=40),
    )


def decide(
    *requests: UrgentRequest,
    shelf: Sequence[UnitFacts],
    ahead: StationOutlook,
    rules: Rulebook = PACKAGED,
    greedy: bool = False,
) -> list[Decision]:
    cases = [
        Case(
            request=request,
            hospital=PEOPLES,
            policy=POLICY,
            journey=Journey(eta_s=ETA_S, estimated=False),
            version=1,
            cause_id="e1",
            rules=rules,
        )
        for request in requests
    ]
    problem = pose_problem(cases, shelf=Shelf(shelf), outlook=ahead, now=NOW)
    shares = {}
    if problem is not None:
        allocation = (
            GreedyAllocator().allocate(problem)
            if greedy
            else asyncio.run(DirectSolver().allocate(problem))
        )
        shares = read_shares(cases, outlook=ahead, problem=problem, allocation=allocation, now=NOW)
    found = decide_batch(cases, shelf=Shelf(shelf), now=NOW, hold_s=3600, shares=shares)
    return [matched.decision for matched in found]


def line_of(decision: Decision) -> LineDecision:
    (line,) = decision.lines
    return line


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in line_of(decision).refusals]


def test_a_routine_order_waits_where_graver_need_is_expected_and_is_told_why() -> None:
    (found,) = decide(ask(), shelf=bags(6), ahead=outlook())
    assert found.outcome is Outcome.DEFERRED
    assert found.waiting_for == "expected_need"
    line = line_of(found)
    assert (line.uncovered, line.deferred, len(line.reserved)) == (2, 2, 0)
    told = next(why for why in line.refusals if why.code == "kept_for_expected_routine")
    assert told.params["units"] == 6
    assert told.params["made_by"] == "flow"
    assert told.params["hours"] == pytest.approx(22.5)
    assert told.rule == "supply.lookahead@2026-3"
    # 160 units in 168 hours are 21 until the shelf is filled again; less, as the last hours brought
    # none, and as some requests are routine for all that was seen.
    assert 12 < float(told.params["expected_units"]) < 21
    # Nobody can say when it is given: it may be left unserved.
    assert found.deferred_until is None
    assert "given_from" not in told.params


def test_a_routine_order_may_be_left_unserved() -> None:
    (found,) = decide(ask(need_h=0.1), shelf=bags(6), ahead=outlook())
    assert found.outcome is Outcome.DEFERRED
    assert "kept_for_expected_routine" in codes(found)


def test_an_urgent_order_waits_only_until_hours_before_its_need() -> None:
    dying = outlook([asked("A+", DYING, 80)])
    last_h = AHEAD_H + ETA_S / 3600
    (early,) = decide(ask(URGENT, need_h=last_h + 0.1), shelf=bags(6), ahead=dying)
    assert early.outcome is Outcome.DEFERRED
    assert early.deferred_until == NOW + timedelta(hours=0.1)
    assert "kept_for_expected" in codes(early)
    (late,) = decide(ask(URGENT, need_h=last_h), shelf=bags(6), ahead=dying)
    assert late.outcome is Outcome.RESERVED


def test_nobody_in_danger_of_life_waits_for_a_forecast() -> None:
    (found,) = decide(ask(DYING, units=6, need_h=48), shelf=bags(6), ahead=outlook())
    assert found.outcome is Outcome.RESERVED


def test_the_dying_of_the_batch_are_not_counted_on_for_who_can_wait() -> None:
    # What is left beside them is what is kept; the order they come in does not matter.
    requests = [ask(), ask(DYING, units=4)]
    for batch in (requests, requests[::-1]):
        found = {
            request.priority: decision
            for request, decision in zip(
                batch, decide(*batch, shelf=bags(6), ahead=outlook()), strict=True
            )
        }
        assert found[DYING].outcome is Outcome.RESERVED
        assert found[ROUTINE].outcome is Outcome.DEFERRED


def test_plenty_keeps_nothing() -> None:
    (found,) = decide(ask(), shelf=bags(80), ahead=outlook())
    assert found.outcome is Outcome.RESERVED


def test_what_graver_patients_need_less_is_given() -> None:
    """AB may have A as well: once there is enough of that, its own is kept for nobody."""
    (found,) = decide(ask(group="AB+"), shelf=[*bags(6), *bags(2, "AB+")], ahead=outlook())
    assert found.outcome is Outcome.DEFERRED
    (found,) = decide(ask(group="AB+"), shelf=[*bags(60), *bags(2, "AB+")], ahead=outlook())
    assert found.outcome is Outcome.RESERVED
    assert {unit.group for unit in line_of(found).reserved} == {BloodGroup.AB_POS}


def test_what_expires_soon_is_kept_for_nobody() -> None:
    (found,) = decide(ask(), shelf=[*bags(1, left_d=2.9), *bags(6)], ahead=outlook())
    assert found.outcome is Outcome.PARTLY_RESERVED
    assert found.waiting_for == "expected_need"
    line = line_of(found)
    assert [unit.unit_id for unit in line.reserved] == ["A_POS-2.9-000"]
    assert (line.uncovered, line.deferred) == (1, 1)


def test_what_is_not_there_is_waited_for_as_ever() -> None:
    (found,) = decide(ask(units=8), shelf=bags(6), ahead=outlook())
    assert found.outcome is Outcome.WAITING
    assert found.waiting_for == "donors_and_neighbours"
    line = line_of(found)
    assert (line.uncovered, line.deferred) == (8, 6)


def test_who_waits_already_is_counted_too() -> None:
    seldom = [asked("A+", ROUTINE, 2)]
    quiet = outlook(seldom)
    (served,) = decide(ask(), shelf=bags(6), ahead=quiet)
    assert served.outcome is Outcome.RESERVED
    kind = DemandKind(BloodGroup.A_POS, URGENT)
    (found,) = decide(ask(), shelf=bags(6), ahead=outlook(seldom, waiting={(CELLS, kind): 6}))
    assert found.outcome is Outcome.DEFERRED


def test_only_bags_that_serve_the_line_are_its_share() -> None:
    """Irradiated blood is asked for; the plain bags are no reason to give less of it."""
    attributes = HardAttributes(irradiated=True)
    asked_for = RequestLine(line_no=1, component=CELLS, quantity=2, attributes=attributes)
    request = ask(need_h=24).but(lines=(asked_for,))
    irradiated = UnitTraits(irradiated=True, irradiated_at=NOW - timedelta(hours=1))
    shelf = [*bags(80), *bags(2, left_d=21, traits=irradiated)]
    (found,) = decide(request, shelf=shelf, ahead=outlook())
    assert found.outcome is Outcome.RESERVED


OF_ALL = [
    asked(group, priority, 13) for group in ("O+", "A+", "B+") for priority in (DYING, URGENT)
]
"""A week in which each of three groups asked for 52 units, all of them in need."""


@pytest.mark.parametrize("group", ["O+", "A+", "B+"])
def test_blood_of_their_own_group_serves_who_is_expected(group: str) -> None:
    """O is not kept for patients of A and B whose own blood lies beside it."""
    others = [
        bag for other in ("O+", "A+", "B+", "AB+") if other != group for bag in bags(60, other)
    ]
    (found,) = decide(ask(group=group), shelf=[*bags(24, group), *others], ahead=outlook(OF_ALL))
    assert found.outcome is Outcome.RESERVED
    assert {unit.group for unit in line_of(found).reserved} == {BloodGroup(group)}


def test_o_is_kept_for_patients_whose_own_blood_is_gone() -> None:
    (found,) = decide(ask(group="O+"), shelf=bags(24, "O+"), ahead=outlook(OF_ALL))
    assert found.outcome is Outcome.DEFERRED


def test_what_expires_soon_serves_who_is_expected_all_the_same() -> None:
    """Nobody of the batch may have it: it is there for the patients of its group."""
    others = [bag for other in ("A+", "B+", "AB+") for bag in bags(60, other, left_d=2.5)]
    (found,) = decide(ask(group="O+"), shelf=[*bags(24, "O+"), *others], ahead=outlook(OF_ALL))
    assert found.outcome is Outcome.RESERVED


def test_nobody_waits_for_who_is_no_graver_and_may_come() -> None:
    """An urgent patient who has nothing but this O is here; who is expected may not come."""
    sure = outlook([asked("O+", URGENT, 400)])
    (found,) = decide(ask(URGENT), shelf=bags(6, "O+"), ahead=sure)
    assert found.outcome is Outcome.RESERVED


def test_greedy_answers_too_and_says_so() -> None:
    (found,) = decide(ask(), shelf=bags(6), ahead=outlook(), greedy=True)
    assert found.outcome is Outcome.DEFERRED
    (told,) = {
        why.params["made_by"]
        for why in line_of(found).refusals
        if why.code == "kept_for_expected_routine"
    }
    assert told == "greedy"


def test_nothing_is_expected_before_a_station_was_watched_for_long_enough() -> None:
    assert outlook(days=0.99).ahead == {}
    assert outlook(days=1).ahead.keys() == {CELLS}
    nobody = StationDemand(began_at=None, asked=())
    assert look_ahead(nobody, policy=POLICY, now=NOW, rules=PACKAGED) == {}


def test_what_is_expected_follows_the_hours_until_the_shelf_is_filled() -> None:
    # At half past nine in Beijing, filled at eight.
    assert count_hours_until_filled(NOW, PACKAGED) == pytest.approx(22.5)
    at_eight = NOW.replace(hour=0, minute=0)
    assert count_hours_until_filled(at_eight, PACKAGED) == pytest.approx(24)
    evening = change_rule("policies", "lookahead", filled_at_h=20.0)
    assert count_hours_until_filled(NOW, evening) == pytest.approx(10.5)
    day, half = outlook(), outlook(rules=evening)
    assert half.ahead[CELLS].grave_units == pytest.approx(
        day.ahead[CELLS].grave_units * 10.5 / 22.5
    )


def test_the_shelf_is_read_as_far_as_what_is_expected_reaches() -> None:
    ahead = outlook().ahead[CELLS]
    cases = [
        Case(
            request=ask(),
            hospital=PEOPLES,
            policy=POLICY,
            journey=Journey(eta_s=ETA_S, estimated=False),
            version=1,
            cause_id="e1",
            rules=PACKAGED,
        )
    ]
    cell = Cell(station_id=PEOPLES.station_id, component=CELLS, group=BloodGroup.A_POS)
    plain = list_wants(cases)[cell]
    assert plain is not None
    reach = ahead.count_for(BloodGroup.A_POS)
    assert list_wants(cases, expected=lambda of: ahead.count_for(of.group))[cell] == plain + reach
    # Three standard deviations above the mean of some twenty units.
    assert 22 < reach < 80
    # RhD- is expected for the few of them who need it, and AB for nobody else.
    assert ahead.count_for(BloodGroup.AB_NEG) < 10


def test_an_order_of_bags_has_its_share_in_bags() -> None:
    """Two bags of two units are no more than the two that are asked for."""
    double = [
        replace(unit, volume_ml=2 * one_unit_ml(CELLS), unit_id=f"double-{at:03d}")
        for at, unit in enumerate(bags(80))
    ]
    line = RequestLine(line_no=1, component=CELLS, quantity=2, measure=OrderMeasure.BAG)
    (found,) = decide(ask().but(lines=(line,)), shelf=double, ahead=outlook())
    assert found.outcome is Outcome.RESERVED
    assert len(line_of(found).reserved) == 2
