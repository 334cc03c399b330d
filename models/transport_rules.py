"""What a component must not suffer on its way, and what it needs on arrival, as cited data.

Pure. The rules stand in `rules/transport.toml`, the temperatures in `rules/components.toml`; this
module gives them types.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from models.citations import CitedRule, RuleSet, read_rules
from models.components import Component
from models.in_force import InForce


class ThawingRule(CitedRule):
    """Components that only a hospital which can thaw may get."""

    components: tuple[Component, ...]


class TransportRule(CitedRule):
    """What one kind of component stands.

    Attributes:
        max_out_of_control_min: Minutes outside its temperatures, together, after which a unit does
            not go back to stock. None: no source gives a figure, so after any time outside the
            station judges, and nothing returns by itself.
        transfuse_within_h: Hours from leaving temperature control until it must be transfused.
        max_without_agitation_h: Hours that platelets may lie still, on the way included.
    """

    components: tuple[Component, ...] = Field(min_length=1)
    max_out_of_control_min: int | None = Field(default=None, ge=0)
    transfuse_within_h: int | None = Field(default=None, ge=1)
    max_without_agitation_h: int | None = Field(default=None, ge=1)

    @property
    def max_out_of_control(self) -> timedelta | None:
        minutes = self.max_out_of_control_min
        return None if minutes is None else timedelta(minutes=minutes)

    @property
    def transfuse_within(self) -> timedelta | None:
        hours = self.transfuse_within_h
        return None if hours is None else timedelta(hours=hours)

    @property
    def max_without_agitation(self) -> timedelta | None:
        hours = self.max_without_agitation_h
        return None if hours is None else timedelta(hours=hours)


class TransportRules(RuleSet):
    """The whole file; every component has exactly one transport rule."""

    red_cells: TransportRule
    whole_blood: TransportRule
    platelets: TransportRule
    frozen: TransportRule
    thawing: ThawingRule

    @model_validator(mode="after")
    def _covers_every_component_once(self) -> Self:
        covered = [component for rule in self._rules for component in rule.components]
        if sorted(covered) != sorted(Component):
            raise ValueError("components: each must stand in exactly one transport rule")
        return self

    @property
    def _rules(self) -> tuple[TransportRule, ...]:
        return (self.red_cells, self.whole_blood, self.platelets, self.frozen)

    def of(self, component: Component) -> TransportRule:
        """Return the rule of one component; its temperatures are `component.spec`'s."""
        return next(rule for rule in self._rules if component in rule.components)

    def needs_thawing(self, component: Component) -> bool:
        """Return whether only a hospital that can thaw may get it."""
        return component in self.thawing.components


transport_rules = InForce(TransportRules.model_validate(read_rules("transport")))
"""Call it for the rules in force."""
