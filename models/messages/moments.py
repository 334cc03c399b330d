"""Instants as people read them: in the stations' zone, named, to the minute. Pure.

Every station is in one zone, that of Beijing. What programs read stays ISO 8601 in UTC.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")
ZONE_ZH, ZONE_EN = "北京时间", "Beijing time"

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})")


def show_instant(at: datetime, *, this_year: int | None = None) -> str:
    """Return the day and the minute in Beijing, with the year unless it is this one.

    Args:
        at: Aware instant.
        this_year: In Beijing; None always names the year.
    """
    local = at.astimezone(ZONE)
    return f"{_show_day(local, this_year)} {local:%H:%M}"


def show_expiry(at: datetime, *, this_year: int | None = None) -> str:
    """Return an expiry as a label has it: midnight is the end of the day that it ends."""
    local = at.astimezone(ZONE)
    if (local.hour, local.minute) != (0, 0):
        return show_instant(at, this_year=this_year)
    return f"{_show_day(local - timedelta(days=1), this_year)} 24:00"


def show_instants_in(text: str, *, chinese: bool) -> str:
    """Return a text in which every ISO instant stands as people read it, with its zone."""
    zone = f"（{ZONE_ZH}）" if chinese else f" ({ZONE_EN})"
    return _ISO.sub(lambda found: f"{show_instant(_parse(found[0]))}{zone}", text)


def _parse(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _show_day(local: datetime, this_year: int | None) -> str:
    return f"{local:%m-%d}" if local.year == this_year else f"{local:%Y-%m-%d}"
