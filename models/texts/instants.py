"""Instants as people read them: in the legal time of China, named, to the minute. Pure.

Machine fields keep ISO 8601 in UTC; only texts are formatted, and only here.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
"""The legal time of all of China, and of every station that the system knows."""

ZONE_ZH, ZONE_EN = "北京时间", "Beijing time"

_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)", re.IGNORECASE
)


def to_local(at: datetime) -> datetime:
    """Return an instant in Beijing's time; near the end of the calendar it stays as it is."""
    try:
        return at.astimezone(BEIJING)
    except OverflowError:
        return at


def show_moment(
    at: datetime, *, now: datetime | None = None, seconds: bool = False, expiry: bool = False
) -> str:
    """Return an instant in Beijing's time, without the zone's name.

    Args:
        at: Aware.
        now: An instant of the year that is left out; None always writes the year.
        seconds: Whether the seconds are shown.
        expiry: Whether midnight is written as on a label: 24:00 of the day that ends.
    """
    local = to_local(at)
    clock = "%H:%M:%S" if seconds else "%H:%M"
    ends_day = expiry and (local.hour, local.minute, local.second) == (0, 0, 0)
    shown = local - timedelta(days=1) if ends_day else local
    date = "%m-%d" if now is not None and to_local(now).year == shown.year else "%Y-%m-%d"
    if ends_day:
        return f"{shown:{date}} 24:00"
    return f"{shown:{date} {clock}}"


def find_instant(value: object) -> datetime | None:
    """Return the aware instant that a value is, or is the ISO 8601 text of; None if neither."""
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else None
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return None
    return datetime.fromisoformat(value)
