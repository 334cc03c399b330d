"""Large orders through the services, in memory: by a word, as parts leave, and as usual."""

from __future__ import annotations

import pytest

from models.decisions import LineDecision
from models.events.stock import StockChange
from models.requests import Priority
from tests.support.town_story import Story

DYING, URGENT = Priority.LIFE_THREATENING, Priority.URGENT


def last(story: Story, request_id: str) -> LineDecision:
    (line,) = story.decisions(request_id)[-1].lines
    return line


async def send(story: Story, *unit_ids: str) -> None:
    for unit_id in unit_ids:
        await story.scan(unit_id, StockChange.PICKED)
        await story.scan(unit_id, StockChange.ISSUED)


async def test_a_word_gives_the_rest_and_keeps_what_is_held() -> None:
    story = Story()
    await story.count(*["A+"] * 60)
    await story.ask("q", 26, URGENT, group="A+")
    first = story.held("q")
    assert (len(first), story.status("q"), last(story, "q").unconfirmed) == (20, "open", 6)
    await story.amend("q", quantity_confirmed_by="Dr Tashi")
    assert {*first} < {*story.held("q")}
    assert (len(story.held("q")), story.status("q")) == (26, "reserved")
    reason = story.decisions("q")[-1].reasons[0]
    assert (reason.code, reason.params) == ("quantity_confirmed", {"by": "Dr Tashi"})


async def test_the_next_part_is_there_as_half_of_the_first_has_left() -> None:
    story = Story()
    await story.count(*["A+"] * 150)
    # Nobody is named: it is for several patients.
    await story.ask("q", 100, DYING, group="A+")
    assert len(story.held("q")) == 100
    await story.ask("p", 60, DYING, group="A+", reference="bed-9")
    assert len(story.held("p")) == 40
    assert last(story, "p").unconfirmed == 20
    held = story.held("p")
    await send(story, *held[:19])
    assert len(story.held("p")) == 21
    await send(story, held[19])
    assert len(story.held("p")) == 30
    assert (last(story, "p").uncovered, last(story, "p").unconfirmed) == (10, 0)


@pytest.mark.parametrize(("before", "given"), [(9, 20), (10, 50)])
async def test_ten_orders_tell_what_is_usual(before: int, given: int) -> None:
    story = Story()
    await story.count(*["A+"] * 120)
    for number in range(before):
        await story.ask(f"b{number}", 25, URGENT, group="B+")
    await story.ask("q", 50, URGENT, group="A+")
    assert len(story.held("q")) == given
