"""The donor register of a station. Personal data: PostgreSQL only, never Kafka, never a log.

Each import leaves an access record per donor in the audit (PIPL art. 28).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from models.base import change
from models.donors import Donor
from models.errors import DomainRefusal, TransientError
from streams.ports import Clock, Context, Timer, TimerKind, Transition
from streams.store.audit import append_audit, audit_line
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    import asyncpg

    from streams.store.database import Database, PooledConnection

_QUERIES = load_queries("donors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """Two numbers that seem to be one person, one of them in the register that is asked about.

    Attributes:
        donor_id: Of this station.
        other_id: The other number; None where another station has it: whose donor, it alone knows.
        same_contact: The contact is the same.
        same_person: The birth date is, and the name or the contact.
        same_number: The numbers differ in zeros at the beginning alone.
    """

    donor_id: str
    other_id: str | None
    same_contact: bool
    same_person: bool
    same_number: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredDonor:
    """A donor as registered.

    Attributes:
        version: Of the record; a change says which one it was made from.
        called: How often they were called; `accepted`, how often they said yes.
    """

    donor: Donor
    version: str
    called: int = 0
    accepted: int = 0


class PgDonors:
    """Reads and writes donors. Safe for concurrent tasks."""

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
                    same_number=row["same_number"],
                )
                async for row in rows
            ]

    async def list_registered(
        self,
        *,
        station_id: str,
        donor_id: str | None = None,
        after: str | None = None,
        limit: int = 1,
        by: str,
        actor: str,
    ) -> list[RegisteredDonor]:
        """List donors of a station in the order of their numbers, with an access record of each.

        Args:
            station_id: Whose register it is.
            donor_id: This one alone.
            after: Those behind this number.
            limit: At most so many.
            by: Identifier of the key that reads them.
            actor: Who holds that key.
        """
        async with self._database.transaction() as connection:
            rows = _QUERIES.list_registered_donors(
                connection, station_id=station_id, donor_id=donor_id, after=after, limit=limit
            )
            found = [
                RegisteredDonor(
                    donor=Donor.model_validate(row["body"]),
                    version=row["version"],
                    called=row["called"],
                    accepted=row["accepted"],
                )
                async for row in rows
            ]
            now = self._clock.now()
            reads = [
                audit_donor_read(record.donor.donor_id, station_id=station_id) for record in found
            ]
            context = Context(now=now, cause=by, actor=actor)
            await append_audit(connection, [audit_line(read, context) for read in reads])
        return found

    async def put(
        self,
        donors: Sequence[Donor],
        *,
        station_id: str,
        by: str,
        actor: str,
        based_on: str | None = None,
    ) -> None:
        """Add or change donors of one station, all or none, and set the timer that looks again.

        What a donor leaves out stays as it was, and a donation that we know of is not forgotten.

        Live calls, open causes and bags that wait rest on the register; the engine is told by a
        timer of this transaction, since no donor data travels on Kafka.

        Args:
            donors: Each once; of this station. The fields that were set when it was made count.
            station_id: Whose register it is.
            by: Identifier of the key that imports them, for the access record.
            actor: Who holds that key, such as `station/nagqu`.
            based_on: The version that the change was made from, of one donor; empty for a new one.

        Raises:
            DomainRefusal: `record_changed`: somebody else changed it meanwhile.
            TransientError: Another station registered one of them meanwhile; nothing was written.
        """
        now = self._clock.now()
        async with self._database.transaction() as connection:
            if _changes_anything(donors, await _read(connection, donors, station_id)):
                # Before any donor or head of the audit is locked: who fires it locks it first, too.
                timer = Timer(kind=TimerKind.DONORS_CHANGED, subject=station_id, due_at=now)
                await _QUERIES.set_timer(
                    connection,
                    timer_id=timer.timer_id,
                    kind=timer.kind,
                    subject=timer.subject,
                    due_at=timer.due_at,
                )
            known = await _read(connection, donors, station_id, lock=True)
            if based_on is not None:
                _ensure_based_on(based_on, donors, known)
            payload = [
                _to_payload(
                    _change(known[donor.donor_id].donor, donor)
                    if donor.donor_id in known
                    else donor
                )
                for donor in donors
            ]
            found = _QUERIES.put_donors(connection, payload=payload, station_id=station_id)
            rows = [row async for row in found]
            if len(rows) != len(donors):
                raise TransientError("postgres_contended", detail="donor")
            told = [_audit(row, station_id=station_id) for row in rows]
            context = Context(now=now, cause=by, actor=actor)
            await append_audit(connection, [audit_line(change, context) for change in told])


async def _read(
    connection: PooledConnection, donors: Sequence[Donor], station_id: str, *, lock: bool = False
) -> Mapping[str, RegisteredDonor]:
    query = _QUERIES.lock_donors if lock else _QUERIES.read_donors
    rows = query(connection, donor_ids=[donor.donor_id for donor in donors], station_id=station_id)
    return {
        row["donor_id"]: RegisteredDonor(
            donor=Donor.model_validate(row["body"]), version=row["version"]
        )
        async for row in rows
    }


def _changes_anything(donors: Sequence[Donor], known: Mapping[str, RegisteredDonor]) -> bool:
    return any(
        donor.donor_id not in known
        or _change(known[donor.donor_id].donor, donor) != known[donor.donor_id].donor
        for donor in donors
    )


def _ensure_based_on(
    based_on: str, donors: Sequence[Donor], known: Mapping[str, RegisteredDonor]
) -> None:
    for donor in donors:
        current = known.get(donor.donor_id)
        if based_on != (current.version if current else ""):
            raise DomainRefusal("record_changed", facility_id=donor.donor_id)


def _change(known: Donor, given: Donor) -> Donor:
    changed = change(known, given)
    given_on = [day for day in (known.last_platelets_on, given.last_platelets_on) if day]
    return changed.but(last_platelets_on=max(given_on, default=None))


def _to_payload(donor: Donor) -> dict[str, object]:
    return {
        "donor_id": donor.donor_id,
        "blood_group": donor.group,
        "last_whole_blood_on": donor.last_whole_blood_on,
        "body": orjson.Fragment(donor.model_dump_json(exclude_none=True)),
    }


def audit_donor_read(donor_id: str, *, station_id: str) -> Transition:
    """Record who read whose contact, as the law on personal information asks."""
    return Transition(
        subject_kind="donor",
        subject=donor_id,
        station_id=station_id,
        from_state="",
        to_state="",
        why="contact_read",
    )


def _audit(row: asyncpg.Record, *, station_id: str) -> Transition:
    """Record which fields an import changed: names of fields, never what stands in them."""
    changed = f"changed {','.join(row['changed'])}" if row["changed"] else "unchanged"
    return Transition(
        subject_kind="donor",
        subject=row["donor_id"],
        station_id=station_id,
        from_state="" if row["is_new"] else "registered",
        to_state="registered" if row["is_new"] else changed,
        why="import",
    )
