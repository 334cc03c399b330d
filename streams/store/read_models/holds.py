"""What people hold back, with who and why. Reads only; safe for concurrent tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Database

_QUERIES = load_queries("holds")


class PgHolds:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_of(self, station_id: str, *, limit: int) -> list[dict[str, Any]]:
        """List the bags of a station that are on hold, the oldest hold first."""
        async with self._database.connection() as connection:
            rows = _QUERIES.list_holds(connection, station_id=station_id, limit=limit)
            return [dict(row) async for row in rows]
