"""The floors: the cost of each part by itself, at the same rate and percentile.

Together they are the least that a design with an HTTP call, two hops over Kafka and one commit can
cost.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.databases import connected
from bench.percentiles import open_loop

TOPIC = "bench.floor.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """An open loop: beats per second, and its duration."""

    rate_hz: float
    seconds: float


async def time_http(session: aiohttp.ClientSession, url: str, rate: Rate) -> list[float]:
    """Time an empty call to the gateway (`/healthz`), seconds each."""
    samples: list[float] = []

    async def call(_: int, due: float) -> None:
        async with session.get(url) as response:
            await response.read()
            response.raise_for_status()
        samples.append(time.perf_counter() - due)

    await open_loop(rate_hz=rate.rate_hz, seconds=rate.seconds, call=call)
    return samples


class KafkaFloor:
    """Produce with `acks=all`, consume in the same process; one partition as for one station."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._producer = producer
        self._consumer = consumer

    @classmethod
    @asynccontextmanager
    async def open(cls, bootstrap: str) -> AsyncIterator[KafkaFloor]:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            if TOPIC not in await admin.list_topics():
                await admin.create_topics([NewTopic(TOPIC, 1, 1)])
        finally:
            await admin.close()
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", enable_idempotence=True
        )
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=100)
        await producer.start()
        await consumer.start()
        try:
            partition = TopicPartition(TOPIC, 0)
            consumer.assign([partition])
            await consumer.seek_to_end(partition)
            await consumer.position(partition)
            yield cls(producer, consumer)
        finally:
            await producer.stop()
            await consumer.stop()

    async def time_round_trips(self, rate: Rate, *, body: bytes) -> list[float]:
        """Time produce → consume of a record of the size of a request, seconds each."""
        due_at: dict[bytes, float] = {}
        samples: list[float] = []
        expected = round(rate.rate_hz * rate.seconds)

        async def read() -> None:
            while len(samples) < expected:
                record = await self._consumer.getone()
                samples.append(time.perf_counter() - due_at[record.key])

        async def call(number: int, due: float) -> None:
            key = f"{id(samples)}-{number}".encode()
            due_at[key] = due
            await self._producer.send_and_wait(TOPIC, key=key, value=body)

        async with asyncio.timeout(rate.seconds + 30), asyncio.TaskGroup() as group:
            group.create_task(read())
            await open_loop(rate_hz=rate.rate_hz, seconds=rate.seconds, call=call)
        return samples


async def time_commits(dsn: str, rate: Rate, *, wal_bytes: int) -> list[float]:
    """Time an INSERT and COMMIT that writes as much WAL as a decision does, seconds each."""
    samples: list[float] = []
    async with _scratch(dsn) as pool:
        payload = os.urandom(max(1, wal_bytes))

        async def call(_: int, due: float) -> None:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("INSERT INTO bench_floor VALUES ($1)", payload)
            samples.append(time.perf_counter() - due)

        await open_loop(rate_hz=rate.rate_hz, seconds=rate.seconds, call=call)
    return samples


async def count_commits(dsn: str, *, seconds: float, wal_bytes: int) -> float:
    """Count commits a second of such a transaction on one connection, one after the other."""
    async with _scratch(dsn) as pool, pool.acquire() as connection:
        payload = os.urandom(max(1, wal_bytes))
        commits, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            async with connection.transaction():
                await connection.execute("INSERT INTO bench_floor VALUES ($1)", payload)
            commits += 1
    return commits / seconds


@asynccontextmanager
async def _scratch(dsn: str) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    pool = await asyncpg.create_pool(dsn, min_size=4, max_size=4)
    try:
        # Stored uncompressed: compression would make the WAL smaller than that of a decision.
        await pool.execute("CREATE TABLE IF NOT EXISTS bench_floor (payload bytea)")
        await pool.execute("ALTER TABLE bench_floor ALTER payload SET STORAGE EXTERNAL")
        await pool.execute("TRUNCATE bench_floor")
        yield pool
    finally:
        await pool.close()


async def time_copy(source_dsn: str, target_dsn: str) -> float:
    """Time a COPY of all units of one database into the empty table of another, seconds."""
    async with connected(source_dsn) as source, connected(target_dsn) as target:
        stations = await source.fetch("SELECT * FROM stations")
        await target.copy_records_to_table("stations", records=[tuple(row) for row in stations])
        rows = [tuple(row) for row in await source.fetch("SELECT * FROM units")]
        start = time.perf_counter()
        await target.copy_records_to_table("units", records=rows)
        return time.perf_counter() - start


def count_fsyncs(folder: Path, *, seconds: float) -> float:
    """Count fsyncs a second of an 8 KiB append on the disk that PostgreSQL writes to."""
    path = folder / "fsync-floor"
    block = os.urandom(8192)
    count, end = 0, time.perf_counter() + seconds
    with path.open("wb") as file:
        while time.perf_counter() < end:
            file.write(block)
            file.flush()
            os.fdatasync(file.fileno()) if hasattr(os, "fdatasync") else os.fsync(file.fileno())
            count += 1
    path.unlink()
    return count / seconds
