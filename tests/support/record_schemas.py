"""`python -m tests.support.record_schemas`: record the schemas of all events, after a review."""

from __future__ import annotations

import json
from pathlib import Path

from models.events import EVENT_CLASSES

SCHEMAS = Path(__file__).parents[1] / "contract" / "schemas"


def render_schema(event_type: str) -> object:
    """Return the schema without its prose: words may improve, shapes may not change unseen."""
    return _without_prose(EVENT_CLASSES[event_type].model_json_schema())


def _without_prose(found: object) -> object:
    if isinstance(found, dict):
        return {
            name: _without_prose(value)
            for name, value in found.items()
            if not (name == "description" and isinstance(value, str))
        }
    if isinstance(found, list):
        return [_without_prose(value) for value in found]
    return found


def record() -> None:
    for event_type in EVENT_CLASSES:
        text = json.dumps(render_schema(event_type), ensure_ascii=False, indent=1, sort_keys=True)
        (SCHEMAS / f"{event_type}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
