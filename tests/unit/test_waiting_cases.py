"""Who waits is served, over the real services in memory: blood that becomes free, holds that lapse,
what a patient in danger of life takes. Cases by their number.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from models.components import Component
from models.decisions import Outcome
from models.events.stock import CountedUnit, StockChange
from models.requests import Priority, RequestStatus
from models.units import UnitStatus
from streams.services import promise_progress
from streams.services.request_decisions import NEED_STANDS_S
from tests.life.engine import HOLD_S
from tests.life.facilities import ETA_S, build_directory
from tests.support.town_story import Story

DYING, URGENT, ROUTINE = Priority.LIFE_THREATENING, Priority.URGENT, Priority.ROUTINE
SOON_H = 1 / 3600

LINE = {"line_no": 1, "component": "red_cells"}


async def cancelled(story: Story) -> None:
    await story.cancel("has")


async def asks_for_less(story: Story) -> None:
    await story.amend("has", lines=({**LINE, "quantity": 1},))


async def asks_for_another_component(story: Story) -> None:
    await story.amend("has", lines=({**LINE, "component": "platelets", "quantity": 1},))


async def becomes_another_group(story: Story) -> None:
    await story.amend("has", patient={"group": "B+"})


async def has_an_antibody(story: Story) -> None:
    await story.amend("has", patient={"group": "A+", "antibodies": ("E",)})


async def needs_it_too_late(story: Story) -> None:
    needed_by = story.hand.now.replace(year=story.hand.now.year + 1)
    await story.amend("has", needed_by=needed_by)


async def comes_back(story: Story) -> None:
    unit_id, *_ = story.held("has")
    await story.scan(unit_id, StockChange.ISSUED)
    await story.cancel("has")
    await story.scan(unit_id, StockChange.RETURNED, out_s=60)
    await story.scan(unit_id, StockChange.RESTOCKED)


async def is_picked_and_cancelled(story: Story) -> None:
    for unit_id in story.held("has"):
        await story.scan(unit_id, StockChange.PICKED)
    await story.cancel("has")


async def is_counted(story: Story) -> None:
    await story.count("A+")


WAYS: tuple[Callable[[Story], Awaitable[None]], ...] = (
    cancelled,
    asks_for_less,
    asks_for_another_component,
    becomes_another_group,
    has_an_antibody,
    needs_it_too_late,
    comes_back,
    is_picked_and_cancelled,
    is_counted,
)


async def test_c63_a_bag_is_not_held_until_it_can_no_longer_be_given() -> None:
    """Held until its expiry it would stand in the way of a bag that comes meanwhile."""
    story = Story()
    (late,) = await story.count("A+", left_h=6)
    await story.ask("waits", need_h=1, group="A+")
    assert story.held("waits") == [late]
    (reserved,) = story.decisions("waits")[-1].lines[0].reserved
    assert reserved.leaves_by == reserved.expires_at - timedelta(hours=4, seconds=ETA_S)
    await story.go(1.4)
    assert story.held("waits") == [late], "it can still be given in time"
    (fresh,) = await story.count("A+")
    await story.go(0.2)
    assert story.held("waits") == [fresh]
    assert story.state(late) == UnitStatus.AVAILABLE
    assert "unit_too_late" in story.reasons("waits")


async def test_c63_a_picked_bag_that_can_no_longer_be_given_is_replaced() -> None:
    story = Story()
    (late,) = await story.count("A+", left_h=6)
    await story.ask("waits", need_h=1, group="A+")
    await story.scan(late, StockChange.PICKED)
    await story.go(1.6)
    assert story.held("waits") == []
    assert story.status("waits") == RequestStatus.OPEN, "it waits for other blood"


async def test_c69_one_of_ten_is_partly_fulfilled_and_nine_are_owed() -> None:
    story = Story()
    (unit_id,) = await story.count("A+")
    await story.ask("ten", 10, group="A+")
    for change in (StockChange.PICKED, StockChange.ISSUED):
        await story.scan(unit_id, change)
    await story.go(7.5)
    last = story.decisions("ten")[-1]
    assert (last.outcome, last.waiting_for) == (Outcome.PARTLY_REFUSED, "delivery")
    assert story.owed("ten") == 9, "told while the one is on its way"
    await story.scan(unit_id, StockChange.RECEIVED)
    assert story.decisions("ten")[-1].outcome is Outcome.PARTLY_FULFILLED
    assert story.status("ten") == RequestStatus.PARTLY_FULFILLED
    assert story.owed("ten") == 9


async def test_c69_ten_of_ten_are_fulfilled_and_nothing_is_owed() -> None:
    story = Story()
    units = await story.count(*["A+"] * 2)
    await story.ask("two", 2, group="A+")
    for unit_id in units:
        for change in (StockChange.PICKED, StockChange.ISSUED, StockChange.RECEIVED):
            await story.scan(unit_id, change)
    assert story.status("two") == RequestStatus.FULFILLED
    assert story.owed("two") == 0


@pytest.mark.parametrize("frees", WAYS, ids=lambda way: way.__name__)
async def test_c70_whatever_becomes_free_goes_to_who_waits(
    frees: Callable[[Story], Awaitable[None]],
) -> None:
    story = Story()
    await story.count("A+", "A+")
    # Both urgent: nobody takes from the other, and only what becomes free helps.
    await story.ask("has", 2, URGENT, 5, group="A+")
    await story.ask("waits", 1, URGENT, 6, group="A+")
    assert story.status("waits") == "open"
    await frees(story)
    await story.go(SOON_H)
    assert story.status("waits") == "reserved"


async def test_c70_who_is_in_danger_comes_before_who_asked_earlier() -> None:
    story = Story()
    await story.count("A+")
    await story.ask("has", 1, DYING, 5, group="A+")
    await story.ask("waits", 1, URGENT, 5, group="A+")
    await story.ask("dying", 1, DYING, 6, group="A+")
    await story.cancel("has")
    await story.go(SOON_H)
    assert (story.status("dying"), story.status("waits")) == ("reserved", "open")


async def test_c70_a_hospital_that_can_use_it_again_gets_what_lies_free() -> None:
    """Whatever changes in the registers is seen at the next rematch."""
    story = Story()
    await story.system.put_directory(build_directory(eta_s=100 * 3600))
    await story.count("A+", left_h=50)
    await story.ask("waits", 1, URGENT, 6, group="A+")
    assert story.status("waits") == "open"
    await story.system.put_directory(build_directory(eta_s=ETA_S))
    await story.count("B-")
    await story.go(SOON_H)
    assert story.status("waits") == "reserved"


@pytest.mark.parametrize("limit", [3, promise_progress.REMATCH_LIMIT])
async def test_c78_all_who_wait_are_looked_at_past_any_page(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promise_progress, "REMATCH_LIMIT", limit)
    story = Story()
    for number in range(limit):
        await story.ask(f"b{number:03}", 1, DYING, group="O-")
    await story.ask("a", group="A+")
    await story.count("A+")
    await story.go(SOON_H)
    assert story.status("a") == "reserved"


async def test_c77_who_wait_are_matched_together() -> None:
    """Deciding them one by one, the flexible patient would take what the other needs."""
    story = Story()
    await story.ask("ab", 2, URGENT, 5, group="AB+")
    await story.ask("a", 2, URGENT, 6, group="A+")
    await story.count("A+", "A+", "B+", "B+")
    await story.go(SOON_H)
    assert (story.status("ab"), story.status("a")) == ("reserved", "reserved")


async def test_c72_what_is_not_picked_goes_to_who_is_in_danger_of_life() -> None:
    story = Story()
    await story.count("O-", "O-")
    await story.ask("routine", 2, ROUTINE, 72, group="O-")
    lost = story.held("routine")
    await story.ask("dying", 2, DYING, 2, group="O-")
    assert story.held("dying") == lost
    # Who lost them waits again at once, and is told why.
    assert story.status("routine") == "open"
    assert story.reasons("routine")[:2] == ["taken_for_life_threatening"] * 2
    assert {step.why for step in story.system.engine.steps if step.subject in lost} >= {
        "taken_for_life_threatening",
        "dying",
    }
    # Each promise of a bag has a greater epoch than the one before.
    assert {story.system.engine.state.units[unit_id].epoch for unit_id in lost} == {2}
    await story.count("O-", "O-")
    await story.go(SOON_H)
    assert story.status("routine") == "reserved"


async def test_c72_who_loses_a_bag_gets_another_that_fits() -> None:
    story = Story()
    await story.count("A+")
    await story.ask("routine", 1, ROUTINE, 5, group="A+")
    await story.count("O+", "B+")
    # The O+ that is free serves one of them; the other bag is the routine patient's own.
    await story.ask("dying", 2, DYING, 2, group="A+")
    assert story.held("dying") == ["U1", "U2"]
    assert story.status("routine") == "open"
    await story.count("O+")
    await story.go(SOON_H)
    assert story.held("routine") == ["U4"]


@pytest.mark.parametrize("priority", [URGENT, ROUTINE])
async def test_c72_only_danger_of_life_takes(priority: Priority) -> None:
    story = Story()
    await story.count("A+")
    await story.ask("has", 1, ROUTINE, 72, group="A+")
    await story.ask("asks", 1, priority, 2, group="A+")
    assert (story.status("has"), story.status("asks")) == ("reserved", "open")
    # A request that comes to be in danger takes like one that was from the first.
    await story.amend("asks", priority="life_threatening")
    assert (story.status("has"), story.status("asks")) == ("open", "reserved")


async def test_c72_nobody_loses_what_is_picked_or_what_another_in_danger_has() -> None:
    story = Story()
    await story.count("A+")
    await story.ask("has", 1, ROUTINE, 72, group="A+")
    (unit_id,) = story.held("has")
    await story.scan(unit_id, StockChange.PICKED)
    await story.ask("dying", 1, DYING, 2, group="A+")
    assert (story.held("has"), story.status("dying")) == ([unit_id], "open")
    await story.count("B+")
    await story.ask("first", 1, DYING, 2, group="B+")
    await story.ask("second", 1, DYING, 1, group="B+")
    assert (story.status("first"), story.status("second")) == ("reserved", "open")


async def test_c72_nothing_is_taken_that_does_not_fit_or_is_not_missing() -> None:
    story = Story()
    await story.count("B+", "A+", "A+")
    await story.ask("b", 1, ROUTINE, 72, group="B+")
    await story.ask("a", 1, ROUTINE, 72, group="A+")
    await story.ask("dying", 1, DYING, 2, group="A+")
    assert [story.status(name) for name in ("a", "b", "dying")] == ["reserved"] * 3
    await story.ask("more", 2, DYING, 2, group="A+")
    assert (story.status("a"), story.status("b"), story.status("more")) == (
        "open",
        "reserved",
        "open",
    )


async def test_c74_who_can_wait_gets_the_last_o_in_time() -> None:
    story = Story()
    await story.count("O+", "O+")
    await story.ask("late", 2, ROUTINE, 17, group="B+")
    assert story.status("late") == "open"
    await story.go(17 - 0.5 - 6 - 0.1)
    assert story.status("late") == "open"
    # The timer that the decision set takes the second look, in time to send it.
    await story.go(0.11)
    assert story.status("late") == "reserved"


async def test_c74_the_last_o_is_there_for_who_comes_in_danger() -> None:
    story = Story()
    await story.count("O+", "O+")
    await story.ask("late", 2, ROUTINE, 17, group="B+")
    await story.go(3)
    await story.ask("dying", 2, DYING, 1, group="A+")
    assert story.status("dying") == "reserved"


async def test_c80_a_lapsed_hold_puts_the_request_back_into_the_queue() -> None:
    story = Story()
    await story.count("A+")
    await story.ask("has", 1, URGENT, 6, group="A+")
    await story.go(6 + HOLD_S / 3600 + 0.01)
    assert story.status("has") == "open"
    await story.go(SOON_H)
    *_, lapsed, _ = story.decisions("has")
    # Its hospital was told, and it was served in its turn.
    assert [reason.code for reason in lapsed.reasons] == ["hold_lapsed", "unit_given_back"]
    assert story.status("has") == "reserved"


async def test_c80_who_waits_in_greater_need_comes_first() -> None:
    story = Story()
    await story.count("A+")
    await story.ask("has", 1, ROUTINE, 2, group="A+")
    await story.ask("waits", 1, URGENT, 12, group="A+")
    await story.go(2 + HOLD_S / 3600 + 0.01)
    await story.go(SOON_H)
    assert (story.status("has"), story.status("waits")) == ("open", "reserved")


async def test_c80_a_lapsed_request_that_finds_nothing_waits_and_is_served_later() -> None:
    story = Story()
    await story.count("A+")
    await story.ask("has", 1, URGENT, 6, group="A+")
    await story.go(7.01)
    await story.scan("U1", StockChange.DISCARDED)
    await story.go(SOON_H)
    assert story.status("has") == "open"
    await story.count("A+")
    await story.go(SOON_H)
    assert story.status("has") == "reserved"


async def test_c80_a_need_that_nobody_comes_for_ends_at_last() -> None:
    """Else an order that was forgotten would hold blood for ever."""
    story = Story()
    await story.count("A+")
    await story.ask("has", 1, URGENT, 6, group="A+")
    held_until = 6 + (ETA_S + NEED_STANDS_S + HOLD_S + ETA_S) / 3600
    for _ in range(40):
        await story.go((held_until + 1) / 40)
    assert story.status("has") == "expired"
    assert story.state("U1") == "available"


async def test_c81_a_bag_whose_hold_lapsed_is_the_last_resort_until_it_is_seen() -> None:
    story = Story()
    await story.count("A+")
    await story.ask("has", 1, URGENT, 1, group="A+")
    await story.go(2.01)
    await story.go(SOON_H)
    assert "may_have_left" in story.reasons("has")
    await story.cancel("has")
    await story.count("A+")
    await story.ask("next", 1, DYING, 2, group="A+")
    assert story.held("next") == ["U2"]
    # Nobody is left without it, and whoever gets it is told.
    await story.ask("after", 1, DYING, 2, group="A+")
    assert story.held("after") == ["U1"]
    assert "may_have_left" in story.reasons("after")


async def test_c81_a_count_or_a_scan_says_that_it_is_still_there() -> None:
    for seen in ("count", "scan"):
        story = Story()
        await story.count("A+")
        await story.ask("has", 1, URGENT, 1, group="A+")
        await story.go(2.01)
        await story.go(SOON_H)
        unit = story.system.engine.state.units["U1"].unit
        if seen == "count":
            await story.count_again([CountedUnit(unit=unit)])
        else:
            await story.scan("U1", StockChange.PICKED)
        await story.cancel("has")
        await story.ask("next", 1, URGENT, 3, group="A+")
        assert story.held("next") == ["U1"], seen
        assert "may_have_left" not in story.reasons("next"), seen


async def test_c81_a_bag_that_was_given_back_before_its_time_is_not_doubted() -> None:
    story = Story()
    await story.count("A+")
    await story.ask("has", 1, URGENT, 6, group="A+")
    await story.cancel("has")
    await story.ask("next", 1, URGENT, 6, group="A+")
    assert "may_have_left" not in story.reasons("next")


async def test_c79_what_is_missing_for_a_dose_brings_the_dose() -> None:
    story = Story()
    await story.count(*["A+"] * 4, component=Component.CRYOPRECIPITATE)
    await story.ask("q", 10, URGENT, 5, component=Component.CRYOPRECIPITATE, group="A+")
    assert story.held("q") == []
    await story.count(*["A+"] * 2, component=Component.CRYOPRECIPITATE)
    await story.go(SOON_H)
    assert len(story.held("q")) == 6


async def test_c79_what_a_loss_leaves_and_helps_nobody_is_free_again() -> None:
    story, cryo = Story(), Component.CRYOPRECIPITATE
    bags = await story.count(*["A+"] * 10, component=cryo)
    await story.ask("adult", 10, URGENT, 5, group="A+", component=cryo)
    await story.ask("child", 5, URGENT, 6, group="A+", component=cryo)
    for lost in bags[:4]:
        await story.recall(lost)
    assert len(story.held("adult")) == 6, "six are a dose"
    assert not story.held("child")
    await story.recall(bags[4])
    assert not story.held("adult"), "five are none"
    (line,) = story.decisions("adult")[-1].lines
    assert line.refusals[0].code == "part_of_no_use"
    await story.go(SOON_H)
    assert len(story.held("child")) == 5
    await story.count("A+", component=cryo)
    await story.go(SOON_H)
    assert not story.held("adult")


async def test_c79_once_some_have_left_the_rest_follows_them() -> None:
    story, cryo = Story(), Component.CRYOPRECIPITATE
    bags = await story.count(*["A+"] * 10, component=cryo)
    await story.ask("adult", 10, URGENT, 5, group="A+", component=cryo)
    for change in (StockChange.PICKED, StockChange.ISSUED):
        await story.scan(bags[0], change)
    for lost in bags[5:]:
        await story.recall(lost)
    assert sorted(story.held("adult")) == sorted(bags[1:5])
