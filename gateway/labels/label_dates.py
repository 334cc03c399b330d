"""Converts the dates of labels, ordinal days and local times, to aware UTC. Pure.

A label has local time. A date without a time means the end of that day, 23:59 (ST-001, 2.4.5).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

LAST_MINUTE = "2359"
CENTURY = "0"
"""The century digit of 2000 to 2099 (`018365` is 2018-12-31). No bag is of another century."""

CENTURY_STARTS = 2000
_KEPT = 8192
"""Size of the cache of instants: the days and minutes on labels repeat."""


@lru_cache(maxsize=_KEPT)
def find_instant(digits: str, zone: ZoneInfo) -> datetime | None:
    """Read `cyyjjj` or `cyyjjjhhmm`.

    Args:
        digits: Six or ten decimal digits; the caller has verified the form.
        zone: The zone where the label was printed.

    Returns:
        The instant in aware UTC; None if there is no such day or time.
    """
    if digits[0] != CENTURY:
        return None
    year, ordinal = CENTURY_STARTS + int(digits[1:3]), int(digits[3:6])
    time = digits[6:] or LAST_MINUTE
    day = date(year, 1, 1) + timedelta(days=ordinal - 1)
    if day.year != year:
        return None
    return find_local_instant(year, day.month, day.day, time, zone)


def find_local_instant(
    year: int, month: int, day: int, time: str, zone: ZoneInfo
) -> datetime | None:
    """Return the aware UTC instant of a local `hhmm`; None if there is no such day or time."""
    try:
        local = datetime(year, month, day, int(time[:2]), int(time[2:]), tzinfo=zone)
    except ValueError:
        return None
    return local.astimezone(UTC)
