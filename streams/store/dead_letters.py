"""Dead letters as an operator reads and replays them. `PgInbox.quarantine` writes them.

Safe for concurrent tasks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from models.topics import TOPICS
from streams.services.record_replay import DeadLetter, OriginalRecord
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    import asyncpg

    from streams.store.database import Database

_QUERIES = load_queries("dead_letters")
STATION_TOPICS = [topic.name.value for topic in TOPICS if topic.inbound and "station" in topic.key]
"""Topics of which a station may see what was refused under its own key."""

_ESCAPE = re.compile(r"\\([\\0])")


class PgDeadLetters:
    """Implements `services.record_replay.DeadLetterStore`, and lists."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_letters(
        self,
        *,
        code: str | None = None,
        topic: str | None = None,
        with_replayed: bool = False,
        limit: int = 100,
    ) -> list[DeadLetter]:
        """List life-threatening requests first, as far as the records tell, then the newest.

        Args:
            code: Only those refused for this reason.
            topic: Only records of this topic.
            with_replayed: Those that were put back too.
            limit: At most so many.
        """
        async with self._database.connection() as connection:
            rows = _QUERIES.list_dead_letters(
                connection, code=code, topic=topic, with_replayed=with_replayed, limit=limit
            )
            return [_to_letter(row) async for row in rows]

    async def count(self) -> tuple[int, int]:
        """Return how many wait to be replayed, and how many are kept."""
        async with self._database.connection() as connection:
            rows = [row async for row in _QUERIES.count_dead_letters(connection)]
        return rows[0]["waiting"], rows[0]["kept"]

    async def find(self, dead_letter_id: str) -> DeadLetter | None:
        async with self._database.connection() as connection:
            found = _QUERIES.find_dead_letter(connection, dead_letter_id=dead_letter_id)
            rows = [_to_letter(row) async for row in found]
        return rows[0] if rows else None

    async def release_claim(self, letter: DeadLetter, *, source: str, event_id: str) -> bool:
        async with self._database.connection() as connection:
            status = await _QUERIES.release_claim(
                connection,
                reader=letter.reader,
                source=source,
                event_id=event_id,
                digest=letter.digest,
                topic=letter.record.topic,
                partition=letter.record.partition,
                log_offset=letter.offset,
            )
        return not str(status).endswith(" 0")

    async def mark_replayed(self, dead_letter_id: str, *, now: datetime) -> None:
        async with self._database.connection() as connection:
            await _QUERIES.mark_replayed(connection, dead_letter_id=dead_letter_id, now=now)


def _to_letter(row: asyncpg.Record) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=row["dead_letter_id"],
        reader=row["reader"],
        record=OriginalRecord(
            topic=row["topic"],
            partition=row["partition"],
            key=row["key"],
            value=row["body"],
            headers=_to_headers(row["headers"]),
        ),
        offset=row["log_offset"],
        code=row["code"],
        params=row["params"],
        is_life_threatening=row["is_life_threatening"],
        quarantined_at=row["quarantined_at"],
        replayed_at=row["replayed_at"],
    )


def _to_headers(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, restore_bytes(text)) for name, text in pairs)


def restore_bytes(text: str) -> bytes:
    """Undo how the inbox writes bytes into jsonb: Latin-1, with NUL and the backslash escaped."""
    plain = _ESCAPE.sub(lambda found: "\x00" if found[1] == "0" else "\\", text)
    return plain.encode("latin-1")
