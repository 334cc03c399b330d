"""Counts the accepted records that no worker has acknowledged, as Kafka has them.

Concurrency: one look at a time; a call meanwhile, or within `KEPT_S`, gets the same result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from models.errors import TransientError
from streams.ports import Clock, Unread

log = structlog.get_logger(__name__)

LIMIT_S = 3.0
"""The overview does not wait longer for this, because it can be shown without it."""

KEPT_S = 2.0


class UnreadLook:
    """Reads the counts from Kafka and keeps them for `KEPT_S`.

    Args:
        measure: Reads the counts; raises TransientError while Kafka is away.
        wall: The clock by which records are stamped; never the clock of a drill.
        monotonic: Real seconds.
    """

    def __init__(
        self,
        measure: Callable[[], Awaitable[Sequence[Unread]]],
        *,
        wall: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._measure = measure
        self._wall = wall
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._found: Sequence[Unread] | None = None
        self._found_at = -KEPT_S

    async def look(self) -> Sequence[Unread] | None:
        """Return what waits per reader and topic; None while Kafka does not answer."""
        async with self._lock:
            if self._monotonic() < self._found_at + KEPT_S:
                return self._found
            try:
                async with asyncio.timeout(LIMIT_S):
                    self._found = await self._measure()
            except (TransientError, TimeoutError) as error:
                log.warning("unread_not_measured", error=repr(error))
                self._found = None
            self._found_at = self._monotonic()
            return self._found

    def age_s(self, unread: Unread) -> float:
        """Return how many seconds the oldest record has waited; 0 if none waits."""
        return max((self._wall.now() - unread.since).total_seconds(), 0.0) if unread.since else 0.0
