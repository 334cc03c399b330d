"""The donor register of a station. Personal data: PostgreSQL only, never Kafka, never a log.

Each import leaves an access record per donor in the audit (PIPL art. 28).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from models.donors import Donor
from models.errors import TransientError
from streams.ports import Clock
from streams.ports.work import Timer, TimerKind, Transition
from streams.store.audit import append_audit, audit_line
from streams.store.queries import load_queries

if TYPE_CHECKING:
    import asyncpg

    from streams.store.database import Database

_QUERIES = load_queries("donors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """Two numbers that seem to be one person, one of them in the register that is asked about.

    Attributes:
        donor_id: Of this station.
        other_id: The other number; None where another station has it: whose donor, it alone knows.
        same_contact: The contact is the same.
        same_person: The birth date is, and the name or the contact.
    """

    donor_id: str
    other_id: str | None
    same_contact: bool
    same_person: bool


class PgDonors:
    """Writes donors. Safe for concurrent tasks."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list_foreign(self, donor_ids: Sequence[str], *, station_id: str) -> list[str]:
        """List those that another station has registered."""
        async with self._database.connection() as connection:
            rows = _QUERIES.list_foreign_donors(
                connection, donor_ids=list(donor_ids), station_id=station_id
            )
            return [row["donor_id"] async for row in rows]

    async def list_twins(self, donor_ids: Sequence[str], *, station_id: str) -> list[Twin]:
        """List where these donors of a station seem to stand in the registers twice."""
        async with self._database.connection() as connection:
            rows = _QUERIES.list_twins(connection, donor_ids=list(donor_ids), station_id=station_id)
            return [
                Twin(
                    donor_id=row["donor_id"],
                    other_id=row["other_id"],
                    same_contact=row["same_contact"],
                    same_person=row["same_person"],
                )
                async for row in rows
            ]

    async def put(self, donors: Sequence[Donor], *, station_id: str, by: str, actor: str) -> None:
        """Add or replace donors of one station, all or none, and set the timer that looks again.

        Live calls, open causes and bags that wait rest on the register; the engine is told by a
        timer of this transaction, since no donor data travels on Kafka.

        Args:
            donors: Each once; of this station.
            station_id: Whose register it is.
            by: Identifier of the key that imports them, for the access record.
            actor: Who holds that key, such as `station/nagqu`.

        Raises:
            TransientError: Another station registered one of them meanwhile; nothing was written.
        """
        payload = [
            {
                "donor_id": donor.donor_id,
                "blood_group": donor.group,
                "last_whole_blood_on": donor.last_whole_blood_on,
                "body": orjson.Fragment(donor.model_dump_json(exclude_none=True)),
            }
            for donor in donors
        ]
        async with self._database.transaction() as connection:
            found = _QUERIES.put_donors(connection, payload=payload, station_id=station_id)
            rows = [row async for row in found]
            if len(rows) != len(donors):
                raise TransientError("postgres_contended", detail="donor")
            now = self._clock.now()
            told = [_tell(row, station_id=station_id, by=by, at=now) for row in rows]
            await append_audit(connection, [audit_line(one, actor=actor) for one in told])
            if not any(row["is_new"] or row["changed"] for row in rows):
                return
            timer = Timer(kind=TimerKind.DONORS_CHANGED, subject=station_id, due_at=now)
            await _QUERIES.set_timer(
                connection,
                timer_id=timer.timer_id,
                kind=timer.kind,
                subject=timer.subject,
                due_at=timer.due_at,
            )


def _tell(row: asyncpg.Record, *, station_id: str, by: str, at: datetime) -> Transition:
    """Record which fields an import changed: names of fields, never what stands in them."""
    changed = f"changed {','.join(row['changed'])}" if row["changed"] else "unchanged"
    return Transition(
        subject_kind="donor",
        subject=row["donor_id"],
        station_id=station_id,
        from_state="" if row["is_new"] else "registered",
        to_state="registered" if row["is_new"] else changed,
        why="import",
        caused_by=by,
        at=at,
    )
