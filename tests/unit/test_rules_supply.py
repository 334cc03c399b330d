"""The rule files of the supply side: cited, complete, and in agreement with what they quote."""

from __future__ import annotations

import pytest

from models.components import Component
from models.groups import BloodGroup
from models.patients import Sex
from models.rules.citations import CitedRule, RuleKind, RuleSet
from models.rules.rulebook import PACKAGED
from models.rules.types.donors import DONOR_RULES


def rules_of(rule_set: RuleSet) -> list[CitedRule]:
    found = [getattr(rule_set, name) for name in type(rule_set).model_fields]
    return [rule for rule in found if isinstance(rule, CitedRule)]


@pytest.mark.parametrize("rule_set", [DONOR_RULES, PACKAGED.disasters, PACKAGED.shortages])
def test_every_rule_is_cited_under_a_name_of_its_own(rule_set: RuleSet) -> None:
    rules = rules_of(rule_set)
    assert len(rules) == len(set(type(rule_set).model_fields) - {"version", "laws"})
    assert len({rule.rule for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.source
        assert rule_set.cite(rule) == f"{rule.rule}@{rule_set.version}"
        assert set(rule.confirm) <= set(type(rule).model_fields), rule.rule


def test_what_the_law_says_is_marked_as_law() -> None:
    assert DONOR_RULES.whole_blood_interval.kind is RuleKind.LAW
    assert DONOR_RULES.whole_blood_interval.months == 6
    assert DONOR_RULES.consent.kind is RuleKind.LAW


def test_the_standard_for_donors() -> None:
    age, weight = DONOR_RULES.age, DONOR_RULES.weight
    assert (age.from_years, age.to_years, age.repeat_to_years) == (18, 55, 60)
    assert (weight.least_kg(Sex.MALE), weight.least_kg(Sex.FEMALE)) == (50, 45)
    assert DONOR_RULES.after_platelets_interval.weeks == 4


def test_the_components_of_an_admission_add_up() -> None:
    rule = PACKAGED.disasters.components
    assert sum(rule.units_per(component) for component in rule.ratio) == pytest.approx(2.7)
    red_cells = rule.units_per(Component.RED_CELLS)
    assert rule.units_per(Component.PLATELETS) / red_cells == pytest.approx(0.81)
    assert rule.units_per(Component.FRESH_FROZEN_PLASMA) / red_cells == pytest.approx(0.54)


def test_a_disaster_may_call_every_group_and_the_rare_ones_last() -> None:
    order = PACKAGED.disasters.donations.group_order
    assert sorted(order) == sorted(BloodGroup)
    assert all(group.value.endswith("-") for group in order[4:])
