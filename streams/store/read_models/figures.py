"""The records behind the figures that stations report. Reads only; safe for concurrent tasks."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from models.figures import Coverage, EmergencyReleases, StockDay
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Database

_QUERIES = load_queries("figures")


class PgFigures:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_stock_days(
        self, station_id: str | None, *, day_from: date, day_until: date
    ) -> list[StockDay]:
        """List the daily records of one station, or of all."""
        async with self._database.connection() as connection:
            rows = _QUERIES.list_stock_days(
                connection, station_id=station_id, day_from=day_from, day_until=day_until
            )
            # From our own table, checked there: not validated again, a year has 20,000 of them.
            return [
                StockDay.model_construct(
                    **{name: row[name] for name in _PLAIN}, group=row["blood_group"]
                )
                async for row in rows
            ]

    async def count_emergency_releases(
        self, station_id: str | None, *, at_from: datetime, at_until: datetime
    ) -> EmergencyReleases:
        """Count the bags that a named clinician took past a test in a period."""
        async with self._database.connection() as connection:
            row = await _QUERIES.count_emergency_releases(
                connection, station_id=station_id, at_from=at_from, at_until=at_until
            )
        return EmergencyReleases(units=row["units"], requests=row["requests"])

    async def rate_testing(
        self, station_id: str | None, *, at_from: datetime, at_until: datetime
    ) -> Coverage:
        """Rate the testing of what became available in a period."""
        async with self._database.connection() as connection:
            row = await _QUERIES.rate_testing(
                connection, station_id=station_id, at_from=at_from, at_until=at_until
            )
        released, covered = row["released"], row["covered"]
        return Coverage(
            released=released, covered=covered, rate=covered / released if released else None
        )


_PLAIN = (
    "station_id",
    "day",
    "component",
    "available",
    "burn_per_d",
    "days_of_supply",
    "uncovered",
    "level",
)
