"""Asks PostgreSQL what became of events: all waiting callers are answered by one query.

A look never delays the publication of an event. While PostgreSQL is away or slow, callers get no
answer from here, and PostgreSQL is not asked again for a while.

Concurrency: one event loop. `run` is the only task that asks; callers wait on futures. So a burst
of requests costs a few queries, and never more than one connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from gateway.metrics import GatewayMetrics
from models.errors import TransientError
from streams.store.read_models.pages import EventFate, EventName, PgPages

log = structlog.get_logger(__name__)

LOOK_LIMIT_S = 0.3
"""Longest time that a look may delay an answer; usually it takes a millisecond."""

PAUSE_S = 2.0
"""How long PostgreSQL is not asked after a failed look."""

GATHER_S = 0.01
"""How long a look waits for further callers. Kafka's confirmation takes about as long, and one
query for several requests spares both processes their round trips."""

MAX_BATCH = 256

Fates = dict[EventName, EventFate]


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
