"""A small world, consistent in the sent log, on Kafka and in PostgreSQL, to plant faults in.

It is written the way the engine writes, with the engine's own event classes, so that a checker that
misread the wire or the schema would call this world broken. Faults are planted by changing it
before it is written: `rows`, `records` and `sent` are plain lists.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from models.audit import GENESIS, SYSTEM_CHAIN, AuditRow, hash_row
from models.envelope import Envelope
from models.events.audit import AuditSealed
from models.events.base import EventData
from models.rules.rulebook import PACKAGED
from models.topics import find_topic_of
from streams.store.schema.repeatable import apply_repeatable

AT = datetime(2025, 1, 7, 1, 5, 16, tzinfo=UTC)
SOURCE = "xuelian"
MIGRATIONS = Path(__file__).parents[2] / "streams" / "store" / "schema" / "migrations"

# In the order in which foreign keys allow rows to be written.
TABLES = (
    "stations", "hospitals", "units", "requests", "request_lines", "decisions", "shortages",
    "activations", "offers",
    "transfers", "promises", "donors", "call_outs", "inbox", "outbox_keys", "outbox",
    "dead_letters", "audit", "audit_heads", "test_results", "recalls", "unit_scans",
    "unit_holds", "call_stops",
    "reconciliations", "reconciliation_differences",
)  # fmt: skip


def minutes(count: float) -> datetime:
    """The instant so many minutes after the earthquake."""
    return AT + timedelta(minutes=count)


@dataclass(slots=True, kw_only=True)
class Placed:
    """A record as it is to be sent: all into partition 0, so that its offset is known before."""

    topic: str
    key: str
    value: bytes
    headers: dict[str, str]


@dataclass(kw_only=True)
class Seed:
    """A world that is not written yet.

    Attributes:
        records: In the order in which they are published.
        drops: Statements that take a guard out of the schema before the rows are written.
    """

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    records: list[Placed] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    drops: list[str] = field(default_factory=list)

    def row(self, table: str, **wanted: object) -> dict[str, Any]:
        """Return the one row of a table that has these values."""
        (found,) = [
            row
            for row in self.rows[table]
            if all(row.get(name) == value for name, value in wanted.items())
        ]
        return found

    def next_offset(self, topic: str) -> int:
        return sum(1 for record in self.records if record.topic == topic)

    def take_in(
        self, event: EventData, *, event_id: str, source: str, at: datetime, logged: bool = True
    ) -> None:
        """An inbound event that was sent, accepted, and taken in by its reader."""
        topic = find_topic_of(event.TYPE)
        assert topic is not None
        self.rows["inbox"].append(
            {
                "source": source,
                "event_id": event_id,
                "reader": topic.readers[0],
                "digest": hashlib.sha256(event.to_body()).hexdigest(),
                "topic": topic.name,
                "partition": 0,
                "log_offset": self.next_offset(topic.name),
                "taken_at": at,
            }
        )
        self.place(_envelope(event, event_id=event_id, source=source, at=at))
        if logged:
            self.log_sent(event, event_id=event_id, source=source, at=at)

    def log_sent(
        self,
        event: EventData,
        *,
        event_id: str,
        source: str,
        at: datetime,
        accepted: bool | None = True,
    ) -> None:
        self.sent.append(
            {
                "event_id": event_id,
                "source": source,
                "type": event.TYPE,
                "key": event.key,
                "subject": event.subject,
                "sent_at": at.isoformat(),
                "accepted": accepted,
                "body": json.loads(event.to_body()),
            }
        )

    def emit(self, event: EventData, *, at: datetime) -> Placed:
        """One of our own events, committed and published."""
        keys = self.rows["outbox_keys"]
        counter = next((row for row in keys if row["key"] == event.key), None)
        if counter is None:
            counter = {"key": event.key, "sequence": 0}
            keys.append(counter)
        counter["sequence"] += 1
        sequence = counter["sequence"]
        envelope = _envelope(
            event, event_id=f"{event.key}/{sequence}", source=SOURCE, at=at, sequence=sequence
        )
        return self.publish(envelope)

    def publish(self, envelope: Envelope, *, topic: str | None = None) -> Placed:
        registered = find_topic_of(envelope.type)
        name = topic or (registered.name if registered else "")
        self.rows["outbox"].append(
            {
                "shard": 0,
                "topic": name,
                "key": envelope.key,
                "sequence": envelope.sequence,
                "event_id": envelope.id,
                "event_type": envelope.type,
                "source": envelope.source,
                "subject": envelope.subject,
                "body": envelope.data,
                "made_at": envelope.time,
                "published_at": envelope.time,
            }
        )
        return self.place(envelope, topic=name)

    def place(self, envelope: Envelope, *, topic: str | None = None) -> Placed:
        registered = find_topic_of(envelope.type)
        placed = Placed(
            topic=topic or (registered.name if registered else ""),
            key=envelope.key,
            value=envelope.data,
            headers={name: value.decode() for name, value in envelope.to_headers()},
        )
        self.records.append(placed)
        return placed

    def link(self, **fields: Any) -> None:  # noqa: ANN401 - columns of the audit
        """Add a row to the audit, linked to the one before it in its chain."""
        chain = fields["station_id"] or SYSTEM_CHAIN
        rows = self.rows["audit"]
        before = next((row for row in reversed(rows) if row["chain"] == chain), None)
        rows.append(
            {
                "chain": chain,
                "sequence": before["sequence"] + 1 if before else 1,
                "audit_id": len(rows) + 1,
                **fields,
            }
        )
        self.relink(chain)

    def relink(self, chain: str) -> None:
        """Make every hash of a chain again, and its head, as whoever hides a change would."""
        before = GENESIS
        heads = self.rows["audit_heads"]
        heads[:] = [head for head in heads if head["chain"] != chain]
        last = 0
        for row in self.rows["audit"]:
            if row["chain"] == chain:
                linked = AuditRow(**{**row, "previous_hash": before, "hash": b""})
                row |= {"previous_hash": before, "hash": hash_row(linked)}
                before, last = row["hash"], row["sequence"]
        heads.append({"chain": chain, "sequence": last, "hash": before})

    def unlink(self, **wanted: object) -> None:
        """Let an audit row never have been written: chain, head and seal as they would be then."""
        row = self.row("audit", **wanted)
        self.rows["audit"].remove(row)
        same = [other for other in self.rows["audit"] if other["chain"] == row["chain"]]
        for sequence, left in enumerate(same, start=1):
            left["sequence"] = sequence
        self.relink(row["chain"])
        head = self.row("audit_heads", chain=row["chain"])
        for sealed in self._list_seals(row["chain"]):
            body = json.loads(sealed["body"])
            body |= {"sequence": head["sequence"], "hash": head["hash"].hex()}
            told = json.dumps(body).encode()
            (record,) = [sent for sent in self.records if sent.value == sealed["body"]]
            self.records[self.records.index(record)] = replace(record, value=told)
            sealed["body"] = told

    def _list_seals(self, chain: str) -> list[dict[str, Any]]:
        wanted = (AuditSealed.TYPE, chain)
        return [
            event for event in self.rows["outbox"] if (event["event_type"], event["key"]) == wanted
        ]

    def seal(self, chain: str, *, at: datetime) -> None:
        """Publish how a chain stands."""
        head = self.row("audit_heads", chain=chain)
        sealed = AuditSealed(
            chain=chain, sequence=head["sequence"], hash=head["hash"].hex(), sealed_at=at
        )
        self.emit(sealed, at=at)

    def write_sent(self, path: Path) -> Path:
        lines = (json.dumps(line, ensure_ascii=False) for line in self.sent)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def _envelope(
    event: EventData, *, event_id: str, source: str, at: datetime, sequence: int | None = None
) -> Envelope:
    return Envelope(
        id=event_id,
        type=event.TYPE,
        source=source,
        subject=event.subject,
        time=at,
        key=event.key,
        data=event.to_body(),
        sequence=sequence,
    )


def read_schema() -> str:
    """Return the statements of every migration, in order, without their way back."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(MIGRATIONS.glob("*.sql"))]
    return "\n".join(
        text.split("-- migrate:up", 1)[1].split("-- migrate:down", 1)[0] for text in texts
    )


async def create_tables(dsn: str, schema: str) -> None:
    """Make a schema and every table in it; the address must have it as its search path."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"CREATE SCHEMA {schema};" + read_schema())
    finally:
        await connection.close()
    await apply_repeatable(dsn, PACKAGED)


async def write_rows(dsn: str, seed: Seed) -> None:
    """Write the rows into a database that has the schema."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.set_type_codec(
            "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )
        async with connection.transaction():
            # Rows are written as history left them, not step by step as they came to be.
            await connection.execute("ALTER TABLE units DISABLE TRIGGER units_life_insert")
            for statement in seed.drops:
                await connection.execute(statement)
            for table in TABLES:
                for row in seed.rows[table]:
                    await _insert(connection, table, row)
    finally:
        await connection.close()


async def _insert(
    connection: asyncpg.Connection[asyncpg.Record], table: str, row: dict[str, Any]
) -> None:
    columns = ", ".join(row)
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    # Names come from this file and the tests alone.
    sql = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - see above
    await connection.execute(sql, *row.values())


async def write_records(bootstrap: str, seed: Seed) -> None:
    """Replace every `blood.*` topic of a broker by the seed's records; the broker must be ours."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        old = [name for name in await admin.list_topics() if name.startswith("blood.")]
        if old:
            await admin.delete_topics(old)
        names = sorted({record.topic for record in seed.records})
        response = await admin.create_topics(
            [NewTopic(name=name, num_partitions=1, replication_factor=1) for name in names]
        )
        assert all(error[1] == 0 for error in response.topic_errors), response
    finally:
        await admin.close()
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True
    ) as producer:
        for record in seed.records:
            await producer.send(
                record.topic,
                value=record.value,
                key=record.key.encode(),
                headers=[(name, value.encode()) for name, value in record.headers.items()],
                partition=0,
            )
        await producer.flush()
