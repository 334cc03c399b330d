"""An outbox in memory that behaves as the real one: shards are locked, rows marked on success
only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from zlib import crc32

from models.envelope import Envelope
from models.errors import TransientError
from streams.ports import SHARDS, OutboxRow


def shard_of(key: str) -> int:
    return crc32(key.encode()) % SHARDS


@dataclass
class FakeOutbox:
    """Attributes:
    away: While set, every call raises TransientError, as with PostgreSQL gone.
    """

    rows: dict[int, list[OutboxRow]] = field(default_factory=lambda: {n: [] for n in range(SHARDS)})
    published: list[OutboxRow] = field(default_factory=list)
    away: bool = False
    claims: int = 0
    _locks: list[asyncio.Lock] = field(
        default_factory=lambda: [asyncio.Lock() for _ in range(SHARDS)]
    )
    _last_id: int = 0

    def commit(self, topic: str, envelopes: Sequence[Envelope]) -> frozenset[int]:
        """Put rows as a committing transaction does; return the shards to wake."""
        for envelope in envelopes:
            self._last_id += 1
            row = OutboxRow(row_id=self._last_id, topic=topic, envelope=envelope)
            self.rows[shard_of(envelope.key)].append(row)
        return frozenset(shard_of(envelope.key) for envelope in envelopes)

    @property
    def pending(self) -> int:
        return sum(len(rows) for rows in self.rows.values())

    @asynccontextmanager
    async def claim(
        self, shards: Collection[int], *, limit: int
    ) -> AsyncIterator[Sequence[OutboxRow]]:
        self._refuse_if_away()
        self.claims += 1
        async with AsyncExitStack() as held:
            for shard in sorted(shards):
                await held.enter_async_context(self._locks[shard])
            found = sorted(
                (row for shard in shards for row in self.rows[shard]), key=lambda row: row.row_id
            )[:limit]
            yield found
            self._refuse_if_away()
            for row in found:
                self.rows[shard_of(row.envelope.key)].remove(row)
            self.published += found

    async def list_pending_shards(self) -> frozenset[int]:
        self._refuse_if_away()
        return frozenset(shard for shard, rows in self.rows.items() if rows)

    def _refuse_if_away(self) -> None:
        if self.away:
            raise TransientError("postgres_away")
