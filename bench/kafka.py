"""The log as a client has it: the decisions that appear on it, and how many records it has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.topics import PARTITIONS, TopicName

SETTLE_S = 20.0
"""A decision that is not on Kafka this long after the last request counts as lost."""


class LostDecisionsError(Exception):
    """Requests were accepted, but their decision never appeared."""


class DecisionLog:
    """The time at which each request's first decision became readable, by request id.

    Times are seconds of `perf_counter`.
    """

    def __init__(self) -> None:
        self.seen_at: dict[str, float] = {}

    @classmethod
    @asynccontextmanager
    async def follow(cls, bootstrap: str) -> AsyncIterator[DecisionLog]:
        log = cls()
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=100)
        await consumer.start()
        partitions = [TopicPartition(TopicName.DECISIONS, at) for at in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)
        reading = asyncio.ensure_future(log._read(consumer))
        try:
            yield log
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        async for record in consumer:
            now = time.perf_counter()
            for name, value in record.headers:
                if name == "ce_subject":
                    self.seen_at.setdefault(value.decode(), now)

    async def wait_for(self, request_ids: Mapping[str, float]) -> None:
        """Wait until every request was decided.

        Raises:
            LostDecisionsError: Some were not decided within `SETTLE_S`.
        """
        end = time.perf_counter() + SETTLE_S
        while missing := [key for key in request_ids if key not in self.seen_at]:
            if time.perf_counter() > end:
                raise LostDecisionsError(f"{len(missing)} of {len(request_ids)}")
            await asyncio.sleep(0.02)


async def count_records(bootstrap: str, topic: TopicName) -> int:
    """Count the records that a topic has ever had."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    async with consumer:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        ends = await consumer.end_offsets(places)
    return sum(ends.values())
