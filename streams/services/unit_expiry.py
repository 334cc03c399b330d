"""End units past their expiry, and holds of units that can no longer be given in time.

Both free a request to look for other blood: it must not wait for a bag that may not leave.
"""

from __future__ import annotations

from datetime import timedelta

from models.clearance import Step
from models.decisions import Reason
from models.errors import DomainRefusal
from models.unit_states import Actor
from models.units import UnitStatus
from streams.ports import Timer, TimerKind, UnitOfWork
from streams.ports.stock import UnitState
from streams.services.promise_progress import Progress, explain_lost
from streams.services.shortage_timing import assess_now
from streams.services.unit_clearance import UnitClearances
from streams.services.unit_moves import MoveCause, move

UNIT_EXPIRY_EVERY = timedelta(seconds=60)
"""The longest delay of noticing an expiry; no unit is chosen past its expiry in any case."""


TOO_LATE = frozenset(
    {
        "expired",
        "expires_before_arrival",
        "expires_before_needed",
        "expires_during_use",
        "too_old",
        "irradiated_too_long_ago",
    }
)
"""Reasons against a unit that only grow with time."""


class ExpiryService:
    """Ends units past their expiry and advances the requests they were promised to.

    Args:
        progress: Of requests that lose a unit.
        clearing: Tells of a held unit whether it may still leave.
    """

    def __init__(self, *, progress: Progress, clearing: UnitClearances) -> None:
        self._progress = progress
        self._clearing = clearing

    async def fire(self, work: UnitOfWork, timer: Timer) -> None:
        states = await work.stock.lock_expired(now=work.context.now)
        cause = MoveCause(actor=Actor.TIMER, why="expired")
        for state in states:
            await move(work, state, UnitStatus.EXPIRED, cause)
        for state in states:
            if state.promise:
                lost = explain_lost(state.unit_id, UnitStatus.EXPIRED)
                await self._progress.after_unit_moved(work, state.promise, lost=lost)
        # Each request is looked at by a timer of its own: one that is faulty keeps no other back.
        for request_id in await work.stock.list_held_past(now=work.context.now):
            work.schedule(
                Timer(kind=TimerKind.HOLD_PAST, subject=request_id, due_at=work.context.now)
            )
        for station_id in sorted({state.station_id for state in states}):
            assess_now(work, station_id)
        work.schedule(
            Timer(
                kind=timer.kind,
                subject=timer.subject,
                due_at=work.context.now + UNIT_EXPIRY_EVERY,
            )
        )

    async def end_holds(self, work: UnitOfWork, timer: Timer) -> None:
        """Give back a request's units that could not be given in time if they left now."""
        request_id = timer.subject
        states = await work.stock.lock_held_past(request_id, now=work.context.now)
        late = [state for state in states if await self._is_too_late(work, state)]
        for state in late:
            cause = MoveCause(actor=Actor.ENGINE, why="too_late_to_leave")
            await move(work, state, UnitStatus.AVAILABLE, cause)
        if late:
            lost = tuple(
                Reason(code="unit_too_late", params={"unit_id": state.unit_id}) for state in late
            )
            await self._progress.after_units_lost(work, request_id, lost)

    async def _is_too_late(self, work: UnitOfWork, state: UnitState) -> bool:
        try:
            await self._clearing.clear_promised(work, state, step=Step.ISSUE)
        except DomainRefusal as refusal:
            return not TOO_LATE.isdisjoint(str(refusal.params["codes"]).split())
        return False
