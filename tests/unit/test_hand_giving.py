"""A dispatcher gives a bag to a patient by hand and takes it back, over the services in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from pydantic import ValidationError

from models.components import Component
from models.decisions import Outcome, Reason
from models.events.hand_work import BagTakenBack
from models.events.stock import StockChange
from models.requests import Priority, RequestStatus
from models.units import UnitStatus
from tests.life.facilities import HOSPITAL_ID, STATION_ID
from tests.support.hand_store import check_hand_store
from tests.support.memory_store.stock import MemoryStock
from tests.support.town_story import BY, DISPATCHER, WHY, Story

DYING, URGENT, ROUTINE = Priority.LIFE_THREATENING, Priority.URGENT, Priority.ROUTINE


def find_reason(story: Story, name: str, unit_id: str) -> Reason:
    """The reason why a bag is reserved in the newest decision."""
    (reserved,) = (
        unit
        for line in story.decisions(name)[-1].lines
        for unit in line.reserved
        if unit.unit_id == unit_id
    )
    return reserved.reason


def find_told(story: Story, name: str, code: str) -> Reason:
    (found,) = (told for told in story.decisions(name)[-1].reasons if told.code == code)
    return found


async def test_what_is_kept_for_others_is_a_dispatchers_to_give() -> None:
    story = Story()
    (kept,) = await story.count("A-")
    await story.ask("waits", priority=ROUTINE, group="A+")
    assert story.held("waits") == [], "RhD- is kept for RhD- patients"
    await story.give("waits", kept)
    assert story.refused() == []
    assert story.held("waits") == [kept]
    assert story.status("waits") == RequestStatus.RESERVED
    assert story.decisions("waits")[-1].outcome is Outcome.RESERVED
    reason = find_reason(story, "waits", kept)
    assert reason.code == "given_by_hand"
    assert (reason.params["by"], reason.params["reason"]) == (BY, WHY)
    assert reason.params["key"] == DISPATCHER
    assert reason.rule, "the rule that allows the group is cited as ever"
    for change in (StockChange.PICKED, StockChange.ISSUED, StockChange.RECEIVED):
        await story.scan(kept, change)
    assert story.status("waits") == RequestStatus.FULFILLED


async def test_the_safety_kernel_refuses_with_every_reason_and_nothing_changes() -> None:
    story = Story()
    (wrong,) = await story.count("B+")
    await story.ask("waits", group="A+", attributes={"irradiated": True})
    before = len(story.decisions("waits"))
    await story.give("waits", wrong)
    (error,) = story.system.engine.refused
    assert error.code == "bag_not_cleared"
    assert str(error.params["codes"]).split() == ["other_group", "lacks_attribute"]
    assert story.state(wrong) == UnitStatus.AVAILABLE
    assert len(story.decisions("waits")) == before


async def test_a_bag_of_a_lower_priority_changes_hands_and_the_loser_is_told() -> None:
    story = Story()
    (bag,) = await story.count("A+")
    await story.ask("has", priority=ROUTINE, group="A+")
    await story.ask("waits", priority=URGENT, group="A+")
    assert (story.held("has"), story.held("waits")) == ([bag], [])
    await story.give("waits", bag)
    assert (story.held("has"), story.held("waits")) == ([], [bag])
    told = find_told(story, "has", "taken_by_hand")
    assert told.params == {"unit_id": bag, "by": BY, "reason": WHY}
    assert story.status("has") == RequestStatus.OPEN
    (other,) = await story.count("A+")
    await story.go(0.01)
    assert story.held("has") == [other], "it waits in its turn and is served"


async def test_the_loser_is_matched_again_at_once() -> None:
    story = Story()
    first, second = await story.count("A-", "A+")
    await story.ask("has", priority=ROUTINE, group="A-")
    assert story.held("has") == [first]
    await story.ask("waits", priority=URGENT, group="A+", quantity=2)
    assert story.held("waits") == [second]
    (spare,) = await story.count("O-")
    await story.give("waits", first)
    assert sorted(story.held("waits")) == sorted([first, second])
    assert story.held("has") == [spare], "the loser has what is left, in the same step"


@pytest.mark.parametrize(("has", "asks"), [(ROUTINE, ROUTINE), (URGENT, URGENT), (DYING, URGENT)])
async def test_no_bag_is_taken_from_whoever_can_wait_no_longer(
    has: Priority, asks: Priority
) -> None:
    story = Story()
    (bag,) = await story.count("A+")
    await story.ask("has", priority=has, group="A+")
    await story.ask("waits", priority=asks, group="A+")
    await story.give("waits", bag)
    assert story.refused() == ["bag_of_no_lower_priority"]
    assert (story.held("has"), story.held("waits")) == ([bag], [])


async def test_a_line_takes_no_more_than_it_needs() -> None:
    story = Story()
    has, more = await story.count("A+", "A+")
    await story.ask("full", group="A+")
    (held,) = story.held("full")
    free = more if held == has else has
    await story.give("full", free)
    assert story.refused() == ["line_needs_no_more"]
    await story.give("full", held)
    assert story.refused() == ["bag_held_already"]
    assert story.held("full") == [held]


async def test_a_bag_is_given_instead_of_another() -> None:
    story = Story()
    units = await story.count("A+", "A+")
    await story.ask("full", group="A+")
    (held,) = story.held("full")
    (free,) = {*units} - {held}
    await story.give("full", free, instead_of=held)
    assert story.refused() == []
    assert story.held("full") == [free]
    assert story.state(held) == UnitStatus.AVAILABLE
    told = find_told(story, "full", "bag_taken_back")
    assert told.params["unit_id"] == held, "who reads decisions must know what went back"
    await story.go(0.01)
    assert story.held("full") == [free]


async def test_only_a_bag_of_the_same_line_goes_back_for_another() -> None:
    story = Story()
    units = await story.count("A+", "A+", "A+")
    await story.ask("full", group="A+")
    await story.ask("other", group="A+")
    (held,), (of_other,) = story.held("full"), story.held("other")
    (free,) = {*units} - {held, of_other}
    await story.give("full", free, instead_of=of_other)
    assert story.refused() == ["bag_not_held"]
    assert (story.held("full"), story.held("other")) == ([held], [of_other])


async def test_a_bag_is_taken_back_and_not_given_again_in_the_same_step() -> None:
    story = Story()
    first, second = await story.count("A+", "A+")
    await story.ask("has", group="A+")
    (held,) = story.held("has")
    (other,) = {first, second} - {held}
    await story.take_back("has", held)
    assert story.refused() == []
    assert story.held("has") == [other]
    assert story.state(held) == UnitStatus.AVAILABLE
    told = find_told(story, "has", "bag_taken_back")
    assert told.params == {"unit_id": held, "by": BY, "reason": WHY}


async def test_the_only_bag_is_taken_back_and_the_request_waits() -> None:
    story = Story()
    (only,) = await story.count("A+")
    await story.ask("has", group="A+")
    await story.take_back("has", only)
    assert story.held("has") == []
    assert story.status("has") == RequestStatus.OPEN
    assert story.decisions("has")[-1].outcome is Outcome.WAITING


async def pick(story: Story, unit_id: str) -> None:
    await story.scan(unit_id, StockChange.PICKED)


async def test_what_is_picked_is_out_of_a_dispatchers_hand() -> None:
    story = Story()
    (bag,) = await story.count("A+")
    await story.ask("has", priority=ROUTINE, group="A+")
    await story.ask("waits", priority=DYING, group="A+", attributes={"irradiated": True})
    await pick(story, bag)
    await story.take_back("has", bag)
    assert story.refused() == ["bag_not_held"]
    await story.amend("waits", priority=URGENT)
    await story.give("waits", bag)
    (error,) = story.system.engine.refused
    assert error.code == "bag_not_cleared"
    assert "status_forbids" in str(error.params["codes"])
    assert story.held("has") == [bag]


async def test_no_hospital_helps_itself() -> None:
    story = Story()
    (kept,) = await story.count("A-")
    await story.ask("waits", priority=ROUTINE, group="A+")
    await story.give("waits", kept, source=f"hospital/{HOSPITAL_ID}")
    assert story.refused() == ["source_differs"]
    assert story.held("waits") == []


WRONG: dict[str, Callable[[Story], Awaitable[None]]] = {
    "unit_unknown": lambda story: story.give("waits", "U99"),
    "line_unknown": lambda story: story.give("waits", "U1", line_no=2),
    "request_unknown": lambda story: story.give("nobody", "U1"),
}


@pytest.mark.parametrize("code", WRONG)
async def test_what_does_not_exist_is_named(code: str) -> None:
    story = Story()
    await story.count("A-")
    await story.ask("waits", priority=ROUTINE, group="A+")
    await WRONG[code](story)
    assert story.refused() == [code]


async def test_an_amendment_keeps_what_was_given_by_hand() -> None:
    story = Story()
    (kept,) = await story.count("A-")
    await story.ask("waits", priority=ROUTINE, group="A+")
    await story.give("waits", kept)
    await story.count("A+")
    await story.amend("waits", note="theatre 2")
    assert story.held("waits") == [kept]
    assert find_reason(story, "waits", kept).params["by"] == BY


async def test_an_amendment_that_the_bag_does_not_fit_drops_it_and_says_so() -> None:
    story = Story()
    (kept,) = await story.count("A-")
    await story.ask("waits", priority=ROUTINE, group="A+")
    await story.give("waits", kept)
    await story.amend("waits", patient={"group": "A+", "antibodies": ("E",)})
    assert story.held("waits") == []
    told = find_told(story, "waits", "hand_given_no_more")
    assert (told.params["unit_id"], told.params["by"]) == (kept, BY)


async def test_a_bag_that_is_more_than_is_asked_now_goes_back_and_is_told() -> None:
    story = Story()
    given = await story.count("A-", "A-")
    await story.ask("waits", 2, priority=ROUTINE, group="A+")
    for unit in given:
        await story.give("waits", unit)
    line = {"line_no": 1, "component": "red_cells", "quantity": 1}
    await story.amend("waits", lines=(line,))
    (kept,) = story.held("waits")
    (back,) = set(given) - {kept}
    told = find_told(story, "waits", "hand_given_not_needed")
    assert told.params == {"unit_id": back, "by": BY}


async def test_a_word_of_the_patient_keeps_it_where_it_fits() -> None:
    story = Story()
    (kept,) = await story.count("A-", irradiated=True)
    await story.ask("waits", priority=ROUTINE, group="A+", reference="bed-3")
    await story.give("waits", kept)
    await story.change_patient("bed-3", special_needs=("irradiated",))
    await story.go(0.01)
    assert story.held("waits") == [kept]
    assert "patient_changed" in story.reasons("waits")


async def test_a_part_that_helps_nobody_yet_stays_where_a_person_put_it() -> None:
    story = Story()
    cryo = Component.CRYOPRECIPITATE
    (bag,) = await story.count("A+", component=cryo)
    await story.ask("waits", 10, group="A+", component=cryo)
    assert story.held("waits") == [], "one of ten is of no use"
    await story.give("waits", bag)
    assert story.held("waits") == [bag]


async def test_who_and_why_are_needed() -> None:
    names = {"request_id": "r", "hospital_id": HOSPITAL_ID, "station_id": STATION_ID}
    for said in ({"by": " ", "reason": WHY}, {"by": BY, "reason": "  "}, {"by": BY}):
        with pytest.raises(ValidationError):
            BagTakenBack.model_validate({**names, "unit_id": "U1", **said})


async def test_the_store_in_memory_does_what_hand_work_asks_of_it() -> None:
    story = Story()
    free, given = await story.count("O-", "A-")
    (chosen,) = await story.count("A+")
    await story.ask("two", 2, priority=ROUTINE, group="A+")
    await story.give("two", given)
    stock = MemoryStock(story.system.engine.state, lambda _: None)
    await check_hand_store(
        stock, free=free, given=given, chosen=chosen, request_id="two", now=story.hand.now
    )


def thaw(story: Story, unit_id: str) -> None:
    row = story.system.engine.state.units[unit_id]
    traits = row.unit.traits.but(thawed_at=story.hand.now)
    story.system.engine.state.units[unit_id] = replace(row, unit=row.unit.but(traits=traits))


async def test_what_the_station_thawed_is_given_to_a_hospital_that_cannot_thaw() -> None:
    story = Story()
    plasma = Component.FRESH_FROZEN_PLASMA
    directories = story.system.engine.directories
    hospitals = dict(directories.directory.hospitals)
    hospitals[HOSPITAL_ID] = hospitals[HOSPITAL_ID].but(can_thaw=False)
    directories.directory = replace(directories.directory, hospitals=hospitals)
    first, second = await story.count("AB+", "AB+", component=plasma)
    thaw(story, first)
    await story.ask("waits", 2, component=plasma, group="A+")
    assert story.held("waits") == [first]
    thaw(story, second)
    await story.give("waits", second)
    assert story.refused() == []
    assert story.held("waits") == sorted([first, second])
