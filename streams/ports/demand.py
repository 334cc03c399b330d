"""Port to what a station was asked for, and what waits at it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from models.components import Component
from streams.matching.demand_outlook import StationDemand
from streams.matching.expected_demand import DemandKind


class DemandStore(Protocol):
    async def find_asked(
        self, station_id: str, *, since: datetime, recent_since: datetime, now: datetime
    ) -> StationDemand:
        """Return what a station was asked for, withdrawn and refused orders left out.

        Args:
            station_id: The supplying station.
            since: The first instant of what is learned from.
            recent_since: From when on a request is recent.
            now: The last.
        """
        ...

    async def count_deferred(
        self, station_id: str, *, besides: Collection[str]
    ) -> Mapping[tuple[Component, DemandKind], int]:
        """Count the ordering units that are kept from open requests, but for those that are named.

        Whoever waits for what does not lie there has no claim on what does.
        """
        ...
