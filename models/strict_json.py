"""Strict JSON parsing: each field of an object stands once, and each number is a number. Pure.

A parser keeps the last of two fields of one name and drops the first without a word. So the fast
parser reads the text, and then the colons are counted: each field of an object has one outside its
name and value, so a dropped field leaves a colon fewer; strings keep theirs. Only where the counts
differ, or a colon may be written in its escaped form, does the slow parser read the text again: it
sees every field.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from models.errors import ContractError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_ESCAPED_COLON = b"\\u003"
"""Begins `\\u003a`, the only escaped form of a colon in JSON, and some other characters."""


def drop_mark(raw: bytes) -> bytes:
    """Return a text without the byte-order mark that some editors write before it."""
    return raw.removeprefix(_BYTE_ORDER_MARK)


def load_strictly(raw: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON, UTF-8; a byte-order mark is skipped.

    Raises:
        ContractError: `body_not_utf8`; `body_not_json`: the text is no JSON, or holds NaN, Infinity
            or a number too large such as 1e999; `body_nested_too_deep`; `field_twice`: an object
            names a field twice, at any depth.
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
        # The parser takes deeper nesting than the writer; what only it takes is nested too deeply.
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
