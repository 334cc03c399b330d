"""Fills a database that no system runs on: stations, hospitals, and units in stock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from bench.bench_data import STATIONS, list_hospitals, list_stations, make_units
from models.rules.rulebook import PACKAGED
from streams.store.database import Database
from streams.store.directory import PgDirectory

_COLUMNS = (
    "station_id", "unit_id", "donation_id", "component", "blood_group", "volume_ml",
    "collected_at", "expires_at", "traits", "status", "source", "released_at", "attested_by",
)  # fmt: skip


async def fill(dsn: str, *, requests: int, now: datetime) -> None:
    """Write what `bench.bench_data.lay_out` sends to a gateway straight to the tables."""
    await fill_places(dsn)
    rows = [
        (
            unit.station_id, unit.unit_id, unit.donation_id, unit.component.value,
            unit.group.value, unit.volume_ml, unit.collected_at, unit.expires_at, "{}",
            "available", "stock", now, "bench",
        )
        for unit in make_units(requests, now=now)
    ]  # fmt: skip
    connection = await asyncpg.connect(dsn)
    try:
        await connection.copy_records_to_table("units", columns=_COLUMNS, records=rows)
        await connection.execute("VACUUM ANALYZE units")
    finally:
        await connection.close()


async def fill_places(dsn: str, names: Sequence[str] = STATIONS) -> None:
    """Write stations and their hospitals, and no unit."""
    database = await Database.open(dsn, size=2, name="fill")
    try:
        directory = PgDirectory(database, PACKAGED)
        for station in list_stations(names):
            await directory.put_station(station)
        for hospital in list_hospitals(names):
            await directory.put_hospital(hospital)
    finally:
        await database.close()
