"""Defaults where a station's record is silent, and assumptions about journeys, as cited data.

Pure. The rules stand in `rules/data/policies.toml`; this module gives them types.
"""

from __future__ import annotations

from pydantic import Field

from models.rules.citations import CitedRule, RuleSet, read_rules


class LowTitreARule(CitedRule):
    allowed: bool


class ThresholdsRule(CitedRule):
    """Days of supply below which each colour begins."""

    yellow_below_d: float = Field(gt=0)
    orange_below_d: float = Field(gt=0)
    red_below_d: float = Field(gt=0)


class ActivationRule(CitedRule):
    radius_km: float = Field(gt=0)


class ReserveRule(CitedRule):
    """Shares of the donors who are called, before anything is learnt of them."""

    acceptance_rate: float = Field(gt=0, le=1)
    staff_acceptance_rate: float = Field(gt=0, le=1)
    show_up_rate: float = Field(gt=0, le=1)


class NoShowRule(CitedRule):
    grace_s: int = Field(ge=60)


class JourneyRule(CitedRule):
    """Assumptions about a journey whose route is not recorded.

    Attributes:
        road_factor: Road over great-circle distance; mountain roads wind.
        handover_s: Picking, packing and handing over, added to every journey.
    """

    road_factor: float = Field(ge=1)
    road_speed_kmh: float = Field(gt=0)
    handover_s: int = Field(ge=0)


class PolicyRules(RuleSet):
    """All rules of `policies.toml`."""

    low_titre_a: LowTitreARule
    thresholds: ThresholdsRule
    activation: ActivationRule
    reserve: ReserveRule
    no_show: NoShowRule
    mutual_aid: CitedRule
    journey: JourneyRule


POLICY_DEFAULTS = PolicyRules.model_validate(read_rules("policies"))
"""The values where a record is silent; a station changes its record, not these."""
