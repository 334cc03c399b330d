"""Decodes a Kafka record into an event, or keeps the record whole with the reason why it cannot.

Owns the reading of records. It never raises on its input: a record that cannot be understood
becomes an `Unreadable` value. It is pure and synchronous, and makes its cheap checks first because
it is on the urgent path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Protocol

from models.envelope import Envelope
from models.errors import ContractError
from models.events import decode_event
from models.topics import BY_NAME, MAX_MESSAGE_BYTES
from streams.ports import Received, Unreadable

_BORN_OF_INPUT = (ValueError, TypeError, ArithmeticError, LookupError, RecursionError)
"""Errors that a validator may raise on input that nobody foresaw. Decoding is pure, so the input is
the cause; a crash would only meet the same record again after every restart."""

_HEADERS_MAX = 64
"""A record with more headers is no event of ours; reading it could hold up its partition."""

_TYPES: Mapping[str, frozenset[str]] = {
    name.value: frozenset(topic.event_types) for name, topic in BY_NAME.items()
}


class RawRecord(Protocol):
    """What aiokafka's ConsumerRecord and Faust's Message have in common."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


HeaderPairs = Iterable[tuple[str, bytes]]


def read_record(record: RawRecord, *, headers: HeaderPairs) -> Received | Unreadable:
    """Read one record of one of our topics.

    Args:
        record: As the client gave it; key and value undecoded.
        headers: Its headers as pairs, in the order of the log; names may repeat.

    Returns:
        `Received`, or `Unreadable` with a ContractError whose code says why: `record_too_large`,
        `headers_too_many`, `topic_unknown`, `type_not_of_topic`, and those of
        `Envelope.from_record` and `decode_event`; `decoding_failed` where a validator raised
        another error.
    """
    pairs = tuple((name, raw or b"") for name, raw in headers)  # the protocol allows a null
    try:
        return _read(record, pairs)
    except ContractError as error:
        reason = error
    except _BORN_OF_INPUT as error:
        reason = ContractError("decoding_failed", cause=type(error).__name__)
        reason.__cause__ = error
    return Unreadable(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=pairs,
        error=reason,
    )


def _read(record: RawRecord, headers: tuple[tuple[str, bytes], ...]) -> Received:
    size = count_bytes(key=record.key, value=record.value, headers=headers)
    if size > MAX_MESSAGE_BYTES:
        raise ContractError("record_too_large", found=size, limit=MAX_MESSAGE_BYTES)
    if len(headers) > _HEADERS_MAX:
        raise ContractError("headers_too_many", found=len(headers), limit=_HEADERS_MAX)
    envelope = Envelope.from_record(key=record.key, value=record.value, headers=headers)
    event = decode_event(envelope.type, envelope.data)
    _check_belongs(topic=record.topic, event_type=event.TYPE)
    return Received(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        envelope=envelope,
        event=event,
        digest=sha256(envelope.data).hexdigest(),
    )


def _check_belongs(*, topic: str, event_type: str) -> None:
    """Raise ContractError if a topic does not carry a wire type (its newest version)."""
    allowed = _TYPES.get(topic)
    if allowed is None:
        raise ContractError("topic_unknown", topic=topic[:120])
    if event_type not in allowed:
        raise ContractError("type_not_of_topic", found=event_type, topic=topic)


def count_bytes(*, key: bytes | None, value: bytes | None, headers: HeaderPairs) -> int:
    """Return the bytes of a record as our size limit counts them: body, key and headers."""
    size = len(key or b"") + len(value or b"")
    return size + sum(len(name) + len(raw) for name, raw in headers)
