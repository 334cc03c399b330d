"""What a station may give one value of a rule: every kind of value, at and beside its edges."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from models.errors import DomainRefusal
from models.rules.citations import RuleKind
from models.rules.override_values import check_value, find_range
from models.rules.rulebook import Rule, RuleValue


def build(
    value: object,
    *,
    kind: str = "standard",
    set_in: str | None = None,
    unit: str = "h",
    **terms: object,
) -> tuple[Rule, RuleValue]:
    held = {"unit": unit, **terms}
    told = {"name": "limit", "value": value, "terms": held, "overridden": False}
    rule = Rule.model_validate(
        {
            "rule_id": "a.rule",
            "version": "1",
            "kind": kind,
            "applied_by": "xuelian",
            "set_in": set_in,
            "zh": "一",
            "en": "a",
            "source": "a source",
            "read": "read",
            "since": "unknown",
            "until": None,
            "note": "",
            "confirm": (),
            "file": "a",
            "values": [told],
        }
    )
    return rule, rule.values[0]


def refuse(pair: tuple[Rule, RuleValue], given: object) -> dict[str, Any]:
    with pytest.raises(DomainRefusal) as refused:
        check_value(*pair, given)
    told = {"code": refused.value.code, **refused.value.params}
    assert told.pop("rule") == "a.rule"
    assert told.pop("value", "limit") == "limit"
    return told


HIGHER = build(3, may="tighten", safer="higher", least=1, most=9)
LOWER = build(3, may="tighten", safer="lower", least=1, most=9)
HIGHER_KG = build(3.5, may="tighten", safer="higher", most=9, unit="kg")
FREE = build(3, may="set", least=1, most=9)
ENDLESS = build(3, may="set")
SWITCH = build(value=True, may="tighten", safer="off", unit="yes/no")
SWITCHED_OFF = build(value=False, may="set", unit="yes/no")
TEXT = build("CN", may="set", unit="country")
WINDOW = build([2.0, 6.0], may="tighten", safer="narrower", unit="°C")
NAMES = build(["A", "B", "O"], may="tighten", safer="fewer", keeps=["B"])
ANY_NAMES = build(["A", "B"], may="set")


@pytest.mark.parametrize(
    ("pair", "given", "taken"),
    [
        (HIGHER, 3, 3),
        (HIGHER, 9, 9),
        (LOWER, 3, 3),
        (LOWER, 1, 1),
        (HIGHER_KG, 3.5, 3.5),
        (HIGHER_KG, 4, 4.0),
        (FREE, 1, 1),
        (FREE, 9, 9),
        (ENDLESS, -(10**9), -(10**9)),
        (ENDLESS, 10**9, 10**9),
        (SWITCH, True, True),
        (SWITCH, False, False),
        (SWITCHED_OFF, False, False),
        (TEXT, "JP", "JP"),
        (TEXT, "", ""),
        (WINDOW, [2.0, 6.0], [2.0, 6.0]),
        (WINDOW, [3, 4], [3.0, 4.0]),
        (NAMES, ["A", "B", "O"], ["A", "B", "O"]),
        (NAMES, ["B"], ["B"]),
        (ANY_NAMES, ["B", "A", "C"], ["B", "A", "C"]),
        (ANY_NAMES, [], []),
    ],
)
def test_what_is_taken_is_of_the_kind_of_the_package(
    pair: tuple[Rule, RuleValue], given: object, taken: object
) -> None:
    found = check_value(*pair, given)
    assert found == taken
    assert type(found) is type(taken)
    if isinstance(taken, list):
        assert isinstance(found, list)
        assert [type(item) for item in found] == [type(item) for item in taken]


NO_WINDOWS: list[object] = [
    3, "3–4", [3], [3, 4, 5], [3, "4"], ["3", 4], [nan, 4], [False, 4], {3: 1, 4: 1},
]  # fmt: skip
WRONG: list[tuple[tuple[Rule, RuleValue], list[object], str]] = [
    (HIGHER, [True, "4", None, [4], 4.0, nan], "1"),
    (HIGHER_KG, [True, "4", nan, inf, -inf, {}], "1.5"),
    (SWITCH, [1, 0, "true", None], "true / false"),
    (TEXT, [1, True, ["CN"]], '"text"'),
    (WINDOW, NO_WINDOWS, "[2.0, 6.0]"),
    (NAMES, ["A", ("A", "B"), ["A", 1], [1, "A"], 3], '["…"]'),
]


@pytest.mark.parametrize(
    ("pair", "given", "wanted"),
    [(pair, given, wanted) for pair, all_given, wanted in WRONG for given in all_given],
)
def test_another_kind_of_value_is_none(
    pair: tuple[Rule, RuleValue], given: object, wanted: str
) -> None:
    assert refuse(pair, given) == {
        "code": "rule_value_type",
        "given": repr(given),
        "wanted": wanted,
    }


@pytest.mark.parametrize(
    ("pair", "given", "code", "least", "most"),
    [
        (HIGHER, 2, "rule_loosened", "3", "9"),
        (HIGHER, 10, "rule_out_of_range", "3", "9"),
        (LOWER, 4, "rule_loosened", "1", "3"),
        (LOWER, 0, "rule_out_of_range", "1", "3"),
        (FREE, 0, "rule_out_of_range", "1", "9"),
        (FREE, 10, "rule_out_of_range", "1", "9"),
        (LOWER, 100, "rule_loosened", "1", "3"),
        (HIGHER, -100, "rule_loosened", "3", "9"),
    ],
)
def test_a_number_beyond_says_from_where_to_where(
    pair: tuple[Rule, RuleValue], given: int, code: str, least: str, most: str
) -> None:
    assert refuse(pair, given) == {
        "code": code,
        "given": given,
        "now": 3,
        "least": least,
        "most": most,
        "unit": "h",
    }


@pytest.mark.parametrize(
    ("pair", "ends"),
    [(HIGHER, (3, 9)), (LOWER, (1, 3)), (FREE, (1, 9)), (ENDLESS, (-inf, inf))],
)
def test_the_range_of_a_number(pair: tuple[Rule, RuleValue], ends: tuple[float, float]) -> None:
    assert find_range(pair[1]) == ends


def test_nothing_is_switched_on() -> None:
    assert refuse(SWITCHED_OFF, given=True) == {"code": "rule_switched_on"}


@pytest.mark.parametrize(("low", "high"), [(4.0, 4.0), (5.0, 3.0)])
def test_a_window_has_two_ends(low: float, high: float) -> None:
    assert refuse(WINDOW, [low, high]) == {"code": "rule_window_reversed", "low": low, "high": high}


@pytest.mark.parametrize(
    ("given", "told"), [([1.5, 6.0], "1.5–6"), ([2.0, 6.5], "2–6.5"), ([1, 7], "1–7")]
)
def test_a_window_only_becomes_narrower(given: list[float], told: str) -> None:
    assert refuse(WINDOW, given) == {
        "code": "rule_window_wider",
        "given": told,
        "now": "2–6",
        "unit": "°C",
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["A", "B", "B"], {"code": "rule_name_twice"}),
        (["A", "B", "X", "Y"], {"code": "rule_names_added", "added": "X, Y"}),
        (["B", "A"], {"code": "rule_order_changed"}),
        (["A", "O"], {"code": "rule_name_needed", "needed": "B"}),
        ([], {"code": "rule_name_needed", "needed": "B"}),
    ],
)
def test_of_names_only_fewer_are_left(given: list[str], told: dict[str, str]) -> None:
    assert refuse(NAMES, given) == {"now": "A, B, O", **told}


def test_every_name_that_is_missing_is_told() -> None:
    pair = build(["A", "B"], may="tighten", safer="fewer", keeps=["A", "B"])
    assert refuse(pair, [])["needed"] == "A, B"


def test_free_names_may_be_others_and_none_twice() -> None:
    assert refuse(ANY_NAMES, ["C", "C"]) == {"code": "rule_name_twice", "now": "A, B"}


def test_a_law_is_nobodys_to_set() -> None:
    assert refuse(build(3, kind=RuleKind.LAW), 3) == {"code": "rule_is_law", "source": "a source"}


def test_what_stands_in_a_record_is_set_there() -> None:
    pair = build(3, set_in="station")
    assert refuse(pair, 3) == {"code": "rule_set_in_record", "record": "station"}


@pytest.mark.parametrize(
    ("value", "now"),
    [(3, "3"), (True, "true"), (False, "false"), ("CN", "CN"), (["A", "B"], "A, B"), ([], "–")],
)
def test_what_is_fixed_says_what_it_is(value: object, now: str) -> None:
    assert refuse(build(value), value) == {"code": "rule_value_fixed", "now": now}
