"""Counts as the gateway reads them: what one contradicts, how far it is, what it left open.

Reads only; `services.stock_entries` judges what is read. Safe for concurrent tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from streams.services.stock_entries import CountFound, Loud, OutcomeFound
from streams.store.donations import PgDonationRecords
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Database

_QUERIES = load_queries("counts")

Row = dict[str, Any]

COMPARED_AT_ONCE = 10
"""Parts in one statement, 5000 units: so that no connection is held up for long."""


class PgCountComparison:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def compare(
        self,
        parts: Sequence[bytes],
        *,
        station_id: str,
        counted_at: datetime,
        named: Sequence[str] | None,
        told: int,
    ) -> CountFound:
        """Compare a count with the record at one moment.

        Args:
            parts: JSON arrays of counted units.
            station_id: Whose count it is.
            counted_at: What changed later is not compared.
            named: Every unit that a full count names; None if it is not full.
            told: Contradictions of each kind that are read one by one.
        """
        outcomes: list[OutcomeFound] = []
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            for start in range(0, len(parts), COMPARED_AT_ONCE):
                rows = _QUERIES.compare_count(
                    connection,
                    station_id=station_id,
                    counted_at=counted_at,
                    units=orjson.Fragment(_join(parts[start : start + COMPARED_AT_ONCE])),
                    told=told,
                )
                outcomes += [_to_outcome(row) async for row in rows]
            missing = []
            if named is not None:
                rows = _QUERIES.find_missing(
                    connection, station_id=station_id, counted_at=counted_at, named=list(named)
                )
                missing = [Loud(kind="missing", **dict(row)) async for row in rows]
            donations = {
                unit_id: donation_id
                for outcome in outcomes
                for unit_id, donation_id in outcome.donations.items()
            }
            known = await PgDonationRecords(connection).find_known(donations)
        return CountFound(outcomes=outcomes, missing=missing, known=known)

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


def _to_outcome(row: Mapping[str, Any]) -> OutcomeFound:
    return OutcomeFound(
        outcome=row["outcome"],
        units=row["units"],
        digest=row["digest"],
        loud=[Loud(kind=row["outcome"], **unit) for unit in row["loud"]],
        donations=dict(zip(row["new_ids"], row["donation_ids"], strict=True)),
        returned=frozenset(row["returned_ids"]),
    )


def _join(parts: Sequence[bytes]) -> bytes:
    """Make one JSON array of several."""
    return b"[" + b",".join(part[1:-1] for part in parts) + b"]"
