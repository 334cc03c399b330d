"""Schedule when the open requests of a station are decided again, because units became free.

The transaction that frees units sets a timer; the supply side runs the rematch, which answers all
timers of its station that are due. A timer is its transaction's own: no urgent cancellation waits
for a running rematch, which may wait for a unit or a request of that cancellation.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from models.base import derive_id
from streams.ports import Context, Timer, TimerKind, UnitOfWork
from streams.services.shortage_timing import AT, find_station

REMATCH_EVERY_MS = 250
"""Free units are matched this soon, at instants of a grid: a burst of events leads to one rematch.
"""

_AFTER = "#"
"""Separates the cause from the request after which a rematch goes on; not in identifiers."""


def look_again(work: UnitOfWork, station_id: str) -> None:
    """Schedule a rematch of the waiting requests, then an assessment of the shortages."""
    for timer in _list_timers(station_id, work.context):
        work.schedule(timer)


def look_at(work: UnitOfWork, station_id: str, due_at: datetime) -> None:
    """Schedule a rematch for a later time, from which somebody is given what was kept until then.

    One timer a station and instant, whoever sets it.
    """
    subject = f"{station_id}{AT}{derive_id('rematch', 'kept', due_at.isoformat())}"
    work.schedule(Timer(kind=TimerKind.REMATCH, subject=subject, due_at=due_at))


def go_on_after(timer: Timer, request_id: str, *, now: datetime) -> Timer:
    """Return the timer for the requests that a rematch did not reach.

    Args:
        timer: Timer of the rematch that reached its limit.
        request_id: The last request that it decided.
        now: Aware UTC instant; the rest is due at once.
    """
    head = timer.subject.partition(_AFTER)[0]
    return Timer(kind=TimerKind.REMATCH, subject=f"{head}{_AFTER}{request_id}", due_at=now)


def read_subject(timer: Timer) -> tuple[str, str | None]:
    """Return the station of a rematch, and the request after which it goes on, if it does."""
    head, _, after = timer.subject.partition(_AFTER)
    return find_station(head), after or None


@lru_cache(maxsize=64)
def _list_timers(station_id: str, context: Context) -> tuple[Timer, Timer]:
    """Return the timers, built once for the thousands of units that one count may free."""
    now = context.now
    due_at = _next_step(now)
    subject = f"{station_id}{AT}{derive_id('rematch', context.actor, context.cause)}"
    return (
        Timer(kind=TimerKind.REMATCH, subject=subject, due_at=due_at),
        Timer(kind=TimerKind.SHORTAGE_ASSESSMENT, subject=station_id, due_at=now),
    )


def _next_step(now: datetime) -> datetime:
    """Return the next instant of the grid, strictly after now."""
    step = timedelta(milliseconds=REMATCH_EVERY_MS)
    passed = (now - datetime.fromtimestamp(0, UTC)) // step
    return datetime.fromtimestamp(0, UTC) + (passed + 1) * step
