"""Where asking back meets blood that is kept for expected need, and bags that are given by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from models.clearance import UnitFacts
from models.decisions import Decision, LineDecision, Outcome
from models.doses import WHOLE
from models.events.stock import StockChange
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Priority
from models.rules.rulebook import PACKAGED
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.allocation.line_shares import name_line
from streams.matching.allocation.lookahead import name_open
from streams.matching.allocation.order_limits import find_at_once, is_next_part_due
from streams.matching.allocation.problem import Problem
from streams.matching.allocation.shelf_shares import StationOutlook, pose_problem, read_shares
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from streams.matching.demand_outlook import AskedOften, StationDemand, look_ahead
from streams.matching.hand_given import HandGiven, HandWork
from streams.matching.order_facts import OrderFacts, PendingBags
from streams.solver.direct import DirectSolver
from tests.life.facilities import STATION_ID
from tests.support.memory_store.demand import MemoryDemand
from tests.support.orders import CELLS, DYING, ROUTINE, URGENT, ask, build_case, decide, lay
from tests.support.town_story import Story
from tests.support.world import NOW

OTHER = Patient(group=BloodGroup.A_POS, reference="bed-10")


def expect(requests: int = 40) -> StationOutlook:
    """A week in which patients of group A in danger of life asked for two units so often."""
    rows = [
        AskedOften(
            component=CELLS,
            group=BloodGroup.A_POS,
            priority=DYING,
            measure=ask(1).lines[0].measure,
            quantity=2,
            requests=requests,
            is_recent=False,
        )
    ]
    demand = StationDemand(began_at=NOW - timedelta(days=7), asked=tuple(rows))
    ahead = look_ahead(demand, policy=StationPolicy(), now=NOW, rules=PACKAGED)
    return StationOutlook(ahead=ahead, waiting={})


def keep(units: int) -> list[UnitFacts]:
    """Bags that keep for weeks, so that they may be kept for others."""
    return [replace(unit, expires_at=NOW + timedelta(days=20)) for unit in lay(units)]


def pose(cases: Sequence[Case], shelf: list[UnitFacts], ahead: StationOutlook) -> Problem:
    problem = pose_problem(cases, shelf=Shelf(shelf), outlook=ahead, now=NOW)
    assert problem is not None
    return problem


def decide_ahead(
    *cases: Case, shelf: list[UnitFacts], ahead: StationOutlook | None = None
) -> list[Decision]:
    """What is decided where graver need is expected."""
    outlook = ahead or expect()
    problem = pose(cases, shelf, outlook)
    allocation = asyncio.run(DirectSolver().allocate(problem))
    shares = read_shares(cases, outlook=outlook, problem=problem, allocation=allocation, now=NOW)
    found = decide_batch(cases, shelf=Shelf(shelf), now=NOW, hold_s=3600, shares=shares)
    return [matched.decision for matched in found]


def later(quantity: int, priority: Priority = ROUTINE, **changes: object) -> Case:
    """An order that is needed in a day."""
    request = ask(quantity, priority).but(needed_by=NOW + timedelta(hours=24), **changes)
    return build_case(request)


def line_of(decision: Decision) -> LineDecision:
    (line,) = decision.lines
    return line


def test_a_part_that_is_deferred_beside_a_rest_that_is_asked_back_tells_both() -> None:
    (found,) = decide_ahead(later(60), shelf=keep(6))
    line = line_of(found)
    assert (found.outcome, found.waiting_for) == (Outcome.WAITING, "donors_and_neighbours")
    assert (line.uncovered, line.deferred, line.unconfirmed) == (20, 6, 40)
    (found,) = decide_ahead(later(60), shelf=keep(24), ahead=expect(200))
    line = line_of(found)
    assert (found.outcome, found.waiting_for) == (Outcome.DEFERRED, "expected_need")
    # Half of what lies there is given unasked: that it is kept for others takes none of it away.
    assert (line.uncovered, line.deferred, line.unconfirmed, line.reserved) == (12, 12, 48, ())
    assert [why.code for why in line.asked_back] == ["quantity_large", "quantity_takes_last"]
    assert line.asked_back[1].params["free"] == 24
    assert "kept_for_expected_routine" in {why.code for why in line.refusals}


def test_a_word_alone_is_waited_for_where_the_part_is_there() -> None:
    (found,) = decide_ahead(later(60), shelf=keep(400))
    line = line_of(found)
    assert (found.outcome, found.waiting_for) == (Outcome.PARTLY_RESERVED, "confirmation")
    assert (len(line.reserved), line.uncovered, line.deferred, line.unconfirmed) == (20, 0, 0, 40)
    assert found.deferred_until is None


@pytest.mark.parametrize(("by", "counted"), [(None, 20), ("Dr Tashi", 60)])
@pytest.mark.parametrize("priority", [ROUTINE, URGENT])
def test_what_waits_for_a_word_takes_no_share_of_the_shelf(
    by: str | None, counted: int, priority: Priority
) -> None:
    case = later(60, priority, quantity_confirmed_by=by)
    problem = pose([case], keep(100), expect())
    key = name_open(name_line(case.request.request_id, 1))
    (asked,) = (wanted for wanted in problem.demands if wanted.key == key)
    assert asked.amount == counted * WHOLE


def test_a_large_order_that_is_not_meant_keeps_nothing_from_others() -> None:
    """Two orders that can wait on a shelf that serves the part of one and the whole of another."""
    shelf = keep(110)
    large, small = later(100, URGENT), later(9, ROUTINE, request_id="small", patient=OTHER)
    decisions = decide_ahead(large, small, shelf=shelf, ahead=expect(60))
    assert len(line_of(decisions[0]).reserved) == 20
    assert decisions[1].outcome is Outcome.RESERVED


def by_hand(case: Case, units: Sequence[UnitFacts]) -> Case:
    given = tuple(
        HandGiven(line_no=1, unit=unit, actor="dispatcher/n", by="Tsering", reason="x")
        for unit in units
    )
    return replace(case, hand=HandWork(given=given))


def pending(case: Case, units: int, sent: int = 0) -> Case:
    bags = PendingBags(at_station=tuple(lay(units, at=2000)))
    away = PendingBags(at_station=bags.at_station, on_the_way=tuple(lay(sent, at=3000)))
    return replace(
        case,
        covered={1: (units + sent) * WHOLE},
        held={1: units + sent},
        covered_units={1: (units + sent) * WHOLE},
        issued=sent,
        facts=OrderFacts(opened_at=NOW, pending={1: away}),
    )


@pytest.mark.parametrize("given", [0, 1, 7, 20, 25, 30, 34])
@pytest.mark.parametrize(("priority", "part"), [(URGENT, 20), (ROUTINE, 20), (DYING, 40)])
def test_a_bag_given_by_hand_counts_towards_the_part_and_not_past_the_order(
    given: int, priority: Priority, part: int
) -> None:
    asked = part + 10
    case = by_hand(build_case(ask(asked, priority)), lay(given, at=1000))
    line = line_of(decide(case, shelf=lay(200))[0])
    expected = min(asked, max(part, given))
    assert len(line.reserved) == expected
    assert (line.uncovered, line.unconfirmed) == (0, asked - expected)
    by_people = [unit for unit in line.reserved if unit.reason.code == "given_by_hand"]
    assert len(by_people) == min(given, asked)


@pytest.mark.parametrize(("given", "unconfirmed"), [(1, 9), (9, 1), (10, 0), (12, 0)])
def test_beside_a_part_that_is_held_a_bag_by_hand_is_all_that_is_added(
    given: int, unconfirmed: int
) -> None:
    case = by_hand(pending(build_case(ask(30)), 20), lay(given, at=1000))
    line = line_of(decide(case, shelf=lay(200))[0])
    assert (len(line.reserved), line.unconfirmed) == (min(given, 10), unconfirmed)
    assert line.covered_hundredths == (30 - unconfirmed) * WHOLE


@pytest.mark.parametrize("at_station", [0, 1, 19, 20])
def test_nobody_in_danger_waits_for_a_word_beside_free_blood(at_station: int) -> None:
    """Whatever is expected, whoever else asks, and whatever a dispatcher gave before."""
    asked, sent = 100, 40 - at_station
    case = pending(build_case(ask(asked, DYING)), at_station, sent)
    assert is_next_part_due(case)
    given = lay(3, at=1000)
    cases = [by_hand(case, given), later(30, request_id="waits", patient=OTHER)]
    dying, waits = decide_ahead(*cases, shelf=keep(70), ahead=expect(300))
    line = line_of(dying)
    room = find_at_once(case, CELLS) - at_station
    assert len(line.reserved) == room
    assert (line.uncovered, line.unconfirmed) == (0, asked - 40 - room)
    assert all(not cleared.reason.code.startswith("kept_") for cleared in line.reserved)
    assert line_of(waits).reserved == ()


@pytest.mark.parametrize("priority", [DYING, URGENT])
async def test_what_waits_for_a_word_is_nobodys_demand_and_no_lack(priority: Priority) -> None:
    story = Story()
    await story.count(*["A+"] * 200)
    await story.ask("q", 60, priority, 24.0, group="A+", reference="bed-9")
    (line,) = story.decisions("q")[-1].lines
    assert line.unconfirmed > 0
    engine = story.system.engine
    waiting = MemoryDemand(engine.state)
    assert await waiting.count_deferred(STATION_ID, besides=()) == {}
    await story.go(0.5)
    assert [row for row in engine.events if type(row).__name__ == "ShortageDeclared"] == []
    await story.ask("r", 12, URGENT, 24.0, group="B+", reference="bed-10")
    # What is not there gives no claim on what is.
    assert await waiting.count_deferred(STATION_ID, besides=()) == {}


async def test_a_word_after_a_bag_by_hand_keeps_that_bag() -> None:
    story = Story()
    units = await story.count(*["A+"] * 60)
    await story.ask("q", 26, URGENT, group="A+")
    spare = next(unit for unit in units if unit not in story.held("q"))
    await story.give("q", spare)
    assert story.refused() == []
    (line,) = story.decisions("q")[-1].lines
    assert (len(story.held("q")), line.unconfirmed) == (21, 5)
    before = {*story.held("q")}
    await story.amend("q", quantity_confirmed_by="Dr Tashi")
    assert before < {*story.held("q")}
    assert (len(story.held("q")), story.status("q")) == (26, "reserved")
    free = next(unit for unit in units if unit not in story.held("q"))
    await story.give("q", free)
    assert story.refused() == ["line_needs_no_more"], "never past what was asked"


async def test_a_bag_by_hand_is_ahead_of_the_next_part() -> None:
    story = Story()
    units = await story.count(*["A+"] * 120)
    await story.ask("q", 90, DYING, group="A+", reference="bed-9")
    for unit in [unit for unit in units if unit not in story.held("q")][:5]:
        await story.give("q", unit)
    held = story.held("q")
    assert len(held) == 45
    for unit in held[:24]:
        await story.scan(unit, StockChange.PICKED)
        await story.scan(unit, StockChange.ISSUED)
    assert len(story.held("q")) == 21
    await story.scan(held[24], StockChange.PICKED)
    await story.scan(held[24], StockChange.ISSUED)
    assert len(story.held("q")) == 40
