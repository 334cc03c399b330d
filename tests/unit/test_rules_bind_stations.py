"""What a station's file may set, at the very edges: told by the sources' tables, not by the data.

Every value is tried at each end of what its table allows, and a step beyond.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from models.rules.rulebook import PACKAGED, RULE_FILES
from tests.oracle.rules import TABLES
from tests.oracle.rules.saying import Says, Told
from tests.support.rules import check


class Trial(NamedTuple):
    """A value in a station's file; an empty code means that it is taken."""

    given: object
    code: str = ""


def list_trials(told: Told) -> Iterator[Trial]:
    match told.safer:
        case "higher" | "lower":
            yield from _try_number(told)
        case "narrower":
            low, high = told.value
            yield Trial([low + 0.5, high])
            yield Trial([low, high - 0.5])
            yield Trial([low - 0.5, high], "rule_window_wider")
            yield Trial([low, high + 0.5], "rule_window_wider")
        case "fewer":
            yield from _try_names(told)
        case "off":
            yield Trial(given=False)
        case _:
            yield from _try_free(told)


def _try_number(told: Told) -> Iterator[Trial]:
    toward, end = (1, told.most) if told.safer == "higher" else (-1, told.least)
    assert end is not None
    kind = type(told.value)
    yield Trial(told.value + toward)
    yield Trial(kind(end))
    yield Trial(kind(end + toward), "rule_out_of_range")
    yield Trial(told.value - toward, "rule_loosened")


def _try_names(told: Told) -> Iterator[Trial]:
    value = list(told.value)
    for name in value:
        without = [other for other in value if other != name]
        yield Trial(without, "rule_name_needed" if name in told.keeps else "")
    yield Trial(list(told.keeps))
    yield Trial([*value, "X"], "rule_names_added")
    if len(value) > 1:
        yield Trial(value[::-1], "rule_order_changed")


def _try_free(told: Told) -> Iterator[Trial]:
    match told.value:
        case int() | float():
            assert told.least is not None
            assert told.most is not None
            kind = type(told.value)
            yield Trial(kind(told.least))
            yield Trial(kind(told.most))
            yield Trial(kind(told.least - 1), "rule_out_of_range")
            yield Trial(kind(told.most + 1), "rule_out_of_range")
        case str():
            yield Trial("JP")
        case names:
            yield Trial(names[::-1])
            yield Trial(names[1:], "rule_not_sound")


def _list_of(rule: Says, told: Told) -> Iterator[Trial]:
    if told.may:
        yield from list_trials(told)
        return
    code = "rule_set_in_record" if rule.record else "rule_value_fixed"
    given = 1 if isinstance(told.value, dict | list) else told.value
    yield Trial(given, "rule_is_law" if rule.kind == "law" else code)


TRIALS = [
    pytest.param(rule_id, name, trial, id=f"{file}:{rule_id}.{name}={trial.given}")
    for file in RULE_FILES
    for rule_id, rule in TABLES[file].items()
    for name, told in rule.values.items()
    for trial in _list_of(rule, told)
]


@pytest.mark.parametrize(("rule_id", "name", "trial"), TRIALS)
def test_a_station_may_set_this_and_no_more(rule_id: str, name: str, trial: Trial) -> None:
    given = list(trial.given) if isinstance(trial.given, tuple) else trial.given
    checked = check({rule_id: {name: given}})
    codes = {mistake.code for mistake in checked.mistakes}

    assert codes == ({trial.code} if trial.code else set())
    assert (checked.rules is PACKAGED) is bool(trial.code)
