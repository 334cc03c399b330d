"""Fire due timers: each row is deleted by the transaction that does its work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from models.errors import InvariantViolation, TransientError
from models.unit_states import Actor
from models.units import UnitStatus
from streams.ports import Begin, Clock, Context, Timer, TimerKind, UnitOfWork
from streams.services.promise_progress import Progress, explain_lost
from streams.services.request_rematching import look_again
from streams.services.shortage_timing import assess_now
from streams.services.shortage_transfers import Transfers
from streams.services.unit_moves import MoveCause, move

TIMER = "timer"
"""Actor of what a timer does; the cause names the timer."""

Fire = Callable[[UnitOfWork, Timer], Awaitable[None]]

UNIT_EXPIRY_EVERY = timedelta(seconds=60)
"""The longest delay of noticing an expiry; no unit is chosen past its expiry in any case."""


PUT_OFF = timedelta(minutes=5)
"""A timer whose firing is a fault comes again after this; until then other timers are fired."""

SWEEP_EVERY = timedelta(seconds=20)
"""The longest time that a request waits beside fitting units, even if no rematch was set."""

INBOX_KEPT = timedelta(days=30)
"""How long a repeat is recognised. Kafka keeps records for 7 days; a caller may repeat later."""

OUTBOX_KEPT = timedelta(days=7)
"""How far back the event feed resumes; as long as Kafka keeps the same events."""

TRIM_EVERY = timedelta(hours=1)


class TimerService:
    """Fires one due timer at a time.

    Args:
        begin: Begins the transaction of one timer.
        clock: Decides what is due.
        fires: What each kind of timer does.
    """

    def __init__(self, *, begin: Begin, clock: Clock, fires: Mapping[TimerKind, Fire]) -> None:
        self._begin = begin
        self._clock = clock
        self._fires = fires

    async def fire_one(self) -> tuple[int, frozenset[int], datetime | None]:
        """Fire the longest due timer.

        Returns:
            How many fired (0 or 1), the lanes that now have something to publish, and when the next
            one is due if none was.

        Raises:
            TransientError: Try again.
            Exception: A fault; its timer stays but is put off, so that the next run fires others.
        """
        timer = None
        try:
            async with self._begin() as work:
                # Read only now: beginning may have waited for the transaction before.
                now = self._clock.now()
                timer = await work.timers.claim_due(now)
                if timer is None:
                    return 0, frozenset(), await work.timers.find_next_due_at()
                fire = self._fires.get(timer.kind)
                if fire is None:
                    raise InvariantViolation("timer_without_service", kind=timer.kind)
                work.enter(Context(now=now, cause=timer.timer_id, actor=TIMER))
                await fire(work, timer)
        except TransientError:
            raise
        except Exception as error:
            if timer is not None:
                error.add_note(f"timer {timer.timer_id}, put off by {PUT_OFF}")
                async with self._begin() as work:
                    await work.timers.put_off(timer, until=now + PUT_OFF)
            raise
        return 1, work.lanes, None


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


async def fire_sweep(work: UnitOfWork, timer: Timer) -> None:
    """Schedule a rematch at every station where a request waits beside free units, and a new sweep.

    Everything that frees units already sets a rematch; the sweep is for cases that were overlooked.
    """
    for station_id in await work.requests.list_waiting_stations(now=work.context.now):
        look_again(work, station_id)
    work.schedule(
        Timer(kind=timer.kind, subject=timer.subject, due_at=work.context.now + SWEEP_EVERY)
    )


def fire_request_expiry(progress: Progress) -> Fire:
    async def fire(work: UnitOfWork, timer: Timer) -> None:
        await progress.expire(work, timer.subject)

    return fire


def fire_hold_lapse(progress: Progress, transfers: Transfers) -> Fire:
    """Return what fires a lapsed hold; the subject is a request, or `transfer:<id>`."""

    async def fire(work: UnitOfWork, timer: Timer) -> None:
        kind, _, transfer_id = timer.subject.partition("transfer:")
        if transfer_id and not kind:
            await transfers.lapse_hold(work, transfer_id)
        else:
            await progress.lapse_hold(work, timer.subject)

    return fire


async def fire_retention(work: UnitOfWork, timer: Timer) -> None:
    """Delete what nobody can ask for any more, and schedule the next run."""
    await work.inbox.trim(
        taken_before=work.context.now - INBOX_KEPT, published_before=work.context.now - OUTBOX_KEPT
    )
    work.schedule(
        Timer(kind=timer.kind, subject=timer.subject, due_at=work.context.now + TRIM_EVERY)
    )
