"""Stations, hospitals and routes: kept in memory, read again when something is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from models.directory import Directory
from models.errors import DomainRefusal, InvariantViolation
from models.facilities import Hospital, Station
from models.rules.rulebook import Rulebook
from streams.ports import Context, Transition
from streams.store.audit import append_audit, audit_line
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    import asyncpg

    from streams.store.database import Database, PooledConnection

_QUERIES = load_queries("directory")


_SPELLINGS = {
    "stations_spelling_uq": "find_station_spelling",
    "hospitals_spelling_uq": "find_hospital_spelling",
}
"""Index of the database to the query that finds the name that it holds."""

F = TypeVar("F", Station, Hospital)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(Generic[F]):
    """A record of the register.

    Attributes:
        version: 1 and rising; a change says which one it was made from.
        changed_by: Who wrote this version; empty if nobody is known.
    """

    record: F
    version: int
    changed_by: str


class PgDirectory:
    """Implements `ports.DirectorySource` and writes what dispatchers change."""

    def __init__(self, database: Database, rules: Rulebook) -> None:
        self._database = database
        self._rules = rules
        self._current = Directory()
        self._begun = 0
        self._done = 0
        self._reading = asyncio.Lock()

    def current(self) -> Directory:
        return self._current

    async def refresh(self) -> Directory:
        """Give what a read that began after this call found; callers at once share one read."""
        asked_after = self._begun
        async with self._reading:
            if self._done <= asked_after:
                self._begun += 1
                self._current = await self._read()
                self._done = self._begun
        return self._current

    async def ensure_current(self) -> Directory:
        async with self._database.connection() as connection:
            version = await _QUERIES.find_version(connection)
        return self._current if version == self._current.version else await self.refresh()

    async def _read(self) -> Directory:
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            version: int = await _QUERIES.find_version(connection)
            stations = [
                Station.model_validate(row["body"])
                async for row in _QUERIES.list_stations(connection)
            ]
            hospitals = [
                Hospital.model_validate(row["body"])
                async for row in _QUERIES.list_hospitals(connection)
            ]
            rows = [row async for row in _QUERIES.list_routes(connection)]
        return Directory(
            stations={station.station_id: station for station in stations},
            hospitals={hospital.hospital_id: hospital for hospital in hospitals},
            routes={(row["from_id"], row["to_id"]): row["eta_s"] for row in rows},
            proven=frozenset((row["from_id"], row["to_id"]) for row in rows if row["proven_box"]),
            version=version,
            estimate=self._rules.policies.journey,
        )

    async def list_stations(self, station_id: str | None = None) -> list[Registered[Station]]:
        """List the stations as they are registered, or the one that is asked for."""
        async with self._database.connection() as connection:
            return [
                _to_registered(Station, row)
                async for row in _QUERIES.list_registered_stations(
                    connection, station_id=station_id
                )
            ]

    async def list_hospitals(self, hospital_id: str | None = None) -> list[Registered[Hospital]]:
        """List the hospitals as they are registered, or the one that is asked for."""
        async with self._database.connection() as connection:
            return [
                _to_registered(Hospital, row)
                async for row in _QUERIES.list_registered_hospitals(
                    connection, hospital_id=hospital_id
                )
            ]

    async def put_station(
        self, station: Station, *, based_on: int | None = None, changed_by: Context | None = None
    ) -> int:
        """Register or change a station; return the version of its record.

        Args:
            station: The whole record.
            based_on: The version that the change was made from, 0 for a new one; None for any.
            changed_by: Who says so, for the audit; None where nobody does, as in a seeded world.

        Raises:
            DomainRefusal: `record_changed`: somebody else changed it meanwhile, or it is not there
                any more; `facility_other_spelling`: another one differs in case alone.
        """
        async with (
            self._one_spelling(station.station_id),
            self._database.transaction() as connection,
        ):
            row = await _QUERIES.put_station(
                connection,
                station_id=station.station_id,
                body=station.model_dump(mode="json"),
                changed_by=changed_by.actor if changed_by else "",
                based_on=based_on,
            )
            version = _ensure_put(row, station.station_id)
            await _record(connection, _audit(station, row, changed_by), changed_by)
        return version

    async def put_hospital(
        self, hospital: Hospital, *, based_on: int | None = None, changed_by: Context | None = None
    ) -> int:
        """Register or change a hospital, as `put_station` does a station."""
        async with (
            self._one_spelling(hospital.hospital_id),
            self._database.transaction() as connection,
        ):
            row = await _QUERIES.put_hospital(
                connection,
                hospital_id=hospital.hospital_id,
                station_id=hospital.station_id,
                body=hospital.model_dump(mode="json"),
                changed_by=changed_by.actor if changed_by else "",
                based_on=based_on,
            )
            version = _ensure_put(row, hospital.hospital_id)
            await _record(connection, _audit(hospital, row, changed_by), changed_by)
        return version

    @asynccontextmanager
    async def _one_spelling(self, facility_id: str) -> AsyncIterator[None]:
        """Name who holds the same name in other letters, where two were registered at once."""
        try:
            yield
        except InvariantViolation as error:
            find = _SPELLINGS.get(str(error.params.get("constraint")))
            if find is None:
                raise
            async with self._database.connection() as connection:
                known = await getattr(_QUERIES, find)(connection, facility_id=facility_id)
            raise DomainRefusal(
                "facility_other_spelling", facility_id=facility_id, known=known or "?"
            ) from error

    async def put_routes(
        self,
        routes: Mapping[tuple[str, str], int],
        *,
        proven: Mapping[tuple[str, str], bool] | None = None,
        changed_by: Context | None = None,
    ) -> None:
        """Record journeys; seconds by their two ends, and of some whether their box is proven."""
        pairs = sorted(routes)
        async with self._database.transaction() as connection:
            rows = _QUERIES.put_routes(
                connection,
                from_ids=[pair[0] for pair in pairs],
                to_ids=[pair[1] for pair in pairs],
                etas=[routes[pair] for pair in pairs],
                proven=[(proven or {}).get(pair) for pair in pairs],
            )
            told = [_audit_route(row, changed_by) async for row in rows]
            await _record(connection, [change for change in told if change is not None], changed_by)


def _to_registered(kind: type[F], row: asyncpg.Record) -> Registered[F]:
    return Registered(
        record=kind.model_validate(row["body"]),
        version=row["version"],
        changed_by=row["changed_by"],
    )


def _ensure_put(row: asyncpg.Record | None, facility_id: str) -> int:
    if row is None:
        raise DomainRefusal("record_changed", facility_id=facility_id)
    version: int = row["version"]
    return version


def _audit(
    record: Station | Hospital, row: asyncpg.Record, author: Context | None
) -> list[Transition]:
    """List which fields of a record changed; a flag, such as whether a hospital thaws, by value."""
    before, body = row["body_before"] or {}, record.model_dump(mode="json")
    if author is None or before == body:
        return []
    changed = [
        f"{name}={str(body[name]).lower()}" if isinstance(body[name], bool) else name
        for name in sorted(body)
        if before.get(name) != body[name]
    ]
    version: int = row["version"]
    return [
        Transition(
            subject_kind="hospital" if isinstance(record, Hospital) else "station",
            subject=record.hospital_id if isinstance(record, Hospital) else record.station_id,
            station_id=record.station_id,
            from_state=f"version {version - 1}" if before else "",
            to_state=f"version {version}",
            why=f"changed {' '.join(changed)}" if before else f"registered {' '.join(changed)}",
        )
    ]


def _describe_route(eta_s: int, proven_box: bool) -> str:
    return f"{eta_s} s, proven box" if proven_box else f"{eta_s} s"


def _audit_route(row: asyncpg.Record, author: Context | None) -> Transition | None:
    if author is None:
        return None
    before = row["eta_s_before"]
    return Transition(
        subject_kind="route",
        subject=f"{row['from_id']}>{row['to_id']}",
        station_id=None,
        from_state="" if before is None else _describe_route(before, row["proven_before"]),
        to_state=_describe_route(row["eta_s"], row["proven_box"]),
        why="registered" if before is None else "changed",
    )


async def _record(
    connection: PooledConnection, told: Sequence[Transition], author: Context | None
) -> None:
    if author is not None and told:
        await append_audit(connection, [audit_line(change, author) for change in told])
