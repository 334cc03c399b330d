"""Change the state of a unit, checked against `models.unit_states` and recorded in the audit.

Services change a unit's state only here. Batches that choose units (`RequestStore.write`,
`promise_to_transfer`) move many units in one guarded statement, which PostgreSQL checks against the
same table. The unit must be locked.

Everything that makes a unit available passes through here (`move`, `record_birth`, `relocate`,
`give_back`), and each of these functions schedules a rematch where the unit lies. Apart from the
sweep nothing else in the services schedules it, so no new way of freeing units can forget it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from models.errors import ContractError, DomainRefusal, InvariantViolation
from models.unit_states import Actor, PromiseEffect, get_move
from models.units import UnitStatus
from streams.ports import Received, Timer, TimerKind, Transition, UnitOfWork
from streams.ports.requests import RequestState
from streams.ports.stock import NO_CHANGES, GivingBack, MoveChanges, UnitState
from streams.services.request_rematching import look_again

_ENDING = frozenset(
    {
        PromiseEffect.ISSUED,
        PromiseEffect.RECEIVED,
        PromiseEffect.GIVEN_BACK,
        PromiseEffect.LOST,
    }
)

_UNRELEASED = frozenset({UnitStatus.COLLECTED, UnitStatus.QUARANTINED})
_LOST = frozenset({UnitStatus.DISCARDED, UnitStatus.EXPIRED, UnitStatus.RECALLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveCause:
    """Who moves a unit, and why.

    Attributes:
        station_id: Station whose audit chain keeps it; None for the station that has the unit.
    """

    actor: Actor
    why: str
    station_id: str | None = None


async def move(
    work: UnitOfWork,
    state: UnitState,
    to: UnitStatus,
    cause: MoveCause,
    changes: MoveChanges = NO_CHANGES,
) -> None:
    """Move a locked unit, and change its live promise as the move requires.

    Args:
        work: The transaction.
        state: The unit as it was locked.
        to: The state that it moves to.
        cause: For the audit.
        changes: What the move changes besides the state.

    Raises:
        DomainRefusal: The life of a unit has no such move, it is not for this actor to make, or the
            unit was never released.
    """
    step = get_move(state.status, to, unit_id=state.unit_id, actor=cause.actor)
    if step.needs_release and state.released_at is None and changes.released_at is None:
        raise DomainRefusal("unit_not_released", unit_id=state.unit_id, change=step.cause)
    if step.promise in _ENDING:
        if state.promise is None:
            raise InvariantViolation("unit_without_promise", unit_id=state.unit_id)
        await work.stock.end_promise(
            state.promise.promise_id, to=step.promise, now=work.context.now
        )
    if state.status is UnitStatus.ON_HOLD:
        # However it leaves, nobody holds it any more.
        await work.timers.drop(TimerKind.UNIT_HOLD_END, state.unit_id)
        await work.stock.end_hold(
            state.unit_id, by=work.context.actor, why=cause.why, now=work.context.now
        )
    await work.stock.move_unit(state.unit_id, to=to, changes=changes)
    work.record(
        Transition(
            subject_kind="unit",
            subject=state.unit_id,
            station_id=cause.station_id or state.station_id,
            from_state=state.status,
            to_state=to,
            why=cause.why,
        )
    )
    if to is UnitStatus.AVAILABLE:
        look_again(work, changes.station_id or state.station_id)
    if state.status in _UNRELEASED and to in _LOST:
        # The unit may be of a called donor, who counted until now: another donor is called.
        reserve = Timer(
            kind=TimerKind.DONORS_CHANGED, subject=state.station_id, due_at=work.context.now
        )
        work.schedule(reserve)


async def relocate(
    work: UnitOfWork, state: UnitState, cause: MoveCause, *, station_id: str
) -> None:
    """Record that a locked unit lies at another station, in the state it is in.

    This is no move of its life: the audit chains of both stations keep a step from its state to the
    same state, first the chain of the station that it leaves.
    """
    changes = MoveChanges(station_id=station_id, source="neighbour")
    await work.stock.move_unit(state.unit_id, to=state.status, changes=changes)
    for chain in (state.station_id, station_id):
        work.record(
            Transition(
                subject_kind="unit",
                subject=state.unit_id,
                station_id=chain,
                from_state=state.status,
                to_state=state.status,
                why=cause.why,
            )
        )
        look_again(work, chain)


def record_birth(
    work: UnitOfWork, unit_id: str, to: UnitStatus, cause: MoveCause, *, station_id: str
) -> None:
    """Record that a unit became known.

    Raises:
        DomainRefusal: No unit begins its life in that state by this actor.
    """
    get_move(None, to, unit_id=unit_id, actor=cause.actor)
    work.record(
        Transition(
            subject_kind="unit",
            subject=unit_id,
            station_id=station_id,
            from_state="",
            to_state=to,
            why=cause.why,
        )
    )
    if to is UnitStatus.AVAILABLE:
        look_again(work, station_id)


async def give_back(work: UnitOfWork, which: GivingBack) -> list[str]:
    """Give back units that are held for a request or a transfer; return their ids."""
    stations = await work.stock.release_held(which, now=work.context.now)
    for station_id in sorted(set(stations.values())):
        look_again(work, station_id)
    return sorted(stations)


async def give_back_held(
    work: UnitOfWork,
    state: RequestState,
    *,
    states: Collection[UnitStatus],
    may_have_left: bool = False,
    unit_ids: Collection[str] | None = None,
    why: str | None = None,
) -> tuple[RequestState, list[str]]:
    """Give back the units held for a locked request that is to be decided again.

    Args:
        work: The transaction.
        state: The request as it is to read; of what is promised to it, only the store knows now.
        states: As of `GivingBack`.
        may_have_left: As of `GivingBack`.
        unit_ids: As of `GivingBack`.
        why: As of `GivingBack`.

    Returns:
        The request with what is left to it, and the ids of the units that were given back.
    """
    request_id = state.request.request_id
    which = GivingBack(
        request_id=request_id,
        states=states,
        may_have_left=may_have_left,
        unit_ids=unit_ids,
        why=why,
    )
    given_back = await give_back(work, which)
    left = (await work.requests.lock_requests([request_id]))[request_id]
    return replace(left, request=state.request), given_back


async def take_back(
    work: UnitOfWork, unit_ids: Sequence[str], *, station_id: str, why: str
) -> dict[str, str]:
    """Take units that are not picked back from other requests; return who lost which.

    Args:
        work: The transaction.
        unit_ids: Of `list_promised`, 1..n.
        station_id: Where they lie. A unit that another transaction has is left to it, and the
            station's requests are matched once more.
        why: For the audit.
    """
    taken = await work.stock.take_back(unit_ids, why=why, now=work.context.now)
    if len(taken) < len(unit_ids):
        look_again(work, station_id)
    return taken


def name_actor(record: Received, *, station_id: str) -> tuple[Actor, str]:
    """Return who speaks, and for which facility, by the source of a record.

    Args:
        record: Record whose source the gateway and Kafka's access lists vouch for.
        station_id: The station that the event names; a station speaks for itself alone.

    Raises:
        ContractError: `source_differs`.
    """
    kind, _, name = record.envelope.source.partition("/")
    if kind == "station" and name == station_id:
        return Actor.STATION, name
    if kind == "hospital" and name:
        return Actor.HOSPITAL, name
    if kind == "dispatcher" and name:
        return Actor.DISPATCHER, name
    raise ContractError(
        "source_differs", source=record.envelope.source, expected=f"station/{station_id}"
    )
