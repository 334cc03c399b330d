"""The throughput floor: the statements of real decisions, sent again without Kafka or deciding.

The services decide batches of 64 on one database while the driver's query log records every
statement with its arguments; the same statements then run on an untouched copy of that database, on
one connection. The ratio is the rate of the whole system over that rate.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bench.bench_data import build_requests
from bench.databases import clone_database, name_database
from models.events.requests import RequestOpened
from models.requests import UrgentRequest
from models.rules.rulebook import PACKAGED
from models.topics import TopicName
from streams.composition import build_services
from streams.ports import Clock, Received, Record
from streams.store.database import Database
from streams.store.migrate import migrate
from tests.measurements.places import fill
from tests.support.world import FixedClock, build_record

BATCH = 64

Statement = tuple[str, tuple[Any, ...]]


@dataclass(slots=True)
class Recording:
    """Recorded statements in order, with BEGIN and COMMIT, and the requests that they decide."""

    statements: list[Statement] = field(default_factory=list)
    requests: int = 0
    seconds: float = 0.0


def build_records(requests: Sequence[UrgentRequest], *, now: datetime) -> list[Received]:
    """Build the records as the codec would decode them."""
    return [
        build_record(
            RequestOpened(request=request),
            source=f"hospital/{request.hospital_id}",
            event_id=f"e-{request.request_id}",
            at=now,
        )
        for request in requests
    ]


async def record_decisions(
    dsn: str, batches: Sequence[Sequence[Record]], *, clock: Clock
) -> Recording:
    """Decide batches in process and record the statements sent to PostgreSQL."""
    database = await Database.open(dsn, size=1, name="bench-record")
    recording = Recording()
    try:
        services = build_services(database=database, clock=clock, hold_s=3600, rules=PACKAGED)
        await services.directory.refresh()
        handle = services.handlers[TopicName.REQUESTS]
        async with database.connection() as connection:
            connection.add_query_logger(
                lambda logged: recording.statements.append((logged.query, tuple(logged.args)))
            )
        # The pool has this connection only, and the logger stays with it.
        start = time.perf_counter()
        for batch in batches:
            await handle(batch)
            recording.requests += len(batch)
        recording.seconds = time.perf_counter() - start
        if len(recording.statements) < len(batches):
            raise RuntimeError("fewer statements than batches: replaying them would prove nothing")
    finally:
        await database.close()
    return recording


async def replay(dsn: str, recording: Recording) -> float:
    """Send the recorded statements again on one connection; return requests a second."""
    database = await Database.open(dsn, size=1, name="bench-replay")
    try:
        async with database.connection() as connection:
            start = time.perf_counter()
            for query, args in recording.statements:
                if args:
                    await connection.fetch(query, *args)
                else:
                    await connection.execute(query)
            return recording.requests / (time.perf_counter() - start)
    finally:
        await database.close()


class SqlFloor:
    """The statements of real decisions, recorded once and replayed any number of times.

    Args:
        server_dsn: Of a server on which databases may be created.
    """

    def __init__(self, server_dsn: str) -> None:
        self._server_dsn = server_dsn
        self._recording = Recording()

    async def record(self, *, requests: int, now: datetime) -> Recording:
        dsn = name_database(self._server_dsn, "xuelian_bench_record")
        server = name_database(self._server_dsn, "postgres")
        await clone_database(server, source="template1", target="xuelian_bench_record")
        await asyncio.to_thread(migrate, dsn, PACKAGED)
        await fill(dsn, requests=requests, now=now)
        await clone_database(server, source="xuelian_bench_record", target="xuelian_bench_origin")
        records = build_records(build_requests(requests, now=now, prefix="floor"), now=now)
        batches = [records[start : start + BATCH] for start in range(0, requests, BATCH)]
        self._recording = await record_decisions(dsn, batches, clock=FixedClock(now))
        return self._recording

    async def measure(self) -> float:
        """Replay on a fresh copy; return requests a second."""
        server = name_database(self._server_dsn, "postgres")
        await clone_database(server, source="xuelian_bench_origin", target="xuelian_bench_replay")
        return await replay(
            name_database(self._server_dsn, "xuelian_bench_replay"), self._recording
        )
