"""Times HTTP request sent → decision readable on Kafka, at a fixed rate in an open loop.

A plain consumer in this process follows the log, as a hospital or a neighbouring station would.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.floors import Rate
from bench.percentiles import open_loop
from bench.world import build_requests
from models.requests import UrgentRequest
from models.topics import PARTITIONS, TopicName
from streams.clock import SystemClock

_RUNS = count()

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


async def time_requests(
    session: aiohttp.ClientSession, url: str, log: DecisionLog, rate: Rate
) -> tuple[list[float], list[float]]:
    """Send requests at a rate.

    Returns:
        Seconds from each request's beat until its decision was readable on Kafka, and until HTTP
        answered 202.
    """
    run = f"bench-{next(_RUNS)}-{time.time_ns()}"
    requests = build_requests(
        round(rate.rate_hz * rate.seconds), now=SystemClock().now(), prefix=run
    )
    due_at: dict[str, float] = {}
    answered: list[float] = []

    async def call(number: int, due: float) -> None:
        request = requests[number]
        headers = {"Idempotency-Key": request.request_id}
        body = _to_body(request)
        async with session.post(f"{url}/v1/requests", json=body, headers=headers) as response:
            told = await response.json()
            response.raise_for_status()
        answered.append(time.perf_counter() - due)
        due_at[told["request_id"]] = due

    await open_loop(rate_hz=rate.rate_hz, seconds=rate.seconds, call=call)
    await log.wait_for(due_at)
    return [log.seen_at[key] - due for key, due in due_at.items()], answered


def _to_body(request: UrgentRequest) -> dict[str, Any]:
    return request.model_dump(
        mode="json", exclude_none=True, exclude={"request_id", "station_id"}, exclude_defaults=True
    )
