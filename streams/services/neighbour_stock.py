"""Count what neighbours have and can bring to a station before those who wait need it.

This module only reads, and without the neighbours' locks: they are asked by the shortage, and what
is gone by the time they answer is looked for again when the station is next assessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from models.shortages import Shortage
from streams.ports import UnitOfWork
from streams.services.stock_levels import count_stock

Wait = tuple[datetime, int]
"""When units are needed, and how many."""


class NeighbourStock:
    """The shelves of a station's neighbours, as far as they are asked about in one transaction.

    Args:
        work: The transaction.
        etas_s: Seconds from each neighbour to the station.
    """

    def __init__(self, work: UnitOfWork, etas_s: Mapping[str, int]) -> None:
        self._work = work
        self._etas_s = etas_s

    async def count_in_time(self, waits: Iterable[Wait], shortage: Shortage) -> int:
        """Count the units of these waits that neighbours can bring in time, the first first."""
        served = 0
        left: dict[str, int] = {}
        for needed_by, units in sorted(waits):
            lacking = units
            for station_id, eta_s in self._etas_s.items():
                if self._work.context.now + timedelta(seconds=eta_s) > needed_by:
                    continue
                if station_id not in left:
                    left[station_id] = await self._count_at(station_id, shortage)
                taken = min(lacking, left[station_id])
                left[station_id] -= taken
                lacking -= taken
                served += taken
        return served

    async def _count_at(self, station_id: str, shortage: Shortage) -> int:
        stock = await count_stock(
            self._work.exchange, station_id, now=self._work.context.now, rules=self._work.rules
        )
        return sum(
            held.available
            for (component, group), held in stock.items()
            if component is shortage.component and group in shortage.donor_groups
        )
