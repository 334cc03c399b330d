"""The audit in PostgreSQL: what goes into it, its seals, and reading it back.

Rows are only ever added, by one function of the schema (`append_audit`), as the last statement of
the transaction whose changes they tell.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from models.audit import AuditRow, ChainHead
from streams.ports import Context, Transition
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Connection, Database, PooledConnection

_QUERIES = load_queries("audit")

FETCH_ROWS = 2000
"""Rows in flight while a chain is read: some 1 MB, and a round trip every 20 ms of hashing."""

AuditLine = dict[str, Any]


class RecordTransition(Protocol):
    """Buffers a row of the audit; without a context of its own it has that of the work."""

    def __call__(self, transition: Transition, context: Context | None = None) -> None: ...


def audit_line(transition: Transition, context: Context) -> AuditLine:
    """Return the row that `append_audit` takes. Field by field: a count has hundreds at once."""
    return {
        "subject_kind": transition.subject_kind,
        "subject": transition.subject,
        "station_id": transition.station_id,
        "from_state": transition.from_state,
        "to_state": transition.to_state,
        "why": transition.why,
        "actor": context.actor,
        "caused_by": context.cause,
        "at": context.now,
    }


async def append_audit(connection: Connection, rows: Sequence[AuditLine]) -> None:
    """Add rows; the last statement of the transaction they belong to."""
    await _QUERIES.append_audit(connection, rows=list(rows))


class PgAuditSeals:
    """Implements `ports.AuditStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def seal(self, *, now: datetime, again_before: datetime) -> list[ChainHead]:
        rows = _QUERIES.seal_heads(self._connection, now=now, again_before=again_before)
        return sorted([ChainHead(*row.values()) async for row in rows])


class AuditSnapshot:
    """The audit at one moment; `PgAuditRows.snapshot` makes it."""

    def __init__(self, connection: PooledConnection) -> None:
        self._connection = connection

    async def list_heads(self, chain: str | None) -> list[ChainHead]:
        rows = _QUERIES.list_heads(self._connection, chain=chain)
        return [ChainHead(*row.values()) async for row in rows]

    async def follow(self, *, chain: str | None, since: int) -> AsyncIterator[list[AuditRow]]:
        """Yield rows chain by chain in the order of their sequence, some thousand at a time.

        Args:
            chain: Only this one; None for all.
            since: The first sequence.
        """
        sql = _QUERIES.list_links.sql
        cursor = await self._connection.cursor(sql, chain, since)
        while rows := await cursor.fetch(FETCH_ROWS):
            yield [AuditRow(*row.values()) for row in rows]


class PgAuditRows:
    """Reads the audit. Safe for concurrent tasks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AuditSnapshot]:
        """Read rows and heads as they stood at one moment, while writers go on."""
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            # The key gives the order; sorting years of rows first would take longer than any
            # statement of ours may.
            await connection.execute("SET LOCAL enable_sort = off")
            yield AuditSnapshot(connection)

    async def list_history(self, subject: str, *, limit: int) -> list[AuditRow]:
        """List what happened to a unit, request, donor, activation …, oldest first."""
        async with self._database.connection() as connection:
            rows = _QUERIES.list_history(connection, subject=subject, limit=limit)
            return [AuditRow(*row.values()) async for row in rows]
