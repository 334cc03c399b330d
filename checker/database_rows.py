"""The rows of PostgreSQL that the checks need, as plain values.

Owns the SQL of the checker. Everything is read in one read-only snapshot, so that the tables agree
with each other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

import asyncpg

Json = dict[str, Any]
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    unit_id: str
    donation_id: str
    component: str
    blood_group: str
    volume_ml: int
    collected_at: datetime
    expires_at: datetime
    released_at: datetime | None
    attested_by: str | None
    status: str
    parent_id: str | None
    traits: Json
    station_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    request_id: str
    hospital_id: str
    station_id: str
    priority: str
    needed_by: datetime
    status: str
    waiting_for: str
    version: int
    body: Json
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    request_id: str
    line_no: int
    component: str
    measure: str
    quantity: int
    unconfirmed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    decision_id: str
    request_id: str
    version: int
    outcome: str
    body: Json
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    promise_id: str
    unit_id: str
    component: str
    blood_group: str
    epoch: int
    request_id: str | None
    line_no: int | None
    transfer_id: str | None
    status: str
    held_at: datetime
    hold_until: datetime
    ended_at: datetime | None
    reason: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    transfer_id: str
    status: str
    body: Json
    agreed_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Donor:
    donor_id: str
    body: Json
    last_whole_blood_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOut:
    call_out_id: str
    donor_id: str
    cause_id: str
    status: str
    called_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    unit_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    shortage_id: str
    component: str
    blood_group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    activation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    source: str
    event_id: str
    topic: str
    partition: int
    log_offset: int
    taken_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEvent:
    topic: str
    key: str
    sequence: int | None
    event_id: str
    source: str
    event_type: str
    made_at: datetime
    published_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    topic: str
    partition: int
    log_offset: int
    body: bytes | None
    headers: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """A unit's change of state in the audit; identifiers rise in the order of the unit's lock."""

    audit_id: int
    subject: str
    from_state: str
    to_state: str
    at: datetime
    station_id: str | None = None
    caused_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A count of a station that found a unit which the record had at another station."""

    unit_id: str
    station_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A laboratory result; results that were corrected later are included."""

    result_id: str
    donation_id: str
    test: str
    outcome: str | None
    blood_group: str | None
    supersedes: str | None
    recorded_at: datetime
    performed_at: datetime | None = None
    station_id: str = ""
    method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """A recall; it binds from `recorded_at`, when it became known, not from the time it states."""

    donation_id: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A scan of a unit; numbers rise in the order of the unit's lock."""

    scan_no: int
    unit_id: str
    change: str
    out_of_control_s: int | None
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A bag that a person held back from everybody, until it ended."""

    unit_id: str
    station_id: str
    actor: str
    by: str
    reason: str
    placed_at: datetime
    caused_by: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedCause:
    """A cause for which a person had nobody called any more, until it ended."""

    cause_id: str
    actor: str
    by: str
    reason: str
    stopped_at: datetime
    caused_by: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A row of the audit with all its fields."""

    chain: str
    sequence: int
    audit_id: int
    subject_kind: str
    subject: str
    station_id: str | None
    from_state: str
    to_state: str
    why: str
    actor: str
    caused_by: str
    at: datetime
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    chain: str
    sequence: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """A station or a hospital."""

    facility_id: str
    body: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    key: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """One snapshot of the database."""

    units: list[Unit] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    donors: list[Donor] = field(default_factory=list)
    call_outs: list[CallOut] = field(default_factory=list)
    shortages: list[Shortage] = field(default_factory=list)
    activations: list[Activation] = field(default_factory=list)
    inbox: list[Inbox] = field(default_factory=list)
    outbox: list[OutboxEvent] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    stations: list[Facility] = field(default_factory=list)
    hospitals: list[Facility] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    trail: list[StateChange] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    recalls: list[Recall] = field(default_factory=list)
    scans: list[Scan] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    stops: list[StoppedCause] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    audit_heads: list[AuditHead] = field(default_factory=list)


async def read_rows(dsn: str) -> Rows:
    """Read one snapshot.

    Args:
        dsn: `postgresql://…` of the database that the migrations made.

    Raises:
        asyncpg.PostgresError: A table or a column is not there.
        OSError: The server cannot be reached.
    """
    connection = await asyncpg.connect(dsn)
    try:
        await connection.set_type_codec(
            "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await _read_all(connection)
    finally:
        await connection.close()


async def _read_all(connection: asyncpg.Connection[asyncpg.Record]) -> Rows:
    return Rows(
        units=await _read(connection, Unit, "units"),
        requests=await _read(connection, Request, "requests"),
        lines=await _read(connection, Line, "request_lines"),
        decisions=await _read(connection, Decision, "decisions"),
        promises=await _read(connection, Promise, "promises"),
        transfers=await _read(connection, Transfer, "transfers"),
        donors=await _read(connection, Donor, "donors"),
        call_outs=await _read(connection, CallOut, "call_outs"),
        shortages=await _read(connection, Shortage, "shortages"),
        activations=await _read(connection, Activation, "activations"),
        inbox=await _read(connection, Inbox, "inbox"),
        outbox=await _read(connection, OutboxEvent, "outbox"),
        dead_letters=await _read(connection, DeadLetter, "dead_letters"),
        stations=await _read(connection, Facility, "stations", "station_id"),
        hospitals=await _read(connection, Facility, "hospitals", "hospital_id"),
        keys=await _read(connection, Key, "outbox_keys"),
        trail=await _read(connection, StateChange, "audit WHERE subject_kind = 'unit'"),
        found=await _read(
            connection, Found, "reconciliation_differences WHERE resolution = 'moved_here'"
        ),
        results=await _read(connection, Result, "test_results"),
        recalls=await _read(connection, Recall, "recalls"),
        scans=await _read(connection, Scan, "unit_scans"),
        holds=await _read(connection, Hold, "unit_holds"),
        stops=await _read(connection, StoppedCause, "call_stops"),
        links=await _read(connection, Link, "audit"),
        audit_heads=await _read(connection, AuditHead, "audit_heads"),
    )


async def _read(
    connection: asyncpg.Connection[asyncpg.Record],
    row_class: type[Row],
    table: str,
    facility_id: str = "",
) -> list[Row]:
    """Read the columns of a table that the row class names; domains come as their base type."""
    names = list(row_class.__dataclass_fields__)  # type: ignore[attr-defined]  # rows are dataclasses
    columns = [f"{facility_id} AS {n}" if n == "facility_id" else n for n in names]
    # Names come from this file alone, never from outside.
    sql = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - see above
    return [row_class(**row) for row in await connection.fetch(sql)]
