"""End units past their expiry, and advance the requests that they were promised to."""

from __future__ import annotations

from datetime import timedelta

from models.unit_states import Actor
from models.units import UnitStatus
from streams.ports import Timer, UnitOfWork
from streams.services.promise_progress import Progress, explain_lost
from streams.services.shortage_timing import assess_now
from streams.services.unit_moves import MoveCause, move

UNIT_EXPIRY_EVERY = timedelta(seconds=60)
"""The longest delay of noticing an expiry; no unit is chosen past its expiry in any case."""


class ExpiryService:
    """Ends units past their expiry and advances the requests they were promised to."""

    def __init__(self, *, progress: Progress) -> None:
        self._progress = progress

    async def fire(self, work: UnitOfWork, timer: Timer) -> None:
        states = await work.stock.lock_expired(now=work.context.now)
        cause = MoveCause(actor=Actor.TIMER, why="expired")
        for state in states:
            await move(work, state, UnitStatus.EXPIRED, cause)
        for state in states:
            if state.promise:
                lost = explain_lost(state.unit_id, UnitStatus.EXPIRED)
                await self._progress.after_unit_moved(work, state.promise, lost=lost)
        for station_id in sorted({state.station_id for state in states}):
            assess_now(work, station_id)
        work.schedule(
            Timer(
                kind=timer.kind,
                subject=timer.subject,
                due_at=work.context.now + UNIT_EXPIRY_EVERY,
            )
        )
