"""What `xuelian events tail` says of each event: who, what, how many, Chinese first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.event_words import describe_event, is_alarming
from models.topics import TOPICS

EXAMPLES = Path(__file__).parents[2] / "models" / "events" / "examples"
PUBLISHED = [name for topic in TOPICS if not topic.inbound for name in topic.event_types]


def read(event_type: str) -> dict[str, Any]:
    body = json.loads((EXAMPLES / f"{event_type}.json").read_text(encoding="utf-8"))
    return {"type": event_type, "subject": "subject-only", "data": body}


@pytest.mark.parametrize("event_type", PUBLISHED)
def test_f26_every_published_event_is_told_in_words(event_type: str) -> None:
    zh, en = describe_event(read(event_type))
    assert any("\u4e00" <= letter <= "\u9fff" for letter in zh)
    assert "subject-only" not in zh
    assert en


@pytest.mark.parametrize("event_type", PUBLISHED)
def test_f26_a_field_that_is_missing_fails_no_line(event_type: str) -> None:
    assert describe_event({"type": event_type, "data": {}})
    assert describe_event({"type": event_type, "subject": "s"}) == ("s", "s")


def test_f26_a_decision_tells_who_what_and_how_many() -> None:
    zh, _ = describe_event(read("blood.request.decided.v1"))
    assert "dingri-county ← shigatse" in zh
    assert "部分预留，预留 1/5，缺 4" in zh
    assert "红细胞 O- ×1" in zh


def test_f22_a_refused_life_threatening_record_is_marked() -> None:
    event = read("blood.record.refused.v1")
    zh, _ = describe_event(event)
    assert "危及生命的记录被拒 dingri-county-0001（hospital/dingri-county）" in zh
    assert "request.needed_by" in zh
    assert is_alarming(event)
    assert not is_alarming(read("blood.request.decided.v1"))
