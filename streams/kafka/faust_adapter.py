"""The Faust transport that never commits past a record in flight.

Owns the parts of Faust's consumer that touch offsets: what counts as delivered, what may be
committed, and where reading resumes. It was written from the source of the pinned faust-streaming;
a new version must be compared with it again.

Faust's own transport (0.15.3) is not used, for these reasons: it commits past an open record when
the record sits exactly at the committed offset, or when nothing was committed yet; it counts the
record behind an offset gap as done; it hands out a batch that was fetched before a seek as if it
came after it; it does not rewind a partition that has no commit yet; and it takes its process down
when a commit meets a rebalance.

Concurrency: one event loop for everything. Faust runs the Kafka client in a thread with a loop of
its own, and every fetch crosses over and back; here the client is a service of the worker's loop
(docs/decisions/0016-one-loop-for-a-worker.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from time import monotonic
from typing import Any, ClassVar, cast

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    IllegalStateError,
    KafkaError,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.conductor import Conductor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.transports import ConsumerCallback, ConsumerT, TPorTopicSet, TransportT
from faust.types.tuples import ack_lock
from mode import ServiceT
from mode.threads import ServiceThread, WorkerThread
from mode.utils.futures import maybe_async

from streams.kafka.offsets import OffsetLedger

COMMIT_TIMEOUT_S = 5.0
"""A commit that takes longer is given up and tried again at the next interval. So stopping a worker
while Kafka is away, or a rebalance, is never held up for longer than this."""

FETCH_MAX_WAIT_MS = 100
"""An idle broker answers at once when a record arrives; this bounds the wait of a partition whose
earlier records were drained late (its fetch then queues behind the open one). An idle client makes
ten empty fetches a second."""


_GETMANY_S = 0.05
"""Records held back for a full buffer are looked at again only when a fetch ends or times out."""

_LOOK_AGAIN_S = 0.01
_YIELD_EVERY = 16
"""The committer gets a turn after this many records of a long batch; 16 take half a millisecond."""


class FetchedBatch(dict[TP, list[Any]]):
    """Records by partition, with the number of the seek after which they were read."""

    epoch: int = 0


class _OnThisLoop(WorkerThread):
    """Runs a service as a task of the loop that starts it, in place of a thread."""

    def __init__(self, service: ServiceThread, **options: Any) -> None:  # noqa: ANN401 - handed through to mode
        super().__init__(service, **options)
        self.serving: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.serving = asyncio.get_running_loop().create_task(self.service._serve())  # noqa: SLF001 - what mode's own thread runs
        # `crash` has reported a failure to its parent and to the worker by then.
        self.serving.add_done_callback(lambda done: done.cancelled() or done.exception())

    def stop(self) -> None:
        """Do nothing: the service awaits the task itself, and nothing may block here."""


class SafeClient(driver.AIOKafkaConsumerThread):
    """Faust's Kafka client without its thread.

    It tags what it fetches with the last seek, rewinds all partitions together and bounds its
    commits.
    """

    Worker = _OnThisLoop
    seek_epoch: int = 0

    async def stop(self) -> None:
        await super().stop()
        worker = cast("_OnThisLoop | None", self._thread)
        if worker is not None and worker.serving is not None:
            await asyncio.wait([worker.serving])

    async def on_thread_started(self) -> None:
        """Start no queue of methods: every caller is on the right loop already."""

    async def call_thread(
        self,
        fun: Callable[..., Awaitable[Any]],
        *args: Any,  # noqa: ANN401 - Faust's signature
        **kwargs: Any,  # noqa: ANN401 - the same
    ) -> Any:  # noqa: ANN401 - the same
        return await maybe_async(fun(*args, **kwargs))

    async def _gather_remaining_tasks(self) -> None:
        """Cancel nothing: the other tasks of this loop do not belong to the client."""

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust fixes 1,500 ms in its source; the client reads the attribute when it starts.
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS  # noqa: SLF001 - no public way to it
        return consumer

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> Mapping[TP, list[Any]]:
        records = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        # No await between the client's drain and this line, so no seek can slip in between.
        batch = FetchedBatch(records)
        batch.epoch = self.seek_epoch
        return batch

    async def seek_to_committed(self) -> Mapping[TP, int]:
        return cast("Mapping[TP, int]", await self.call_thread(self._rewind_all))

    async def _rewind_all(self) -> Mapping[TP, int | None]:
        """Put each assigned partition on its committed offset, or its first if it has none."""
        consumer = self._ensure_consumer()
        assigned = tuple(consumer.assignment())
        committed = {tp: await consumer.committed(tp) for tp in assigned}
        missing = [tp for tp, offset in committed.items() if offset is None]
        first = await consumer.beginning_offsets(missing) if missing else {}
        # From here on without an await: a batch is from before all seeks or from after all of them.
        for tp, offset in committed.items():
            consumer.seek(tp, first[tp] if offset is None else offset)
        self.seek_epoch += 1
        return {TP(tp.topic, tp.partition): offset for tp, offset in committed.items()}

    async def _seek_wait(self, consumer: AIOKafkaConsumer, partitions: Mapping[TP, int]) -> None:
        self.seek_epoch += 1
        await super()._seek_wait(consumer, partitions)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit; False if it did not happen and another attempt is safe."""
        assigned = self.assignment()
        payload = {
            TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
            if tp in assigned
        }
        if not payload:
            return False
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await self._ensure_consumer().commit(payload)
        except (CommitFailedError, IllegalStateError, TimeoutError) as error:
            # A rebalance came first, or Kafka is away: the partition's next owner reads it again.
            self.log.warning("offsets not committed, will be tried again: %r", error)
            return False
        except KafkaError as error:
            if not error.retriable:
                await self.crash(error)
                raise
            self.log.warning("offsets not committed, will be tried again: %r", error)
            return False
        now = monotonic()
        self.tp_last_committed_at.update(dict.fromkeys(offsets, now))
        return True


class SafeConsumer(driver.Consumer):
    """Faust's consumer with a ledger per partition in place of its acknowledgement lists."""

    def __init__(
        self,
        transport: TransportT,
        callback: ConsumerCallback,
        *args: Any,  # noqa: ANN401 - handed through to Faust as it is
        **options: Any,  # noqa: ANN401 - the same
    ) -> None:
        self._ledgers: dict[TP, OffsetLedger] = {}
        self._forward = callback
        super().__init__(transport, self._deliver, *args, **options)

    def _new_consumer_thread(self) -> SafeClient:
        return SafeClient(self, loop=self.loop, thread_loop=self.loop, beacon=self.beacon)

    async def _deliver(self, message: Message) -> None:
        ledger = self._ledgers.get(message.tp)
        if ledger is None:
            ledger = self._ledgers[message.tp] = OffsetLedger()
        ledger.deliver(message.offset)
        await self._forward(message)

    def ack(self, message: Message) -> bool:
        """Close a record whose transaction is committed; this holds in any generation."""
        with ack_lock:
            if message.acked:
                return False
            message.acked = True
            self._unacked_messages.discard(message)
            ledger = self._ledgers.get(message.tp)
            return ledger is not None and ledger.acknowledge(message.offset)

    async def _wait_next_records(
        self,
        timeout: float,  # noqa: ASYNC109 - Faust's signature
    ) -> tuple[Mapping[TP, list[Any]] | None, set[TP] | None]:
        if not self.flow_active:
            await self.wait(self.can_resume_flow.wait())
        active = self._get_active_partitions()
        if not active:
            # All buffers are full, or nothing is assigned. Faust sleeps a second here.
            await self.sleep(_LOOK_AGAIN_S)
            return {}, active
        records = await self._getmany(active_partitions=active, timeout=timeout)
        thread = cast("SafeClient", self._thread)
        if isinstance(records, FetchedBatch) and records.epoch != thread.seek_epoch:
            # Read before the last seek, which went back behind it: the batch comes again, in order.
            return None, active
        return records, active

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Hand fetched records to the streams until stopped.

        Faust's own method makes four tasks for each record, so that a full buffer cannot outlast a
        rebalance; here only a record that meets a full buffer costs that. Faust also drops records
        behind the last read offset; here the seek epoch has already separated old from new.
        """
        try:
            while not (self.should_stop or fetcher.should_stop):
                since_yield = 0
                async for tp, message in self.getmany(timeout=_GETMANY_S):
                    self._read_offset[tp] = message.offset
                    if self.flow_active and not self._is_full(tp):
                        await self.callback(message)
                    else:
                        await self.wait_first(self.callback(message), self.suspend_flow.wait())
                    since_yield += 1
                    if since_yield % _YIELD_EVERY == 0:
                        await asyncio.sleep(0)
                await asyncio.sleep(0)
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    def _is_full(self, tp: TP) -> bool:
        conductor = cast("Conductor", self.app.topics)
        channels = conductor._tp_index[tp]  # noqa: SLF001 - where Faust looks as well
        return any(channel.queue.full() for channel in channels)

    async def perform_seek(self) -> None:
        await super().perform_seek()
        # Everything delivered before is delivered again from here. Late acknowledgements of it are
        # ignored until then, and the inbox makes the repeat harmless.
        self._ledgers = {
            tp: OffsetLedger(committed=self._committed_offset[tp]) for tp in self.assignment()
        }

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        # Commit while the partitions are still ours, so that the next owner does not repeat
        # finished work.
        await self.commit()
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._ledgers.pop(tp, None)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Record no gap: the ledger, which replaces Faust's lists, needs none."""

    def _filter_tps_with_pending_acks(self, topics: TPorTopicSet | None = None) -> Iterator[TP]:
        return (tp for tp in self._ledgers if topics is None or tp in topics or tp.topic in topics)

    async def _commit_tps(self, tps: Iterable[TP], start_new_transaction: bool) -> bool:  # noqa: ARG002 - Faust's signature
        assigned = self.assignment()
        ledgers = {tp: self._ledgers[tp] for tp in tps if tp in assigned}
        found = {tp: ledger.find_committable() for tp, ledger in ledgers.items()}
        offsets = {tp: offset for tp, offset in found.items() if offset is not None}
        if not offsets or not await self._commit(offsets):
            return False
        for tp, offset in offsets.items():
            ledgers[tp].mark_committed(offset)
        self._committed_offset.update(offsets)
        self.app.tables.on_commit(offsets)
        self.app.monitor.on_tp_commit(offsets)
        return True


class SafeTransport(driver.Transport):
    Consumer: ClassVar[type[ConsumerT]] = SafeConsumer
