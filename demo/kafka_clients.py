"""The actors' own Kafka clients: hospitals and neighbours write and read the log themselves.

Plain clients, as theirs are: they know the address, the topics and the envelope, nothing else.

Concurrency: one consumer per `follow`; one producer that all hospitals share.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from models.envelope import Envelope
from models.topics import TopicName

_FETCH_MAX_WAIT_MS = 100
"""The broker answers at once when a record arrives; this bounds the wait behind an open fetch."""


class HospitalProducer:
    """Writes to the log with `acks=all`, keyed by the supplying station."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    @classmethod
    @asynccontextmanager
    async def open(cls, bootstrap: str) -> AsyncIterator[HospitalProducer]:
        """Connect; close when the block ends."""
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, client_id="demo-hospitals", acks="all"
        )
        async with producer:
            yield cls(producer)

    async def publish(self, topic: TopicName, envelope: Envelope) -> None:
        await self._producer.send_and_wait(
            topic,
            key=envelope.key.encode(),
            value=envelope.data,
            headers=envelope.to_headers(),
        )


class TopicFollower:
    """Reads topics from now on.

    Attributes:
        connected: Set once an event that is published will be seen.
    """

    def __init__(self, *, bootstrap: str, client_id: str) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self.connected = asyncio.Event()

    async def follow(self, topics: Iterable[str]) -> AsyncIterator[tuple[str, Envelope]]:
        """Yield (topic, event) for everything published from now on, until cancelled."""
        consumer = AIOKafkaConsumer(
            *topics,
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            fetch_max_wait_ms=_FETCH_MAX_WAIT_MS,
        )
        async with consumer:
            await consumer.seek_to_end()
            for partition in consumer.assignment():
                # Only a known position makes "from now on" true; the end is looked up lazily.
                await consumer.position(partition)
            self.connected.set()
            async for record in consumer:
                yield (
                    record.topic,
                    Envelope.from_record(
                        key=record.key, value=record.value, headers=record.headers
                    ),
                )
