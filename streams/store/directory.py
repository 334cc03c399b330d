"""Stations, hospitals and routes: kept in memory, read again when something is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from models.directory import Directory
from models.facilities import Hospital, Station
from streams.ports import Clock
from streams.store.queries import load_queries

if TYPE_CHECKING:
    from streams.store.database import Database

_QUERIES = load_queries("directory")

_REFRESH_AFTER = timedelta(seconds=1)
"""An unknown name in a flood of bad messages must not become a flood of reads."""


class PgDirectory:
    """Implements `ports.DirectorySource` and writes what dispatchers change."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._current = Directory()
        self._read_at: datetime | None = None
        self._reading = asyncio.Lock()

    def current(self) -> Directory:
        return self._current

    async def refresh(self) -> Directory:
        async with self._reading:
            now = self._clock.now()
            if self._read_at is None or abs(now - self._read_at) >= _REFRESH_AFTER:
                self._current = await self._read()
                self._read_at = now
        return self._current

    async def _read(self) -> Directory:
        async with self._database.connection() as connection:
            stations = [
                Station.model_validate(row["body"])
                async for row in _QUERIES.list_stations(connection)
            ]
            hospitals = [
                Hospital.model_validate(row["body"])
                async for row in _QUERIES.list_hospitals(connection)
            ]
            routes = {
                (row["from_id"], row["to_id"]): row["eta_s"]
                async for row in _QUERIES.list_routes(connection)
            }
        return Directory(
            stations={station.station_id: station for station in stations},
            hospitals={hospital.hospital_id: hospital for hospital in hospitals},
            routes=routes,
        )

    async def put_station(self, station: Station) -> None:
        async with self._database.connection() as connection:
            await _QUERIES.put_station(
                connection, station_id=station.station_id, body=station.model_dump(mode="json")
            )
        self._read_at = None

    async def put_hospital(self, hospital: Hospital) -> None:
        async with self._database.connection() as connection:
            await _QUERIES.put_hospital(
                connection,
                hospital_id=hospital.hospital_id,
                station_id=hospital.station_id,
                body=hospital.model_dump(mode="json"),
            )
        self._read_at = None

    async def put_routes(self, routes: Mapping[tuple[str, str], int]) -> None:
        pairs = sorted(routes)
        async with self._database.connection() as connection:
            await _QUERIES.put_routes(
                connection,
                from_ids=[pair[0] for pair in pairs],
                to_ids=[pair[1] for pair in pairs],
                etas=[routes[pair] for pair in pairs],
            )
        self._read_at = None
