"""The server under the system: its databases by name, copies of them, and what it has written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg


def name_database(server_dsn: str, name: str) -> str:
    """Return the address of another database of the same server."""
    return urlunsplit(urlsplit(server_dsn)._replace(path=f"/{name}"))


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def analyse(dsn: str) -> None:
    """Let the planner know a database that was just filled."""
    async with connected(dsn) as connection:
        await connection.execute("VACUUM ANALYZE")


async def read_wal_position(dsn: str) -> int:
    """Return the bytes of WAL that the server has ever written."""
    async with connected(dsn) as connection:
        position = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
        return int(await connection.fetchval(position))


async def clone_database(server_dsn: str, *, source: str, target: str) -> None:
    """Make `target` a file-level copy of `source`, to which no client may be connected."""
    async with connected(server_dsn) as connection:
        await connection.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
        await connection.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')
