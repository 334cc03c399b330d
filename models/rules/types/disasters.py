"""Ratios and models that turn casualties, exposures or a magnitude into blood, as cited data.

Pure. The rules stand in `rules/data/disasters.toml`; this module gives them types.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from models.base import Value
from models.components import Component
from models.groups import BloodGroup
from models.rules.citations import CitedRule, RuleSet


class ComponentsRule(CitedRule):
    """Components per admission, and how they divide."""

    units_per_admission: float = Field(gt=0)
    ratio: dict[Component, Annotated[float, Field(gt=0)]] = Field(min_length=1)

    def units_per(self, component: Component) -> float:
        """Return the components of one kind, as they are counted, that one admission needs."""
        return self.units_per_admission * self.ratio[component] / sum(self.ratio.values())


class PlateletDosesRule(CitedRule):
    """`components_per_dose`: platelet components, as the ratio counts them, in one dose."""

    components_per_dose: float = Field(ge=1)


class ReportedRule(CitedRule):
    admissions_per_injured: float = Field(gt=0, le=1)


class FirstReportsRule(CitedRule):
    """`early_h`: hours after the event in which a report counts no less than the model."""

    early_h: float = Field(gt=0)


class TimelyRule(CitedRule):
    """How old an alert may be, and how far ahead, to open activations by itself."""

    oldest_h: float = Field(gt=0)
    ahead_s: int = Field(ge=0)


class ExerciseRule(CitedRule):
    ends_after_h: float = Field(gt=0)


class FatalityModel(Value):
    """A country's lognormal curve; theta is the intensity at which half would die."""

    theta: float = Field(gt=0)
    beta: float = Field(gt=0)


class EstimatedRule(CitedRule):
    fallback_country: str
    countries: dict[str, FatalityModel]

    @model_validator(mode="after")
    def _falls_back_on_something(self) -> Self:
        if self.fallback_country not in self.countries:
            raise ValueError("fallback_country: must be one of the countries")
        return self


class InjuredRule(CitedRule):
    injured_per_dead: float = Field(gt=0)


class MagnitudeRow(Value):
    from_magnitude: float
    admissions: int = Field(ge=0)


class MagnitudeRule(CitedRule):
    """Admissions by magnitude at a shallow depth; deep earthquakes cause fewer, very deep none."""

    deep_below_km: float = Field(gt=0)
    deep_share: float = Field(ge=0, le=1)
    very_deep_below_km: float = Field(gt=0)
    rows: tuple[MagnitudeRow, ...] = Field(min_length=1)


class DonationsRule(CitedRule):
    red_cells_per_donation: float = Field(gt=0)
    group_order: tuple[BloodGroup, ...]

    @model_validator(mode="after")
    def _orders_every_group(self) -> Self:
        if sorted(self.group_order) != sorted(BloodGroup):
            raise ValueError("group_order: each of the eight groups exactly once")
        return self


class DisasterRules(RuleSet):
    """All rules of `disasters.toml`."""

    components: ComponentsRule
    platelet_doses: PlateletDosesRule
    reported: ReportedRule
    first_reports: FirstReportsRule
    timely: TimelyRule
    exercise: ExerciseRule
    estimated: EstimatedRule
    injured: InjuredRule
    magnitude: MagnitudeRule
    cover: CitedRule
    donations: DonationsRule

    def bags_per_admission(self, component: Component) -> float:
        """Return the bags on a shelf that one admission needs; platelets are kept as doses."""
        units = self.components.units_per(component)
        if component is Component.PLATELETS:
            return units / self.platelet_doses.components_per_dose
        return units
