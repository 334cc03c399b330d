"""The data of a benchmark: stations, their hospitals, enough stock, and requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count

import asyncpg

from models.components import Component
from models.facilities import Hospital, Location, Station
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Priority, RequestLine, UrgentRequest
from models.rules.rulebook import PACKAGED
from streams.store.database import Database
from streams.store.directory import PgDirectory

STATIONS = tuple(f"bench-{number}" for number in range(8))
GROUPS = (BloodGroup.O_POS, BloodGroup.A_POS, BloodGroup.B_POS, BloodGroup.AB_POS)
UNITS_PER_REQUEST = 2

_NUMBERS = count()


async def lay_out(dsn: str, *, requests: int, now: datetime) -> None:
    """Write stations, hospitals and enough units for `requests` requests, spread evenly.

    The units are written straight to the table, because the intake of stock is not measured here.
    """
    await lay_out_places(dsn)
    await _fill(dsn, requests=requests, now=now)


async def lay_out_places(dsn: str) -> None:
    """Write stations and hospitals, and no unit."""
    database = await Database.open(dsn, size=2, name="bench")
    try:
        directory = PgDirectory(database, PACKAGED)
        for number, station_id in enumerate(STATIONS):
            place = Location(lat=29.0 + number / 10, lon=88.0)
            await directory.put_station(
                Station(
                    station_id=station_id, name_zh="测试站", name_en="bench", location=place,
                    daily_demand={},
                )
            )  # fmt: skip
            await directory.put_hospital(
                Hospital(
                    hospital_id=f"{station_id}-hospital", name_zh="测试医院", name_en="bench",
                    location=place, station_id=station_id,
                )
            )  # fmt: skip
    finally:
        await database.close()


async def _fill(dsn: str, *, requests: int, now: datetime) -> None:
    per_place = requests * UNITS_PER_REQUEST // (len(STATIONS) * len(GROUPS)) + 200
    columns = (
        "unit_id", "donation_id", "station_id", "component", "blood_group", "volume_ml",
        "collected_at", "expires_at", "traits", "status", "source", "released_at",
        "attested_by",
    )  # fmt: skip
    collected_at = now - timedelta(days=3)
    rows = (
        (
            f"{station}-{group}-{start}-{number}".replace("+", "p").upper(),
            f"D-{number}", station, Component.RED_CELLS.value, group.value, 200,
            collected_at, now + timedelta(days=20, seconds=number), "{}", "available", "stock", now,
            "bench",
        )
        for start in (next(_NUMBERS),)
        for station in STATIONS
        for group in GROUPS
        for number in range(per_place)
    )  # fmt: skip
    connection = await asyncpg.connect(dsn)
    try:
        await connection.copy_records_to_table("units", columns=columns, records=rows)
        await connection.execute("VACUUM ANALYZE units")
    finally:
        await connection.close()


def build_requests(total: int, *, now: datetime, prefix: str) -> Sequence[UrgentRequest]:
    """Build `total` life-threatening requests of two units, across stations and groups in turn."""
    return [
        UrgentRequest(
            request_id=f"{prefix}-{number}",
            hospital_id=f"{STATIONS[number % len(STATIONS)]}-hospital",
            station_id=STATIONS[number % len(STATIONS)],
            patient=Patient(group=GROUPS[number // len(STATIONS) % len(GROUPS)]),
            priority=Priority.LIFE_THREATENING,
            needed_by=now + timedelta(hours=6),
            lines=(
                RequestLine(line_no=1, component=Component.RED_CELLS, quantity=UNITS_PER_REQUEST),
            ),
        )
        for number in range(total)
    ]
