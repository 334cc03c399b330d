"""The mutation check sees every rule value, changes one thing at a time, and names each change."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from models.rules.rulebook import RULE_FILES
from tests.mutation.run import Task, list_tasks
from tests.mutation.sources import mutate_source
from tests.mutation.suites import GROUPS, RULES
from tests.mutation.terms import vary_terms
from tests.mutation.values import PROSE, RuleMutant, mutate_rules

ROOT = Path(__file__).parents[2]

FILE = """
version = "1"
[one]
rule = "a.one"
kind = "law"
zh = "一"
en = "one"
source = "a source of it"
confirm = ["share"]
least = 2
share = 0.5
groups = ["O", "A"]
on = true
terms.least = { unit = "h", may = "tighten", safer = "lower", least = 1 }
terms.share = { unit = "share" }
terms.groups = { unit = "ABO group" }
terms.on = { unit = "yes/no" }
[one.ratio]
red_cells = 1.0
"""


def mutate(text: str) -> list[RuleMutant]:
    rules = tomllib.loads(text)
    rules["one"]["terms"]["ratio"] = {"unit": "part"}
    return list(mutate_rules(rules, path="a.toml"))


def test_every_kind_of_value_is_changed_by_a_little() -> None:
    told = {mutant.name.partition("::")[2] for mutant in mutate(FILE) if mutant.about == "value"}
    assert told == {
        "one.least: 2 -> 1",
        "one.least: 2 -> 3",
        "one.share: 0.5 -> 0.495",
        "one.share: 0.5 -> 0.505",
        "one.groups: ['O', 'A'] -> ['A']",
        "one.groups: ['O', 'A'] -> ['O']",
        "one.groups: ['O', 'A'] -> ['A', 'O']",
        "one.groups: ['O', 'A'] -> ['O', 'A', 'B']",
        "one.groups: ['O', 'A'] -> ['O', 'A', 'AB']",
        "one.on: True -> False",
        "one.ratio.red_cells: 1.0 -> 0.99",
        "one.ratio.red_cells: 1.0 -> 1.01",
    }


def test_what_a_station_may_set_is_changed_and_prose_is_not() -> None:
    found = mutate(FILE)
    told = [mutant.name for mutant in found]
    assert len(set(told)) == len(told)
    assert {mutant.rule for mutant in found} == {"a.one", ""}
    for part in ("kind", "applied_by", "set_in", "terms.least", "terms.ratio", "rule"):
        assert [name for name in told if f"::one.{part}: " in name], part
    assert not [n for n in told for part in ("zh", "en", "source", "confirm") if f".{part}:" in n]


@pytest.mark.parametrize("file", sorted(RULES))
def test_one_thing_is_changed_in_each_mutant(file: str) -> None:
    rules = tomllib.loads((ROOT / file).read_text(encoding="utf-8"))
    before = dict(flatten(rules))
    for mutant in mutate_rules(rules, path=file):
        after = dict(flatten(mutant.rules))
        places = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        assert len(places) == 1, mutant.name
    assert dict(flatten(rules)) == before


def flatten(table: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Values by their path; the terms of one value are one thing."""
    found = []
    for key, value in table.items():
        path = f"{above}.{key}"
        if isinstance(value, dict) and not above.endswith(".terms"):
            found += flatten(value, path)
        else:
            found.append((path, value))
    return found


def test_every_value_of_every_rule_has_a_mutant() -> None:
    assert set(RULES) == {f"models/rules/data/{file}.toml" for file in RULE_FILES}
    for file in RULES:
        rules = tomllib.loads((ROOT / file).read_text(encoding="utf-8"))
        mutated = {
            mutant.name.split("::")[1].split(":")[0] for mutant in mutate_rules(rules, path=file)
        }
        for path, value in flatten(rules):
            part = path.removeprefix(".")
            if part.rpartition(".")[2] in PROSE:
                continue
            if isinstance(value, list):
                assert [name for name in mutated if name.startswith(part)], part
            else:
                assert part in mutated, part


@pytest.mark.parametrize(
    ("terms", "value", "count"),
    [
        ({"unit": "h"}, 3, 1),
        ({"unit": "h", "may": "set", "least": 0, "most": 9}, 3, 8),
        ({"unit": "h", "may": "tighten", "safer": "lower", "least": 0}, 3, 6),
        ({"unit": "g", "may": "tighten", "safer": "fewer", "keeps": ["A"]}, ["A", "B"], 4),
        ({"unit": "yes/no", "may": "tighten", "safer": "off"}, True, 2),
    ],
)
def test_terms_are_changed_in_every_respect(
    terms: dict[str, Any], value: object, count: int
) -> None:
    found = list(vary_terms(terms, value))
    assert len(found) == count
    assert all(variant != terms and variant["unit"] == terms["unit"] for variant in found)
    assert len({repr(sorted(variant.items())) for variant in found}) == count


SOURCE = '''
"""A docstring."""
def decide(a: int, b: int = 2) -> bool:
    if a <= b and a is not None:
        return max(a, 1) in (a, b)
    raise ValueError("no")
'''


def test_source_is_changed_where_it_decides() -> None:
    told = {
        mutant.name.partition("::")[2] for mutant in mutate_source(SOURCE, path="a.py", module="a")
    }
    assert {
        "decide: a <= b -> a < b",
        "decide: a is not None -> a is None",
        "decide: 2 -> 3",
        "decide: max(a, 1) in (a, b) -> max(a, 1) not in (a, b)",
        "decide: max(a, 1) -> min(a, 1)",
        "decide: raise ValueError('no') -> pass",
    } <= told
    assert not [name for name in told if "docstring" in name or "int ->" in name]


@pytest.mark.slow
@pytest.mark.parametrize("group", sorted(GROUPS))
def test_every_file_of_a_group_gives_mutants_that_are_told_apart(group: str) -> None:
    tasks: list[Task] = list_tasks(GROUPS[group])
    names = [task.name for task in tasks]
    assert len(set(names)) == len(names)
    for path in GROUPS[group]:
        assert [name for name in names if name.startswith(f"{path}::")], path
