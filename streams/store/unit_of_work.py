"""The unit of work on PostgreSQL: one connection, one transaction, buffers written at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from models.errors import InvariantViolation
from models.events import EventData
from models.rules.rulebook import Rulebook
from models.topics import find_topic_of
from streams.ports import Context, Outgoing, Timer, Transition
from streams.store.alerts import PgDisasters
from streams.store.audit import AuditLine, PgAuditSeals, audit_line
from streams.store.call_outs import PgReserve
from streams.store.counts import PgCounts
from streams.store.demand import PgDemand
from streams.store.donations import PgDonations
from streams.store.driver_errors import values_translated
from streams.store.inbox import SOURCE, PgInbox, PgTimers, shard_of
from streams.store.locks import PgLocks
from streams.store.query_files import load_queries
from streams.store.requests import PgRequests
from streams.store.shortages import PgExchange
from streams.store.stock import PgStock

if TYPE_CHECKING:
    from streams.store.database import Connection, Database

_QUERIES = load_queries("inbox")


class PgUnitOfWork:
    """Implements `ports.UnitOfWork`. For one task; use it only inside its block.

    Args:
        connection: Inside a transaction.
        rules: The rulebook that it decides by.
        locks: What the transaction begins with; see `ports.Begin`.
    """

    def __init__(
        self, connection: Connection, rules: Rulebook, locks: Collection[str] | None = None
    ) -> None:
        self._connection = connection
        self.rules = rules
        self._locks = PgLocks(connection, locks)
        self._shards: set[int] = set()
        self._events: list[Outgoing] = []
        self._timers: list[Timer] = []
        self._audit: list[AuditLine] = []
        self._context: Context | None = None
        self._acts: list[Callable[[], None]] = []
        self.inbox = PgInbox(connection, self._shards, self._events.append, lambda: self.context)
        self.requests = PgRequests(connection, self._record, self._locks)
        self.demand = PgDemand(connection)
        self.stock = PgStock(connection, self._record, self._locks)
        self.counts = PgCounts(connection)
        self.donations = PgDonations(connection, self._locks)
        self.disasters = PgDisasters(connection, self._locks)
        self.reserve = PgReserve(connection, self._record, self._locks)
        self.exchange = PgExchange(connection, self._record, self._locks)
        self.timers = PgTimers(connection)
        self.audit = PgAuditSeals(connection)

    @property
    def shards(self) -> frozenset[int]:
        return frozenset(self._shards)

    @property
    def context(self) -> Context:
        if self._context is None:
            raise InvariantViolation("work_without_context")
        return self._context

    def enter(self, context: Context) -> None:
        self._context = context

    def emit(
        self, event: EventData, *, station_id: str | None = None, hospital_id: str | None = None
    ) -> None:
        self._events.append(
            Outgoing(
                event=event,
                context=self.context,
                station_id=station_id,
                hospital_id=hospital_id,
            )
        )

    async def begin(self) -> None:
        """Wait for the locks that the transaction begins with; before anything else."""
        await self._locks.take_first()

    async def lock_stations(self, *station_ids: str) -> None:
        await self._locks.lock(station_ids)

    async def try_lock(self, names: Collection[str]) -> bool:
        return await self._locks.try_lock(names)

    def schedule(self, timer: Timer) -> None:
        self._timers.append(timer)

    def record(self, transition: Transition) -> None:
        self._record(transition)

    def _record(self, transition: Transition, context: Context | None = None) -> None:
        # Whatever changes of a station's is told by its audit: nothing slips past its lock.
        self._locks.ensure([transition.station_id] if transition.station_id else [])
        self._audit.append(audit_line(transition, context or self.context))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        buffers: list[list[Any]]
        buffers = [self._events, self._timers, self._audit, self._acts]
        marks = [len(buffer) for buffer in buffers]
        had = self._locks.names
        try:
            with values_translated():
                async with self._connection.transaction():
                    yield
        except BaseException:
            for buffer, mark in zip(buffers, marks, strict=True):
                del buffer[mark:]
            self._locks.drop_since(had)
            raise

    def on_commit(self, act: Callable[[], None]) -> None:
        self._acts.append(act)

    async def end(self) -> None:
        """Write the buffers in one statement, the last before the commit it orders."""
        rows = self.buffered()
        if any(rows.batch.values()):
            await _QUERIES.write_buffers(
                self._connection, batch=rows.batch, bodies=rows.bodies, source=SOURCE
            )
        self._shards.update(rows.shards)

    def buffered(self) -> BufferRows:
        return BufferRows.of(self._events, self._timers, self._audit)

    def note_committed(self) -> None:
        for act in self._acts:
            act()


@dataclass(frozen=True, slots=True)
class BufferRows:
    """Buffers as rows: an array per table, the bodies of the events beside it, and their shards."""

    batch: dict[str, list[dict[str, Any]]]
    bodies: list[bytes]
    shards: list[int]

    @classmethod
    def of(
        cls, events: Sequence[Outgoing], timers: Sequence[Timer], audit: Sequence[AuditLine]
    ) -> Self:
        shards = [shard_of(row.event.key) for row in events]
        # Scheduling a timer again moves it; within one transaction the last word counts.
        last = {timer.timer_id: timer for timer in timers}
        batch = {
            "timers": [_timer_row(timer) for timer in last.values()],
            "audit": list(audit),
            "events": [_event_row(row, shard) for row, shard in zip(events, shards, strict=True)],
        }
        return cls(batch, [row.event.to_body() for row in events], shards)


def _timer_row(timer: Timer) -> dict[str, Any]:
    return {
        "timer_id": timer.timer_id,
        "kind": timer.kind,
        "subject": timer.subject,
        "due_at": timer.due_at,
    }


def _event_row(row: Outgoing, shard: int) -> dict[str, Any]:
    return {
        "shard": shard,
        "topic": _topic_of(row),
        "key": row.event.key,
        "event_type": row.event.TYPE,
        "subject": row.event.subject,
        "caused_by": row.context.cause,
        "traceparent": row.context.traceparent,
        "station_id": row.station_id,
        "hospital_id": row.hospital_id,
        "made_at": row.context.now,
    }


def _topic_of(row: Outgoing) -> str:
    topic = find_topic_of(row.event.TYPE)
    if topic is None:
        raise InvariantViolation("event_without_topic", type=row.event.TYPE)
    return topic.name


class PgBegin:
    """Implements `ports.Begin`.

    Args:
        database: Where the transactions are made.
        rules: The rulebook that they decide by.
    """

    def __init__(self, database: Database, rules: Rulebook) -> None:
        self._database = database
        self._rules = rules

    @asynccontextmanager
    async def __call__(self, locks: Collection[str] | None = None) -> AsyncIterator[PgUnitOfWork]:
        async with self._database.transaction() as connection:
            work = PgUnitOfWork(connection, self._rules, locks)
            await work.begin()
            yield work
            await work.end()
        work.note_committed()
