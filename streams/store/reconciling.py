"""Counts as the gateway reads them: what one would mean, how far it is, what it left open.

Reads only. Safe for concurrent tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from models.events.stock import CountedUnit
from streams.store.counts import columns_of
from streams.store.queries import load_queries

if TYPE_CHECKING:
    from streams.store.database import Database

_QUERIES = load_queries("counts")

Row = dict[str, Any]

COMPARED_AT_ONCE = 5000
"""Units in one statement: a tenth of a second, so that no connection is held up for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a count means for one unit.

    Attributes:
        outcome: new, new_quarantined, confirmed, gone, changed_since, differs, moved, status or
            missing.
        recorded: As our record has it; None for a new one.
        request_id: Whom a missing unit is promised to.
    """

    unit_id: str
    outcome: str
    fields: Sequence[str] = ()
    recorded: Row | None = None
    request_id: str | None = None


class PgReconciling:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def compare(
        self,
        units: Sequence[CountedUnit],
        *,
        station_id: str,
        counted_at: datetime,
        full: bool,
    ) -> list[Judged]:
        """Tell what taking a count in would do at this moment; changes nothing."""
        judged: list[Judged] = []
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            for start in range(0, len(units), COMPARED_AT_ONCE):
                rows = _QUERIES.compare_count(
                    connection,
                    station_id=station_id,
                    counted_at=counted_at,
                    **columns_of(units[start : start + COMPARED_AT_ONCE]),
                )
                judged += [_to_judged(row) async for row in rows]
            if full:
                rows = _QUERIES.find_missing(
                    connection,
                    station_id=station_id,
                    counted_at=counted_at,
                    named=[counted.unit.unit_id for counted in units],
                )
                judged += [
                    Judged(
                        unit_id=row["unit_id"],
                        outcome="missing",
                        recorded=row["recorded"],
                        request_id=row["request_id"],
                    )
                    async for row in rows
                ]
        return judged

    async def list_counts(self, station_id: str, *, limit: int) -> list[Row]:
        """List newest first, with progress, outcomes and open differences by kind."""
        return await self._list("find_count", station_id=station_id, count_id=None, limit=limit)

    async def find_count(self, station_id: str, count_id: str) -> Row | None:
        rows = await self._list("find_count", station_id=station_id, count_id=count_id, limit=1)
        return rows[0] if rows else None

    async def list_differences(
        self,
        station_id: str,
        *,
        count_id: str | None,
        kind: str | None,
        with_closed: bool,
        limit: int,
    ) -> list[Row]:
        """List what endangers a patient first."""
        return await self._list(
            "list_differences",
            station_id=station_id,
            count_id=count_id,
            kind=kind,
            closed=with_closed,
            limit=limit,
        )

    async def count_open(self, station_id: str) -> Row:
        rows = await self._list("count_open_differences", station_id=station_id)
        return rows[0]

    async def list_held(self, station_id: str) -> list[Row]:
        """List every unit on a station's shelf."""
        return await self._list("list_held_units", station_id=station_id)

    async def _list(self, query: str, **params: Any) -> list[Row]:  # noqa: ANN401 - what a query takes
        async with self._database.connection() as connection:
            return [dict(row) async for row in getattr(_QUERIES, query)(connection, **params)]


def _to_judged(row: Any) -> Judged:  # noqa: ANN401 - a driver's row
    outcome = row["outcome"]
    if outcome == "new" and not row["released"]:
        outcome = "new_quarantined"
    return Judged(
        unit_id=row["unit_id"], outcome=outcome, fields=row["fields"], recorded=row["recorded"]
    )
