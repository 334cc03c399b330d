"""The unit of work on PostgreSQL: one connection, one transaction, buffers written at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from models.errors import InvariantViolation
from models.topics import find_topic_of
from streams.ports import Outgoing, Timer, Transition
from streams.store.intake import SOURCE, PgInbox, PgTimers, lane_of
from streams.store.queries import load_queries
from streams.store.requests import PgRequests
from streams.store.stock import PgStock
from streams.store.supply import PgSupply

if TYPE_CHECKING:
    from streams.store.database import Database, PooledConnection

_QUERIES = load_queries("intake")


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
        """Write the buffers; the outbox last, because its key locks order the commits."""
        await self._flush_timers()
        await self._flush_transitions()
        await self._flush_events()

    async def _flush_timers(self) -> None:
        # Scheduling a timer again moves it; within one transaction the last word counts.
        timers = list({timer.timer_id: timer for timer in self._timers}.values())
        if not timers:
            return
        await _QUERIES.schedule_timers(
            self._connection,
            timer_ids=[timer.timer_id for timer in timers],
            kinds=[timer.kind for timer in timers],
            subjects=[timer.subject for timer in timers],
            due_ats=[timer.due_at for timer in timers],
        )

    async def _flush_transitions(self) -> None:
        rows = self._transitions
        if not rows:
            return
        await _QUERIES.record_transitions(
            self._connection,
            kinds=[row.subject_kind for row in rows],
            subjects=[row.subject for row in rows],
            stations=[row.station_id for row in rows],
            froms=[row.from_state for row in rows],
            tos=[row.to_state for row in rows],
            whys=[row.why for row in rows],
            causes=[row.caused_by for row in rows],
            ats=[row.at for row in rows],
        )

    async def _flush_events(self) -> None:
        rows = self._events
        if not rows:
            return
        lanes = [lane_of(row.event.key) for row in rows]
        await _QUERIES.append_outbox(
            self._connection,
            source=SOURCE,
            lanes=lanes,
            topics=[_topic_of(row) for row in rows],
            keys=[row.event.key for row in rows],
            types=[row.event.TYPE for row in rows],
            subjects=[row.event.subject for row in rows],
            causes=[row.caused_by for row in rows],
            traces=[row.traceparent for row in rows],
            stations=[row.station_id for row in rows],
            hospitals=[row.hospital_id for row in rows],
            bodies=[row.event.to_body() for row in rows],
            ats=[row.made_at for row in rows],
        )
        self._lanes.update(lanes)


def _topic_of(row: Outgoing) -> str:
    topic = find_topic_of(row.event.TYPE)
    if topic is None:
        raise InvariantViolation("event_without_topic", type=row.event.TYPE)
    return topic.name


class PgBegin:
    """Implements `ports.Begin`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[PgUnitOfWork]:
        async with self._database.transaction() as connection:
            work = PgUnitOfWork(connection)
            yield work
            await work.flush()
