"""A bag is held back by hand, and nobody is given it until the hold ends: services in memory."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.events.stock import StockChange
from models.requests import Priority, RequestStatus
from models.units import UnitStatus
from tests.life.facilities import HOSPITAL_ID, STATION_ID
from tests.support.town_story import BY, DISPATCHER, WHY, Story

ROUTINE, DYING = Priority.ROUTINE, Priority.LIFE_THREATENING


async def test_nobody_is_given_a_bag_on_hold() -> None:
    story = Story()
    (bag,) = await story.count("A+")
    await story.hold(bag)
    assert story.refused() == []
    assert story.state(bag) == UnitStatus.ON_HOLD
    for name, priority in (("waits", ROUTINE), ("dying", DYING)):
        await story.ask(name, priority=priority, group="A+")
    await story.go(1)
    assert story.held("waits") == story.held("dying") == []
    held = story.system.engine.state.holds[bag]
    assert (held.actor, held.by, held.reason) == (DISPATCHER, BY, WHY)


async def test_who_waits_is_served_once_the_hold_ends() -> None:
    story = Story()
    (bag,) = await story.count("A+")
    await story.hold(bag)
    await story.ask("waits", group="A+")
    await story.end_hold(bag)
    await story.go(0.01)
    assert story.held("waits") == [bag]
    assert bag not in story.system.engine.state.holds


async def test_a_hold_ends_by_itself_at_its_stated_end() -> None:
    story = Story()
    (bag,) = await story.count("A+")
    await story.hold(bag, until=story.hand.now + timedelta(hours=2))
    await story.ask("waits", group="A+")
    await story.go(1.9)
    assert story.held("waits") == []
    await story.go(0.2)
    await story.go(0.01)
    assert story.held("waits") == [bag]


async def test_an_end_of_an_earlier_hold_does_not_end_a_later_one() -> None:
    story = Story()
    (bag,) = await story.count("A+")
    await story.hold(bag, until=story.hand.now + timedelta(hours=2))
    await story.end_hold(bag)
    await story.hold(bag)
    await story.go(3)
    assert story.state(bag) == UnitStatus.ON_HOLD


async def test_a_stated_end_must_lie_ahead() -> None:
    story = Story()
    (bag,) = await story.count("A+")
    await story.hold(bag, until=story.hand.now)
    assert story.refused() == ["hold_over_already"]
    assert story.state(bag) == UnitStatus.AVAILABLE


async def test_whoever_had_the_bag_is_matched_again_at_once_and_told_why() -> None:
    story = Story()
    units = await story.count("A+", "A+")
    await story.ask("has", priority=DYING, group="A+")
    (bag,) = story.held("has")
    (other,) = {*units} - {bag}
    await story.hold(bag)
    assert story.state(bag) == UnitStatus.ON_HOLD
    assert story.held("has") == [other]
    (told,) = (
        reason for reason in story.decisions("has")[-1].reasons if reason.code == "unit_put_on_hold"
    )
    assert told.params == {"unit_id": bag, "by": BY, "reason": WHY}


async def test_what_is_picked_cannot_be_held() -> None:
    story = Story()
    (bag,) = await story.count("A+")
    await story.ask("has", group="A+")
    await story.scan(bag, StockChange.PICKED)
    await story.hold(bag)
    assert story.refused() == ["unit_state_forbids"]
    assert story.held("has") == [bag]


@pytest.mark.parametrize("change", [None, StockChange.PICKED])
async def test_only_a_hold_is_ended(change: StockChange | None) -> None:
    story = Story()
    (bag,) = await story.count("A+")
    if change is not None:
        await story.ask("has", group="A+")
        await story.scan(bag, change)
    await story.end_hold(bag)
    assert story.refused() == ["unit_not_on_hold"]


async def test_a_returned_bag_is_not_stocked_by_the_end_of_a_hold() -> None:
    story = Story()
    (bag,) = await story.count("A+")
    await story.ask("has", group="A+")
    for change in (StockChange.PICKED, StockChange.ISSUED):
        await story.scan(bag, change)
    await story.scan(bag, StockChange.RETURNED, out_s=7200)
    await story.end_hold(bag, source=f"station/{STATION_ID}")
    assert story.refused() == ["unit_not_on_hold"]
    assert story.state(bag) == UnitStatus.RETURNED


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        (f"station/{STATION_ID}", []),
        ("station/elsewhere", ["source_differs"]),
        (f"hospital/{HOSPITAL_ID}", ["unit_actor_forbids"]),
    ],
)
async def test_a_station_holds_its_own_and_no_hospital_does(
    source: str, refused: list[str]
) -> None:
    story = Story()
    (bag,) = await story.count("A+")
    await story.hold(bag, source=source)
    assert story.refused() == refused


async def test_a_bag_on_hold_is_given_by_hand_alone() -> None:
    story = Story()
    (bag,) = await story.count("A+")
    await story.hold(bag)
    await story.ask("waits", priority=ROUTINE, group="A+")
    await story.give("waits", bag)
    assert story.refused() == []
    assert story.held("waits") == [bag]
    assert story.status("waits") == RequestStatus.RESERVED
    assert bag not in story.system.engine.state.holds


async def test_a_bag_on_hold_is_still_judged_by_the_kernel() -> None:
    story = Story()
    (bag,) = await story.count("B+")
    await story.hold(bag)
    await story.ask("waits", group="A+")
    await story.give("waits", bag)
    assert story.refused() == ["bag_not_cleared"]
    assert story.state(bag) == UnitStatus.ON_HOLD


async def test_a_bag_on_hold_expires_and_is_recalled_like_any_other() -> None:
    story = Story()
    old, recalled, broken = await story.count("A+", "A+", "A+", left_h=5)
    for bag in (old, recalled, broken):
        await story.hold(bag)
    await story.recall(recalled)
    await story.scan(broken, StockChange.DISCARDED)
    await story.go(6)
    assert story.state(recalled) == UnitStatus.RECALLED
    assert story.state(broken) == UnitStatus.DISCARDED
    assert story.state(old) == UnitStatus.EXPIRED
    assert story.system.engine.state.holds == {}
