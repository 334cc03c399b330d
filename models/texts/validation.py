"""Texts for broken rules: pydantic's errors in words, with the limits in them. Pure.

Nothing that the caller sent is repeated, but for a word that names a known product or group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from models.broken_rule import BrokenRuleError
from models.texts import Text, list_texts, render
from models.texts.words import name_value

PATTERNS: Mapping[str, str] = {
    r"^[A-Za-z0-9][A-Za-z0-9._:-]*$": "broken_pattern_identifier",
    r"^[^\x00-\x1f]*$": "broken_pattern_line",
    r"^[0-9a-f]{64}$": "broken_pattern_hash",
    r"^(_system|[A-Za-z0-9][A-Za-z0-9._:-]*)$": "broken_pattern_identifier",
}
"""Patterns of the models to their texts; a test searches the models for others."""

_SAME = {
    "enum": "enum",
    "literal_error": "enum",
    "less_than_equal": "at_most",
    "less_than": "below",
    "greater_than_equal": "at_least",
    "greater_than": "above",
    "string_too_long": "longer",
    "string_too_short": "shorter",
    "too_long": "more_items",
    "too_short": "fewer_items",
    "int_from_float": "whole",
    "int_parsing": "whole",
    "int_type": "whole",
    "int_parsing_size": "whole",
    "float_type": "number",
    "float_parsing": "number",
    "finite_number": "number",
    "bool_type": "flag",
    "bool_parsing": "flag",
    "string_type": "text",
    "string_sub_type": "text",
    "string_unicode": "utf8",
    "timezone_naive": "zone",
    "timezone_offset": "zone",
    "tuple_type": "array",
    "list_type": "array",
    "set_type": "array",
    "frozen_set_type": "array",
    "iterable_type": "array",
    "model_type": "object",
    "model_attributes_type": "object",
    "dict_type": "object",
    "dataclass_type": "object",
    "mapping_type": "object",
    "is_instance_of": "object",
    "missing": "missing",
    "extra_forbidden": "extra",
    "json_invalid": "json",
    "json_type": "json",
    "bag_id_invalid": "bag_id",
    "instant_not_text": "instant_text",
    "instant_without_zone": "zone",
    "instant_unreadable": "instant_form",
    "day_not_text": "day_form",
    "day_unreadable": "day_form",
    "frozen_instance": "other",
}
_FAMILIES = (("datetime", "instant"), ("date", "date"), ("time", "instant"))


def describe_broken(error: Mapping[str, Any]) -> Text:
    """Return which rule was broken, according to pydantic's error, in both languages."""
    kind, context = str(error["type"]), dict(error.get("ctx") or {})
    cause = context.get("error")
    if isinstance(cause, BrokenRuleError):
        return render(cause.code, cause.params)
    if kind == "string_pattern_mismatch":
        code = PATTERNS.get(str(context.get("pattern")), "broken_pattern_other")
        return render(code, context)
    if kind in {"value_error", "assertion_error"}:
        # A rule of a file that does not travel on the wire, such as a station's label book.
        return render("broken_other", {"detail": re.sub(r"^\w+ error, ", "", str(error["msg"]))})
    if kind in {"enum", "literal_error"}:
        return _describe_choice(str(context.get("expected", "")))
    field = next((part for part in reversed(error.get("loc", ())) if isinstance(part, str)), "")
    of_field = f"broken_field_{field}"
    if of_field in list_texts() and code_of(kind) in _OF_NUMBERS:
        return render(of_field)
    code = code_of(kind)
    # The validator's own words are English: they stand in the English sentence alone.
    code = "broken_unnamed" if code == "broken_other" else code
    return render(code, {**context, "detail": str(error["msg"])[:200]})


def find_place(error: Mapping[str, Any]) -> str:
    """Return the field that pydantic's error is about, empty if it is the whole.

    A rule over several fields of an object names one of them.
    """
    place = [str(part) for part in error["loc"] if part != "body"]
    cause = dict(error.get("ctx") or {}).get("error")
    is_of_part = isinstance(error.get("input"), str | int | float | list | tuple)
    if isinstance(cause, BrokenRuleError) and not is_of_part:
        place += {cause.column} - {"(body)", *place[-1:]}
    return ".".join(place)


def list_true(errors: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Leave out pydantic's error about the length of a list that has wrong entries.

    Pydantic counts only the valid entries, so it reports a list of 40 wrong entries as empty.
    """
    told = list(errors)
    places = {tuple(error["loc"][:depth]) for error in told for depth in range(len(error["loc"]))}
    return [
        error for error in told if error["type"] != "too_short" or tuple(error["loc"]) not in places
    ]


_OF_NUMBERS = frozenset(
    f"broken_{name}" for name in ("at_most", "at_least", "above", "below", "whole", "number")
)


def code_of(kind: str) -> str:
    """Return the code of the text for a kind of pydantic error; `broken_other` if unknown."""
    name = _SAME.get(kind)
    if name is None:
        name = next((name for start, name in _FAMILIES if kind.startswith(start)), "other")
    return f"broken_{name}"


def _describe_choice(expected: str) -> Text:
    values = re.findall(r"'([^']*)'", expected)
    zh = "、".join(name_value(value) for value in values) or expected
    en = ", ".join(values) or expected
    return Text(
        zh=render("broken_enum", {"known": zh}).zh, en=render("broken_enum", {"known": en}).en
    )
