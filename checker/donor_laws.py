"""Laws on donors, region by region, written a second time for checking.

Pure. A law gives the time between two donations of whole blood, for men and for women, and the
ages. The last law of a region that is in force on a day and says something of a matter holds;
where none does, the country's. Shares nothing with the engine's own laws.

Sources: 献血法 art. 9 and GB 18467-2011; Hainan since 2012-03-01 and Shenzhen since 2015-01-01 as
the press reports them; Jiangxi since 2025-01-01, of which no value was found.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

Span = tuple[int, str]
"""A number of `months` or `days`."""

Ages = tuple[int, int, int]
"""From; to, both included; to of repeat donors without reactions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    since: date = date.min
    until: date = date.max
    men: Span | None = None
    women: Span | None = None
    ages: Ages | None = None


NATIONAL = (Law(men=(6, "months"), women=(6, "months"), ages=(18, 55, 60)),)

REGIONS: Mapping[str, tuple[Law, ...]] = {
    "CN": NATIONAL,
    "CN-HI": (
        *NATIONAL,
        Law(since=date(2012, 3, 1), men=(3, "months"), women=(4, "months"), ages=(18, 59, 59)),
    ),
    "CN-JX": (*NATIONAL, Law(since=date(2025, 1, 1))),
    "CN-SZ": (*NATIONAL, Law(since=date(2015, 1, 1), ages=(18, 60, 60))),
}


def find_interval(laws: tuple[Law, ...], day: date, *, sex: str) -> Span:
    """Return how far apart two donations of whole blood must lie, by the law of that day."""
    for law in reversed(laws):
        span = law.women if sex == "female" else law.men
        if law.since <= day < law.until and span is not None:
            return span
    raise LookupError(day)


def find_ages(laws: tuple[Law, ...], day: date) -> Ages:
    """Return the ages of donors by the law of that day."""
    for law in reversed(laws):
        if law.since <= day < law.until and law.ages is not None:
            return law.ages
    raise LookupError(day)


def read_law_file(path: Path) -> tuple[str, Law]:
    """Return the region and what a station's own law file says."""
    told: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    interval, age = told.get("interval", {}), told.get("age")
    men = _find_span(interval, "")
    women = _find_span(interval, "female_") or men
    ages = (age["from_years"], age["to_years"], age["repeat_to_years"]) if age else None
    until = told.get("until", date.max)
    return told["region"], Law(since=told["since"], until=until, men=men, women=women, ages=ages)


def _find_span(interval: Mapping[str, int], whose: str) -> Span | None:
    for unit in ("months", "days"):
        if f"{whose}{unit}" in interval:
            return interval[f"{whose}{unit}"], unit
    return None
