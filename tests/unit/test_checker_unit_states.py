"""The checker's table of a unit's life, written apart from the engine's, told it step by step."""

from __future__ import annotations

import itertools

import pytest

from checker.checks.unit_moves import find_moved_against_life
from checker.database_rows import Rows, StateChange
from checker.evidence import World
from checker.unit_states import BOUND, NEXT
from models.unit_states import MOVES, PromiseEffect
from models.units import UnitStatus
from tests.support.world import NOW

STATES = sorted(UnitStatus)


def is_found(*steps: tuple[str, str]) -> bool:
    trail = [
        StateChange(audit_id=number, subject="u", from_state=was, to_state=became, at=NOW)
        for number, (was, became) in enumerate(steps)
    ]
    return bool(list(find_moved_against_life(World(rows=Rows(trail=trail)))))


def test_every_state_is_known_to_both() -> None:
    assert set(NEXT) == set(UnitStatus)


def test_every_step_that_no_unit_may_make_is_found_and_no_other() -> None:
    moves = {(start or "", str(end)) for start, end in MOVES}
    for was, became in itertools.product(("", *STATES), STATES):
        assert is_found((was, became)) is ((was, became) not in moves), f"{was} → {became}"


@pytest.mark.parametrize("state", STATES)
def test_a_gap_in_the_audit_is_found(state: UnitStatus) -> None:
    """Two steps, each allowed, that do not follow each other."""
    into = [move for move in MOVES if move[1] is state]
    for start, end in MOVES:
        if start is not None and start is not state and into:
            before = into[0][0] or ""
            assert is_found((before, state), (start, end)), f"{state}, then {start} → {end}"


def test_a_promise_lives_under_the_same_states_everywhere() -> None:
    made = {str(end) for (_, end), move in MOVES.items() if move.promise is PromiseEffect.MADE}
    assert made == {"reserved"}
    ended = {str(start) for (start, _), move in MOVES.items() if move.promise is PromiseEffect.LOST}
    assert ended == set(BOUND)
