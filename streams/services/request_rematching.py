"""When the open requests of a station are decided again: blood became free, or time has passed.

Whatever frees blood sets a timer in its own transaction; the rematch itself is the supply side's.
The timer stands on a grid, as an assessment's does: a row that lies ahead is never being fired, so
neither an urgent cancellation nor a count waits for a rematch that runs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from streams.ports import Timer, TimerKind, UnitOfWork
from streams.services.shortage_timing import AT, find_station

REMATCH_EVERY_MS = 250
"""Who waits in danger hears of free blood this soon, and a burst of events is one rematch."""

_AFTER = "#"
"""Between the instant and the request after which a rematch goes on; no identifier has it."""


def look_again(work: UnitOfWork, station_id: str, *, now: datetime) -> None:
    """Free blood first goes to those who wait, then the shortages are looked at again."""
    for timer in _list_timers(station_id, now):
        work.schedule(timer)


def go_on_after(timer: Timer, request_id: str, *, now: datetime) -> Timer:
    """Return the timer of the requests that a rematch did not come to.

    Args:
        timer: Of the rematch that came to its limit.
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
def _list_timers(station_id: str, now: datetime) -> tuple[Timer, Timer]:
    """Return the same timers for each of the thousands of units that one count brings."""
    due_at = _next_step(now)
    subject = f"{station_id}{AT}{due_at:%Y%m%dT%H%M%S.%f}"
    return (
        Timer(kind=TimerKind.REMATCH, subject=subject, due_at=due_at),
        Timer(kind=TimerKind.SHORTAGE_ASSESSMENT, subject=station_id, due_at=now),
    )


def _next_step(now: datetime) -> datetime:
    """Return the next instant of the grid, strictly after now."""
    step = timedelta(milliseconds=REMATCH_EVERY_MS)
    passed = (now - datetime.fromtimestamp(0, UTC)) // step
    return datetime.fromtimestamp(0, UTC) + (passed + 1) * step
