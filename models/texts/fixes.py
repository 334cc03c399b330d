"""Codes of the texts that say how to fix input, by the kind of pydantic's error. Pure."""

from __future__ import annotations

_FIXES = {
    "missing": "fix_missing",
    "extra_forbidden": "fix_extra_forbidden",
    "enum": "fix_enum",
    "literal_error": "fix_enum",
    "json_invalid": "fix_json",
    "value_error": "fix_other",
    "bag_id_invalid": "fix_bag_id",
    "field_twice": "fix_field_twice",
}
_FIX_FAMILIES = (
    ("instant", "fix_datetime"),
    ("day", "fix_date"),
    ("datetime", "fix_datetime"),
    ("timezone", "fix_datetime"),
    ("date", "fix_date"),
    ("string", "fix_text"),
    ("int", "fix_number"),
    ("float", "fix_number"),
    ("greater", "fix_number"),
    ("less", "fix_number"),
    ("finite", "fix_number"),
    ("model", "fix_structure"),
    ("dict", "fix_structure"),
    ("tuple", "fix_structure"),
    ("list", "fix_structure"),
    ("too_", "fix_structure"),
)


def fix_of(rule_type: str) -> str:
    """Return the code of the text that says what to do about a broken rule of pydantic's."""
    if rule_type in _FIXES:
        return _FIXES[rule_type]
    found = (fix for start, fix in _FIX_FAMILIES if rule_type.startswith(start))
    return next(found, "fix_other")
