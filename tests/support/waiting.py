"""Tell whether transactions wait for each other, as PostgreSQL itself says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streams.store.database import Database

_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def until_waiting(database: Database, sessions: int, *, limit_s: float = 20) -> None:
    """Return once so many sessions of a database wait for a lock."""
    end = time.monotonic() + limit_s
    while True:
        ((waiting,),) = await database.fetch(_WAITING)
        if waiting == sessions:
            return
        assert time.monotonic() < end, f"{waiting} of {sessions} sessions wait"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def stopped_at(database: Database, table: str) -> AsyncIterator[None]:
    """Let whoever adds a row to a table stand still right after it, until the block ends."""
    await database.fetch(
        "CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_advisory_xact_lock(7, 7); RETURN NULL; END $$"
    )
    await database.fetch(
        f"CREATE TRIGGER stand_still AFTER INSERT ON {table} EXECUTE FUNCTION stand_still()"
    )
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(7, 7)")
        yield
