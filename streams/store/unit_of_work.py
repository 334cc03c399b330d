"""The unit of work on PostgreSQL: one connection, one transaction, buffers written at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from models.errors import InvariantViolation
from models.topics import find_topic_of
from streams.ports import LANES, Outgoing, Timer, Transition
from streams.store.intake import SOURCE, PgInbox, PgTimers, lane_of
from streams.store.outbox import LOCK_SPACE
from streams.store.queries import load_queries
from streams.store.requests import PgRequests
from streams.store.stock import PgStock
from streams.store.supply import PgSupply

if TYPE_CHECKING:
    from streams.store.database import Database, PooledConnection

_QUERIES = load_queries("intake")

_WAIT_FOR_TURN = f"SELECT pg_advisory_xact_lock({LOCK_SPACE}, {LANES})"
"""The lock behind the last lane: the relay holds those before it."""


class PgUnitOfWork:
    """Implements `ports.UnitOfWork`. For one task; use it only inside its block."""

    def __init__(self, connection: PooledConnection) -> None:
        self._connection = connection
        self._lanes: set[int] = set()
        self._events: list[Outgoing] = []
        self._timers: list[Timer] = []
        self._transitions: list[Transition] = []
        self.inbox = PgInbox(connection, self._lanes)
        self.requests = PgRequests(connection)
        self.stock = PgStock(connection)
        self.supply = PgSupply(connection)
        self.timers = PgTimers(connection)

    @property
    def lanes(self) -> frozenset[int]:
        return frozenset(self._lanes)

    def emit(self, outgoing: Outgoing) -> None:
        self._events.append(outgoing)

    def schedule(self, timer: Timer) -> None:
        self._timers.append(timer)

    def record(self, transition: Transition) -> None:
        self._transitions.append(transition)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        marks = (len(self._events), len(self._timers), len(self._transitions))
        try:
            async with self._connection.transaction():
                yield
        except BaseException:
            events, timers, transitions = marks
            del self._events[events:]
            del self._timers[timers:]
            del self._transitions[transitions:]
            raise

    async def flush(self) -> None:
        """Write the buffers in one statement, the last before the commit it orders."""
        if not (self._events or self._timers or self._transitions):
            return
        lanes = [lane_of(row.event.key) for row in self._events]
        await _QUERIES.flush(
            self._connection,
            **_timer_columns(self._timers),
            **_audit_columns(self._transitions),
            **_event_columns(self._events, lanes),
        )
        self._lanes.update(lanes)


def _timer_columns(scheduled: Sequence[Timer]) -> dict[str, list[Any]]:
    # Scheduling a timer again moves it; within one transaction the last word counts.
    timers = list({timer.timer_id: timer for timer in scheduled}.values())
    return {
        "timer_ids": [timer.timer_id for timer in timers],
        "timer_kinds": [timer.kind for timer in timers],
        "timer_subjects": [timer.subject for timer in timers],
        "timer_due_ats": [timer.due_at for timer in timers],
    }


def _audit_columns(rows: Sequence[Transition]) -> dict[str, list[Any]]:
    return {
        "audit_kinds": [row.subject_kind for row in rows],
        "audit_subjects": [row.subject for row in rows],
        "audit_stations": [row.station_id for row in rows],
        "audit_froms": [row.from_state for row in rows],
        "audit_tos": [row.to_state for row in rows],
        "audit_whys": [row.why for row in rows],
        "audit_causes": [row.caused_by for row in rows],
        "audit_ats": [row.at for row in rows],
    }


def _event_columns(rows: Sequence[Outgoing], lanes: list[int]) -> dict[str, Any]:
    return {
        "source": SOURCE,
        "lanes": lanes,
        "topics": [_topic_of(row) for row in rows],
        "keys": [row.event.key for row in rows],
        "types": [row.event.TYPE for row in rows],
        "subjects": [row.event.subject for row in rows],
        "causes": [row.caused_by for row in rows],
        "traces": [row.traceparent for row in rows],
        "stations": [row.station_id for row in rows],
        "hospitals": [row.hospital_id for row in rows],
        "bodies": [row.event.to_body() for row in rows],
        "ats": [row.made_at for row in rows],
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
        one_at_a_time: Wait for every other transaction that was begun so, in any process. The
            supply side touches several stations in one transaction, in an order that only the
            work itself knows; one after the other, they cannot wait for each other in a circle.
    """

    def __init__(self, database: Database, *, one_at_a_time: bool = False) -> None:
        self._database = database
        self._one_at_a_time = one_at_a_time

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[PgUnitOfWork]:
        async with self._database.transaction() as connection:
            if self._one_at_a_time:
                await connection.execute(_WAIT_FOR_TURN)
            work = PgUnitOfWork(connection)
            yield work
            await work.flush()
