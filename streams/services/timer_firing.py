"""Fire due timers: each row is deleted by the transaction that does its work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta

from models.errors import InvariantViolation, TransientError
from streams.ports import Begin, Clock, Context, Timer, TimerKind, UnitOfWork
from streams.ports.locks import LocksMissingError
from streams.services.promise_progress import Progress
from streams.services.record_locks import list_timer_locks
from streams.services.request_rematching import look_again
from streams.services.shortage_transfers import Transfers
from streams.services.transaction_restart import LocksUnsettledError, begin_again

TIMER = "timer"
"""Actor of what a timer does; the cause names the timer."""

Fire = Callable[[UnitOfWork, Timer], Awaitable[None]]


PUT_OFF = timedelta(minutes=5)
"""A timer whose firing is a fault comes again after this; until then other timers are fired."""

SWEEP_EVERY = timedelta(seconds=20)
"""The longest time that a request waits beside fitting units, even if no rematch was set."""

INBOX_KEPT = timedelta(days=30)
"""How long a repeat is recognised. Kafka keeps records for 7 days; a caller may repeat later."""

OUTBOX_KEPT = timedelta(days=7)
"""How far back the event feed resumes; as long as Kafka keeps the same events."""

TRIM_EVERY = timedelta(hours=1)

PASSED_MOST = 4
"""Due timers that are passed over while others work at their stations; then one is waited for."""

_TRANSFER = "transfer:"
"""Begins the subject of a hold that is a transfer's."""

Fired = tuple[int, frozenset[int], datetime | None]
"""How many fired (0 or 1), the shards with something to publish, and when the next timer is due if
none fired."""


class _OtherLocksError(Exception):
    """A timer that was taken first needs these locks; `are_busy`, if it is not known whether more.

    It is given back, and taken again with the locks.
    """

    def __init__(self, timer: Timer, locks: frozenset[str], *, are_busy: bool) -> None:
        super().__init__(timer.timer_id)
        self.timer = timer
        self.locks = locks
        self.are_busy = are_busy


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

    async def fire_one(self) -> Fired:
        """Fire the longest due timer at whose stations nobody works; else wait for those of one.

        Raises:
            TransientError: Try again.
            Exception: A fault; its timer stays but is put off, so that the next run fires others.
        """
        passed: dict[Timer, frozenset[str]] = {}
        while len(passed) < PASSED_MOST:
            try:
                fired = await self._fire(besides=[timer.timer_id for timer in passed])
            except _OtherLocksError as other:
                if not other.are_busy:
                    return await self._fire_with(other.timer, other.locks)
                passed[other.timer] = other.locks
                continue
            if fired[0] or not passed:
                return fired
            break
        return await self._fire_with(*next(iter(passed.items())))

    async def _fire_with(self, timer: Timer, locks: frozenset[str]) -> Fired:
        try:
            return await begin_again(lambda names: self._fire(names, only=timer), locks)
        except LocksUnsettledError as error:
            await self._put_off(timer, error)
            raise

    async def _fire(
        self,
        locks: frozenset[str] = frozenset(),
        *,
        only: Timer | None = None,
        besides: Collection[str] = (),
    ) -> Fired:
        """Fire the longest due timer, or the only one that is asked for, in one transaction.

        A timer of a request is claimed after its request is locked, as by a change that sets it
        again: in the other order the two would wait for each other.

        Raises:
            LocksMissingError: The one that is asked for needs more locks.
            _OtherLocksError: The one that was found does.
        """
        timer = only
        try:
            async with self._begin(locks) as work:
                if only is not None and (request_id := find_request(only)):
                    await work.requests.lock_requests([request_id])
                timer = await work.timers.claim_due(
                    self._clock.now(), besides=besides, only=only.timer_id if only else None
                )
                if timer is None:
                    return 0, frozenset(), await work.timers.find_next_due_at()
                named = list_timer_locks(timer)
                if not await work.try_lock(named):
                    raise _OtherLocksError(timer, named, are_busy=True)
                # Read only now: beginning may have waited for the transaction before.
                now = self._clock.now()
                fire = self._fires.get(timer.kind)
                if fire is None:
                    raise InvariantViolation("timer_without_service", kind=timer.kind)
                work.enter(Context(now=now, cause=timer.timer_id, actor=TIMER))
                await fire(work, timer)
        except LocksMissingError as missing:
            if only is not None or timer is None:
                raise
            locks = list_timer_locks(timer) | missing.names
            raise _OtherLocksError(timer, locks, are_busy=False) from missing
        except (TransientError, _OtherLocksError):
            raise
        except Exception as error:
            if timer is not None:
                await self._put_off(timer, error)
            raise
        return 1, work.shards, None

    async def _put_off(self, timer: Timer, error: Exception) -> None:
        error.add_note(f"timer {timer.timer_id}, put off by {PUT_OFF}")
        async with self._begin() as work:
            await work.timers.put_off(timer, until=self._clock.now() + PUT_OFF)


async def fire_sweep(work: UnitOfWork, timer: Timer) -> None:
    """Schedule a rematch at every station where a request waits beside free units, and a new sweep.

    Everything that frees units already sets a rematch; the sweep is for cases that were overlooked.
    """
    waiting = await work.requests.list_waiting_stations(now=work.context.now)
    await work.lock_stations(*waiting)
    for station_id in waiting:
        look_again(work, station_id)
    work.schedule(
        Timer(kind=timer.kind, subject=timer.subject, due_at=work.context.now + SWEEP_EVERY)
    )


def find_request(timer: Timer) -> str | None:
    """Return the request that a timer is about; None if it is about something else."""
    if timer.kind is TimerKind.REQUEST_EXPIRY:
        return timer.subject
    if timer.kind is TimerKind.HOLD_LAPSE and not timer.subject.startswith(_TRANSFER):
        return timer.subject
    return None


def fire_request_expiry(progress: Progress) -> Fire:
    async def fire(work: UnitOfWork, timer: Timer) -> None:
        await progress.expire(work, timer.subject)

    return fire


def fire_hold_lapse(progress: Progress, transfers: Transfers) -> Fire:
    """Return what fires a lapsed hold; the subject is a request, or `transfer:<id>`."""

    async def fire(work: UnitOfWork, timer: Timer) -> None:
        if request_id := find_request(timer):
            await progress.lapse_hold(work, request_id)
        else:
            await transfers.lapse_hold(work, timer.subject.removeprefix(_TRANSFER))

    return fire


async def fire_retention(work: UnitOfWork, timer: Timer) -> None:
    """Delete what nobody can ask for any more, and schedule the next run."""
    await work.inbox.trim(
        taken_before=work.context.now - INBOX_KEPT, published_before=work.context.now - OUTBOX_KEPT
    )
    work.schedule(
        Timer(kind=timer.kind, subject=timer.subject, due_at=work.context.now + TRIM_EVERY)
    )
