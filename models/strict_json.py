"""JSON of which nothing is lost: each field stands once, each number is a number. Pure.

A parser keeps the last of two fields of one name and says nothing of the first. So the text is
parsed by the fast parser, and then the colons are counted: each field of an object has one outside
its name and value, and whatever the parser dropped took its own away. Strings keep theirs. Only
where the counts differ, or a colon may stand in the text under another form, is it read once more
by the slow parser, which sees every field.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from models.errors import ContractError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_ESCAPED_COLON = b"\\u003"
"""Begins `\\u003a`, the one other form of a colon in JSON; some other characters begin so too."""


def drop_mark(raw: bytes) -> bytes:
    """Return a text without the mark that some editors write before it: it says nothing."""
    return raw.removeprefix(_BYTE_ORDER_MARK)


def load_strictly(raw: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON, UTF-8; a byte-order mark is passed over.

    Raises:
        ContractError: `body_not_utf8`; `body_not_json`: it is none, or holds a number that is none
            (NaN, Infinity, 1e999); `body_nested_too_deep`; `field_twice`: an object names a field
            twice, however deep it stands.
    """
    raw = drop_mark(raw)
    try:
        content = orjson.loads(raw)
        is_doubtful = _ESCAPED_COLON in raw or raw.count(b":") != orjson.dumps(content).count(b":")
    except orjson.JSONDecodeError as error:
        _ensure_utf8(raw)
        raise ContractError(
            "body_not_json", line=error.lineno, column=error.colno, detail=error.msg[:200]
        ) from error
    except orjson.JSONEncodeError as error:
        # The parser goes deeper than the writer: what only one of them takes is nested too deeply.
        raise ContractError("body_nested_too_deep") from error
    if is_doubtful:
        _ensure_once(raw)
    return content


def _ensure_utf8(raw: bytes) -> None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ContractError("body_not_utf8") from error


def _ensure_once(raw: bytes) -> None:
    json.loads(raw, object_pairs_hook=_to_object)


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ContractError("field_twice", field=next(n for n in names if names.count(n) > 1)[:60])
    return content
