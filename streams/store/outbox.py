"""The outbox as the relay reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from models.envelope import Envelope
from streams.ports import Clock, OutboxRow
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    import asyncpg

    from streams.store.database import Database

_QUERIES = load_queries("outbox")

LOCK_SPACE = 0x584C
"""First half of our advisory locks (`XL`); the second is the shard."""


class PgOutbox:
    """Implements `ports.Outbox`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @asynccontextmanager
    async def claim(
        self, shards: Collection[int], *, limit: int
    ) -> AsyncIterator[Sequence[OutboxRow]]:
        held = sorted(shards)
        async with self._database.connection() as connection:
            try:
                found = _QUERIES.claim_outbox(
                    connection, space=LOCK_SPACE, shards=held, limit=limit
                )
                rows = [_to_row(row) async for row in found]
                yield rows
                await _QUERIES.mark_published(
                    connection,
                    space=LOCK_SPACE,
                    shards=held,
                    row_ids=[row.row_id for row in rows],
                    now=self._clock.now(),
                )
            except BaseException:
                # The shards are held by the session, and no statement that failed gives them back.
                connection.terminate()
                raise

    async def list_pending_shards(self) -> frozenset[int]:
        async with self._database.connection() as connection:
            rows = _QUERIES.list_pending_shards(connection)
            return frozenset([row["shard"] async for row in rows])


def _to_row(row: asyncpg.Record) -> OutboxRow:
    return OutboxRow(
        row_id=row["row_id"],
        topic=row["topic"],
        envelope=Envelope.model_construct(
            id=row["event_id"],
            type=row["event_type"],
            source=row["source"],
            subject=row["subject"],
            time=row["made_at"],
            key=row["key"],
            data=row["body"],
            sequence=row["sequence"],
            causationid=row["caused_by"],
            traceparent=row["traceparent"],
        ),
    )
