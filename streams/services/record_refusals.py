"""Describe a refused record as an event: who receives it, and what they may read. Pure.

The record may hold personal data in any field, so nothing of its content is repeated: only its
headers' identifiers and those parameters of the reason that name a field, a rule or a thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson
from pydantic import TypeAdapter, ValidationError

from models.base import Identifier, Instant
from models.decisions import Reason
from models.errors import XuelianError
from models.events.refusals import RecordRefused
from models.requests import Priority
from models.topics import BY_NAME, TopicName
from streams.ports import Context, Outgoing, Received, Record

_TOLD = frozenset(
    {
        *("field", "rule", "errors", "limit", "expected", "status", "type", "known"),
        *("hospital_id", "station_id", "supplied_by", "request_id", "unit_id", "donation_id"),
        *("call_out_id", "shortage_id", "count_id", "alert_id", "event_id", "event_key"),
        *("component", "line_no", "hours", "codes", "reasons", "id", "source", "key", "needed"),
        *("why", "change", "actor", "allowed", "answer", "resolution", "held_by", "topic", "pack"),
        *("collected_at", "called_at", "released_at", "offer_id", "recall_id", "result_id"),
        *("supersedes", "cause"),
    }
)
"""Parameters of a reason that hold no text of the sender."""

_LONGEST = 600
_STATION = TypeAdapter[str](Identifier)
_INSTANT = TypeAdapter[datetime](Instant)


def describe_refusal(
    record: Record, error: XuelianError, *, reader: str, context: Context
) -> Outgoing:
    """Describe a record that was set aside; the cause is its dead letter."""
    headers = _headers_of(record)
    station_id = _find_station(record)
    hospital_id = headers.get("ce_source", "").partition("hospital/")[2]
    event = RecordRefused(
        dead_letter_id=context.cause,
        topic=TopicName(record.topic),
        reader=reader,
        station_id=station_id,
        event_type=headers.get("ce_type"),
        event_id=headers.get("ce_id"),
        source=headers.get("ce_source"),
        about=headers.get("ce_subject"),
        is_life_threatening=says_life_threatening(record),
        reason=Reason(
            code=error.code,
            params=withhold_content(error.params),
        ),
        refused_at=_INSTANT.validate_python(context.now),
    )
    return Outgoing(
        event=event,
        context=context,
        station_id=station_id,
        hospital_id=hospital_id if _is_identifier(hospital_id) else None,
    )


def withhold_content(params: Mapping[str, str | float]) -> dict[str, str | float]:
    """Return the parameters of a reason that hold no text of the sender, each cut to a length.

    A number holds no such text: it is a limit, or by how much a limit was missed.
    """
    return {
        name: value[:_LONGEST] if isinstance(value, str) else value
        for name, value in params.items()
        if name in _TOLD or not isinstance(value, str)
    }


def says_life_threatening(record: Record) -> bool:
    """Return whether a request that was not accepted calls itself life-threatening.

    The priority is read from any JSON, valid or not, at the top level or within `request`.
    """
    if record.topic != TopicName.REQUESTS:
        return False
    body = record.envelope.data if isinstance(record, Received) else record.value
    if not body:
        return False
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        # This is not JSON: the word alone is enough to wake somebody.
        return Priority.LIFE_THREATENING.encode() in body
    request = content.get("request", content) if isinstance(content, Mapping) else {}
    return isinstance(request, Mapping) and request.get("priority") == Priority.LIFE_THREATENING


def _find_station(record: Record) -> str | None:
    """Return the station of a record's key, on topics whose key is a station."""
    if "station" not in BY_NAME[TopicName(record.topic)].key:
        return None
    if isinstance(record, Received):
        key = record.envelope.key
    else:
        key = (record.key or b"").decode("utf-8", errors="replace")
    return key if _is_identifier(key) else None


def _is_identifier(text: str) -> bool:
    try:
        _STATION.validate_python(text)
    except ValidationError:
        return False
    return True


def _headers_of(record: Record) -> dict[str, str]:
    """Return the readable headers, each cut to what the event takes."""
    pairs: Sequence[tuple[str, bytes]]
    pairs = record.envelope.to_headers() if isinstance(record, Received) else record.headers
    texts = {name: raw.decode("utf-8", errors="replace")[:200] for name, raw in pairs if raw}
    return {name: text for name, text in texts.items() if "\x00" not in text}
