"""The wire: every type has an example that still decodes, and no schema changes unseen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.errors import ContractError
from models.events import EVENT_CLASSES, decode_event
from models.events.registry import UPCASTERS
from models.topics import BY_NAME, TOPICS, AppName, TopicName, find_topic_of
from tests.support.record_schemas import SCHEMAS, render_schema

EXAMPLES = Path(__file__).parents[2] / "models" / "events" / "examples"


def read_example(event_type: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((EXAMPLES / f"{event_type}.json").read_text())
    return found


def test_every_type_has_an_example_and_no_example_is_stale() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.json")} == {*EVENT_CLASSES, *UPCASTERS}


@pytest.mark.parametrize("event_type", sorted(UPCASTERS))
def test_an_old_version_is_read_as_the_newest(event_type: str) -> None:
    """The lines of a request counted bags until its second version."""
    example = read_example(event_type)
    (part,) = (value for value in example.values() if isinstance(value, dict))
    recorded = json.loads((SCHEMAS / f"{event_type}.json").read_text())
    assert "measure" not in json.dumps(recorded)
    event = decode_event(event_type, json.dumps(example).encode())
    assert event_type.replace(".v1", ".v2") == event.TYPE
    (now,) = (value for value in json.loads(event.to_body()).values() if isinstance(value, dict))
    assert [line.pop("measure") for line in now["lines"]] == ["bag"] * len(part["lines"])
    assert now == part


@pytest.mark.parametrize("lines", [None, 3, [3], [{"line_no": 1}]])
def test_a_broken_body_of_an_old_version_is_told(lines: object) -> None:
    body = json.dumps({"request": {"lines": lines}}).encode()
    with pytest.raises(ContractError, match="body_invalid"):
        decode_event("blood.request.opened.v1", body)


@pytest.mark.parametrize("event_type", sorted(EVENT_CLASSES))
def test_example_decodes_and_encodes_to_itself(event_type: str) -> None:
    example = read_example(event_type)
    event = decode_event(event_type, json.dumps(example).encode())
    assert type(event) is EVENT_CLASSES[event_type]
    assert json.loads(event.to_body()) == example
    assert event.key
    assert event.subject


@pytest.mark.parametrize("event_type", sorted(EVENT_CLASSES))
def test_unknown_field_is_refused_by_name(event_type: str) -> None:
    broken = {**read_example(event_type), "misspelt": 1}
    with pytest.raises(ContractError) as caught:
        decode_event(event_type, json.dumps(broken).encode())
    assert caught.value.code == "body_invalid"
    assert caught.value.params["field"] == "misspelt"


@pytest.mark.parametrize("event_type", sorted(EVENT_CLASSES))
def test_schema_is_the_recorded_one(event_type: str) -> None:
    """A changed schema is a new version, or a recorded and reviewed addition."""
    recorded = json.loads((SCHEMAS / f"{event_type}.json").read_text())
    assert render_schema(event_type) == recorded


def test_unknown_types_and_versions_are_told_apart() -> None:
    with pytest.raises(ContractError, match="event_version_unknown"):
        decode_event("blood.request.opened.v99", b"{}")
    with pytest.raises(ContractError, match="event_type_unknown"):
        decode_event("blood.nonsense.v1", b"{}")
    with pytest.raises(ContractError, match="body_not_json"):
        decode_event("blood.request.opened.v1", b"{not json")


def test_every_type_belongs_to_exactly_one_topic() -> None:
    carried = [event_type for topic in TOPICS for event_type in topic.event_types]
    assert sorted(carried) == sorted(EVENT_CLASSES)
    assert all(find_topic_of(event_type) for event_type in EVENT_CLASSES)


def test_topics_are_named_as_agreed() -> None:
    assert set(BY_NAME) == set(TopicName)
    for topic in TOPICS:
        assert topic.name.startswith("blood.")
        assert topic.name.rpartition(".v")[2].isdigit()
        assert topic.dead_letter(AppName.URGENT) == f"{topic.name}.xuelian-urgent.dlq"
