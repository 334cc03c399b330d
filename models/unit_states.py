"""The whole life of a unit: every state, and every move between two states that is allowed.

This is the only definition. The engine checks each change of state against it, PostgreSQL holds the
same rows in `unit_transitions` and refuses any other move, and `docs/unit-life.md` is generated
from it. Pure: no clock, no IO. `available` means that a unit was released to stock and is free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from models.errors import DomainRefusal
from models.units import UnitStatus


class Actor(StrEnum):
    """Who may cause a move.

    station, hospital: their staff, by an event under their own name. dispatcher: a dispatcher, for
    any station. engine: our own decision on what others reported. timer: a due row, without a
    report.
    """

    STATION = "station"
    HOSPITAL = "hospital"
    DISPATCHER = "dispatcher"
    ENGINE = "engine"
    TIMER = "timer"


class PromiseEffect(StrEnum):
    """What becomes of the unit's live promise.

    The last four are the promise's own new status. `none`: there is no promise that could live on.
    """

    NONE = "none"
    MADE = "made"
    KEPT = "kept"
    ISSUED = "issued"
    RECEIVED = "received"
    GIVEN_BACK = "released"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One allowed move.

    Attributes:
        from_state: None where the unit becomes known by this move.
        cause: The event that leads to it, a word in the past tense.
        zh: The cause for people, in Chinese.
    """

    from_state: UnitStatus | None
    to_state: UnitStatus
    cause: str
    zh: str
    actors: frozenset[Actor]
    promise: PromiseEffect

    @property
    def needs_release(self) -> bool:
        """Return whether the unit must have been released, by its tests or an attestation."""
        return self.to_state in RELEASED_STATES


S = UnitStatus
P = PromiseEffect

UNRELEASED_STATES = frozenset(
    {S.COLLECTED, S.QUARANTINED, S.SPLIT, S.DISCARDED, S.EXPIRED, S.RECALLED}
)
"""States that a unit may be in without ever having been released."""

RELEASED_STATES = frozenset(S) - UNRELEASED_STATES
"""States that only a released unit may be in (献血法 art. 10: untested blood is not supplied)."""

_STATION = frozenset({Actor.STATION})
_ENGINE = frozenset({Actor.ENGINE})
_TIMER = frozenset({Actor.TIMER})
_HOSPITAL = frozenset({Actor.STATION, Actor.HOSPITAL})
_KEEPERS = frozenset({Actor.STATION, Actor.DISPATCHER})
_RECALLERS = frozenset({Actor.STATION, Actor.DISPATCHER, Actor.ENGINE})
_AT_HOSPITAL = (S.ISSUED, S.IN_TRANSIT, S.RECEIVED)
"""States in which a hospital's own staff may have the bag in their hands."""

_EXPIRE = (
    S.COLLECTED,
    S.QUARANTINED,
    S.AVAILABLE,
    S.ON_HOLD,
    S.RESERVED,
    S.PICKED,
    S.RETURNED,
)
"""States of units on a station's premises. A unit that left is not ended by a clock: it may be in
use."""

_PROMISED = (S.RESERVED, S.PICKED, S.ISSUED, S.IN_TRANSIT)
_DISCARD = (*_EXPIRE, *_AT_HOSPITAL, S.RECALLED)
_RECALL = (*_EXPIRE, *_AT_HOSPITAL, S.EXPIRED)


def _move(  # noqa: PLR0917 - the columns of a table
    from_state: UnitStatus | None,
    to_state: UnitStatus,
    cause: str,
    zh: str,
    actors: frozenset[Actor],
    promise: PromiseEffect,
) -> Move:
    return Move(
        from_state=from_state,
        to_state=to_state,
        cause=cause,
        zh=zh,
        actors=actors,
        promise=promise,
    )


def _lost(state: UnitStatus) -> PromiseEffect:
    return P.LOST if state in _PROMISED else P.NONE


def _list_moves() -> Iterator[Move]:
    yield _move(None, S.COLLECTED, "donated", "采集", _STATION, P.NONE)
    yield _move(None, S.QUARANTINED, "counted_or_made", "盘点入库或分离制成", _STATION, P.NONE)
    yield _move(None, S.AVAILABLE, "attested", "盘点并证明已放行", _STATION, P.NONE)
    yield _move(S.COLLECTED, S.QUARANTINED, "quarantined", "入隔离库", _STATION, P.NONE)
    yield _move(S.COLLECTED, S.SPLIT, "split", "分离", _STATION, P.NONE)
    yield _move(S.QUARANTINED, S.SPLIT, "split", "分离", _STATION, P.NONE)
    # Released frozen red cells alone: what is made of them is released as they were.
    yield _move(S.AVAILABLE, S.SPLIT, "deglycerolised", "去甘油", _STATION, P.NONE)
    yield _move(S.QUARANTINED, S.AVAILABLE, "released", "检验合格放行", _ENGINE, P.NONE)
    yield _move(S.AVAILABLE, S.ON_HOLD, "put_on_hold", "暂留", _KEEPERS, P.NONE)
    yield _move(S.RESERVED, S.ON_HOLD, "put_on_hold", "暂留", _KEEPERS, P.LOST)
    yield _move(S.ON_HOLD, S.AVAILABLE, "hold_ended", "解除暂留", _KEEPERS | _TIMER, P.NONE)
    yield _move(S.AVAILABLE, S.RESERVED, "promised", "预留", _ENGINE, P.MADE)
    yield _move(S.RESERVED, S.AVAILABLE, "given_back", "退回预留", _ENGINE | _TIMER, P.GIVEN_BACK)
    yield _move(S.RESERVED, S.PICKED, "picked", "拣血", _STATION, P.KEPT)
    yield _move(S.PICKED, S.AVAILABLE, "given_back", "退回预留", _ENGINE, P.GIVEN_BACK)
    yield _move(S.RESERVED, S.ISSUED, "issued", "发出", _STATION, P.ISSUED)
    yield _move(S.PICKED, S.ISSUED, "issued", "发出", _STATION, P.ISSUED)
    yield _move(S.ISSUED, S.IN_TRANSIT, "departed", "启运", _STATION, P.KEPT)
    for state in (S.ISSUED, S.IN_TRANSIT):
        yield _move(state, S.RECEIVED, "received", "医院签收", _HOSPITAL, P.RECEIVED)
        yield _move(state, S.AVAILABLE, "arrived", "邻站签收入库", _STATION, P.RECEIVED)
        yield _move(state, S.RETURNED, "returned", "未签收退回", _HOSPITAL, P.LOST)
    yield _move(S.RECEIVED, S.TRANSFUSED, "transfused", "输注", _HOSPITAL, P.NONE)
    yield _move(S.RECEIVED, S.RETURNED, "returned", "签收后退回", _HOSPITAL, P.NONE)
    yield _move(S.RETURNED, S.AVAILABLE, "restocked", "退回血重新入库", _STATION, P.NONE)
    for state in _DISCARD:
        actors = _HOSPITAL if state in _AT_HOSPITAL else _STATION
        if state in {S.COLLECTED, S.QUARANTINED}:
            actors |= _ENGINE
        yield _move(state, S.DISCARDED, "discarded", "报废", actors, _lost(state))
    for state in _EXPIRE:
        yield _move(state, S.EXPIRED, "expired", "过期", _TIMER, _lost(state))
    for state in _RECALL:
        yield _move(state, S.RECALLED, "recalled", "召回冻结", _RECALLERS, _lost(state))


MOVES: Mapping[tuple[UnitStatus | None, UnitStatus], Move] = {
    (move.from_state, move.to_state): move for move in _list_moves()
}
"""Every allowed move, by its two states; any other move is refused."""

EXPIRING_STATES = frozenset(_EXPIRE)
PICKABLE_STATES = (S.RESERVED, S.PICKED)
"""A promise that is held has its unit in one of these."""

SENT_STATES = frozenset({S.ISSUED, S.IN_TRANSIT, S.RECEIVED, S.TRANSFUSED})
"""States of a unit that left under its promise and did not come back."""

END_STATES = frozenset(S) - {move.from_state for move in MOVES.values()}


def describe_states_for(cause: str) -> str:
    """List the states from which a step leads on, such as `issued, in_transit` for `received`."""
    states = dict.fromkeys(move.from_state for move in MOVES.values() if move.cause == cause)
    return ", ".join(state for state in states if state is not None)


def get_move(
    from_state: UnitStatus | None, to_state: UnitStatus, *, unit_id: str, actor: Actor
) -> Move:
    """Return the move from one state to another.

    Raises:
        DomainRefusal: `unit_state_forbids`: there is no such move. `unit_actor_forbids`: the move
            exists, but this actor may not make it.
    """
    move = MOVES.get((from_state, to_state))
    if move is None:
        needed = [state for start, end in MOVES if end is to_state for state in (start or "–",)]
        raise DomainRefusal(
            "unit_state_forbids",
            unit_id=unit_id,
            status=from_state or "–",
            change=to_state,
            needed=", ".join(needed),
        )
    if actor not in move.actors:
        raise DomainRefusal(
            "unit_actor_forbids",
            unit_id=unit_id,
            change=move.cause,
            actor=actor,
            allowed=", ".join(sorted(move.actors)),
        )
    return move
