"""The services on PostgreSQL as a system to be driven."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import cast

from models.directory import Directory
from models.donors import CallOut
from models.groups import BloodGroup
from models.rules.rulebook import PACKAGED
from models.shortages import Shortage
from models.topics import AppName, TopicName
from streams.composition import Services, build_services
from streams.ports import Received
from streams.services.record_intake import Intake, one_by_one
from streams.services.record_locks import list_record_locks
from streams.services.shortage_offers import OfferService
from streams.services.shortage_transfers import Transfers
from streams.services.shortages import ShortageService
from streams.store.database import Database
from streams.store.unit_of_work import PgBegin
from tests.life.driven_system import SeenUnit, SystemState
from tests.life.engine import HOLD_S, AsDeclared
from tests.life.facilities import build_directory
from tests.life.memory_system import build_donor
from tests.life.model_objects import SeenPromise
from tests.support.engine import Engine
from tests.support.world import FixedClock


class PgSystem:
    """Implements `driven.System` on a database of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def feed(self, record: Received, now: datetime) -> None:
        self.engine.clock.at = now
        await self.take(record)

    async def take(self, *records: Received) -> None:
        """As the engine does, but for a shortage, which stands as it was declared."""
        if records[0].topic != TopicName.OFFERS:
            await self.engine.feed(*records)
            return
        offers = OfferService(
            directories=self.engine.services.directory,
            shortages=cast("ShortageService", AsDeclared()),
            transfers=Transfers(),
            hold_s=HOLD_S,
        )
        await Intake(
            begin=PgBegin(self.engine.database, PACKAGED),
            clock=self.engine.clock,
            reader=AppName.SUPPLY,
            decide=one_by_one(offers.act, reader=AppName.SUPPLY),
            locks=lambda batch: list_record_locks(batch, self.engine.services.directory.current()),
        )(records)

    async def fire_due(self, now: datetime) -> None:
        self.engine.clock.at = now
        await self.engine.fetch(
            "INSERT INTO timers VALUES ('unit_expiry:all', 'unit_expiry', 'all', $1) "
            "ON CONFLICT (timer_id) DO UPDATE SET due_at = excluded.due_at",
            now,
        )
        # What a station burns is not driven: shortages stand as they were declared.
        assessments = "DELETE FROM timers WHERE kind = 'shortage_assessment'"
        await self.engine.fetch(assessments)
        while (await self.engine.services.timers.fire_one())[0]:
            await self.engine.fetch(assessments)

    async def await_donor(self, call: CallOut, group: BloodGroup) -> None:
        donor = build_donor(call, group)
        await self.engine.fetch(
            "INSERT INTO donors (donor_id, station_id, blood_group, body, called) "
            "VALUES ($1, $2, $3, $4, 1)",
            *(donor.donor_id, donor.station_id, donor.group),
            donor.model_dump(mode="json"),
        )
        await self.engine.fetch(
            "INSERT INTO call_outs "
            "(call_out_id, donor_id, station_id, cause_id, wave, status, called_at) "
            "VALUES ($1, $2, $3, $4, $5, 'arrived', $6)",
            *(call.call_out_id, call.donor_id, call.station_id),
            *(call.cause_id, call.wave, call.called_at),
        )

    async def declare(self, shortage: Shortage) -> None:
        async with PgBegin(self.engine.database, PACKAGED)() as work:
            await work.exchange.write_shortage(shortage)

    async def put_directory(self, directory: Directory) -> None:
        await put_directory(self.engine.services, directory)

    async def look(self) -> SystemState:
        units = await self.engine.fetch(
            "SELECT unit_id, status, station_id, epoch, doubted_at IS NOT NULL AS may_have_left "
            "FROM units"
        )
        rows = await self.engine.fetch(
            "SELECT p.promise_id, p.unit_id, p.request_id, t.to_station_id, p.status "
            "FROM promises AS p LEFT JOIN transfers AS t USING (transfer_id) "
            "WHERE p.status IN ('held', 'issued')"
        )
        requests = await self.engine.fetch(
            "SELECT request_id FROM requests WHERE status IN ('open', 'reserved')"
        )
        return SystemState(
            units={
                row["unit_id"]: SeenUnit(
                    state=row["status"],
                    station_id=row["station_id"],
                    epoch=row["epoch"],
                    may_have_left=row["may_have_left"],
                )
                for row in units
            },
            promises=[SeenPromise(**dict(row)) for row in rows],
            held={
                request["request_id"]: [
                    row["unit_id"]
                    for row in rows
                    if row["request_id"] == request["request_id"] and row["status"] == "held"
                ]
                for request in requests
            },
        )


async def put_directory(services: Services, directory: Directory) -> None:
    for station in directory.stations.values():
        await services.directory.put_station(station)
    for hospital in directory.hospitals.values():
        await services.directory.put_hospital(hospital)
    await services.directory.put_routes(directory.routes)
    await services.directory.refresh()


@asynccontextmanager
async def build_engine_on(dsn: str, clock: FixedClock) -> AsyncIterator[Engine]:
    """An engine with a pool of its own, as another process would have."""
    database = await Database.open(dsn, size=4, name="life")
    try:
        services = build_services(database=database, clock=clock, hold_s=HOLD_S, rules=PACKAGED)
        await put_directory(services, build_directory())
        yield Engine(database=database, clock=clock, services=services)
    finally:
        await database.close()
