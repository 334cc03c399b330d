"""Publishes the outbox to Kafka: committed events leave at once and in order, and none is lost.

Owns when to publish; the outbox owns what is published, and the lock that lets one relay at a time
publish a shard of the outbox. A commit wakes its shards here; polling is only the fallback for
rows whose process died before it could wake them.

Concurrency: `wake` is synchronous and for the same event loop. Several publishers work side by
side on different shards; a shard belongs to one of them until it is empty, so its order holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

import structlog

from models.envelope import Envelope
from models.errors import TransientError
from streams.ports import EventPublisher, Outbox, OutboxRow

log = structlog.get_logger(__name__)

Reporter = Callable[[str, str | None], None]
"""Takes the name of a part and why it is not ready, or None once it is."""

_PART = "relay"

CLAIM_ROWS = 256
"""Rows of one claim: enough for a whole micro-batch, few enough to hold the shards for
milliseconds."""

_RETRY_FIRST_S = 0.05
_RETRY_MOST_S = 1.0
_DRAIN_S = 2.0
"""A process that is asked to stop has some seconds until it is killed; the relay takes these."""


class OutboxRelay:
    """Publishes the shards it is woken for.

    Args:
        outbox: Gives unpublished rows and remembers what was published.
        publisher: Sends them.
        report: Called when nothing can be published, and when it can again.
        publishers: Claims at work at once. With one, rows committed meanwhile leave together with
            the next claim; under load on two cores that was quicker than two.
        poll_s: Seconds between two looks for forgotten shards.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        publisher: EventPublisher,
        report: Reporter,
        publishers: int = 1,
        poll_s: float = 1.0,
    ) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._report = report
        self._publishers = publishers
        self._poll_s = poll_s
        self._woken: set[int] = set()
        self._busy: set[int] = set()
        self._signal = asyncio.Event()
        self._failing: set[str] = set()

    def wake(self, shards: Collection[int], /) -> None:
        """Say that shards have something to publish. Cheap; call it right after the commit."""
        self._woken.update(shards)
        if self._woken - self._busy:
            self._signal.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set, then once more what was committed before it.

        Any error but a TransientError is a bug and is raised at once.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(self._publishers):
                group.create_task(self._publish_forever(stop))
            group.create_task(self._poll_forever(stop))
            await stop.wait()
            self._signal.set()
        await self._drain()

    async def _drain(self) -> None:
        """Publish what was woken and not taken: its readers must not wait for the next start.

        What cannot be published in `_DRAIN_S` stays in the outbox, for another relay or that start.
        """
        shards = self._take()
        if not shards:
            return
        try:
            async with asyncio.timeout(_DRAIN_S):
                while await self._publish_some(shards):
                    pass
        except (TransientError, TimeoutError) as error:
            log.warning("relay_left_rows", shards=sorted(shards), error=repr(error)[:200])

    async def _publish_forever(self, stop: asyncio.Event) -> None:
        pause_s = 0.0
        while not stop.is_set():
            shards = self._take()
            if not shards:
                self._signal.clear()
                await self._signal.wait()
                continue
            try:
                await self._publish(shards, stop)
            except TransientError as error:
                pause_s = min(max(pause_s * 2, _RETRY_FIRST_S), _RETRY_MOST_S)
                self._fail("publish", error, pause_s)
                # The shards stay busy meanwhile, so that no other publisher meets the same failure.
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause_s)
                self._woken |= shards
            else:
                pause_s = 0.0
                self._recover("publish", "poll")  # PostgreSQL and Kafka both answered
            finally:
                self._give_back(shards)

    def _take(self) -> frozenset[int]:
        shards = frozenset(self._woken - self._busy)
        self._woken -= shards
        self._busy |= shards
        return shards

    def _give_back(self, shards: frozenset[int]) -> None:
        self._busy -= shards
        if self._woken:
            self._signal.set()

    async def _publish(self, shards: frozenset[int], stop: asyncio.Event) -> None:
        while not stop.is_set() and await self._publish_some(shards):
            pass

    async def _publish_some(self, shards: frozenset[int]) -> bool:
        """Publish the first rows of some shards; return whether there may be more."""
        async with self._outbox.claim(shards, limit=CLAIM_ROWS) as rows:
            await self._send(rows)
        return len(rows) == CLAIM_ROWS

    async def _send(self, rows: Sequence[OutboxRow]) -> None:
        """Send rows, each topic in their order, the topics side by side: one round trip.

        Raises:
            TransientError: After every send has ended; a send still open while we try again could
                put a later row before an earlier row.
        """
        by_topic: dict[str, list[Envelope]] = {}
        for row in rows:
            by_topic.setdefault(row.topic, []).append(row.envelope)
        if len(by_topic) == 1:
            ((topic, envelopes),) = by_topic.items()
            await self._publisher.publish(topic, envelopes)
            return
        outcomes = await asyncio.gather(
            *(self._publisher.publish(topic, events) for topic, events in by_topic.items()),
            return_exceptions=True,
        )
        errors = [outcome for outcome in outcomes if outcome is not None]
        for error in sorted(errors, key=lambda outcome: isinstance(outcome, TransientError)):
            raise error  # a bug before an outage: somebody must learn of the bug

    async def _poll_forever(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                self.wake(await self._outbox.list_pending_shards())
            except TransientError as error:
                self._fail("poll", error, self._poll_s)
            else:
                self._recover("poll")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._poll_s)

    def _fail(self, doing: str, error: TransientError, pause_s: float) -> None:
        self._failing.add(doing)
        self._report(_PART, str(error))
        log.warning("relay_waits", doing=doing, error=str(error), again_in_s=pause_s)

    def _recover(self, *doing: str) -> None:
        if self._failing.intersection(doing):
            self._failing.difference_update(doing)
            if not self._failing:
                self._report(_PART, None)
