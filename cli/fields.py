"""Prints one record at a terminal: each field by its Chinese name with its wire key beside it.

It decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cli.output import Output, show, show_code, show_expiry
from models.texts.words import list_field_names

_ENDS_OF_DAYS = ("unavailable_until", "deferred_until")
"""Fields that are written as a day, so they end as labels do: at 24:00."""


def print_fields(
    out: Output, record: Mapping[str, Any], *, words: Mapping[str, str] | None = None
) -> None:
    """Print every field of a record, a line each; nested fields stand below, indented.

    Args:
        out: Where to print.
        record: The record as the gateway gives it.
        words: Values that mean something else in this record than elsewhere.
    """
    for line in describe_fields(record, words=words or {}):
        out.plain(f"  {line}")


def describe_fields(record: Mapping[str, Any], *, words: Mapping[str, str]) -> Iterator[str]:
    for name, value in record.items():
        head = name_of(name)
        if isinstance(value, Mapping) and {"zh", "en"} <= value.keys():
            yield f"{head}: {value['zh']} · {value['en']}"
        elif isinstance(value, Mapping):
            yield f"{head}:"
            yield from (f"  {line}" for line in describe_fields(value, words=words))
        elif isinstance(value, list) and value:
            yield f"{head}: {len(value)}"
            yield from (f"  {_describe_part(part, words)}" for part in value)
        else:
            yield f"{head}: {describe_value(value, words=words, name=name)}"


def name_of(field: str) -> str:
    """Return `血袋号 · unit_id`; a value that names its own line, such as a component, likewise."""
    known = list_field_names().get(field)
    return f"{known} · {field}" if known else show_code(field)


def describe_value(value: object, *, words: Mapping[str, str], name: str = "") -> str:
    if isinstance(value, bool):
        return "是 · yes" if value else "否 · no"
    if isinstance(value, list):
        return "–"
    if name in _ENDS_OF_DAYS and isinstance(value, str):
        return show_expiry(value)
    if isinstance(value, str) and value in words:
        return words[value]
    return show_code(show(value))


def _describe_part(part: object, words: Mapping[str, str]) -> str:
    if not isinstance(part, Mapping):
        return describe_value(part, words=words)
    return "  ".join(
        f"{name_of(name)} {describe_value(value, words=words, name=name)}"
        for name, value in part.items()
    )
