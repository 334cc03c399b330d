"""Replay: the bytes come back, the order of the steps is safe, a correction is a new event."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from cli.dead_letters import build_correction
from models.errors import TransientError
from streams.services.record_replay import Correction, DeadLetter, OriginalRecord, Replay
from streams.store.dead_letters import restore_bytes
from streams.store.inbox import _as_text
from tests.support.world import NOW, FixedClock

RECORD = OriginalRecord(
    topic="blood.requests.v1",
    partition=3,
    key=b"shigatse",
    value=b'{"a":1}',
    headers=(("ce_id", b"e1"), ("ce_source", b"hospital/x"), ("x", b"\x00\xff")),
)
LETTER = DeadLetter(
    dead_letter_id="d1",
    reader="xuelian-urgent",
    record=RECORD,
    offset=7,
    code="hospital_unknown",
    params={},
    quarantined_at=NOW,
    replayed_at=None,
)


@dataclass
class Journal:
    """Letters and log in one, noting each step; the log may be away."""

    steps: list[object] = field(default_factory=list)
    claimed: bool = True
    away: bool = False

    async def find(self, dead_letter_id: str) -> DeadLetter | None:
        return LETTER if dead_letter_id == LETTER.dead_letter_id else None

    async def release_claim(self, letter: DeadLetter, *, source: str, event_id: str) -> bool:
        self.steps.append(("release", source, event_id, letter.digest))
        return self.claimed

    async def publish_record(self, record: OriginalRecord) -> None:
        if self.away:
            raise TransientError("kafka_away")
        self.steps.append(("publish", record))

    async def mark_replayed(self, dead_letter_id: str, *, now: datetime) -> None:
        self.steps.append(("mark", dead_letter_id, now))


def build_replay(journal: Journal) -> Replay:
    return Replay(letters=journal, publisher=journal, clock=FixedClock())


@given(st.binary(max_size=200))
def test_every_byte_survives_quarantine(raw: bytes) -> None:
    text = _as_text(raw)
    assert "\x00" not in text
    assert restore_bytes(text) == raw


async def test_forget_then_publish_then_note() -> None:
    """Published first, a reader could pass over it as a repeat; noted first, it could be lost."""
    journal = Journal()
    done = await build_replay(journal)(LETTER)
    digest = sha256(b'{"a":1}').hexdigest()
    assert journal.steps == [
        ("release", "hospital/x", "e1", digest),
        ("publish", RECORD),
        ("mark", "d1", NOW),
    ]
    assert (done.event_id, done.released) == ("e1", True)


async def test_what_was_not_published_is_not_noted() -> None:
    journal = Journal(away=True)
    with pytest.raises(TransientError):
        await build_replay(journal)(LETTER)
    assert [step[0] for step in journal.steps if isinstance(step, tuple)] == ["release"]


async def test_a_record_without_identity_was_never_taken_in() -> None:
    journal = Journal()
    letter = replace(LETTER, record=replace(RECORD, headers=(("ce_id", b"\xff"),)))
    done = await build_replay(journal)(letter)
    assert not done.released
    assert [step[0] for step in journal.steps if isinstance(step, tuple)] == ["publish", "mark"]


async def test_a_correction_is_a_new_event_and_leaves_the_old_one_known() -> None:
    journal = Journal()
    done = await build_replay(journal)(LETTER, correction=Correction(body=b"{}"))
    assert [step[0] for step in journal.steps if isinstance(step, tuple)] == ["publish", "mark"]
    assert done.event_id not in {None, "e1"}
    assert not done.released


def test_a_correction_keeps_the_rest_and_is_stable() -> None:
    correction = Correction(body=b"{}", headers={"ce_source": b"hospital/y"})
    once, again = correction.apply(RECORD), correction.apply(RECORD)
    assert once == again
    assert once.value == b"{}"
    assert once.key == RECORD.key
    assert [value for name, value in once.headers if name == "ce_source"] == [b"hospital/y"]
    assert ("x", b"\x00\xff") in once.headers
    assert len([name for name, _ in once.headers if name == "ce_id"]) == 1
    other = Correction(body=b"{ }").apply(RECORD)
    assert other.find_header("ce_id") != once.find_header("ce_id")


def test_a_corrected_header_stands_once() -> None:
    corrected = build_correction(body=None, key=None, headers=["a=1", "b=1"])
    assert corrected.headers == {"a": b"1", "b": b"1"}
    with pytest.raises(typer.BadParameter, match="a 写了两次"):
        build_correction(body=None, key=None, headers=["a=1", "a=2"])
