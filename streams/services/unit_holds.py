"""Hold a bag by hand, so that nobody is given it, and end the hold again: each with who and why.

A bag that is promised and not picked is taken from its request, which is decided again at once.
"""

from __future__ import annotations

from models.decisions import Reason
from models.errors import ContractError, DomainRefusal
from models.events.hand_work import HoldEnded, HoldPlaced
from models.unit_states import Actor
from models.units import UnitStatus
from streams.ports import Received, Timer, TimerKind, UnitOfWork
from streams.ports.stock import UnitHold, UnitState
from streams.services.promise_progress import Progress
from streams.services.shortage_timing import assess_now
from streams.services.unit_moves import MoveCause, move, name_actor


class UnitHolds:
    """Acts on holds that people place and end, and on their stated end.

    Args:
        progress: Decides again whoever a bag was promised to.
    """

    def __init__(self, *, progress: Progress) -> None:
        self._progress = progress

    async def place(self, work: UnitOfWork, record: Received, event: HoldPlaced) -> None:
        """Hold a bag.

        Raises:
            ContractError: There is no such bag, it is elsewhere, or another station speaks.
            DomainRefusal: Its state does not allow it, or the stated end is over.
        """
        actor, _ = name_actor(record, station_id=event.station_id)
        state = await _lock(work, event)
        if event.until is not None and event.until <= work.context.now:
            until = event.until.isoformat()
            raise DomainRefusal("hold_over_already", unit_id=event.unit_id, until=until)
        cause = MoveCause(
            actor=actor,
            why=f"on hold by {event.by}: {event.reason}",
            station_id=event.station_id,
        )
        await move(work, state, UnitStatus.ON_HOLD, cause)
        await work.stock.add_hold(
            UnitHold(
                unit_id=event.unit_id,
                station_id=event.station_id,
                actor=work.context.actor,
                by=event.by,
                reason=event.reason,
                placed_at=work.context.now,
                until=event.until,
                caused_by=work.context.cause,
            )
        )
        if event.until is not None:
            work.schedule(
                Timer(kind=TimerKind.UNIT_HOLD_END, subject=event.unit_id, due_at=event.until)
            )
        if state.promise is not None:
            params = {"unit_id": event.unit_id, "by": event.by, "reason": event.reason}
            lost = Reason(code="unit_put_on_hold", params=params)
            await self._progress.after_unit_moved(work, state.promise, lost=lost)
        assess_now(work, event.station_id)

    async def end(self, work: UnitOfWork, record: Received, event: HoldEnded) -> None:
        """End the hold of a bag.

        Raises:
            ContractError: There is no such bag, it is elsewhere, or another station speaks.
            DomainRefusal: `unit_not_on_hold`.
        """
        actor, _ = name_actor(record, station_id=event.station_id)
        state = await _lock(work, event)
        # Other states may become stock too, by other words than this one.
        if state.status is not UnitStatus.ON_HOLD:
            raise DomainRefusal("unit_not_on_hold", unit_id=event.unit_id, status=state.status)
        cause = MoveCause(
            actor=actor,
            why=f"hold ended by {event.by}: {event.reason}",
            station_id=event.station_id,
        )
        await move(work, state, UnitStatus.AVAILABLE, cause)

    @staticmethod
    async def fire_end(work: UnitOfWork, timer: Timer) -> None:
        """End a hold whose stated end has come; the subject is the unit."""
        state = (await work.stock.lock_units([timer.subject])).get(timer.subject)
        if state is None or state.status is not UnitStatus.ON_HOLD:
            return
        hold = await work.stock.find_hold(timer.subject)
        if hold is None or hold.until is None or hold.until > work.context.now:
            return
        cause = MoveCause(actor=Actor.TIMER, why="hold_over")
        await move(work, state, UnitStatus.AVAILABLE, cause)


async def _lock(work: UnitOfWork, event: HoldPlaced | HoldEnded) -> UnitState:
    state = (await work.stock.lock_units([event.unit_id])).get(event.unit_id)
    if state is None:
        raise ContractError("unit_unknown", unit_id=event.unit_id)
    if state.station_id != event.station_id:
        raise ContractError(
            "unit_elsewhere",
            unit_id=event.unit_id,
            station_id=event.station_id,
            held_by=state.station_id,
        )
    return state
