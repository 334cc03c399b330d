"""Wakes the calls that wait for a decision, and the event streams that have something to read.

Two tasks follow everything that the engine publishes. An event may be missed while Kafka
reconnects, so waiting calls and streams also look at PostgreSQL from time to time.

Concurrency: one event loop; `announce` runs in the tasks that follow and never waits.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import structlog

from models.envelope import Envelope
from models.topics import TOPICS, TopicName
from streams.ports import EventTail

log = structlog.get_logger(__name__)

FOLLOWED = tuple(topic.name for topic in TOPICS if not topic.inbound)
"""The topics that the engine publishes."""

FOLLOWED_TOGETHER = (
    frozenset({TopicName.DECISIONS}),
    frozenset(FOLLOWED) - {TopicName.DECISIONS},
)
"""Topics that share a consumer. A fetch and its answer name every partition that the consumer
follows, so decisions, the busiest topic, have a consumer of their own."""

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
