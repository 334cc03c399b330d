"""Counts what lies free at stations, for people: never the ground of a decision. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Database

_QUERIES = load_queries("free_stock")


class PgFreeStock:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(
        self, station_ids: Sequence[str], components: Sequence[str], *, usable_at: datetime
    ) -> list[dict[str, Any]]:
        """Count the released, unpromised bags of each component and group at some stations.

        Args:
            station_ids: The stations.
            components: The components.
            usable_at: Bags that expire by then are not counted.
        """
        async with self._database.connection() as connection:
            rows = _QUERIES.count_free(
                connection,
                station_ids=list(station_ids),
                components=list(components),
                usable_at=usable_at,
            )
            return [dict(row) async for row in rows]
