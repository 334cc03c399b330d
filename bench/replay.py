"""The throughput floor: the statements of real decisions, sent again without Kafka or deciding.

The services decide batches of 64 on one database while the driver's query log records every
statement with its arguments; the same statements then run on an untouched copy of that database, on
one connection. The ratio is the rate of the whole system over that rate.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from models.rules.rulebook import PACKAGED
from models.topics import TopicName
from streams.composition import build_services
from streams.ports import Clock, Record
from streams.store.database import Database

Statement = tuple[str, tuple[Any, ...]]


@dataclass(slots=True)
class Recording:
    """Recorded statements in order, with BEGIN and COMMIT, and the requests that they decide."""

    statements: list[Statement] = field(default_factory=list)
    requests: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedClock:
    """A clock that stands still, so that every statement has the same instants on the copy."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def real_s_until(self, instant: datetime) -> float:
        return max(0.0, (instant - self.at).total_seconds())


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


async def clone_database(server_dsn: str, *, source: str, target: str) -> None:
    """Make `target` a file-level copy of `source`, to which no client may be connected."""
    connection = await asyncpg.connect(server_dsn)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
        await connection.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')
    finally:
        await connection.close()
