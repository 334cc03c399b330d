"""Units as a scan needs them. Reads only; safe for concurrent tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from streams.ports.stock import RecordedUnit
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Database

_QUERIES = load_queries("scans")


class PgScans:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_units(self, unit_ids: Sequence[str]) -> dict[str, RecordedUnit]:
        """Return units by id, with their last promise; unknown ids are missing.

        Raises:
            TransientError: PostgreSQL is away; then no bag can be compared with its record.
        """
        async with self._database.connection() as connection:
            rows = [
                row
                async for row in _QUERIES.list_scanned_units(connection, unit_ids=list(unit_ids))
            ]
        return {
            row["unit_id"]: RecordedUnit.of_row(
                row,
                request_id=row["request_id"],
                transfer_id=row["transfer_id"],
                hospital_id=row["hospital_id"],
                to_station_id=row["to_station_id"],
            )
            for row in rows
        }
