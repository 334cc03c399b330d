"""Checks of a value that a station sets for itself: its type, its range, its direction.

Pure. Numbers that concern safety move only towards what is safer than the package's; a refusal
says which rule would be broken, which value is in force and what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

from models.errors import DomainRefusal
from models.rules.citations import RuleKind
from models.rules.rulebook import Rule, RuleValue


def check_value(rule: Rule, value: RuleValue, given: object) -> object:
    """Return the value as the rule takes it.

    Args:
        rule: The rule as packaged.
        value: One of its values, as packaged.
        given: What a station's file says.

    Raises:
        DomainRefusal: The station may not set this; the code and its parameters say why.
    """
    if rule.kind is RuleKind.LAW:
        raise DomainRefusal("rule_is_law", rule=rule.rule_id, source=rule.source)
    if rule.set_in is not None:
        raise DomainRefusal(
            "rule_set_in_record", rule=rule.rule_id, value=value.name, record=rule.set_in
        )
    if value.terms.may is None:
        raise DomainRefusal(
            "rule_value_fixed", rule=rule.rule_id, value=value.name, now=_now(value)
        )
    return _check_kind_of(value)(rule, value, given)


def _check_kind_of(value: RuleValue) -> Callable[[Rule, RuleValue, Any], object]:
    """Return the check for the kind of a value; the kind stays as the package gives it."""
    match value.value:
        case bool():
            return _check_switch
        case int() | float():
            return _check_number
        case str():
            return _check_text
        case [int() | float(), int() | float()]:
            return _check_window
        case _:
            return _check_names


def _now(value: RuleValue) -> str:
    now = value.value
    if isinstance(now, list):
        return ", ".join(map(str, now)) or "–"
    return str(now).lower() if isinstance(now, bool) else str(now)


def _wrong_type(rule: Rule, value: RuleValue, given: object, wanted: str) -> DomainRefusal:
    return DomainRefusal(
        "rule_value_type", rule=rule.rule_id, value=value.name, given=repr(given), wanted=wanted
    )


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and isfinite(given)


def _check_switch(rule: Rule, value: RuleValue, given: object) -> bool:
    if not isinstance(given, bool):
        raise _wrong_type(rule, value, given, "true / false")
    if given and not value.value:
        raise DomainRefusal("rule_switched_on", rule=rule.rule_id, value=value.name)
    return given


def _check_number(rule: Rule, value: RuleValue, given: object) -> float:
    whole = isinstance(value.value, int)
    if not isinstance(given, int | float) or not _is_number(given):
        raise _wrong_type(rule, value, given, "1" if whole else "1.5")
    if whole and not isinstance(given, int):
        raise _wrong_type(rule, value, given, "1")
    least, most = find_range(value)
    loosened = (value.terms.safer == "higher" and given < value.value) or (
        value.terms.safer == "lower" and given > value.value
    )
    # In the less safe direction the range ends at the package's own value.
    if not least <= given <= most:
        raise DomainRefusal(
            "rule_loosened" if loosened else "rule_out_of_range",
            rule=rule.rule_id,
            value=value.name,
            given=given,
            now=value.value,
            least=f"{least:g}",
            most=f"{most:g}",
            unit=value.terms.unit,
        )
    return given if whole else float(given)


def find_range(value: RuleValue) -> tuple[float, float]:
    """Return the least and the most that a station may give a number; both are allowed."""
    terms = value.terms
    least = value.value if terms.safer == "higher" else terms.least
    most = value.value if terms.safer == "lower" else terms.most
    return (float("-inf") if least is None else least, float("inf") if most is None else most)


def _check_text(rule: Rule, value: RuleValue, given: object) -> str:
    if not isinstance(given, str):
        raise _wrong_type(rule, value, given, '"text"')
    return given


def _check_window(rule: Rule, value: RuleValue, given: object) -> list[float]:
    if not (isinstance(given, list) and len(given) == 2 and all(map(_is_number, given))):  # noqa: PLR2004 - a lowest and a highest
        raise _wrong_type(rule, value, given, "[2.0, 6.0]")
    low, high = map(float, given)
    lowest, highest = value.value
    if low >= high:
        raise DomainRefusal(
            "rule_window_reversed", rule=rule.rule_id, value=value.name, low=low, high=high
        )
    if low < lowest or high > highest:
        raise DomainRefusal(
            "rule_window_wider",
            rule=rule.rule_id,
            value=value.name,
            given=f"{low:g}–{high:g}",
            now=f"{lowest:g}–{highest:g}",
            unit=value.terms.unit,
        )
    return [low, high]


def _check_names(rule: Rule, value: RuleValue, given: object) -> list[str]:
    if not (isinstance(given, list) and all(isinstance(name, str) for name in given)):
        raise _wrong_type(rule, value, given, '["…"]')
    names, packaged = [str(name) for name in given], list(value.value)
    about: dict[str, str] = {"rule": rule.rule_id, "value": value.name, "now": _now(value)}
    if len(set(names)) != len(names):
        raise DomainRefusal("rule_name_twice", **about)
    if value.terms.may == "set":
        return names
    added = [name for name in names if name not in packaged]
    if added:
        raise DomainRefusal("rule_names_added", added=", ".join(added), **about)
    if names != [name for name in packaged if name in names]:
        raise DomainRefusal("rule_order_changed", **about)
    lost = [name for name in value.terms.keeps if name not in names]
    if lost:
        raise DomainRefusal("rule_name_needed", needed=", ".join(lost), **about)
    return names
