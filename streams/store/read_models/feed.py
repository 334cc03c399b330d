"""The feed of committed events: everything the engine published, from any position on.

A position is that of a row: its transaction and its number. Rows become readable once no older
transaction runs any more, so a reader that goes on from the last row it saw misses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from models.errors import ContractError
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Database

_QUERIES = load_queries("feed")
_POSITION = re.compile(r"^(\d{1,20})-(\d{1,19})$")
_MAX_TX, _MAX_ROW = 2**64 - 1, 2**63 - 1


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a reader stands; written `tx-row`. `0-0` is before everything that is kept."""

    tx: int
    row_id: int

    def __str__(self) -> str:
        return f"{self.tx}-{self.row_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `tx-row`.

        Raises:
            ContractError: `last_event_id_invalid`.
        """
        found = _POSITION.match(text)
        if not found or int(found[1]) > _MAX_TX or int(found[2]) > _MAX_ROW:
            raise ContractError("last_event_id_invalid")
        return cls(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent:
    """One published event; `body` is its JSON as it stands on Kafka."""

    position: Position
    topic: str
    key: str
    sequence: int
    event_id: str
    event_type: str
    source: str
    subject: str
    caused_by: str | None
    made_at: datetime
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFilter:
    """What a viewer may see.

    Attributes:
        topics: Nothing outside of these.
        open_topics: Of these, the ones that are seen whole.
        station_id: Events of this station are seen in the other topics.
        hospital_id: Events of this hospital are seen in the other topics.
    """

    topics: tuple[str, ...]
    open_topics: tuple[str, ...] = ()
    station_id: str | None = None
    hospital_id: str | None = None

    def only(self, topics: Collection[str]) -> FeedFilter:
        """Return the same view, narrowed to some topics."""
        return FeedFilter(
            topics=tuple(topic for topic in self.topics if topic in topics),
            open_topics=self.open_topics,
            station_id=self.station_id,
            hospital_id=self.hospital_id,
        )


BEGINNING = Position(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Why a reader cannot go on where it was: it has to read the whole state again.

    Attributes:
        code: `feed_position_not_kept` or `feed_position_unknown`.
        go_on_at: What follows from here on is whole again.
    """

    code: str
    go_on_at: Position


class PgFeed:
    """Reads the feed. Safe for concurrent tasks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_end(self) -> Position:
        """Return the position from which on only later events follow."""
        async with self._database.connection() as connection:
            return Position(int(await _QUERIES.find_feed_end(connection)), 0)

    async def find_gap(self, position: Position) -> Gap | None:
        """Return what a reader at a position has missed; None if all that followed is kept.

        `0-0` asks for whatever is kept, so it misses nothing.
        """
        if position == BEGINNING:
            return None
        async with self._database.connection() as connection:
            row = await _QUERIES.find_feed_standing(
                connection, tx=str(position.tx), row_id=position.row_id
            )
        if row["is_before_floor"]:
            floor = Position(int(row["floor_tx"]), row["floor_row"])
            return Gap(code="feed_position_not_kept", go_on_at=floor)
        if row["is_unknown"]:
            return Gap(code="feed_position_unknown", go_on_at=Position(int(row["end_tx"]), 0))
        return None

    async def list_after(
        self, position: Position, wanted: FeedFilter, *, limit: int
    ) -> list[FeedEvent]:
        """List what follows a position, in the order of the feed."""
        async with self._database.connection() as connection:
            rows = _QUERIES.list_feed(
                connection,
                after_tx=str(position.tx),
                after_row=position.row_id,
                topics=list(wanted.topics),
                open_topics=list(wanted.open_topics),
                station_id=wanted.station_id,
                hospital_id=wanted.hospital_id,
                limit=limit,
            )
            return [
                FeedEvent(
                    position=Position(int(row["position_tx"]), row["row_id"]),
                    topic=row["topic"],
                    key=row["key"],
                    sequence=row["sequence"],
                    event_id=row["event_id"],
                    event_type=row["event_type"],
                    source=row["source"],
                    subject=row["subject"],
                    caused_by=row["caused_by"],
                    made_at=row["made_at"],
                    body=row["body"],
                )
                async for row in rows
            ]
