"""Counts as the gateway reads them: what one would mean, how far it is, what it left open.

Reads only. Safe for concurrent tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from models.errors import DomainRefusal
from models.events.stock import Attestation, CountedUnit
from models.rules.rulebook import Rulebook
from streams.services.stock_entries import find_refusals, read_known
from streams.store.donations import PgDonations
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Database, PooledConnection

_QUERIES = load_queries("counts")

Row = dict[str, Any]

COMPARED_AT_ONCE = 10
"""Parts in one statement, 5000 units: so that no connection is held up for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loud:
    """A unit that contradicts the record.

    Attributes:
        kind: differs, moved, status or missing.
        recorded: As our record has it.
        request_id: Whom a missing unit is promised to.
    """

    unit_id: str
    kind: str
    fields: Sequence[str] = ()
    recorded: Row | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entering:
    """By which a count's new units are judged.

    Attributes:
        get: Unit id to the unit as the count has it.
        attestation: Of the whole count.
        now: Aware UTC instant; no release lies after it.
        rules: The rulebook to judge by.
    """

    get: Callable[[str], CountedUnit]
    attestation: Attestation | None
    now: datetime
    rules: Rulebook


class RefusedUnit(NamedTuple):
    """A unit that may not be taken in, and why."""

    unit_id: str
    refusal: DomainRefusal


@dataclass(frozen=True, slots=True, kw_only=True)
class CountPlan:
    """What taking a count in would do.

    Attributes:
        outcomes: Units by outcome: new, new_quarantined, refused, confirmed, gone, changed_since,
            differs, moved, status, missing.
        digest: Changes with any unit's outcome.
        loud: The first of those that contradict the record, the promised ones before all.
        missing_reserved: Missing units that are promised to patients.
        refused: New units that may not be taken in.
    """

    outcomes: Mapping[str, int]
    digest: str
    loud: Sequence[Loud]
    missing_reserved: int
    refused: Sequence[RefusedUnit] = ()

    @property
    def is_quiet(self) -> bool:
        """Whether it changes nothing and leaves nothing open."""
        return {"confirmed", "gone", "changed_since"}.issuperset(self.outcomes)


class PgReconciling:
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
        entering: Entering,
    ) -> CountPlan:
        """Tell what taking a count in would do at this moment; changes nothing.

        Args:
            parts: JSON arrays of counted units.
            station_id: Whose count it is.
            counted_at: What changed later is not compared.
            named: Every unit that a full count names; None if it is not full.
            told: Contradictions of each kind that are told one by one.
            entering: By which new units are judged.
        """
        outcomes: Counter[str] = Counter()
        digest, loud = sha256(), list[Loud]()
        fresh: dict[str, dict[str, str]] = {"new": {}, "new_quarantined": {}}
        returned: set[str] = set()
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
                async for row in rows:
                    outcomes[row["outcome"]] += row["units"]
                    digest.update(f"{row['outcome']} {row['digest']}\n".encode())
                    loud += [Loud(kind=row["outcome"], **one) for one in row["loud"]]
                    if row["outcome"] in fresh:
                        pairs = zip(row["new_ids"], row["donation_ids"], strict=True)
                        fresh[row["outcome"]].update(pairs)
                        returned.update(row["returned_ids"])
            missing = (
                []
                if named is None
                else await self._find_missing(connection, station_id, counted_at, named)
            )
            refused = await _find_refused(connection, fresh, returned, entering)
        for unit_id, _ in refused:
            outcomes["new_quarantined" if unit_id in fresh["new_quarantined"] else "new"] -= 1
            outcomes["refused"] += 1
            digest.update(f"refused {unit_id}\n".encode())
        for one in missing:
            outcomes["missing"] += 1
            digest.update(f"missing {one.unit_id}\n".encode())
        loud = sorted([*missing, *loud], key=lambda one: (one.request_id is None, one.kind))
        return CountPlan(
            outcomes={name: units for name, units in outcomes.items() if units},
            digest=digest.hexdigest(),
            loud=loud[:told],
            missing_reserved=sum(one.request_id is not None for one in missing),
            refused=refused,
        )

    async def _find_missing(
        self,
        connection: PooledConnection,
        station_id: str,
        counted_at: datetime,
        named: Sequence[str],
    ) -> list[Loud]:
        rows = _QUERIES.find_missing(
            connection, station_id=station_id, counted_at=counted_at, named=list(named)
        )
        return [Loud(kind="missing", **dict(row)) async for row in rows]

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


async def _find_refused(
    connection: PooledConnection,
    fresh: Mapping[str, Mapping[str, str]],
    returned: Collection[str],
    entering: Entering,
) -> list[RefusedUnit]:
    """Judge the new units that anything may speak against: nearly none of a usual count."""
    released, held = fresh["new"], fresh["new_quarantined"]
    known = await read_known(PgDonations(connection), {**released, **held})
    # Of one donation, one bag is called released and another is not.
    judged = {*released.values()} & {*held.values()}
    counted = [
        entering.get(unit_id)
        for unit_id, donation_id in [*released.items(), *held.items()]
        if donation_id in judged or unit_id in returned or known.concerns(unit_id, donation_id)
    ]
    found = find_refusals(
        counted, known, attestation=entering.attestation, now=entering.now, rules=entering.rules
    )
    return [RefusedUnit(one.unit.unit_id, refusal) for one, refusal in found]


def _join(parts: Sequence[bytes]) -> bytes:
    """Make one JSON array of several."""
    return b"[" + b",".join(part[1:-1] for part in parts) + b"]"
