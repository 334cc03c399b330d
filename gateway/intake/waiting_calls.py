"""Calls that wait to know what became of their events: woken by the log, answered by PostgreSQL.

Two tasks follow everything that the engine publishes, and wake the calls and the event streams. An
event may be missed while Kafka reconnects, so both also look at PostgreSQL from time to time.

A look never delays the publication of an event. While PostgreSQL is away or slow, callers get no
answer from here, and PostgreSQL is not asked again for a while.

Concurrency: one event loop. `announce` runs in the tasks that follow and never waits. One task
alone asks PostgreSQL, for all callers in one query, and callers wait on futures: so a burst of
requests costs a few queries, and never more than one connection.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import structlog

from gateway.metrics import GatewayMetrics
from models.envelope import Envelope
from models.errors import TransientError
from models.topics import TOPICS, TopicName
from streams.ports import EventTail
from streams.store.read_models.pages import EventFate, EventName, PgPages

log = structlog.get_logger(__name__)

FOLLOWED = tuple(topic.name for topic in TOPICS if not topic.inbound)
"""The topics that the engine publishes."""

FOLLOWED_TOGETHER = (
    frozenset({TopicName.DECISIONS}),
    frozenset(FOLLOWED) - {TopicName.DECISIONS},
)
"""Topics that share a consumer. A fetch and its answer name every partition that the consumer
follows, so decisions, the busiest topic, have a consumer of their own."""

LOOK_LIMIT_S = 0.3
"""Longest time that a look may delay an answer; usually it takes a millisecond."""

PAUSE_S = 2.0
"""How long PostgreSQL is not asked after a failed look."""

GATHER_S = 0.01
"""How long a look waits for further callers. Kafka's confirmation takes about as long, and one
query for several requests spares both processes their round trips."""

MAX_BATCH = 256

Fates = dict[EventName, EventFate]

MayConcern = Callable[[str, Envelope], bool]


class Wakes:
    """The calls that wait for the decision on an event, and the streams that sleep on the feed."""

    def __init__(self) -> None:
        self._waiters: dict[str, set[asyncio.Future[Envelope]]] = defaultdict(set)
        self._sleepers: dict[asyncio.Event, MayConcern] = {}
        self.closed = False

    @contextmanager
    def expect(self, event_ids: Sequence[str]) -> Iterator[list[asyncio.Future[Envelope]]]:
        """Give a future of the decision on each event; enter before publishing the events."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Envelope]] = [loop.create_future() for _ in event_ids]
        for event_id, future in zip(event_ids, futures, strict=True):
            self._waiters[event_id].add(future)
        try:
            yield futures
        finally:
            for event_id, future in zip(event_ids, futures, strict=True):
                waiting = self._waiters[event_id]
                waiting.discard(future)
                if not waiting:
                    del self._waiters[event_id]

    @contextmanager
    def sleep(self, may_concern: MayConcern) -> Iterator[asyncio.Event]:
        """Give an event that is set when something is published that may concern its holder."""
        woken = asyncio.Event()
        self._sleepers[woken] = may_concern
        try:
            yield woken
        finally:
            del self._sleepers[woken]

    def announce(self, topic: str, envelope: Envelope) -> None:
        """Wake every call and stream that an event may concern."""
        if topic == TopicName.DECISIONS and envelope.causationid in self._waiters:
            for future in self._waiters[envelope.causationid]:
                if not future.done():
                    future.set_result(envelope)
        for woken, may_concern in self._sleepers.items():
            if not woken.is_set() and may_concern(topic, envelope):
                woken.set()

    def close(self) -> None:
        """Wake every stream so that it ends, because the server is stopping."""
        self.closed = True
        for woken in self._sleepers:
            woken.set()


async def follow(tail: EventTail, topics: Collection[str], wakes: Wakes) -> None:
    """Announce everything that is published on some topics, until cancelled."""
    async for topic, envelope in tail.follow(topics):
        wakes.announce(topic, envelope)
    log.error("tail_ended")


class FateLookup:
    """Answers what became of events, as far as PostgreSQL can tell in time."""

    def __init__(
        self, *, pages: PgPages, metrics: GatewayMetrics, monotonic: Callable[[], float]
    ) -> None:
        self._pages = pages
        self._metrics = metrics
        self._monotonic = monotonic
        self._waiting: list[tuple[EventName, asyncio.Future[EventFate | None]]] = []
        self._asked = asyncio.Event()
        self._look_again_at = 0.0

    def ask(self, name: EventName) -> asyncio.Future[EventFate | None]:
        """Give a future of what became of an event.

        It is None if the event is not taken in yet, or PostgreSQL is away.
        """
        future: asyncio.Future[EventFate | None] = asyncio.get_running_loop().create_future()
        if self._monotonic() < self._look_again_at:
            self._metrics.lookups.labels("away").inc()
            future.set_result(None)
        else:
            self._waiting.append((name, future))
            self._asked.set()
        return future

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            while True:
                await self._asked.wait()
                await asyncio.sleep(GATHER_S)
                self._asked.clear()
                while self._waiting:
                    batch = self._waiting[:MAX_BATCH]
                    del self._waiting[:MAX_BATCH]
                    await self._answer(batch)
        finally:
            # This task answers no more: callers from now on get None at once.
            self._look_again_at = float("inf")
            self._give_up(self._waiting)

    async def _answer(
        self, batch: list[tuple[EventName, asyncio.Future[EventFate | None]]]
    ) -> None:
        try:
            fates = await self._ask([name for name, _ in batch])
            for name, future in batch:
                if fates is not None and not future.done():
                    future.set_result(self._count(fates.get(name)))
        finally:
            self._give_up(batch)

    def _count(self, fate: EventFate | None) -> EventFate | None:
        self._metrics.lookups.labels("repeat" if fate else "new").inc()
        return fate

    async def _ask(self, names: list[EventName]) -> Fates | None:
        try:
            async with asyncio.timeout(LOOK_LIMIT_S):
                return await self._pages.list_fates(names)
        except (TransientError, TimeoutError) as error:
            self._look_again_at = self._monotonic() + PAUSE_S
            log.warning("repeats_not_looked_up", events=len(names), error=repr(error))
            self._give_up(self._waiting)
            self._waiting.clear()
            return None

    def _give_up(self, batch: list[tuple[EventName, asyncio.Future[EventFate | None]]]) -> None:
        for _, future in batch:
            if not future.done():
                self._metrics.lookups.labels("away").inc()
                future.set_result(None)
