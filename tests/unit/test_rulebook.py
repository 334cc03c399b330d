"""The rulebook: every rule cited and typed, found by its name, and all that decisions can cite."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from models.components import Component
from models.errors import DomainRefusal, InvariantViolation
from models.rules.citations import CitedRule, Reading, RuleKind
from models.rules.rulebook import (
    PACKAGED,
    RULE_FILES,
    Rule,
    Rulebook,
    build_rulebook,
)
from tests.oracle.rules.components import PREPARED
from tests.support.rules import accept

ROOT = Path(__file__).resolve().parents[2]
RULES = PACKAGED.list_rules()


def ids(rule: Rule) -> str:
    return rule.rule_id


def documents() -> dict[str, dict[str, Any]]:
    return {name: deepcopy(dict(file)) for name, file in PACKAGED.documents.items()}


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_every_rule_says_what_it_is_and_where_it_is_from(rule: Rule) -> None:
    assert rule.kind in RuleKind
    assert len(rule.source) > 10
    assert re.search(r"[\u4e00-\u9fff]", rule.zh)
    assert not re.search(r"[\u4e00-\u9fff]", rule.en)
    assert rule.cited == f"{rule.rule_id}@{PACKAGED.version}"
    assert all(value.terms.unit for value in rule.values)


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_c01_what_was_not_read_is_to_be_confirmed(rule: Rule) -> None:
    abolished = rule.until is not None
    assert ("abolished" in rule.source) <= abolished
    if rule.read is not Reading.READ or abolished:
        assert set(rule.confirm) == {value.name for value in rule.values}
        assert rule.is_to_confirm
    if "from memory" in rule.source:
        assert rule.read is not Reading.READ


def test_c01_a_rule_of_an_abolished_standard_says_so() -> None:
    quoting = [rule for rule in RULES if re.search(r"WS(/T)? (399|400)-2012", rule.source)]
    assert {rule.file for rule in quoting} == {"components", "safety"}
    assert {rule.until for rule in quoting} == {"2024-09-01"}


def test_no_name_of_a_rule_begins_another() -> None:
    """Else `[rules.a.b]` of a station's file could mean two things."""
    for rule in RULES:
        assert not [two for two in RULES if two.rule_id.startswith(f"{rule.rule_id}.")]


def list_typed(found: object) -> Iterator[CitedRule]:
    if isinstance(found, CitedRule):
        yield found
    elif isinstance(found, BaseModel):
        for name in type(found).model_fields:
            yield from list_typed(getattr(found, name))
    elif isinstance(found, dict):
        for part in found.values():
            yield from list_typed(part)


@pytest.mark.parametrize("file", RULE_FILES)
def test_every_rule_of_a_file_has_a_type_that_reads_it(file: str) -> None:
    read = {rule.rule for rule in list_typed(getattr(PACKAGED, file))}
    assert read == {rule.rule_id for rule in RULES if rule.file == file}


def test_every_file_has_a_type() -> None:
    assert {type(getattr(PACKAGED, file)) for file in RULE_FILES} == set(RULE_FILES.values())
    files = {path.stem for path in (ROOT / "models" / "rules" / "data").glob("*.toml")}
    assert files == set(RULE_FILES)


def test_a_unit_is_used_as_long_as_the_preparation_that_keeps_longest() -> None:
    for component, rule in PACKAGED.components.shelf_life.items():
        assert rule.use_within_h == max(rule.hours.values())
        assert rule.unstated_h == component.spec.shelf_life_h <= rule.use_within_h
        usual = [hours for name, hours in rule.hours.items() if name != "saline"]
        assert rule.shortest_h == min(usual, default=rule.use_within_h)
    red_cells = PACKAGED.components.shelf_life[Component.RED_CELLS]
    assert [red_cells.keeps_h(name) for name in ("cpd", "cpda_1", "as_1", None)] == [
        21 * 24, 35 * 24, 42 * 24, 35 * 24,
    ]  # fmt: skip
    platelets = PACKAGED.components.shelf_life[Component.PLATELETS]
    assert platelets.keeps_h("agitated_permeable_bag") == 5 * 24
    assert platelets.keeps_h("otherwise") == 24
    # Nobody knows how long that keeps.
    assert platelets.keeps_h("frozen") == 24


def test_every_preparation_keeps_as_long_as_its_source_says() -> None:
    for name, prepared in PREPARED.items():
        rule = PACKAGED.components.shelf_life[Component(name)]
        assert {f"{step}_h" for step in rule.hours} == set(prepared)
        for field, hours in prepared.items():
            assert rule.keeps_h(field.removesuffix("_h")) == hours


def test_a_station_that_keeps_a_component_shorter_keeps_every_preparation_so() -> None:
    rules = accept({"shelf_life.red_cells": {"use_within_h": 600}})
    rule = rules.components.shelf_life[Component.RED_CELLS]
    assert rule.keeps_h("cpda_1") == rule.keeps_h("as_1") == rule.keeps_h(None) == 600
    assert rule.keeps_h("cpd") == 504
    assert rules.components.component[Component.RED_CELLS].shelf_life_h == 600


def test_a_rule_is_found_by_its_name_and_as_it_is_cited() -> None:
    assert PACKAGED.get_rule("rhd.asian_del") is PACKAGED.get_rule("rhd.asian_del@2026-3")
    with pytest.raises(DomainRefusal, match=r"guess=rhd\.asian_del") as unknown:
        PACKAGED.get_rule("rhd.asian_dell")
    assert unknown.value.code == "rule_unknown"
    with pytest.raises(DomainRefusal, match=r"known=2026-3") as other:
        PACKAGED.get_rule("rhd.asian_del@2025-9")
    assert other.value.code == "rule_version_unknown"
    assert PACKAGED.guess("nothing like it") == "–"


def test_whatever_is_cited_is_of_the_rulebook_that_cites() -> None:
    rules = accept({"unknown.o_negative_cap": {"o_negative_units": 3}})
    assert rules.get_rule("rhd.anti_d").cited == f"rhd.anti_d@{rules.version}"
    assert rules.get_rule("unknown.o_negative_cap").values[0].value == 3
    assert rules.compatibility.unknown_cap.o_negative_units == 3
    assert rules.list_rules() != RULES
    assert PACKAGED.get_rule("rhd.anti_d").cited == f"rhd.anti_d@{PACKAGED.version}"
    assert PACKAGED.compatibility.unknown_cap.o_negative_units == 4


def broken(file: str, **changes: object) -> dict[str, dict[str, Any]]:
    found = documents()
    section = next(name for name in found[file] if isinstance(found[file][name], dict))
    found[file][section].update(changes)
    return found


@pytest.mark.parametrize("part", ["source", "read", "since", "kind", "zh", "en"])
def test_a_rule_without_a_part_does_not_load(part: str) -> None:
    found = documents()
    del found["issue"]["electronic"][part]
    with pytest.raises(ValidationError, match=part):
        build_rulebook(found)


def test_a_value_without_a_unit_does_not_load() -> None:
    with pytest.raises(KeyError, match="new_limit"):
        build_rulebook(broken("issue", new_limit=3))


def test_no_station_may_be_let_change_a_law() -> None:
    found = documents()
    found["donors"]["whole_blood_interval"]["terms"]["months"]["may"] = "set"
    with pytest.raises(ValidationError, match="cannot be for a station to set"):
        build_rulebook(found)


@pytest.mark.parametrize("held", [{"applied_by": "hospital"}, {"set_in": "station"}])
def test_no_station_may_set_what_others_apply_or_a_record_holds(held: dict[str, str]) -> None:
    found = documents()
    table = found["compatibility"]["unknown_cap"]
    assert any(terms.get("may") for terms in table["terms"].values())
    table.update(held)
    with pytest.raises(ValidationError, match="cannot be for a station to set"):
        build_rulebook(found)


@pytest.mark.parametrize(
    "about", [{"read": "second_hand"}, {"read": "professional"}, {"until": "2024-09-01"}]
)
def test_c01_nothing_unread_or_abolished_goes_unconfirmed(about: dict[str, str]) -> None:
    found = documents()
    table = found["compatibility"]["abo"]["red_cells"]
    assert table["read"] == "read"
    table.update(about)
    with pytest.raises(ValidationError, match="is to confirm"):
        build_rulebook(found)
    table["confirm"] = ["O", "A", "B", "AB"]
    assert build_rulebook(found).rules["red_cells.abo"].is_to_confirm


@pytest.mark.parametrize("since", ["", "soon", "2024-9-1", "24-09-01"])
def test_c01_a_rule_says_since_when_or_that_nobody_knows(since: str) -> None:
    with pytest.raises(ValidationError, match="since"):
        build_rulebook(broken("issue", since=since))
    rules = build_rulebook(broken("issue", since="unknown"))
    assert rules.rules["issue.electronic"].since == "unknown"


def test_only_a_value_of_the_rule_is_to_be_confirmed() -> None:
    with pytest.raises(ValidationError, match="confirm names no value of it"):
        build_rulebook(broken("issue", confirm=["nothing"]))


def test_a_station_confirms_local_rules_and_values_that_nobody_checked() -> None:
    checked = next(
        rule
        for rule in RULES
        if rule.values and not rule.confirm and rule.kind is RuleKind.STANDARD
    )
    assert not checked.is_to_confirm
    assert checked.values
    assert checked.but(confirm=(checked.values[0].name,)).is_to_confirm
    assert checked.but(kind=RuleKind.LOCAL).is_to_confirm
    was_read = checked.but(values=())
    assert not was_read.is_to_confirm
    assert was_read.but(until="2024-09-01").is_to_confirm


def test_two_rules_of_one_name_or_two_versions_do_not_load() -> None:
    with pytest.raises(InvariantViolation) as twice:
        build_rulebook(broken("issue", rule="issue.crossmatch"))
    assert twice.value.code == "rule_named_twice"
    found = documents()
    found["issue"]["version"] = "another"
    with pytest.raises(InvariantViolation) as differ:
        build_rulebook(found)
    assert differ.value.code == "rule_versions_differ"
    assert differ.value.params["versions"] == "2026-3, another"


def test_a_rulebook_is_a_value_that_nobody_changes() -> None:
    fields: list[Any] = [getattr(PACKAGED, at.name) for at in dataclasses.fields(PACKAGED)]
    positional: Any = Rulebook
    with pytest.raises(dataclasses.FrozenInstanceError):
        PACKAGED.version = "another"  # type: ignore[misc]
    assert not hasattr(PACKAGED, "__dict__")
    with pytest.raises(TypeError, match="positional"):
        positional(*fields)


PACKAGED_NAMES = {"PACKAGED", "COMPONENTS", "DONOR_RULES", "PACKS", "POLICY_DEFAULTS"}
MAY_NAME_THEM = {
    "streams/rules_file.py",  # the rulebook of a station without a file
    "cli/rules_page.py",  # describes the package
    "cli/unit_life_page.py",  # the same
    "cli/keystore.py",  # reads names of facilities, and decides nothing
    "demo/serving_options.py",  # explains a drill, whose stations have no rules of their own
    "demo/clairvoyant.py",  # looks back on the same drill
    "demo/actors/laboratory.py",  # tests as the standard says
}


def test_nothing_decides_by_the_packages_rules_while_a_station_has_its_own() -> None:
    """A rulebook is handed on; what is imported by name would be the package's."""
    found = [
        f"{path.relative_to(ROOT)}: {alias.name}"
        for room in ("streams", "gateway", "cli", "demo")
        for path in sorted((ROOT / room).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in MAY_NAME_THEM
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in PACKAGED_NAMES
    ]
    assert not found, "take a Rulebook"
