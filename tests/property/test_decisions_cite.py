"""Every decision names the rules it followed, and every rule it names stands in the rulebook."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from models.clearance import UnitFacts
from models.compatibility import list_candidates
from models.components import Component
from models.decisions import Decision, Reason
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient, RhdConsent, Sex
from models.requests import Priority
from models.rules.rulebook import PACKAGED, Rulebook
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from tests.property.test_decide_batch import cases, shelves
from tests.support.rules import Changes, accept
from tests.support.world import NOW

WITHOUT_A_RULE = {
    "stock_short",  # there is nothing to choose, so no rule chose
    "stock_short_low_titre",
    "stock_short_of_any",
    "consent_would_open",  # what a fact would open is told; nothing was chosen
    "age_would_open",
    "prophylaxis_would_open",
    "typing_would_open",
    "time_would_open",
    "component_would_open",
    "age_would_spare",
    "typing_would_spare",
    "needed_by_passed",
    "arrives_late",
    "release_would_open",
    "life_rests_on_label",  # what nobody said of the bag
    "other_component",  # the shelf was read at a wrong place; no clinical rule
    "other_group",
}


def list_reasons(decision: Decision) -> Iterator[Reason]:
    yield from decision.reasons
    for line in decision.lines:
        yield from line.refusals
        yield from (unit.reason for unit in line.reserved)


@settings(max_examples=80, deadline=None)
@given(units=shelves(), batch=cases())
def test_every_reason_names_a_rule_that_there_is(units: list[UnitFacts], batch: list[Case]) -> None:
    for matched in decide_batch(batch, shelf=Shelf(units), now=NOW, hold_s=3600):
        decision = matched.decision
        assert decision.rules_version == PACKAGED.version
        for reason in list_reasons(decision):
            if reason.code in WITHOUT_A_RULE:
                assert not reason.rule
            else:
                assert PACKAGED.get_rule(reason.rule).cited == reason.rule, reason.code


def list_cited(rules: Rulebook) -> set[str]:
    """Every rule under which any group may go to any patient."""
    groups: tuple[BloodGroup | None, ...] = (None, *BloodGroup)
    sexes: tuple[Sex | None, ...] = (None, *Sex)
    flags = (False, True)
    return {
        candidate.rule
        for group, sex, age, anti_d, is_del, consent, policy in itertools.product(
            groups, sexes, (None, 19, 51), flags, flags, flags, flags
        )
        for component, priority in itertools.product(
            ("red_cells", "frozen_plasma", "cryoprecipitate", "platelets", "whole_blood"), Priority
        )
        for candidate in list_candidates(
            component=Component(component),
            patient=Patient(
                group=group,
                sex=sex,
                age_years=age,
                antibodies=("D",) if anti_d else (),
                asian_del=is_del,
                rhd_consent=RhdConsent(physician="a", signed_by="b") if consent else None,
            ),
            priority=priority,
            policy=StationPolicy(low_titre_a_plasma=policy),
            rules=rules,
        )
    }


ALLOWING = {
    "red_cells.abo", "plasma.abo", "platelets.abo", "whole_blood.abo", "unknown.group",
    "rhd.consented_fallback", "rhd.unprotected", "rhd.lifesaving", "rhd.asian_del",
    "plasma.low_titre", "plasma.low_titre_a", "cryoprecipitate.abo",
}  # fmt: skip


def test_every_rule_that_allows_a_group_is_cited_and_stands_in_the_rulebook() -> None:
    assert {PACKAGED.get_rule(rule).rule_id for rule in list_cited(PACKAGED)} == ALLOWING


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"donor.weight": {"male_kg": 55.0}},
        {"unknown.o_negative_cap": {"o_negative_units": 3}},
    ],
)
def test_a_stations_own_version_is_on_every_citation(changes: Changes) -> None:
    rules = accept(changes)
    cited = list_cited(rules)
    assert {rule.partition("@")[2] for rule in cited} == {rules.version}
    assert all(rules.get_rule(rule) for rule in cited)
