"""A run of the checker: read the three sources, apply every check, report.

PostgreSQL is read before Kafka, so that every event that a row marks as published can be found.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from checker.check_list import list_results
from checker.database_rows import read_rows
from checker.donor_laws import NATIONAL, Law
from checker.evidence import REACTION, World
from checker.kafka_log import read_log
from checker.report import Report
from checker.sent_log import read_sent


async def check(
    *,
    kafka_bootstrap: str,
    postgres_dsn: str,
    sent: Path | None,
    as_of: datetime | None,
    reaction: timedelta = REACTION,
    laws: tuple[Law, ...] = NATIONAL,
) -> Report:
    """Check a system that has come to rest.

    Args:
        kafka_bootstrap: `host:port[,host:port]`.
        postgres_dsn: `postgresql://…`.
        sent: The drivers' sent log; without it, loss before Kafka cannot be seen.
        as_of: Aware instant at which the system is judged; None takes the newest instant that the
            system recorded, which is right for a drill with a clock of its own.
        reaction: How long, by the system's own clock, a unit may stay free before it is promised;
            a drill with a fast clock needs more than a station.
        laws: On donors, of the region whose stations are judged.

    Raises:
        SentLogError: The sent log is malformed.
        asyncpg.PostgresError: The database lacks a table or column.
        aiokafka.errors.KafkaError: Kafka cannot be reached.
        OSError: PostgreSQL or the sent log cannot be reached.
    """
    with _no_collection():
        told = read_sent(sent) if sent is not None else ()
        rows = await read_rows(postgres_dsn)
        log = await read_log(kafka_bootstrap)
        world = World(sent=told, log=log, rows=rows, as_of=as_of, reaction=reaction, laws=laws)
        # This computes for seconds, in a thread so that the caller's event loop goes on.
        return await asyncio.to_thread(judge, world)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Pause the cyclic garbage collector, which would walk millions of live values repeatedly.

    It takes half of the time of a large run, and the values that are read here form no cycles.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def judge(world: World) -> Report:
    """Apply every check to what was read."""
    return Report(
        checks=list_results(world),
        read={
            "sent": len(world.sent),
            "records": sum(1 for _ in world.log.all()),
            "requests": len(world.rows.requests),
            "decisions": len(world.rows.decisions),
            "promises": len(world.rows.promises),
            "units": len(world.rows.units),
            "call_outs": len(world.rows.call_outs),
            "outbox": len(world.rows.outbox),
            "audit": len(world.rows.links),
        },
    )
