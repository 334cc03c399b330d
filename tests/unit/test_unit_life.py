"""The definition of a unit's life, held against itself and against what repeats it."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

import pytest

from cli.unit_life_page import PAGE, build_page
from models.errors import DomainRefusal
from models.unit_states import (
    END_STATES,
    EXPIRING_STATES,
    MOVES,
    RELEASED_STATES,
    Actor,
    PromiseEffect,
    describe_states_for,
    get_move,
)
from models.units import UnitStatus

SQL = Path(__file__).parents[2] / "streams" / "store" / "queries"
S = UnitStatus


def test_every_state_is_reached_from_nothing() -> None:
    seen: set[UnitStatus | None] = {None}
    waiting: deque[UnitStatus | None] = deque([None])
    while waiting:
        state = waiting.popleft()
        for start, end in MOVES:
            if start is state and end not in seen:
                seen.add(end)
                waiting.append(end)
    assert seen == {None, *S}


def test_the_ends_are_ends() -> None:
    assert {S.SPLIT, S.TRANSFUSED, S.DISCARDED} == END_STATES


def test_nothing_leaves_quarantine_for_the_stock_but_by_our_decision() -> None:
    unreleased = {S.COLLECTED, S.QUARANTINED}
    for (start, end), move in MOVES.items():
        if start in unreleased and end in RELEASED_STATES:
            assert (start, end) == (S.QUARANTINED, S.AVAILABLE)
            assert move.actors == {Actor.ENGINE}


def test_what_is_recalled_can_only_be_destroyed() -> None:
    assert {end for start, end in MOVES if start is S.RECALLED} == {S.DISCARDED}


def test_every_bag_that_still_exists_can_be_recalled() -> None:
    gone = {S.SPLIT, S.TRANSFUSED, S.DISCARDED, S.RECALLED}
    assert {start for start, end in MOVES if end is S.RECALLED} == set(S) - gone


def test_a_promise_never_outlives_its_unit() -> None:
    """A move that ends with no promise allowed must end the one that stood, and no other."""
    bound = {S.RESERVED, S.PICKED, S.ISSUED, S.IN_TRANSIT}
    living = {PromiseEffect.KEPT, PromiseEffect.ISSUED}
    for (start, end), move in MOVES.items():
        if start in bound and end in bound:
            assert move.promise in living, (start, end)
        elif start in bound:
            assert move.promise in {
                PromiseEffect.GIVEN_BACK,
                PromiseEffect.LOST,
                PromiseEffect.RECEIVED,
            }, (start, end)
        elif end in bound:
            assert move.promise is PromiseEffect.MADE, (start, end)
        else:
            assert move.promise is PromiseEffect.NONE, (start, end)


def test_a_wrong_step_says_what_it_needs_and_a_wrong_actor_who_may() -> None:
    with pytest.raises(DomainRefusal) as caught:
        get_move(S.QUARANTINED, S.RESERVED, unit_id="u1", actor=Actor.ENGINE)
    assert caught.value.code == "unit_state_forbids"
    assert caught.value.params["needed"] == "available"
    with pytest.raises(DomainRefusal) as caught:
        get_move(S.QUARANTINED, S.AVAILABLE, unit_id="u1", actor=Actor.STATION)
    assert caught.value.code == "unit_actor_forbids"
    assert caught.value.params["allowed"] == "engine"


def test_the_page_is_generated() -> None:
    assert PAGE.read_text(encoding="utf-8") == build_page(), "python -m cli.unit_life_page"


@pytest.mark.parametrize("name", ["stock.sql", "pages.sql"])
def test_the_statements_expire_what_the_definition_expires(name: str) -> None:
    text = " ".join((SQL / name).read_text(encoding="utf-8").split())
    found = re.findall(r"status IN \(([^)]*'collected'[^)]*)\)", text)
    # Other lists tell what is not released yet; what expires may lie on a shelf.
    lists = [states for states in found if "'available'" in states]
    assert len(lists) == 1
    assert set(re.findall(r"'(\w+)'", lists[0])) == set(EXPIRING_STATES)


@pytest.mark.parametrize(
    ("change", "states"),
    [
        ("picked", "reserved"),
        ("issued", "reserved, picked"),
        ("received", "issued, in_transit"),
        ("transfused", "received"),
        ("returned", "issued, in_transit, received"),
        ("counted_or_made", ""),
    ],
)
def test_the_states_that_a_step_needs_are_named(change: str, states: str) -> None:
    assert describe_states_for(change) == states
