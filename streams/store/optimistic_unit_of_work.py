"""The optimistic unit of work: it assumes what nearly always holds, and needs no transaction then.

Every record is taken to be new, and the shelf is read without locks; then inbox, decisions and
buffers are written by one statement, `settle`, which is its own transaction and writes nothing if
anything was otherwise. Whatever else is asked for begins an ordinary transaction first, checks in
it what was taken for granted, and goes on as `PgUnitOfWork` does.

A decision alone costs two round trips in this way, instead of six.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from models.clearance import UnitFacts
from models.errors import TransientError
from models.requests import UrgentRequest
from models.rules.rulebook import Rulebook
from streams.matching.available_units import Cell
from streams.ports import Claim, Context, Outgoing, Received
from streams.ports.requests import Ruling, SeenPatient
from streams.store.audit import RecordTransition
from streams.store.demand import PgDemand
from streams.store.inbox import SOURCE, PgInbox
from streams.store.locks import PgLocks
from streams.store.query_files import load_queries
from streams.store.requests import PgRequests, RulingRows
from streams.store.stock import PgStock
from streams.store.unit_of_work import PgUnitOfWork

if TYPE_CHECKING:
    import asyncpg

    from streams.store.database import Database, PooledConnection

_QUERIES = load_queries("inbox")


@dataclass(slots=True)
class _Granted:
    """What was taken for granted, and not written yet."""

    records: Sequence[Received] = ()
    claims: Sequence[Claim] = ()
    reader: str = ""
    now: datetime | None = None
    rulings: list[Ruling] = field(default_factory=list)

    @property
    def fresh(self) -> list[Received]:
        pairs = zip(self.records, self.claims, strict=True)
        return [record for record, claim in pairs if claim is Claim.FRESH]


class _LateTransaction:
    """A connection whose transaction begins with the first statement.

    Args:
        connection: Outside a transaction.
        catch_up: Called once the transaction has begun, before that statement.
    """

    def __init__(
        self, connection: PooledConnection, catch_up: Callable[[], Awaitable[None]]
    ) -> None:
        self.untouched: PooledConnection = connection
        self.begun: asyncpg.transaction.Transaction | None = None
        self._catch_up = catch_up

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        return await (await self.begin()).fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        return await (await self.begin()).fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:  # noqa: ANN401 - any column
        return await (await self.begin()).fetchval(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        return await (await self.begin()).execute(query, *args)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        async with (await self.begin()).transaction():
            yield

    async def begin(self) -> PooledConnection:
        if self.begun is None:
            self.begun = self.untouched.transaction()
            await self.begun.start()
            await self._catch_up()
        return self.untouched


class _Inbox(PgInbox):
    """Takes every record to be new, but for repeats within the batch."""

    def __init__(
        self,
        late: _LateTransaction,
        shards: set[int],
        granted: _Granted,
        emit: Callable[[Outgoing], None],
        context: Callable[[], Context],
    ) -> None:
        super().__init__(late, shards, emit, context)
        self._late = late
        self._granted = granted

    async def claim(
        self, records: Sequence[Received], *, reader: str, now: datetime
    ) -> Sequence[Claim]:
        if self._late.begun or self._granted.records:
            return await super().claim(records, reader=reader, now=now)
        claims = _judge_alone(records)
        self._granted.records, self._granted.claims = records, claims
        self._granted.reader, self._granted.now = reader, now
        return claims

    async def catch_up(self) -> None:
        granted = self._granted
        if granted.now is None:
            return
        claims = await super().claim(granted.records, reader=granted.reader, now=granted.now)
        if list(claims) != list(granted.claims):
            raise TransientError("postgres_contended", detail="inbox")


class _Requests(PgRequests):
    def __init__(
        self, late: _LateTransaction, record: RecordTransition, locks: PgLocks, granted: _Granted
    ) -> None:
        super().__init__(late, record, locks)
        self._late = late
        self._granted = granted
        self._loose = PgRequests(late.untouched, record, locks)

    async def list_patients(self, requests: Sequence[UrgentRequest]) -> Mapping[str, SeenPatient]:
        # `settle` writes nothing if a record is not as it was read here.
        if self._late.begun:
            return await super().list_patients(requests)
        return await self._loose.list_patients(requests)

    async def write(self, rulings: Sequence[Ruling]) -> None:
        if self._late.begun or self._granted.rulings:
            await super().write(rulings)
        else:
            self._record_all(rulings)
            self._granted.rulings.extend(rulings)

    async def catch_up(self) -> None:
        if self._granted.rulings:
            await self._write_rows(self._granted.rulings)


class _Stock(PgStock):
    def __init__(
        self, late: _LateTransaction, record: RecordTransition, locks: PgLocks, granted: _Granted
    ) -> None:
        super().__init__(late, record, locks)
        self._late = late
        self._granted = granted
        self._loose = PgStock(late.untouched, record, locks)

    async def list_shelf(
        self, wants: Mapping[Cell, int | None], *, now: datetime
    ) -> list[UnitFacts]:
        if self._late.begun or self._granted.rulings:
            return await super().list_shelf(wants, now=now)
        return await self._loose.list_shelf(wants, now=now)


class OptimisticUnitOfWork(PgUnitOfWork):
    """The optimistic unit of work of one task; use it only inside its block."""

    def __init__(
        self,
        connection: PooledConnection,
        rules: Rulebook,
        locks: Collection[str] | None = None,
    ) -> None:
        self._late = late = _LateTransaction(connection, self._catch_up)
        super().__init__(late, rules, locks)
        self._granted = granted = _Granted()
        self._optimistic_inbox = self.inbox = _Inbox(
            late, self._shards, granted, self._events.append, lambda: self.context
        )
        self._optimistic_requests = self.requests = _Requests(
            late, self._record, self._locks, granted
        )
        # Read as the shelf is: a forecast that is a moment old is as good.
        self.demand = PgDemand(connection)
        self.stock = _Stock(late, self._record, self._locks, granted)

    async def _catch_up(self) -> None:
        await self._optimistic_inbox.catch_up()
        await self._optimistic_requests.catch_up()

    async def end(self) -> None:
        if self._late.begun is None and self._granted.rulings:
            await self._settle(self._granted)
            return
        await super().end()
        if self._granted.records:
            await (
                self._late.begin()
            )  # records that nothing was decided on are taken in all the same
        if self._late.begun is not None:
            await self._late.begun.commit()

    async def abandon(self) -> None:
        if self._late.begun is not None and not self._late.untouched.is_closed():
            await self._late.begun.rollback()

    async def _settle(self, granted: _Granted) -> None:
        rulings, buffered = RulingRows.of(granted.rulings), self.buffered()
        batch = {
            "records": [
                {
                    "source": record.envelope.source,
                    "event_id": record.envelope.id,
                    "digest": record.digest,
                    "topic": record.topic,
                    "partition": record.partition,
                    "log_offset": record.offset,
                }
                for record in granted.fresh
            ],
            **rulings.batch,
            **buffered.batch,
        }
        await _QUERIES.settle(
            self._late.untouched,
            reader=granted.reader,
            batch=batch,
            bodies=buffered.bodies,
            source=SOURCE,
            now=granted.now,
            directory=rulings.directory_version,
        )
        self._shards.update(buffered.shards)


class PgBeginOptimistically:
    """Implements `ports.Begin`. What it raises as contended, `PgBegin` may settle at once."""

    def __init__(self, database: Database, rules: Rulebook) -> None:
        self._database = database
        self._rules = rules

    @asynccontextmanager
    async def __call__(
        self, locks: Collection[str] | None = None
    ) -> AsyncIterator[OptimisticUnitOfWork]:
        async with self._database.connection() as connection:
            work = OptimisticUnitOfWork(connection, self._rules, locks)
            try:
                await work.begin()
                yield work
                await work.end()
            except BaseException:
                await work.abandon()
                raise
        work.note_committed()


def _judge_alone(records: Sequence[Received]) -> list[Claim]:
    """Judge records by each other only: the first with an id is new."""
    first: dict[tuple[str, str], str] = {}
    claims = []
    for record in records:
        identity = (record.envelope.source, record.envelope.id)
        if identity not in first:
            first[identity] = record.digest
            claims.append(Claim.FRESH)
        else:
            repeated = first[identity] == record.digest
            claims.append(Claim.REPEATED if repeated else Claim.REUSED)
    return claims
