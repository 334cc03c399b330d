"""The connection pool and its transactions.

A pool opens even while PostgreSQL is away: connections are made when they are needed, so a process
may start first and wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

import asyncpg
import orjson

from streams.store.driver_errors import translated

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
    PooledConnection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]


class Connection(Protocol):
    """What a store needs of a connection."""

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]: ...
    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None: ...
    async def fetchval(self, query: str, *args: object) -> Any: ...  # noqa: ANN401 - any column
    async def execute(self, query: str, *args: object) -> str: ...
    def transaction(self) -> AbstractAsyncContextManager[object]: ...


CONNECT_TIMEOUT_S = 3.0
"""A server that does not answer in this time is away; retries decide what then."""

COMMAND_TIMEOUT_S = 20.0
"""No statement of ours takes a second; one that takes this long hangs on a lost connection."""

ACQUIRE_TIMEOUT_S = 5.0


async def _prepare(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda raw: orjson.loads(raw[1:]),
        format="binary",
    )


async def _keep(_: asyncpg.Connection[asyncpg.Record]) -> None:
    """Leave a connection as it is given back: nothing of ours outlives its transaction.

    The pool's own reset is a round trip at every release, a tenth of a decision.
    """


class Database:
    """A pool of connections to one database. Safe for concurrent tasks; a connection is not."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, dsn: str, *, size: int, name: str) -> Self:
        """Open a pool.

        Args:
            dsn: `postgresql://user@host:port/database`.
            size: Connections at most.
            name: What PostgreSQL shows as the application.
        """
        pool = await asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=size,
            max_inactive_connection_lifetime=0,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            init=_prepare,
            reset=_keep,
            server_settings={
                "application_name": name,
                # It costs more than it gives on statements of a millisecond.
                "jit": "off",
                # All that is hot is in memory: where units lie in order of expiry, the default of
                # 4 makes reading a whole index look cheaper than the few rows that are wanted.
                "random_page_cost": "1.1",
                # A session that waits for a lock learns that its client is gone, and lets go of
                # the locks it has.
                "client_connection_check_interval": "1s",
            },
        )
        return cls(pool)

    async def close(self) -> None:
        self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PooledConnection]:
        """Lend a connection outside a transaction."""
        with translated():
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                try:
                    yield connection
                except asyncpg.InternalClientError:
                    # Its protocol stands half-way through an answer: nobody may borrow it again.
                    connection.terminate()
                    raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PooledConnection]:
        """Lend a connection inside a transaction that commits when the block ends normally."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        async with self.connection() as connection:
            return await connection.fetch(query, *args)
