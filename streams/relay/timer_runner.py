"""Fires timers soon after they are due.

Owns the waiting only: the service decides which rows are due and what firing means, in its own
transaction. Timers are rows, so a restart loses none; two runners are safe as long as firing locks
its rows.

Concurrency: one task; `fire` is never called twice at once by one runner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from models.errors import TransientError
from streams.ports import Clock
from streams.relay.outbox import OutboxRelay, Reporter

log = structlog.get_logger(__name__)

_PART = "timers"

LOOK_EVERY_S = 0.25
"""A timer that another process sets to be due during our wait is late by this much at most."""

_RETRY_MOST_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TimersFired:
    """What one transaction fired.

    Attributes:
        count: Timers fired; more may be due already when it is not 0.
        shards: Outbox shards that now have something to publish.
        next_due_at: When the next timer is due; None if none is set.
    """

    count: int
    shards: frozenset[int]
    next_due_at: datetime | None


class TimerRunner:
    """Calls `fire` at the next due instant, and at least every 250 ms.

    Args:
        fire: Fires what is due in one transaction. Raises TransientError while PostgreSQL is away.
        clock: Translates due instants into real seconds; a drill's clock runs faster.
        relay: Woken with the shards that firing filled.
        report: Called when timers cannot fire, and when they can again.
    """

    def __init__(
        self,
        *,
        fire: Callable[[], Awaitable[TimersFired]],
        clock: Clock,
        relay: OutboxRelay,
        report: Reporter,
    ) -> None:
        self._fire = fire
        self._clock = clock
        self._relay = relay
        self._report = report
        self._failures = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Fire until `stop` is set. Any error but a TransientError is a bug, raised at once."""
        while not stop.is_set():
            wait_s = await self._fire_once()
            if wait_s > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), wait_s)

    async def _fire_once(self) -> float:
        """Fire what is due; return the real seconds to wait before the next look."""
        try:
            fired = await self._fire()
        except TransientError as error:
            self._failures += 1
            self._report(_PART, str(error))
            wait_s = min(LOOK_EVERY_S * self._failures, _RETRY_MOST_S)
            log.warning("timers_wait", error=str(error), again_in_s=wait_s)
            return wait_s
        if self._failures:
            self._failures = 0
            self._report(_PART, None)
        if fired.shards:
            self._relay.wake(fired.shards)
        if fired.count:
            return 0.0
        if fired.next_due_at is None:
            return LOOK_EVERY_S
        # A row that is due but does not fire (another runner holds it) must not make us spin.
        due_in_s = self._clock.real_s_until(fired.next_due_at)
        return min(max(due_in_s, 0.005), LOOK_EVERY_S)
