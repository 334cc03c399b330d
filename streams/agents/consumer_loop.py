"""The loop that every agent runs: take what waits, decide it in one transaction, then acknowledge.

Owns the order of the steps: decode, decide and commit, acknowledge, wake the relay. An event is
acknowledged only after the transaction that holds its outcome. The handler's error decides the
rest: while a dependency is away the batch is retried in place for ever; any other error ends the
process, with the record unacknowledged and named.

Concurrency: one feeder (the agent's own task), which decodes, and one committer per agent. So the
records of a partition are decided in order, and a batch holds the records that came while the last
batch was decided. Two committers were measured: under load they halve the batches, and every batch
costs its round trips.
No timer delays a batch: an event that comes alone is decided alone, at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from models.errors import InvariantViolation, TransientError
from streams.agents import metrics
from streams.kafka.codec import HeaderPairs, RawRecord, read_record
from streams.ports import BatchHandler, Record, Unreadable

log = structlog.get_logger(__name__)

_CONTENDED_RETRY_S = 0.002
"""Another transaction holds what we need and ends within milliseconds: decide again at once."""

AHEAD_BYTES = 2_000_000
"""Most bytes decoded and waiting, so also about what one transaction decides: a few parts of a
stock count, not all of it. Other work on the same lock or outbox shard waits for those only."""

_LONG_BYTES = 20_000
"""A longer record takes milliseconds to decode: the committer has a turn after each of them."""

_RETRY_FIRST_S = 0.05
_RETRY_MOST_S = 2.0


class Message(RawRecord, Protocol):
    """What the loop reads of a Faust message."""

    @property
    def headers(self) -> HeaderPairs: ...
    @property
    def generation_id(self) -> int | None: ...


class StreamEvent(Protocol):
    """What the loop needs of a Faust event."""

    @property
    def message(self) -> Message: ...
    def ack(self) -> bool: ...


class Stream(Protocol):
    """What the loop needs of a Faust stream."""

    def noack(self) -> Stream: ...
    def events(self) -> AsyncIterable[StreamEvent]: ...


class ShardWaker(Protocol):
    """The relay, as agents know it."""

    def wake(self, shards: Collection[int], /) -> None: ...


Reporter = Callable[[str, str | None], None]
"""Takes the name of a part and why it is not ready, or None once it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopDependencies:
    """What all loops of a worker share.

    Attributes:
        relay: Woken with the shards that a commit filled.
        batch_max: Events decided in one transaction at most.
        report: Called when an agent cannot go on, and when it can again.
    """

    relay: ShardWaker
    batch_max: int
    report: Reporter


@dataclass(frozen=True, slots=True)
class _Held:
    event: StreamEvent
    record: Record
    size: int


class ConsumerLoop:
    """The loop of one agent.

    Args:
        name: The agent's name; labels its logs, metrics and readiness.
        handler: Decides a batch in one transaction.
        is_current: Whether a message belongs to the assignment that holds now.
        monotonic: Real seconds.
    """

    def __init__(
        self,
        *,
        name: str,
        handler: BatchHandler,
        deps: LoopDependencies,
        is_current: Callable[[Message], bool],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._handler = handler
        self._deps = deps
        self._is_current = is_current
        # As deep as one batch: records that wait in Faust are dropped there when partitions go.
        self._queue: asyncio.Queue[_Held] = asyncio.Queue(maxsize=deps.batch_max)
        self._ahead_bytes = 0
        self._room = asyncio.Event()
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._monotonic = monotonic
        self._busy_since: float | None = None
        metrics.IN_FLIGHT_SECONDS.labels(name).set_function(self.in_flight_s)
        self._log = log.bind(agent=name)

    def in_flight_s(self) -> float:
        """Return for how long the batch in flight has been decided; 0 if none is."""
        return 0.0 if self._busy_since is None else self._monotonic() - self._busy_since

    async def run(self, stream: Stream) -> None:
        """Run the agent: feed and commit until cancelled; raise what must end the process."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._commit_forever(), name=f"committer-{self.name}")
                async for event in stream.noack().events():
                    metrics.RECORDS_IN.labels(self.name).inc()
                    await self._feed(event)
        except BaseExceptionGroup as several:
            # One committer has one cause: Faust and the log get it without the group.
            error = several.exceptions[0]
            raise error from error.__cause__

    async def _feed(self, event: StreamEvent) -> None:
        """Decode a record while the committer waits for PostgreSQL, but not too far ahead of it."""
        held = _hold(event)
        await self._queue.put(held)
        self._ahead_bytes += held.size
        if held.size > _LONG_BYTES:
            await asyncio.sleep(0)
        while self._ahead_bytes > AHEAD_BYTES:
            self._room.clear()
            await self._room.wait()

    async def finish(self) -> None:
        """Take no further batch; return once the transaction in flight is over and acknowledged."""
        self._stopping.set()
        await self._idle.wait()

    async def _commit_forever(self) -> None:
        while not self._stopping.is_set():
            batch = [await self._queue.get()]
            if self._stopping.is_set():
                return  # unacknowledged: the partition's next owner reads it again
            self._idle.clear()
            self._busy_since = self._monotonic()
            try:
                await self._settle(self._drain_onto(batch))
            finally:
                self._busy_since = None
                self._idle.set()

    def _drain_onto(self, batch: list[_Held]) -> list[_Held]:
        with suppress(asyncio.QueueEmpty):
            while len(batch) < self._deps.batch_max:
                batch.append(self._queue.get_nowait())
        self._ahead_bytes -= sum(held.size for held in batch)
        self._room.set()
        metrics.QUEUE_RECORDS.labels(self.name).set(self._queue.qsize())
        return batch

    async def _settle(self, batch: Sequence[_Held]) -> None:
        """Decide a batch; if a record breaks the handler, find and name it.

        Raises:
            InvariantViolation: A record breaks the handler; the original error is its cause.
        """
        try:
            await self._decide(batch)
        except Exception as error:
            if len(batch) == 1:
                raise _name_record(batch[0].record) from error
            self._log.exception("batch_broke_handler", records=len(batch), now="one by one")
            for held in batch:
                await self._settle([held])

    async def _decide(self, batch: Sequence[_Held]) -> None:
        """Commit and acknowledge; wait out a dependency that is away, for as long as it takes."""
        pause_s = 0.0
        while True:
            batch = self._keep_current(batch)
            if not batch or self._stopping.is_set():
                break
            try:
                with metrics.DECIDE_SECONDS.labels(self.name).time():
                    shards = await self._handler([held.record for held in batch])
            except TransientError as error:
                first_s = _CONTENDED_RETRY_S if error.is_contended else _RETRY_FIRST_S
                pause_s = min(max(pause_s * 2, first_s), _RETRY_MOST_S)
                await self._wait_out(error, pause_s)
                continue
            self._acknowledge(batch)
            self._deps.relay.wake(shards)
            break
        # Also when the batch was let go during an outage: the agent waits for nothing any more.
        self._deps.report(self.name, None)

    def _keep_current(self, batch: Sequence[_Held]) -> Sequence[_Held]:
        """Drop records whose partition was taken away: the next owner reads them again."""
        kept = [held for held in batch if self._is_current(held.event.message)]
        if len(kept) < len(batch):
            metrics.RECORDS_DROPPED.labels(self.name).inc(len(batch) - len(kept))
            self._log.info("records_let_go", records=len(batch) - len(kept), why="revoked")
        return kept

    async def _wait_out(self, error: TransientError, pause_s: float) -> None:
        metrics.RETRIES.labels(self.name).inc()
        self._deps.report(self.name, str(error))
        self._log.warning("dependency_away", error=str(error), again_in_s=pause_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause_s)

    def _acknowledge(self, batch: Sequence[_Held]) -> None:
        metrics.BATCH_RECORDS.labels(self.name).observe(len(batch))
        for held in batch:
            held.event.ack()
            if isinstance(held.record, Unreadable):
                code = held.record.error.code
                metrics.RECORDS_UNREADABLE.labels(self.name, code).inc()


def _hold(event: StreamEvent) -> _Held:
    message = event.message
    record = read_record(message, headers=message.headers)
    return _Held(event, record, len(message.value or b""))


def _name_record(record: Record) -> InvariantViolation:
    event_id = "unreadable" if isinstance(record, Unreadable) else record.envelope.id
    return InvariantViolation(
        "record_broke_handler",
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        event_id=event_id,
    )
