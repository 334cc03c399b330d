"""The services on a real database, composed as in production, fed by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from models.rules.rulebook import PACKAGED, Rulebook
from models.topics import TopicName
from streams.composition import Services, build_services
from streams.ports import Record
from streams.store.database import Database
from tests.support.database import fresh_database
from tests.support.world import DINGRI, LHASA, PEOPLES, SHIGATSE, FixedClock


class Engine:
    """Feeds records to the services and looks at what PostgreSQL holds afterwards."""

    def __init__(self, *, database: Database, clock: FixedClock, services: Services) -> None:
        self.database = database
        self.clock = clock
        self.services = services

    async def feed(self, *records: Record) -> frozenset[int]:
        """Hand records of one topic to its handler, as one batch."""
        return await self.services.handlers[TopicName(records[0].topic)](records)

    async def fire_timers(self) -> int:
        """Fire everything that is due; return how many fired."""
        fired = 0
        while (await self.services.timers.fire_one())[0]:
            fired += 1
            assert fired < 1000, "timers that never rest"
        return fired

    async def fire_timers_of(self, kind: str) -> int:
        """Fire what is due of one kind within a second; timers of the others are dropped."""
        self.clock.move(seconds=1)
        only = "DELETE FROM timers WHERE kind <> $1 RETURNING 1"
        await self.fetch(only, kind)
        fired = 0
        while (await self.services.timers.fire_one())[0]:
            fired += 1
            await self.fetch(only, kind)
        return fired

    @asynccontextmanager
    async def postgres_failing_at(self, table: str) -> AsyncIterator[None]:
        """Let every insert into a table fail, as when the server is shut down at that moment."""
        await self.database.fetch(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'going away' USING ERRCODE = '57P01'; END $$"
        )
        await self.database.fetch(
            f"CREATE TRIGGER fail BEFORE INSERT ON {table} EXECUTE FUNCTION fail()"
        )
        try:
            yield
        finally:
            await self.database.fetch("DROP FUNCTION fail CASCADE")

    async def under(self, rules: Rulebook) -> Engine:
        """Another engine on the same database, in the same process, under another rulebook."""
        services = build_services(
            database=self.database, clock=self.clock, hold_s=3600, rules=rules
        )
        await services.directory.refresh()
        return type(self)(database=self.database, clock=self.clock, services=services)

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        return await self.database.fetch(query, *args)

    async def one(self, query: str, *args: object) -> asyncpg.Record:
        (row,) = await self.fetch(query, *args)
        return row

    async def status_of(self, request_id: str) -> str:
        row = await self.one("SELECT status FROM requests WHERE request_id = $1", request_id)
        return str(row["status"])

    async def dead_letter_codes(self) -> Sequence[str]:
        rows = await self.fetch("SELECT code FROM dead_letters ORDER BY log_offset")
        return [row["code"] for row in rows]


@asynccontextmanager
async def build_engine(dsn: str, *, hold_s: int = 3600) -> AsyncIterator[Engine]:
    async with fresh_database(dsn) as database:
        clock = FixedClock()
        services = build_services(database=database, clock=clock, hold_s=hold_s, rules=PACKAGED)
        for station in (SHIGATSE, LHASA):
            await services.directory.put_station(station)
        for hospital in (PEOPLES, DINGRI):
            await services.directory.put_hospital(hospital)
        await services.directory.refresh()
        yield Engine(database=database, clock=clock, services=services)
