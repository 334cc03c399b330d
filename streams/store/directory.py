"""Stations, hospitals and routes: kept in memory, read again when something is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.directory import Directory
from models.facilities import Hospital, Station
from streams.store.queries import load_queries

if TYPE_CHECKING:
    from streams.store.database import Database

_QUERIES = load_queries("directory")


class PgDirectory:
    """Implements `ports.DirectorySource` and writes what dispatchers change."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._current = Directory()
        self._begun = 0
        self._done = 0
        self._reading = asyncio.Lock()

    def current(self) -> Directory:
        return self._current

    async def refresh(self) -> Directory:
        """Give what a read that began after this call found; callers at once share one read."""
        asked_after = self._begun
        async with self._reading:
            if self._done <= asked_after:
                self._begun += 1
                self._current = await self._read()
                self._done = self._begun
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

    async def put_hospital(self, hospital: Hospital) -> None:
        async with self._database.connection() as connection:
            await _QUERIES.put_hospital(
                connection,
                hospital_id=hospital.hospital_id,
                station_id=hospital.station_id,
                body=hospital.model_dump(mode="json"),
            )

    async def put_routes(self, routes: Mapping[tuple[str, str], int]) -> None:
        pairs = sorted(routes)
        async with self._database.connection() as connection:
            await _QUERIES.put_routes(
                connection,
                from_ids=[pair[0] for pair in pairs],
                to_ids=[pair[1] for pair in pairs],
                etas=[routes[pair] for pair in pairs],
            )
