"""Rules of the safety kernel: what it demands of a unit beside its group, as cited data.

Pure. The rules stand in `rules/data/safety.toml`; this module gives them types.
"""

from __future__ import annotations

from datetime import timedelta

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


class UseRule(CitedRule):
    """Minutes that a unit is in use after it is there, by the class of its component."""

    thawing_min: int = Field(ge=0)
    red_cells_min: int = Field(ge=0)
    whole_blood_min: int = Field(ge=0)
    plasma_min: int = Field(ge=0)
    platelets_min: int = Field(ge=0)

    def takes(self, component: Component, *, thawed: bool) -> timedelta:
        """Return how long a unit is in use; one that is frozen is thawed first."""
        spec = component.spec
        minutes: int = getattr(self, f"{spec.component_class}_min")
        return timedelta(minutes=minutes + (self.thawing_min if spec.frozen and not thawed else 0))


class TransitRule(CitedRule):
    """Hours that the named components may be on the way."""

    components: tuple[Component, ...]
    at_most_h: int = Field(ge=0)


class GlycerolRule(CitedRule):
    """Components that no patient gets as they are, and what is made of them for patients."""

    components: tuple[Component, ...]
    instead: Component


class IrradiatedRule(CitedRule):
    """Components that are irradiated, asked for or not."""

    components: tuple[Component, ...]


class EmergencyReleaseRule(CitedRule):
    allowed: bool


class SafetyRules(RuleSet):
    release: CitedRule
    recall: CitedRule
    expiry: CitedRule
    use: UseRule
    thawing: CitedRule
    glycerol: GlycerolRule
    granulocytes: IrradiatedRule
    antibodies: CitedRule
    demand: CitedRule
    emergency_release: EmergencyReleaseRule
    temperature: CitedRule
    out_of_control: OutOfControlRule
    agitation: AgitationRule
    transit: TransitRule
