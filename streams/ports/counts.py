"""Port to the stock counts of a station, and to the differences that they leave open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from models.events.stock import CountedUnit, CountPart
from models.figures import StockDay

ISSUED_OUTSIDE = "issued_outside"
"""Resolution of a difference whose unit was given out by hand, without a promise of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountHead:
    """What all parts of one stock count agree on."""

    station_id: str
    counted_at: datetime
    full: bool
    parts: int
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What the comparison of one part of a stock count found.

    Attributes:
        outcomes: Number of units by outcome.
        new: Units that our record does not know yet: they may enter.
        collected: Units that were donated and not yet put into quarantine.
    """

    outcomes: Mapping[str, int]
    new: frozenset[str]
    collected: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountProgress:
    head: CountHead
    parts_taken: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An open difference.

    Attributes:
        kind: missing, moved, differs or status.
        counted: The unit as counted; empty for a missing unit.
        recorded: The unit as our record had it then.
    """

    unit_id: str
    kind: str
    counted: Mapping[str, Any]
    recorded: Mapping[str, Any]


class CountStore(Protocol):
    async def take(
        self,
        part: CountPart,
        units: Sequence[CountedUnit],
        *,
        station_id: str,
        counted_at: datetime,
        now: datetime,
    ) -> Taken | None:
        """Compare one part with our record, note the differences; None if it was noted before."""
        ...

    async def note(self, part: CountPart, outcomes: Mapping[str, int]) -> CountProgress:
        """Note the outcomes of a part; return how far its count is."""
        ...

    async def finish(self, count_id: str, *, now: datetime) -> int:
        """End a count whose parts are all there; return the units missing from a full count."""
        ...

    async def lock_open(self, count_id: str, unit_ids: Sequence[str]) -> dict[str, Difference]:
        """Lock open differences; those that are closed or unknown are missing from the answer."""
        ...

    async def close(
        self,
        count_id: str,
        unit_ids: Sequence[str],
        *,
        resolution: str,
        reason: str,
        by: str,
        now: datetime,
    ) -> None:
        """Close open differences, as one of `Resolution` or as `ISSUED_OUTSIDE`."""
        ...

    async def add_stock_days(self, records: Sequence[StockDay], *, now: datetime) -> None:
        """Record the places of a day; a place that has a record of the day keeps it."""
        ...
