"""Hand work that people decided, with who and why. Reads only; safe for concurrent tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Database

_QUERIES = load_queries("hand_work")


class PgHandWork:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_holds(self, station_id: str, *, limit: int) -> list[dict[str, Any]]:
        """List the bags of a station that are on hold, the oldest hold first."""
        async with self._database.connection() as connection:
            rows = _QUERIES.list_holds(connection, station_id=station_id, limit=limit)
            return [dict(row) async for row in rows]

    async def list_stops(self, station_id: str) -> list[dict[str, Any]]:
        """List the open causes of a station for which nobody is called."""
        async with self._database.connection() as connection:
            rows = _QUERIES.list_stops(connection, station_id=station_id)
            return [dict(row) async for row in rows]

    async def find_ends(self, transfer_id: str) -> dict[str, str] | None:
        """Return both stations of a transfer, or None if there is none."""
        async with self._database.connection() as connection:
            row = await _QUERIES.find_transfer_ends(connection, transfer_id=transfer_id)
            return None if row is None else dict(row)
