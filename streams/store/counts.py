"""Counts and their differences: of one transaction, and as the gateway reads them.

What a count means for a unit is said once, by `compare_count` in the schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from models.errors import InvariantViolation
from models.events.stock import CountedUnit, CountPart, encode_units
from models.figures import StockDay
from streams.ports.counts import CountHead, CountProgress, Difference, Taken
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Connection

_QUERIES = load_queries("counts")


class PgCounts:
    """Implements `ports.counts.CountStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def take(
        self,
        part: CountPart,
        units: Sequence[CountedUnit],
        *,
        station_id: str,
        counted_at: datetime,
        now: datetime,
    ) -> Taken | None:
        head = {**part.model_dump(), "station_id": station_id, "counted_at": counted_at}
        rows = _QUERIES.take_count(
            self._connection,
            count=head,
            units=orjson.Fragment(encode_units(units)),
            now=now,
        )
        found = [row async for row in rows]
        if not found:
            return None
        return Taken(
            outcomes={row["outcome"]: row["units"] for row in found},
            new=frozenset(unit_id for row in found for unit_id in row["new_ids"]),
            collected=frozenset(unit_id for row in found for unit_id in row["collected_ids"]),
        )

    async def note(self, part: CountPart, outcomes: Mapping[str, int]) -> CountProgress:
        row = await _QUERIES.note_part(
            self._connection, count_id=part.count_id, part_no=part.part_no, outcomes=dict(outcomes)
        )
        if row is None:
            raise InvariantViolation("count_missing", count_id=part.count_id)
        head = CountHead(
            station_id=row["station_id"],
            counted_at=row["counted_at"],
            full=row["is_full"],
            parts=row["parts"],
            units=row["units"],
        )
        return CountProgress(head=head, parts_taken=row["parts_taken"])

    async def finish(self, count_id: str, *, now: datetime) -> int:
        missing: int = await _QUERIES.finish_count(self._connection, count_id=count_id, now=now)
        return missing

    async def lock_open(self, count_id: str, unit_ids: Sequence[str]) -> dict[str, Difference]:
        rows = _QUERIES.list_open_differences(
            self._connection, count_id=count_id, unit_ids=list(unit_ids)
        )
        return {
            row["unit_id"]: Difference(
                unit_id=row["unit_id"],
                kind=row["kind"],
                counted=row["counted"],
                recorded=row["recorded"],
            )
            async for row in rows
        }

    async def close(
        self,
        count_id: str,
        unit_ids: Sequence[str],
        *,
        resolution: str,
        reason: str,
        by: str,
        now: datetime,
    ) -> None:
        await _QUERIES.close_differences(
            self._connection,
            count_id=count_id,
            unit_ids=list(unit_ids),
            resolution=resolution,
            reason=reason,
            by=by,
            now=now,
        )

    async def add_stock_days(self, records: Sequence[StockDay], *, now: datetime) -> None:
        payload = [record.model_dump(mode="json") for record in records]
        await _QUERIES.add_stock_days(self._connection, payload=payload, now=now)
