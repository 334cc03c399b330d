"""Every value of every rule file against the tables that were written from the sources.

The last net of the mutation check: what no behaviour notices is noticed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from models.rules.rulebook import PACKAGED, RULE_FILES, Rule
from tests.oracle.rules import TABLES
from tests.oracle.rules.saying import Says, Told

RULES = [
    pytest.param(file, rule_id, id=f"{file}:{rule_id}")
    for file in RULE_FILES
    for rule_id in TABLES[file]
]


def describe(rule: Rule) -> Says:
    values = {}
    for value in rule.values:
        terms = value.terms
        values[value.name] = Told(
            plain(value.value),
            terms.unit,
            terms.may,
            terms.safer,
            terms.least,
            terms.most,
            terms.keeps,
        )
    by, confirm = rule.applied_by.value, tuple(sorted(rule.confirm))
    return Says(rule.kind.value, by, rule.set_in, confirm, values)


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever TOML holds
    """A list of words or numbers is the tables' tuple."""
    if isinstance(value, list) and not any(isinstance(item, dict) for item in value):
        return tuple(value)
    return value


@pytest.mark.parametrize("file", RULE_FILES)
def test_the_tables_know_every_rule_of_a_file(file: str) -> None:
    found = [rule.rule_id for rule in PACKAGED.list_rules() if rule.file == file]
    assert sorted(found) == sorted(TABLES[file])


@pytest.mark.parametrize(("file", "rule_id"), RULES)
def test_a_rule_is_as_its_source_says(file: str, rule_id: str) -> None:
    told = TABLES[file][rule_id]
    assert describe(PACKAGED.rules[rule_id]) == told._replace(confirm=tuple(sorted(told.confirm)))


def list_kinds(value: Any) -> Iterator[type]:  # noqa: ANN401 - whatever TOML holds
    match value:
        case dict():
            for item in value.values():
                yield from list_kinds(item)
        case list() | tuple():
            for item in value:
                yield from list_kinds(item)
        case _:
            yield type(value)


@pytest.mark.parametrize(("file", "rule_id"), RULES)
def test_a_number_is_of_the_kind_that_a_station_must_write(file: str, rule_id: str) -> None:
    """2 and 2.0 are equal, and yet only one of them takes 2.5."""
    rule = PACKAGED.rules[rule_id]
    wholes = {
        name
        for name, told in TABLES[file][rule_id].values.items()
        if told.may and set(list_kinds(told.value)) == {int} and told.safer != "narrower"
    }
    assert wholes == {
        value.name for value in rule.values if value.terms.may and type(value.value) is int
    }
