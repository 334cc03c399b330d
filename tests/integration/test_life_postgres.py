"""Random lives on real PostgreSQL: one writer against the plain model, then several at once.

With several writers nobody can foretell who wins; then the independent checker judges what is left.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from bench.life.drive import BEGIN, DIRECTORY, HOSPITAL_ID, STATION_ID, Drive, Seen
from bench.life.model import Promise
from checker.checks import life, promises, shelf
from checker.rows import read_rows
from checker.world import World
from deploy.embedded.services import Endpoints
from models.components import Component
from models.errors import TransientError
from models.events.donations import DonationRecalled
from models.events.requests import RequestCancelled
from models.events.stock import UNDER_PROMISE, StockChange, StockChanged
from models.requests import Cancellation
from models.testing import LabOutcome, LabTest
from models.units import Unit
from streams.composition import build_services
from streams.ports import Received
from streams.store.database import Database
from tests.support.database import fresh_dsn
from tests.support.engine import Engine
from tests.support.laboratory import build_result, from_laboratory, list_clear
from tests.support.world import FixedClock, build_record, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration


class PgSystem:
    """Implements `drive.System` on a database of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def feed(self, record: Received, now: datetime) -> None:
        self.engine.clock.at = now
        await self.engine.feed(record)

    async def fire_due(self, now: datetime) -> None:
        self.engine.clock.at = now
        await self.engine.fetch("DELETE FROM timers WHERE kind = 'shortage_assessment'")
        await self.engine.fetch(
            "INSERT INTO timers VALUES ('unit_expiry:all', 'unit_expiry', 'all', $1) "
            "ON CONFLICT (timer_id) DO UPDATE SET due_at = excluded.due_at",
            now,
        )
        await self.engine.fire_timers()

    async def collect(self, unit: Unit) -> None:
        await self.engine.fetch(
            "INSERT INTO units (unit_id, donation_id, station_id, component, blood_group, "
            "volume_ml, collected_at, expires_at, status, source) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'collected', 'donor')",
            unit.unit_id,
            unit.donation_id,
            unit.station_id,
            unit.component,
            unit.group,
            unit.volume_ml,
            unit.collected_at,
            unit.expires_at,
        )

    async def look(self) -> Seen:
        units = await self.engine.fetch("SELECT unit_id, status, epoch FROM units")
        rows = await self.engine.fetch(
            "SELECT promise_id, unit_id, request_id, status FROM promises "
            "WHERE status IN ('held', 'issued')"
        )
        requests = await self.engine.fetch(
            "SELECT request_id FROM requests WHERE status IN ('open', 'reserved')"
        )
        return Seen(
            units={row["unit_id"]: (row["status"], row["epoch"]) for row in units},
            promises=[Promise(**dict(row)) for row in rows],
            held={
                request["request_id"]: [
                    row["unit_id"]
                    for row in rows
                    if row["request_id"] == request["request_id"] and row["status"] == "held"
                ]
                for request in requests
            },
        )


@asynccontextmanager
async def build_engine_on(dsn: str, clock: FixedClock) -> AsyncIterator[Engine]:
    """An engine with a pool of its own, as another process would have."""
    database = await Database.open(dsn, size=4, name="life")
    try:
        services = build_services(database=database, clock=clock, hold_s=3600)
        for station in DIRECTORY.stations.values():
            await services.directory.put_station(station)
        for hospital in DIRECTORY.hospitals.values():
            await services.directory.put_hospital(hospital)
        await database.fetch(
            "INSERT INTO routes VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            STATION_ID,
            HOSPITAL_ID,
            DIRECTORY.routes[STATION_ID, HOSPITAL_ID],
        )
        await services.directory.refresh()
        yield Engine(database=database, clock=clock, services=services)
    finally:
        await database.close()


@pytest.mark.parametrize("seed", range(6))
async def test_one_writer_does_as_foretold(endpoints: Endpoints, seed: int) -> None:
    async with (
        fresh_dsn(endpoints.postgres_dsn) as dsn,
        build_engine_on(dsn, FixedClock(BEGIN)) as engine,
    ):
        drive = Drive(PgSystem(engine), chance=Random(seed))
        await drive.run(40)
        assert drive.model.bags
        await ensure_sound(dsn)


async def ensure_sound(dsn: str) -> None:
    """Let the independent checker judge the rows."""
    world = World(rows=await read_rows(dsn))
    findings = [
        *life.find_moved_against_life(world),
        *life.find_issued_unreleased(world),
        *life.find_released_against_results(world),
        *life.find_used_after_recall(world),
        *life.find_missed_by_recall(world),
        *shelf.find_quarantined(world),
        *promises.find_promised_twice(world),
    ]
    assert not findings, findings
    bound = {"reserved": "held", "picked": "held", "issued": "issued", "in_transit": "issued"}
    live = {
        one.unit_id: one.status for one in world.rows.promises if one.status in {"held", "issued"}
    }
    for unit in world.rows.units:
        assert live.get(unit.unit_id) == bound.get(unit.status), unit


_NEXT = {
    "reserved": [StockChange.PICKED, StockChange.ISSUED],
    "picked": [StockChange.ISSUED],
    "issued": [StockChange.DEPARTED, StockChange.RECEIVED],
    "in_transit": [StockChange.RECEIVED],
    "received": [StockChange.TRANSFUSED, StockChange.RETURNED],
    "returned": [StockChange.RESTOCKED],
}


class Rival:
    """A writer that does what it likes with whatever is there, at the same time as others."""

    def __init__(self, engine: Engine, *, name: str, seed: int, outcomes: Counter[str]) -> None:
        self._engine = engine
        self._name = name
        self._chance = Random(seed)
        self._outcomes = outcomes
        self._numbers = 0

    async def run(self, steps: int) -> None:
        acts = (self._ask, self._ask, self._cancel, self._stock, self._test, self._scan, self._scan)
        for _ in range(steps):
            act = self._recall if self._chance.random() < 0.05 else self._chance.choice(acts)
            await act()

    def _next(self, kind: str) -> str:
        self._numbers += 1
        return f"{self._name}-{kind}{self._numbers}"

    async def _tell(self, *records: Received) -> None:
        """As the edge does: what is contended is tried again until it is through."""
        self._outcomes["under_way"] += 1
        self._outcomes["overlapping"] += self._outcomes["under_way"] > 1
        while True:
            try:
                await self._engine.feed(*records)
            except TransientError:
                continue
            self._outcomes["under_way"] -= 1
            return

    async def _any(self, query: str) -> tuple[Any, ...] | None:
        rows = await self._engine.fetch(query)
        return tuple(self._chance.choice(rows)) if rows else None

    async def _ask(self) -> None:
        line = build_request(group="O+", quantity=self._chance.randint(1, 2)).lines
        request = build_request(
            request_id=self._next("q"), group="O+", lines=line, now=self._engine.clock.now()
        ).but(hospital_id=HOSPITAL_ID, station_id=STATION_ID)
        await self._tell(opened(request))

    async def _cancel(self) -> None:
        found = await self._any(
            "SELECT request_id, version FROM requests WHERE status IN ('open', 'reserved')"
        )
        if found:
            cancellation = Cancellation(
                request_id=found[0], hospital_id=HOSPITAL_ID, station_id=STATION_ID, reason="x"
            )
            event = RequestCancelled(cancellation=cancellation)
            await self._tell(build_record(event, source=f"hospital/{HOSPITAL_ID}"))

    async def _stock(self) -> None:
        unit = build_unit(
            self._chance.choice(("O+", "O-")),
            unit_id=self._next("u"),
            station_id=STATION_ID,
            now=self._engine.clock.now(),
            component=Component.RED_CELLS,
        )
        released = self._chance.random() < 0.5
        await self._tell(counted([unit], station_id=STATION_ID, released=released))

    async def _test(self) -> None:
        found = await self._any("SELECT donation_id, blood_group FROM units")
        if not found:
            return
        donation_id, group = str(found[0]), str(found[1])
        results = list_clear(group)
        if self._chance.random() < 0.2:
            results.append(build_result(LabTest.NAT, outcome=LabOutcome.REACTIVE))
        await self._tell(*from_laboratory(donation_id, results, station_id=STATION_ID))

    async def _scan(self) -> None:
        # Mostly of promised units: there the writers get into each other's way.
        found = await self._any(
            "SELECT unit_id, epoch, status FROM units WHERE status IN ('reserved', 'picked', "
            "'issued', 'in_transit', 'received', 'returned')"
        )
        if found is None:
            return
        changes: list[StockChange] = list(StockChange)[:-1]
        if self._chance.random() < 0.7:
            changes = _NEXT[found[2]]
        change = self._chance.choice(changes)
        event = StockChanged(
            station_id=STATION_ID,
            unit_id=found[0],
            change=change,
            happened_at=self._engine.clock.now(),
            epoch=(found[1] or 1) if change in UNDER_PROMISE else None,
            out_of_control_s=60 if change is StockChange.RETURNED else None,
        )
        await self._tell(build_record(event, source=f"station/{STATION_ID}"))

    async def _recall(self) -> None:
        found = await self._any("SELECT donation_id, epoch FROM units")
        if found:
            self._engine.clock.move(seconds=1)
            event = DonationRecalled(
                station_id=STATION_ID,
                donation_id=found[0],
                recall_id=self._next("c"),
                reason="rival",
                recalled_at=self._engine.clock.now(),
                recalled_by="quality",
            )
            await self._tell(build_record(event, source=f"station/{STATION_ID}"))


async def test_several_writers_at_once_leave_a_sound_world(endpoints: Endpoints) -> None:
    outcomes: Counter[str] = Counter()
    clock = FixedClock(BEGIN + timedelta(hours=1))
    async with (
        fresh_dsn(endpoints.postgres_dsn) as dsn,
        build_engine_on(dsn, clock) as first,
        build_engine_on(dsn, clock) as second,
    ):
        rivals = [
            Rival(engine, name=f"{name}{twin}", seed=seed, outcomes=outcomes)
            for seed, (name, engine, twin) in enumerate(
                (name, engine, twin)
                for name, engine in (("a", first), ("b", second))
                for twin in (1, 2)
            )
        ]
        async with asyncio.TaskGroup() as group:
            for rival in rivals:
                group.create_task(rival.run(120))
        await ensure_sound(dsn)
        kinds = await first.fetch("SELECT DISTINCT to_state FROM audit WHERE subject_kind = 'unit'")
    assert outcomes["overlapping"] > 100, "nobody wrote at once, so nothing was shown"
    reached = {row["to_state"] for row in kinds}
    assert {"available", "reserved", "issued", "recalled", "received"} <= reached, reached
