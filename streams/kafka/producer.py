"""Publishes to Kafka with `acks=all`, in order, or fails clearly within a bounded time.

Owns one idempotent aiokafka producer at a time. It is made on first need and thrown away with its
buffer after any failure: a producer that was fenced, lost its sequence or sat out an outage is
never trusted again, and no record that it still held may be sent behind later ones.

Concurrency: any number of tasks of one event loop may publish at once. They share the producer; if
it fails for one task, all tasks that wait on it fail, and the next call makes a new producer.
Nothing runs in the background but the closing of a failed producer, for a second at most.

A cancelled publish (its caller hung up) is not a failure of the producer: the records that it had
handed over are sent in their place, before anything published later, within `timeout_s` or never.

What it cannot promise: a batch that had reached the broker's socket when the time was up may still
be appended. Publishing is at-least-once; readers deduplicate by event id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, ProducerClosed
from aiokafka.producer.message_accumulator import MessageAccumulator

from models.envelope import Envelope
from models.errors import ContractError, TransientError
from models.topics import MAX_MESSAGE_BYTES
from streams.kafka.codec import count_bytes

log = structlog.get_logger(__name__)

_FRAMING_BYTES = 4096
"""What the record batch format adds to one record at most; the broker's limit leaves room for
it."""

_AWAY_PAUSE_S = 0.25
"""After a failed attempt to connect, no further attempt is made for this long. Otherwise hundreds
of callers that wait for the same broker would try in turn, and learn of the failure late."""

_ABANDON_S = 1.0
"""Closing sockets takes milliseconds; a hung close must not hold up the next attempt."""


class KafkaPublisher:
    """Implements `ports.EventPublisher`.

    Keys are placed by Kafka's default partitioner (murmur2), so Java producers agree with us.

    Args:
        bootstrap: Comma-separated host:port of the brokers.
        timeout_s: A publish not acknowledged within this time fails; it includes connecting.
        client_id: Names us in the brokers' logs and quotas.
    """

    def __init__(
        self, *, bootstrap: str, timeout_s: float = 10.0, client_id: str = "xuelian"
    ) -> None:
        self._bootstrap = bootstrap
        self._timeout_s = timeout_s
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None
        self._closing: dict[AIOKafkaProducer, asyncio.Future[None]] = {}
        self._connecting = asyncio.Lock()
        self._stopped = False
        self._away_until = 0.0

    @property
    def is_stopped(self) -> bool:
        """Return whether nothing can be published any more."""
        return self._stopped

    async def start(self) -> None:
        """Connect ahead of the first publish. Kafka being away is no error here."""
        self._stopped = False
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._ensure_producer()
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("kafka_away_at_start", bootstrap=self._bootstrap, error=repr(error))

    async def stop(self) -> None:
        """Close. A caller that still waits on a publish gets a TransientError."""
        self._stopped = True
        if self._producer is not None:
            await self._abandon(self._producer)

    async def publish(self, topic: str, envelopes: Sequence[Envelope]) -> None:
        """Send in order; return when every replica in sync has all of them.

        Events of one key keep their order among each other and against earlier successful calls.

        Raises:
            TransientError: At least one event is not known to be kept; sending all again is safe.
            ContractError: An event is larger than a record may be; nothing was sent.
        """
        prepared = [_prepare(envelope) for envelope in envelopes]
        if not prepared:
            return
        if self._stopped:
            raise TransientError("publisher_stopped")
        producer: AIOKafkaProducer | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                producer = await self._ensure_producer()
                await _send_all(producer, topic, prepared)
        except (KafkaError, ProducerClosed, OSError, TimeoutError) as error:
            await self._abandon(producer)
            cause = type(error).__name__
            log.warning("publish_failed", topic=topic, events=len(prepared), error=repr(error))
            raise TransientError("kafka_away", topic=topic, cause=cause) from error

    async def _ensure_producer(self) -> AIOKafkaProducer:
        if self._producer is not None:
            return self._producer
        async with self._connecting:
            if self._producer is None:
                if time.monotonic() < self._away_until:
                    raise KafkaConnectionError("no broker answered a moment ago")
                try:
                    self._producer = await self._connect()
                except BaseException:
                    self._away_until = time.monotonic() + _AWAY_PAUSE_S
                    raise
            return self._producer

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_request_size=MAX_MESSAGE_BYTES + _FRAMING_BYTES,
            request_timeout_ms=max(1, int(self._timeout_s * 1000)),
        )
        try:
            await producer.start()
        except BaseException:
            await _close_now(producer)
            raise
        return producer

    async def _abandon(self, producer: AIOKafkaProducer | None) -> None:
        if producer is None:
            return
        if self._producer is producer:
            self._producer = None
        closing = self._closing.get(producer)
        if closing is None:
            # One close serves all callers that failed with this producer. It is a task of its own:
            # a cancellation inside the client at the time limit must not look like the caller's.
            closing = asyncio.ensure_future(_close_now(producer))
            self._closing[producer] = closing
            closing.add_done_callback(lambda done: self._note_closed(producer, done))
        await asyncio.wait({closing})

    def _note_closed(self, producer: AIOKafkaProducer, done: asyncio.Future[None]) -> None:
        self._closing.pop(producer, None)
        if not done.cancelled() and (error := done.exception()) is not None:
            log.warning("producer_close_failed", error=repr(error))


Prepared = tuple[bytes, bytes, list[tuple[str, bytes]]]


def _prepare(envelope: Envelope) -> Prepared:
    key, headers = envelope.key.encode(), envelope.to_headers()
    size = count_bytes(key=key, value=envelope.data, headers=headers)
    if size > MAX_MESSAGE_BYTES:
        raise ContractError(
            "record_too_large", found=size, limit=MAX_MESSAGE_BYTES, event_id=envelope.id
        )
    return key, envelope.data, headers


async def _send_all(producer: AIOKafkaProducer, topic: str, prepared: Sequence[Prepared]) -> None:
    """Hand everything to the producer, then wait for all of it: one round trip for many."""
    pending: list[asyncio.Future[Any]] = []
    try:
        for key, value, headers in prepared:
            pending.append(await producer.send(topic, value=value, key=key, headers=headers))
        await asyncio.gather(*pending)
    except BaseException:
        for future in pending:
            # The outcomes of the others must be read, or asyncio reports each as never retrieved.
            future.add_done_callback(_look_at)
        raise


def _look_at(future: asyncio.Future[Any]) -> None:
    if future.done() and not future.cancelled():
        future.exception()


def _drop_all(accumulator: MessageAccumulator) -> None:
    batches = [
        *accumulator._pending_batches,  # noqa: SLF001 - no public way to drop a buffer
        *(batch for queue in accumulator._batches.values() for batch in queue),  # noqa: SLF001 - the same
    ]
    accumulator.fail_all(ProducerClosed())
    for batch in batches:
        # A future that nobody waits for must be read, or asyncio reports it as never retrieved.
        _look_at(batch._drain_waiter)  # noqa: SLF001 - the same


async def _close_now(producer: AIOKafkaProducer) -> None:
    """Close without flushing: buffered records are dropped, and their callers get an error."""
    producer._closed = True  # noqa: SLF001 - the public stop() flushes, for as long as it takes
    accumulator, sender = producer._message_accumulator, producer._sender  # noqa: SLF001 - the same
    try:
        async with asyncio.timeout(_ABANDON_S):
            accumulator._closed = True  # noqa: SLF001 - the same
            # The sockets close first: the sender waits for its open requests, which end with them.
            await producer.client.close()
            await sender.close()
            _drop_all(accumulator)
    except TimeoutError:
        log.warning("producer_close_slow", limit_s=_ABANDON_S)
