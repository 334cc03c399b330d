"""Commands that speak to PostgreSQL themselves: one short-lived pool, one event loop.

Not for use inside an event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from streams.settings import Settings
from streams.store.database import Database

T = TypeVar("T")


def run_on_database(settings: Settings, act: Callable[[Database], Awaitable[T]]) -> T:
    """Open the database, act, close it. Raises TransientError while PostgreSQL is away."""

    async def run() -> T:
        database = await Database.open(str(settings.postgres_dsn), size=2, name="xuelian-cli")
        try:
            return await act(database)
        finally:
            await database.close()

    return asyncio.run(run())
