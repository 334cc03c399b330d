"""Defaults where a station's record is silent, and assumptions about journeys, as cited data.

Pure. The rules stand in `rules/data/policies.toml`; this module gives them types.
"""

from __future__ import annotations

from math import ceil

from pydantic import Field

from models.components import Component
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


class EmergencyReserveRule(CitedRule):
    """The last O RhD+ red cells of a station, kept from who can wait and has another group.

    Attributes:
        o_units: Ordering units that stay, of each component that carries red cells.
        given_ahead_h: Hours before the last moment to send them at which they are given after all.
    """

    o_units: int = Field(ge=0)
    given_ahead_h: float = Field(ge=0)


class UsefulPartRule(CitedRule):
    """Units of a component below which a part of what was asked helps nobody.

    A component that has no field here helps from the first unit on.

    Attributes:
        share: Of what was asked: who asks for less, such as for a child, needs less of it.
    """

    cryoprecipitate: int = Field(ge=1)
    share: float = Field(gt=0, le=1)

    def least_of(self, component: Component, *, asked: int) -> int:
        """Return the units from which on a part is of use."""
        return min(self.find_least(component), self.share_of(asked))

    def find_least(self, component: Component) -> int:
        """Return the units that help whoever asked, however many were asked."""
        least: int = getattr(self, component.value, 1)
        return least

    def share_of(self, asked: int) -> int:
        """Return the part of what was asked that helps, in its own measure."""
        return ceil(self.share * asked)


class PolicyRules(RuleSet):
    """All rules of `policies.toml`."""

    low_titre_a: LowTitreARule
    thresholds: ThresholdsRule
    activation: ActivationRule
    reserve: ReserveRule
    no_show: NoShowRule
    mutual_aid: CitedRule
    journey: JourneyRule
    emergency_reserve: EmergencyReserveRule
    useful_part: UsefulPartRule


POLICY_DEFAULTS = PolicyRules.model_validate(read_rules("policies"))
"""The values where a record is silent; a station changes its record, not these."""
