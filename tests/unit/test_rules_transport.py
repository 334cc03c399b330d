"""Transport, thawing and electronic issue: the rule data says what its sources say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.components import Component
from models.issue_rules import issue_rules
from models.transport_rules import TransportRules, transport_rules

RED = (Component.RED_CELLS, Component.WASHED_RED_CELLS, Component.WHOLE_BLOOD)


@pytest.mark.parametrize("component", RED)
def test_red_cells_do_not_come_back_after_half_an_hour(component: Component) -> None:
    rule = transport_rules().of(component)
    assert rule.max_out_of_control == timedelta(minutes=30)
    assert rule.transfuse_within == timedelta(hours=4)
    assert component.spec.transport_temp_c == (2, 10)


def test_platelets_lie_still_for_a_day_at_most() -> None:
    rule = transport_rules().of(Component.PLATELETS)
    assert rule.max_without_agitation == timedelta(hours=24)
    assert rule.max_out_of_control is None
    assert Component.PLATELETS.spec.transport_temp_c == (20, 24)


@pytest.mark.parametrize("component", Component)
def test_what_is_stored_frozen_needs_thawing_and_travels_frozen(component: Component) -> None:
    rules = transport_rules()
    assert rules.needs_thawing(component) == component.spec.frozen
    assert component.spec.frozen == (component in rules.frozen.components)


def test_a_component_without_a_transport_rule_does_not_load() -> None:
    rules = transport_rules()
    fewer = rules.frozen.but(components=(Component.FROZEN_PLASMA,))
    with pytest.raises(ValueError, match="exactly one transport rule"):
        TransportRules.model_validate({**dict(rules), "frozen": fewer})


def test_the_conditions_of_electronic_issue() -> None:
    rule = issue_rules().electronic
    assert (rule.concordant_abo_results, rule.results_on_current_sample) == (2, 1)
    assert rule.no_significant_antibody
    assert rule.sample_max_age == timedelta(hours=72)
    assert issue_rules().cite(rule) == "issue.electronic@2026-1"
