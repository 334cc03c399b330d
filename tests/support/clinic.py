"""A station with one hospital of its own, each speaking over HTTP with its own key.

For cases: the station counts bags, the hospital asks, and the answer is read. Nothing is put into
PostgreSQL behind the gateway's back. Every clinic is far from the others and has its own shelf, so
that the cases of a file share one gateway and one engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from deploy.local.embedded_services import Endpoints
from models.access import KeyScope
from models.components import Component
from models.errors import TransientError
from models.topics import TopicName
from streams.composition import Services
from tests.support.gateway import RunningGateway, running_engine, running_gateway
from tests.support.kafka import unique
from tests.support.world import one_unit_ml

Told = dict[str, Any]
READ = (
    TopicName.REQUESTS,
    TopicName.STOCK,
    TopicName.ALERTS,
    TopicName.ANSWERS,
    TopicName.OFFERS,
)


def keyed() -> dict[str, str]:
    """Headers of a call that waits for the engine's word."""
    return {"Idempotency-Key": unique("k"), "Prefer": "wait=10"}


def given(told: Told) -> list[str]:
    """The groups of the bags that a decision reserved, in the order of its lines."""
    return [unit["group"] for line in told["decision"]["lines"] for unit in line["reserved"]]


def bags(told: Told) -> list[str]:
    """The identifiers of the bags that a decision reserved."""
    return [unit["unit_id"] for line in told["decision"]["lines"] for unit in line["reserved"]]


def missing(told: Told) -> list[int]:
    """What no bag covers of each line of a request that was read."""
    return [line["uncovered"] for line in told["lines"]]


def reasons(told: Told) -> dict[str, Told]:
    """The reasons of a decision by their codes."""
    return {reason["code"]: reason for reason in told["decision"]["reasons"]}


def refusals(told: Told) -> dict[str, Told]:
    """Why units were not chosen, by their codes."""
    lines = told["decision"]["lines"]
    return {reason["code"]: reason for line in lines for reason in line["refusals"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinic:
    """A station and its hospital, and what they say to the gateway."""

    world: RunningGateway
    services: Services
    name: str
    place: Mapping[str, float]
    station: httpx.AsyncClient
    hospital: httpx.AsyncClient

    @property
    def hospital_id(self) -> str:
        return f"{self.name}-ward"

    @property
    def stock(self) -> str:
        return f"/v1/stations/{self.name}/stock"

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    def after(self, **hours: float) -> str:
        return (self.now + timedelta(**hours)).isoformat()

    def bag(
        self,
        group: str,
        component: str = "red_cells",
        *,
        age: float = 1,
        left: float = 4,
        **changes: object,
    ) -> Told:
        """A released bag as a row of a count: its age and the time left to it, in days."""
        unit_id = unique("BAG").upper()
        return {
            "unit_id": unit_id,
            "donation_id": f"D{unit_id}",
            "component": component,
            "group": group,
            "volume_ml": one_unit_ml(Component(component)),
            "collected_at": self.after(days=-age),
            "expires_at": self.after(days=left),
            "released": True,
            **changes,
        }

    async def send_count(self, *rows: Told) -> httpx.Response:
        released_at = max(row["collected_at"] for row in rows)
        word = {"released_by": "quality", "released_at": released_at}
        return await self.station.post(self.stock, json={**word, "units": rows})

    async def count(self, *rows: Told) -> list[str]:
        """Count bags and wait until they lie on the shelf; their identifiers."""
        answer = await self.send_count(*rows)
        assert answer.status_code == 202, answer.text
        path = f"/v1/stations/{self.name}/reconciliations/{answer.json()['count_id']}"
        async with asyncio.timeout(20):
            while True:
                found = await self.station.get(path)
                if found.status_code == 200 and found.json()["count"]["taken_at"]:
                    return [row["unit_id"] for row in rows]
                await asyncio.sleep(0.02)

    async def lay(
        self,
        *groups: str,
        component: str = "red_cells",
        **changes: Any,  # noqa: ANN401 - of a bag
    ) -> list[str]:
        """Count one bag a group."""
        rows = [self.bag(group, component, **changes) for group in groups]
        return await self.count(*rows)

    async def post(self, **body: object) -> httpx.Response:
        return await self.hospital.post("/v1/requests", json=body, headers=keyed())

    async def ask(
        self,
        component: str = "red_cells",
        quantity: int | None = 1,
        *,
        need_h: float = 3,
        priority: str = "urgent",
        lines: list[Told] | None = None,
        packs: int = 0,
        attributes: Mapping[str, object] | None = None,
        release: Mapping[str, object] | None = None,
        **patient: object,
    ) -> Told:
        """Ask for one line, or for those that are named; what the engine decided."""
        line = {"line_no": 1, "component": component, "quantity": quantity}
        if attributes:
            line["attributes"] = attributes
        body: Told = {
            "patient": patient,
            "priority": priority,
            "needed_by": self.after(hours=need_h),
            "lines": [line] if lines is None else lines,
            "massive_transfusion_packs": packs,
        }
        answer = await self.post(**body, **({"emergency_release": release} if release else {}))
        assert answer.status_code == 201, answer.text
        told: Told = answer.json()
        return told

    async def amend(self, told: Told, **changes: object) -> Told:
        path = f"/v1/requests/{told['request_id']}"
        answer = await self.hospital.patch(path, json=changes, headers=keyed())
        assert answer.status_code == 200, answer.text
        amended: Told = answer.json()
        return amended

    async def cancel(self, told: Told) -> None:
        path = f"/v1/requests/{told['request_id']}/cancel"
        answer = await self.hospital.post(path, json={"reason": "x"}, headers=keyed())
        assert answer.status_code == 200, answer.text

    async def see(self, told: Told) -> Told:
        """The request as the hospital reads it now."""
        answer = await self.hospital.get(f"/v1/requests/{told['request_id']}")
        assert answer.status_code == 200, answer.text
        seen: Told = answer.json()
        return seen

    async def scan(self, told: Told, *changes: str, **fields: object) -> None:
        """Say of every bag that a decision reserved what happened to it, step by step."""
        for unit in (unit for line in told["decision"]["lines"] for unit in line["reserved"]):
            for change in changes:
                answer = await self.scan_one(unit, change, **fields)
                assert answer.status_code == 200, answer.text

    async def scan_one(self, unit: Told, change: str, **fields: object) -> httpx.Response:
        body = {"unit_id": unit["unit_id"], "epoch": unit["epoch"], "change": change, **fields}
        body |= {"done_by": "nurse", "happened_at": self.now.isoformat()}
        at_hospital = change in {"received", "transfused"}
        client = self.hospital if at_hospital else self.station
        path = f"/v1/hospitals/{self.hospital_id}/stock" if at_hospital else self.stock
        return await client.post(f"{path}/changes", json=body, headers=keyed())

    async def register_station(self, **changes: object) -> None:
        record = {"station_id": self.name, **self._called, **changes}
        await self._put(f"/v1/stations/{self.name}", record)

    async def register_hospital(self, **changes: object) -> None:
        ids = {"hospital_id": self.hospital_id, "station_id": self.name}
        record = {**ids, **self._called, "can_thaw": True, **changes}
        await self._put(f"/v1/hospitals/{self.hospital_id}", record)

    @property
    def _called(self) -> Told:
        return {"name_zh": self.name, "name_en": self.name, "location": dict(self.place)}

    async def _put(self, path: str, record: Told) -> None:
        answer = await self.world.client("dispatcher").put(path, json=record)
        assert answer.status_code == 200, answer.text

    async def set_journey(self, *, eta_s: int, proven_box: bool | None = None) -> None:
        """Record how long the road from the station to the hospital is."""
        route = {"from_id": self.name, "to_id": self.hospital_id, "eta_s": eta_s}
        if proven_box is not None:
            route["proven_box"] = proven_box
        await self._put("/v1/routes", {"routes": [route]})
        await self.services.directory.refresh()

    async def pass_time(self, **hours: float) -> None:
        """Let time pass, and fire every timer that is due by then."""
        self.world.clock.move(**hours)
        for _ in range(500):
            try:
                fired = (await self.services.timers.fire_one())[0]
            except TransientError:
                continue
            if not fired:
                return
        raise AssertionError("timers that never rest")


@dataclass(slots=True, kw_only=True)
class Clinics:
    """Opens clinics on one running gateway with its engine."""

    world: RunningGateway
    services: Services
    opened: int = 0

    async def open(
        self, *, eta_s: int = 1800, place: Mapping[str, float] | None = None, **station: object
    ) -> Clinic:
        """Register a station and a hospital at one place, and make their keys."""
        self.opened += 1
        name = unique("clinic")
        # Farther apart than the reach of a disaster: each has its own.
        row, column = divmod(self.opened, 8)
        apart = {"lat": -48.0 + 12.0 * column, "lon": -170.0 + 30.0 * row}
        clinic = Clinic(
            world=self.world,
            services=self.services,
            name=name,
            place=place or apart,
            station=await self._make_client(KeyScope.STATION, name),
            hospital=await self._make_client(KeyScope.HOSPITAL, f"{name}-ward"),
        )
        await clinic.register_station(**station)
        await clinic.register_hospital()
        await clinic.set_journey(eta_s=eta_s)
        return clinic

    async def _make_client(self, scope: KeyScope, facility_id: str) -> httpx.AsyncClient:
        key = await self.world.key_store.create(
            scope=scope, facility_id=facility_id, label="clinic"
        )
        return self.world.client(key=key.text)


@asynccontextmanager
async def running_clinics(endpoints: Endpoints) -> AsyncIterator[Clinics]:
    async with running_gateway(endpoints) as world, running_engine(world, READ) as services:
        yield Clinics(world=world, services=services)
