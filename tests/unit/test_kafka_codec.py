"""Records as they come: understood, or kept whole with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.events.donors import CallOutAnswered
from models.topics import MAX_MESSAGE_BYTES
from streams.kafka.codec import count_bytes, read_record
from streams.ports import Received, Unreadable
from tests.support.kafka import answer_body, make_envelope

ANSWERS = "blood.answers.v1"


@dataclass
class RawFake:
    """A record as a Kafka client gives it."""

    value: bytes | None
    key: bytes | None = b"nagqu"
    topic: str = ANSWERS
    partition: int = 3
    offset: int = 41


HEADERS = tuple(make_envelope().to_headers())


def refused(record: RawFake, headers: tuple[tuple[str, bytes], ...] = HEADERS) -> str:
    read = read_record(record, headers=headers)
    assert isinstance(read, Unreadable), read
    # Kept whole: the dead letter replays exactly what came.
    assert (read.topic, read.partition, read.offset) == (record.topic, 3, 41)
    assert (read.key, read.value, read.headers) == (record.key, record.value, headers)
    return read.error.code


def changed(**values: bytes | None) -> tuple[tuple[str, bytes], ...]:
    kept = {**dict(HEADERS), **values}
    return tuple((name, raw) for name, raw in kept.items() if raw is not None)


def test_a_record_is_read_with_the_digest_of_its_body() -> None:
    body = answer_body(7)
    read = read_record(RawFake(value=body), headers=HEADERS)
    assert isinstance(read, Received)
    assert read.event.TYPE == "blood.callout.answered.v1"
    assert read.event.to_body() == CallOutAnswered.model_validate_json(body).to_body()
    assert read.event.key == "nagqu"
    assert read.envelope.id == "event-1"
    assert read.digest == sha256(body).hexdigest()
    assert (read.topic, read.partition, read.offset) == (ANSWERS, 3, 41)


@pytest.mark.parametrize(
    ("record", "headers", "code"),
    [
        (RawFake(value=None), HEADERS, "record_body_missing"),
        (RawFake(value=answer_body(), key=None), HEADERS, "record_key_missing"),
        (RawFake(value=answer_body(), key=b"\xff\xfe"), HEADERS, "record_key_not_text"),
        (RawFake(value=answer_body()), (), "specversion_unknown"),
        (RawFake(value=answer_body()), changed(ce_type=None), "header_invalid"),
        (RawFake(value=answer_body()), changed(ce_id=b""), "header_invalid"),
        (RawFake(value=answer_body()), changed(ce_time=b"2025-01-07T01:05:16"), "header_invalid"),
        (RawFake(value=answer_body()), changed(ce_id=b"\xff"), "header_not_text"),
        (RawFake(value=answer_body()), HEADERS + HEADERS, "header_repeated"),
        (RawFake(value=answer_body()), changed(ce_type=b"blood.answer.v1"), "event_type_unknown"),
        (
            RawFake(value=answer_body()),
            changed(ce_type=b"blood.callout.answered.v9"),
            "event_version_unknown",
        ),
        (RawFake(value=b'{"call_out_id":'), HEADERS, "body_not_json"),
        (RawFake(value=b"\x00\xff"), HEADERS, "body_not_utf8"),
        (RawFake(value=b"[" * 5000 + b"]" * 5000), HEADERS, "body_not_json"),
        (RawFake(value=b"{}"), HEADERS, "body_invalid"),
        (RawFake(value=b"null"), HEADERS, "body_invalid"),
        (RawFake(value=answer_body(), topic="blood.stock.v1"), HEADERS, "type_not_of_topic"),
        (RawFake(value=answer_body(), topic="somewhere"), HEADERS, "topic_unknown"),
        (RawFake(value=b"x" * (MAX_MESSAGE_BYTES + 1)), HEADERS, "record_too_large"),
        (
            RawFake(value=answer_body()),
            HEADERS + tuple((f"x-{number}", b"") for number in range(64)),
            "headers_too_many",
        ),
    ],
)
def test_what_is_not_understood_says_why(
    record: RawFake, headers: tuple[tuple[str, bytes], ...], code: str
) -> None:
    assert refused(record, headers) == code


def test_the_size_counts_body_key_and_headers() -> None:
    assert count_bytes(key=b"abc", value=b"12345", headers=[("n", b"vv")]) == 3 + 5 + 3
    filler = MAX_MESSAGE_BYTES - count_bytes(key=b"nagqu", value=b"", headers=HEADERS)
    assert refused(RawFake(value=b"x" * filler)) == "body_not_json"
    assert refused(RawFake(value=b"x" * (filler + 1))) == "record_too_large"


def test_a_null_header_value_is_read_as_empty() -> None:
    read = read_record(RawFake(value=answer_body()), headers=[*HEADERS, ("x-null", None)])  # type: ignore[list-item] # the protocol allows it
    assert isinstance(read, Received)


@given(
    key=st.none() | st.binary(max_size=40),
    value=st.none() | st.binary(max_size=200) | st.just(answer_body()),
    headers=st.lists(
        st.tuples(
            st.sampled_from([name for name, _ in HEADERS]) | st.text(max_size=20),
            st.binary(max_size=40) | st.sampled_from([raw for _, raw in HEADERS]),
        ),
        max_size=16,
    ),
    topic=st.sampled_from([ANSWERS, "blood.requests.v1", "other"]),
)
def test_nothing_a_stranger_sends_raises(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]], topic: str
) -> None:
    read = read_record(RawFake(value=value, key=key, topic=topic), headers=headers)
    assert isinstance(read, Received | Unreadable)
