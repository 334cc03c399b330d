"""What the safety kernel demands of a unit beside its group, as cited data.

Pure. The rules stand in `rules/data/safety.toml`; this module gives them types.
"""

from __future__ import annotations

from pydantic import Field

from models.components import Component
from models.rules.citations import CitedRule, RuleSet


class OutOfControlRule(CitedRule):
    """Minutes out of temperature control that are allowed to the named components only."""

    components: tuple[Component, ...]
    restock_within_min: int = Field(ge=0)
    transfuse_within_min: int = Field(ge=0)


class AgitationRule(CitedRule):
    """Hours that the named components may lie still."""

    components: tuple[Component, ...]
    unagitated_at_most_h: int = Field(ge=0)


class SafetyRules(RuleSet):
    release: CitedRule
    recall: CitedRule
    expiry: CitedRule
    thawing: CitedRule
    antibodies: CitedRule
    demand: CitedRule
    temperature: CitedRule
    out_of_control: OutOfControlRule
    agitation: AgitationRule
