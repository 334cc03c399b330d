"""The log as a client has it: decisions that appear, a backlog of requests, how many records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.world import build_requests
from models.envelope import Envelope
from models.events.requests import RequestOpened
from models.requests import UrgentRequest
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


def to_envelope(request: UrgentRequest, *, now: datetime) -> Envelope:
    """Wrap a request as its hospital does."""
    event = RequestOpened(request=request)
    return Envelope(
        id=f"e-{request.request_id}",
        type=event.TYPE,
        source=f"hospital/{request.hospital_id}",
        subject=request.request_id,
        time=now,
        key=request.station_id,
        data=event.to_body(),
    )


async def fill_backlog(bootstrap: str, *, total: int, now: datetime, prefix: str) -> list[str]:
    """Publish `total` requests at once; return their ids."""
    requests = build_requests(total, now=now, prefix=prefix)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, client_id="bench-backlog", acks="all", enable_idempotence=True
    )
    async with producer:
        for request in requests:
            envelope = to_envelope(request, now=now)
            await producer.send(
                TopicName.REQUESTS,
                key=envelope.key.encode(),
                value=envelope.data,
                headers=envelope.to_headers(),
            )
        await producer.flush()
    return [request.request_id for request in requests]


async def time_drain(log: DecisionLog, request_ids: Sequence[str], *, limit_s: float) -> float:
    """Return decisions a second from the first tenth to the last: the start-up is left out."""
    end = time.perf_counter() + limit_s
    while any(key not in log.seen_at for key in request_ids):
        if time.perf_counter() > end:
            missing = sum(key not in log.seen_at for key in request_ids)
            raise TimeoutError(f"{missing} of {len(request_ids)} not decided in {limit_s} s")
        await asyncio.sleep(0.05)
    seen = sorted(log.seen_at[key] for key in request_ids)
    first = len(seen) // 10
    return (len(seen) - first) / (seen[-1] - seen[first])


async def count_records(bootstrap: str, topic: TopicName) -> int:
    """Count the records that a topic has ever had."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    async with consumer:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        ends = await consumer.end_offsets(places)
    return sum(ends.values())
