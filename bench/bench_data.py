"""The data of a benchmark: stations, their hospitals, enough stock, and requests."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from models.components import Component
from models.facilities import Hospital, Location, Station
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Priority, RequestLine, UrgentRequest
from models.units import Unit


def name_stations(many: int) -> tuple[str, ...]:
    return tuple(f"bench-{number}" for number in range(many))


STATIONS = name_stations(8)
GROUPS = (BloodGroup.O_POS, BloodGroup.A_POS, BloodGroup.B_POS, BloodGroup.AB_POS)
UNITS_PER_REQUEST = 2

_LOOK_S = 0.2
"""Seconds between two questions for the progress of a count."""

_PATIENCE_S = 180.0


def list_stations(names: Sequence[str] = STATIONS) -> list[Station]:
    return [
        Station(
            station_id=station_id, name_zh="测试站", name_en="bench",
            location=Location(lat=29.0 + number / 10, lon=88.0), daily_demand={},
        )
        for number, station_id in enumerate(names)
    ]  # fmt: skip


def list_hospitals(names: Sequence[str] = STATIONS) -> list[Hospital]:
    return [
        Hospital(
            hospital_id=f"{station.station_id}-hospital", name_zh="测试医院", name_en="bench",
            location=station.location, station_id=station.station_id,
        )
        for station in list_stations(names)
    ]  # fmt: skip


def make_units(requests: int, *, now: datetime) -> Iterator[Unit]:
    """Make enough red cells for `requests` requests, spread evenly over stations and groups."""
    per_place = requests * UNITS_PER_REQUEST // (len(STATIONS) * len(GROUPS)) + 200
    for station_id in STATIONS:
        for group in GROUPS:
            for number in range(per_place):
                unit_id = f"{station_id}-{group}-{number}".replace("+", "p").upper()
                yield Unit(
                    unit_id=unit_id,
                    donation_id=f"D-{unit_id}",
                    station_id=station_id,
                    component=Component.RED_CELLS,
                    group=group,
                    volume_ml=200,
                    collected_at=now - timedelta(days=3),
                    expires_at=now + timedelta(days=20, seconds=number),
                )


class BenchClient:
    """The gateway of the measured system, and what a benchmark needs there before it begins.

    Args:
        session: With a dispatcher's key.
        url: Of the gateway.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def lay_out(self, *, requests: int, now: datetime) -> None:
        """Register all places and count enough stock for `requests` requests."""
        await self.register_places()
        units = list(make_units(requests, now=now))
        for station_id in STATIONS:
            count = {
                "units": [
                    unit.model_dump(mode="json", exclude={"station_id"}) | {"released": True}
                    for unit in units
                    if unit.station_id == station_id
                ],
                "released_by": "bench",
                "released_at": now.isoformat(),
                "counted_at": now.isoformat(),
            }
            path = f"/v1/stations/{station_id}/stock"
            answer = await self._call("POST", path, json=count)
            await self.wait_taken(station_id, answer["count_id"])

    async def register_places(self) -> None:
        for station in list_stations():
            path = f"/v1/stations/{station.station_id}"
            await self._call("PUT", path, json=station.model_dump(mode="json"))
        for hospital in list_hospitals():
            path = f"/v1/hospitals/{hospital.hospital_id}"
            await self._call("PUT", path, json=hospital.model_dump(mode="json"))

    async def wait_taken(self, station_id: str, count_id: str) -> dict[str, Any]:
        """Wait until the engine has taken a count in; return what became of it."""
        path = f"/v1/stations/{station_id}/reconciliations/{count_id}"
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                async with self.session.get(f"{self.url}{path}") as answer:
                    told = await answer.json()
                    if answer.ok and told["count"]["taken_at"]:
                        count: dict[str, Any] = told["count"]
                        return count
                await asyncio.sleep(_LOOK_S)

    async def read_stock(self, station_id: str) -> Counter[str]:
        """Return the units of a station, by status."""
        told = await self._call("GET", f"/v1/stations/{station_id}/stock")
        units: Counter[str] = Counter()
        for row in told["stock"]:
            units[row["status"]] += row["bags"]
        return units

    async def read_counts(self, station_id: str) -> list[dict[str, Any]]:
        told = await self._call("GET", f"/v1/stations/{station_id}/reconciliations")
        counts: list[dict[str, Any]] = told["counts"]
        return counts

    async def _call(
        self, method: str, path: str, *, json: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        async with self.session.request(method, f"{self.url}{path}", json=json) as answer:
            told: dict[str, Any] = await answer.json()
            if not answer.ok:
                raise RuntimeError(f"{method} {path} was answered with {answer.status}: {told}")
            return told


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
