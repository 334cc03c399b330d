"""Appends a record to a topic byte for byte: key, headers and body as they once were.

It serves replays by an operator. Our own events go through `producer`, which knows envelopes.

Concurrency: one producer per instance, for tasks of one event loop; used as a context manager.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from models.errors import ContractError, TransientError
from models.topics import MAX_MESSAGE_BYTES
from streams.kafka.codec import count_bytes
from streams.services.record_replay import OriginalRecord

log = structlog.get_logger(__name__)

_STOP_S = 2.0


class RawPublisher:
    """Implements `services.record_replay.RecordPublisher`.

    Args:
        bootstrap: Comma-separated host:port of the brokers.
        timeout_s: A record not acknowledged within this time fails; it includes connecting.
    """

    def __init__(self, *, bootstrap: str, timeout_s: float = 10.0) -> None:
        self._bootstrap = bootstrap
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            TransientError: `kafka_away`.
        """
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id="xuelian-replay",
            acks="all",
            enable_idempotence=True,
            # The broker's own limit decides: it takes a record again that it once held.
            max_request_size=2 * MAX_MESSAGE_BYTES,
            request_timeout_ms=int(self._timeout_s * 1000),
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await producer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await producer.stop()
            raise self._away(error) from error
        self._producer = producer
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._producer is None:
            return
        try:
            async with asyncio.timeout(_STOP_S):
                await self._producer.stop()
        except TimeoutError:
            # Nothing is buffered: each record was waited for.
            log.warning("producer_close_slow", limit_s=_STOP_S)

    async def publish_record(self, record: OriginalRecord) -> None:
        """Append a record; return when every replica in sync has it.

        Raises:
            TransientError: The record is not known to be kept.
            ContractError: `record_too_large`: the broker does not take it.
        """
        if self._producer is None:
            raise TransientError("publisher_stopped")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._producer.send_and_wait(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    partition=record.partition,
                    headers=list(record.headers),
                )
        except MessageSizeTooLargeError as error:
            size = count_bytes(key=record.key, value=record.value, headers=record.headers)
            raise ContractError("record_too_large", found=size, limit=MAX_MESSAGE_BYTES) from error
        except (KafkaError, OSError, TimeoutError) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> TransientError:
        return TransientError("kafka_away", bootstrap=self._bootstrap, cause=type(error).__name__)
