"""Demand at a station: what it was asked for, and what waits. Read only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from models.components import Component, ComponentClass
from models.doses import OrderMeasure
from models.groups import BloodGroup
from models.requests import Priority
from streams.matching.demand_outlook import AskedOften, StationDemand
from streams.matching.expected_demand import DemandKind
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Connection, PooledConnection

_QUERIES = load_queries("demand")

_GROUP_COLUMNS = {
    ComponentClass.RED_CELLS: "patient_group",
    ComponentClass.PLASMA: "patient_plasma_group",
    ComponentClass.PLATELETS: "patient_platelet_group",
    ComponentClass.WHOLE_BLOOD: "patient_whole_blood_group",
}


class PgDemand:
    """Implements `ports.demand.DemandStore`."""

    def __init__(self, connection: Connection | PooledConnection) -> None:
        self._connection = connection

    async def find_asked(
        self, station_id: str, *, since: datetime, recent_since: datetime, now: datetime
    ) -> StationDemand:
        began_at = await _QUERIES.find_first_asked(
            self._connection, station_id=station_id, since=since
        )
        rows = _QUERIES.list_asked(
            self._connection,
            station_id=station_id,
            since=since,
            recent_since=recent_since,
            now=now,
        )
        asked = [
            AskedOften(
                component=Component(row["component"]),
                group=_find_kind(row).group,
                priority=_find_kind(row).priority,
                measure=OrderMeasure(row["measure"]),
                quantity=row["quantity"],
                requests=row["requests"],
                is_recent=row["is_recent"],
            )
            async for row in rows
        ]
        return StationDemand(began_at=began_at, asked=tuple(asked))

    async def count_deferred(
        self, station_id: str, *, besides: Collection[str]
    ) -> Mapping[tuple[Component, DemandKind], int]:
        rows = _QUERIES.count_deferred(
            self._connection, station_id=station_id, besides=list(besides)
        )
        waiting: Counter[tuple[Component, DemandKind]] = Counter()
        async for row in rows:
            waiting[Component(row["component"]), _find_kind(row)] += row["units"]
        return waiting


def _find_kind(row: Mapping[str, Any]) -> DemandKind:
    column = _GROUP_COLUMNS[Component(row["component"]).spec.component_class]
    group = row[column]
    return DemandKind(None if group == "unknown" else BloodGroup(group), Priority(row["priority"]))
