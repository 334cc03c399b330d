"""Inbox, quarantine and timers."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from models.base import derive_id
from models.errors import TransientError, XuelianError
from models.topics import BY_NAME, AppName, TopicName
from streams.ports import SHARDS, Claim, Context, Outgoing, Received, Record, Timer, TimerKind
from streams.services.record_refusals import describe_refusal, says_life_threatening
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Connection

QUARANTINED_TYPE = "blood.record.quarantined.v1"
SOURCE = "xuelian"
PUBLISHED_BODY_BYTES = 300_000
"""A longer body is kept in PostgreSQL only: base64 of it would not fit into a Kafka record."""

_QUERIES = load_queries("inbox")


def shard_of(key: str) -> int:
    """Return the outbox shard of a key; the same in every process."""
    return zlib.crc32(key.encode()) % SHARDS


class PgInbox:
    """Inbox and dead letters of one transaction.

    Args:
        connection: Inside a transaction.
        shards: Collects the shards that a dead letter fills.
        emit: Takes the event that tells of a dead letter.
        context: Returns the context of the work.
    """

    def __init__(
        self,
        connection: Connection,
        shards: set[int],
        emit: Callable[[Outgoing], None],
        context: Callable[[], Context],
    ) -> None:
        self._connection = connection
        self._shards = shards
        self._emit = emit
        self._context = context

    async def claim(
        self, records: Sequence[Received], *, reader: str, now: datetime
    ) -> Sequence[Claim]:
        rows = [
            row
            async for row in _QUERIES.claim_inbox(
                self._connection,
                sources=[record.envelope.source for record in records],
                event_ids=[record.envelope.id for record in records],
                digests=[record.digest for record in records],
                topics=[record.topic for record in records],
                partitions=[record.partition for record in records],
                offsets=[record.offset for record in records],
                reader=reader,
                now=now,
            )
        ]
        seen: set[tuple[str, str]] = set()
        claims = []
        for record, row in zip(records, rows, strict=True):
            identity = (record.envelope.source, record.envelope.id)
            digest = row["taken_digest"] or row["known_digest"]
            if digest is None:
                raise TransientError("postgres_contended", detail="inbox")
            if digest != record.digest:
                claims.append(Claim.REUSED)
            elif row["taken_digest"] is None or identity in seen:
                claims.append(Claim.REPEATED)
            else:
                claims.append(Claim.FRESH)
            seen.add(identity)
        return claims

    async def trim(self, *, taken_before: datetime, published_before: datetime) -> None:
        await _QUERIES.trim_inbox(self._connection, taken_before=taken_before)
        await _QUERIES.trim_outbox(self._connection, published_before=published_before)

    async def quarantine(self, record: Record, error: XuelianError, *, reader: str) -> None:
        now = self._context().now
        key, body, pairs = _split_raw(record)
        headers = [[_storable(name), _as_text(value)] for name, value in pairs]
        params = {
            name: _storable(value) if isinstance(value, str) else value
            for name, value in error.params.items()
        }
        dead_letter_id = derive_id(
            "dead-letter", reader, record.topic, record.partition, record.offset
        )
        status = await _QUERIES.add_dead_letter(
            self._connection,
            dead_letter_id=dead_letter_id,
            topic=record.topic,
            partition=record.partition,
            log_offset=record.offset,
            reader=reader,
            key=key,
            body=body,
            headers=headers,
            code=error.code,
            params=params,
            is_life_threatening=says_life_threatening(record),
            now=now,
        )
        if not _is_written(status):
            return
        self._emit(
            describe_refusal(
                record,
                error,
                reader=reader,
                context=replace(Context.of_record(record, now=now), cause=dead_letter_id),
            )
        )
        told = {
            "dead_letter_id": dead_letter_id,
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "reader": reader,
            "code": error.code,
            "params": params,
            "key": _as_text(key or b""),
            "headers": headers,
            "body_base64": None
            if body is None or len(body) > PUBLISHED_BODY_BYTES
            else base64.b64encode(body).decode(),
        }
        shard = shard_of(dead_letter_id)
        await _QUERIES.append_dead_letter_event(
            self._connection,
            shard=shard,
            topic=BY_NAME[TopicName(record.topic)].dead_letter(AppName(reader)),
            key=dead_letter_id,
            event_id=derive_id(dead_letter_id, "quarantined"),
            event_type=QUARANTINED_TYPE,
            source=SOURCE,
            subject=dead_letter_id,
            body=orjson.dumps(told),
            now=now,
        )
        self._shards.add(shard)


class PgTimers:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def claim_due(
        self, now: datetime, *, besides: Collection[str] = (), only: str | None = None
    ) -> Timer | None:
        found = _QUERIES.claim_due_timer(
            self._connection, now=now, besides=list(besides), only=only
        )
        rows = [row async for row in found]
        if not rows:
            return None
        (row,) = rows
        return Timer(kind=TimerKind(row["kind"]), subject=row["subject"], due_at=row["due_at"])

    async def find_next_due_at(self) -> datetime | None:
        found: datetime | None = await _QUERIES.find_next_due_at(self._connection)
        return found

    async def drop_due(self, kind: TimerKind, station_id: str, *, now: datetime) -> None:
        await _QUERIES.drop_due_timers(self._connection, kind=kind, station_id=station_id, now=now)

    async def put_off(self, timer: Timer, *, until: datetime) -> None:
        await _QUERIES.put_off_timer(self._connection, timer_id=timer.timer_id, until=until)

    async def drop(self, kind: TimerKind, subject: str) -> None:
        await _QUERIES.drop_timer(self._connection, timer_id=f"{kind}:{subject}")


def _split_raw(
    record: Record,
) -> tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]:
    if isinstance(record, Received):
        return record.envelope.key.encode(), record.envelope.data, record.envelope.to_headers()
    return record.key, record.value, record.headers


def _as_text(raw: bytes) -> str:
    """Latin-1 gives every byte one character, so that a replay restores the same bytes.

    PostgreSQL takes no NUL in jsonb, so it travels escaped, and the escape character doubled.
    """
    return _storable(raw.decode("latin-1"))


def _storable(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\x00", "\\0")


def _is_written(status: str | int | None) -> bool:
    return str(status).rsplit(" ", 1)[-1] not in {"0", "None"}
