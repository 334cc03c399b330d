"""The unit of work on PostgreSQL: one connection, one transaction, buffers written at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from models.errors import InvariantViolation
from models.events import EventData
from models.rules.rulebook import Rulebook
from models.topics import find_topic_of
from streams.ports import LANES, Context, Outgoing, Timer, Transition
from streams.store.audit import AuditLine, PgAuditSeals, audit_line
from streams.store.counts import PgCounts
from streams.store.donations import PgDonations
from streams.store.driver_errors import values_translated
from streams.store.inbox import SOURCE, PgInbox, PgTimers, lane_of
from streams.store.outbox import LOCK_SPACE
from streams.store.query_files import load_queries
from streams.store.requests import PgRequests
from streams.store.stock import PgStock
from streams.store.supply import PgSupply

if TYPE_CHECKING:
    from streams.store.database import Connection, Database

_QUERIES = load_queries("inbox")

_WAIT_FOR_TURN = f"SELECT pg_advisory_xact_lock({LOCK_SPACE}, {LANES})"
"""The lock behind the last lane: the relay holds those before it."""


class PgUnitOfWork:
    """Implements `ports.UnitOfWork`. For one task; use it only inside its block."""

    def __init__(self, connection: Connection, rules: Rulebook) -> None:
        self._connection = connection
        self.rules = rules
        self._lanes: set[int] = set()
        self._events: list[Outgoing] = []
        self._timers: list[Timer] = []
        self._audit: list[AuditLine] = []
        self._context: Context | None = None
        self._acts: list[Callable[[], None]] = []
        self.inbox = PgInbox(connection, self._lanes, self._events.append, lambda: self.context)
        self.requests = PgRequests(connection, self._record)
        self.stock = PgStock(connection, self._record)
        self.counts = PgCounts(connection)
        self.donations = PgDonations(connection)
        self.supply = PgSupply(connection, self._record)
        self.timers = PgTimers(connection)
        self.audit = PgAuditSeals(connection)

    @property
    def lanes(self) -> frozenset[int]:
        return frozenset(self._lanes)

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

    def schedule(self, timer: Timer) -> None:
        self._timers.append(timer)

    def record(self, transition: Transition) -> None:
        self._record(transition)

    def _record(self, transition: Transition, context: Context | None = None) -> None:
        self._audit.append(audit_line(transition, context or self.context))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        buffers: list[list[Any]]
        buffers = [self._events, self._timers, self._audit, self._acts]
        marks = [len(buffer) for buffer in buffers]
        try:
            with values_translated():
                async with self._connection.transaction():
                    yield
        except BaseException:
            for buffer, mark in zip(buffers, marks, strict=True):
                del buffer[mark:]
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
        self._lanes.update(rows.lanes)

    def buffered(self) -> BufferRows:
        return BufferRows.of(self._events, self._timers, self._audit)

    def note_committed(self) -> None:
        for act in self._acts:
            act()


@dataclass(frozen=True, slots=True)
class BufferRows:
    """Buffers as rows: an array per table, the bodies of the events beside it, and their lanes."""

    batch: dict[str, list[dict[str, Any]]]
    bodies: list[bytes]
    lanes: list[int]

    @classmethod
    def of(
        cls, events: Sequence[Outgoing], timers: Sequence[Timer], audit: Sequence[AuditLine]
    ) -> Self:
        lanes = [lane_of(row.event.key) for row in events]
        # Scheduling a timer again moves it; within one transaction the last word counts.
        last = {timer.timer_id: timer for timer in timers}
        batch = {
            "timers": [_timer_row(timer) for timer in last.values()],
            "audit": list(audit),
            "events": [_event_row(row, lane) for row, lane in zip(events, lanes, strict=True)],
        }
        return cls(batch, [row.event.to_body() for row in events], lanes)


def _timer_row(timer: Timer) -> dict[str, Any]:
    return {
        "timer_id": timer.timer_id,
        "kind": timer.kind,
        "subject": timer.subject,
        "due_at": timer.due_at,
    }


def _event_row(row: Outgoing, lane: int) -> dict[str, Any]:
    return {
        "lane": lane,
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
        one_at_a_time: Wait for every other transaction that was begun so, in any process. The
            supply side touches several stations in one transaction, in an order that only the
            work itself knows; one after the other, they cannot wait for each other in a circle.
    """

    def __init__(self, database: Database, rules: Rulebook, *, one_at_a_time: bool = False) -> None:
        self._database = database
        self._rules = rules
        self._one_at_a_time = one_at_a_time

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[PgUnitOfWork]:
        async with self._database.transaction() as connection:
            if self._one_at_a_time:
                await connection.execute(_WAIT_FOR_TURN)
            work = PgUnitOfWork(connection, self._rules)
            yield work
            await work.end()
        work.note_committed()
