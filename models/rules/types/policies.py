"""Defaults where a station's record is silent, and assumptions about journeys, as cited data.

Pure. The rules stand in `rules/data/policies.toml`; this module gives them types.
"""

from __future__ import annotations

from math import ceil
from typing import Self

from pydantic import Field, model_validator

from models.components import Component, ComponentClass
from models.groups import Abo, BloodGroup, RhD
from models.requests import Priority
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


class LookaheadRule(CitedRule):
    """How the shelf is shared with demand that is expected until the next supply.

    Attributes:
        life_threatening, urgent: What a unit is worth to a patient of that priority, where a
            routine one is worth 1.
        filled_at_h: Hour of each day, in Beijing, at which the shelf is filled again.
        learned_d: Days whose requests are learned from.
        recent_h: The hours before now whose pace tells today's from the days before.
        least_watched_h: Hours since the first request before which nothing is kept.
        prior_units: Units of demand after which what was seen counts as much as the shares here.
        day_cv: Coefficient of variation of a day's volume.
        life_threatening_share, urgent_share: Of the demand, until it is learned; the rest is
            routine.
        unknown_share: Of the demand, for patients whose group is not known, until it is learned.
        o_share, a_share, b_share: Of the patients; the rest is AB.
        rhd_negative_share: Of the patients of each group.
    """

    life_threatening: int = Field(ge=1)
    urgent: int = Field(ge=1)
    filled_at_h: float = Field(ge=0, lt=24)
    learned_d: int = Field(ge=1)
    recent_h: float = Field(gt=0)
    least_watched_h: float = Field(gt=0)
    prior_units: int = Field(ge=1)
    day_cv: float = Field(gt=0)
    life_threatening_share: float = Field(gt=0, lt=1)
    urgent_share: float = Field(gt=0, lt=1)
    unknown_share: float = Field(ge=0, lt=1)
    o_share: float = Field(gt=0, lt=1)
    a_share: float = Field(gt=0, lt=1)
    b_share: float = Field(gt=0, lt=1)
    rhd_negative_share: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _check_shares_and_weights(self) -> Self:
        if self.o_share + self.a_share + self.b_share >= 1:
            raise ValueError("the shares of O, A and B leave nothing for AB")
        if self.life_threatening_share + self.urgent_share >= 1:
            raise ValueError("the shares of the graver priorities leave nothing for routine")
        return self

    @property
    def weights(self) -> dict[Priority, int]:
        """Return what a unit is worth, by priority."""
        return {
            Priority.LIFE_THREATENING: self.life_threatening,
            Priority.URGENT: self.urgent,
            Priority.ROUTINE: 1,
        }

    @property
    def priority_shares(self) -> dict[Priority, float]:
        """Return the shares of the demand by priority. They sum to 1."""
        grave = self.life_threatening_share + self.urgent_share
        return {
            Priority.LIFE_THREATENING: self.life_threatening_share,
            Priority.URGENT: self.urgent_share,
            Priority.ROUTINE: 1 - grave,
        }

    @property
    def group_shares(self) -> dict[BloodGroup | None, float]:
        """Return the shares of the demand by group; None is the unknown one. They sum to 1."""
        of_abo = {Abo.O: self.o_share, Abo.A: self.a_share, Abo.B: self.b_share}
        of_abo[Abo.AB] = 1 - sum(of_abo.values())
        of_rhd = {RhD.NEGATIVE: self.rhd_negative_share, RhD.POSITIVE: 1 - self.rhd_negative_share}
        known = 1 - self.unknown_share
        shares: dict[BloodGroup | None, float] = {
            group: known * of_abo[group.abo] * of_rhd[group.rhd] for group in BloodGroup
        }
        return {**shares, None: self.unknown_share}


class AtOnceRule(CitedRule):
    """Ordering units of one component in one order that are reserved without a confirmation.

    Attributes:
        platelets: Doses.
        concentrates: Of platelets that are ordered in U, some ten to a dose.
    """

    red_cells: int = Field(ge=1)
    plasma: int = Field(ge=1)
    cryoprecipitate: int = Field(ge=1)
    platelets: int = Field(ge=1)
    concentrates: int = Field(ge=1)

    def find(self, component: Component) -> int:
        """Return the units of a component; what carries red cells counts as red cells."""
        if component is Component.CRYOPRECIPITATE:
            return self.cryoprecipitate
        if component in {Component.PLATELET_CONCENTRATE, Component.POOLED_PLATELETS}:
            return self.concentrates
        match component.spec.component_class:
            case ComponentClass.PLASMA:
                return self.plasma
            case ComponentClass.PLATELETS:
                return self.platelets
            case ComponentClass.RED_CELLS | ComponentClass.WHOLE_BLOOD:
                return self.red_cells


class AtOnceInDangerRule(AtOnceRule):
    """The same while life is in danger, for one patient.

    Attributes:
        unnamed: For how many patients an order is that names none.
    """

    unnamed: int = Field(ge=1)


class UsualOrderRule(CitedRule):
    """What is learned of how much a hospital orders.

    Attributes:
        multiple: Of the usual quantity, to which an order is not asked back.
        share: Of its past orders, which do not exceed the usual quantity.
        least_orders: Past orders from which on anything is known.
        within_d: Days back that count.
    """

    multiple: float = Field(ge=1)
    share: float = Field(gt=0, le=1)
    least_orders: int = Field(ge=1)
    within_d: int = Field(ge=1)


class LastCompatibleRule(CitedRule):
    """How much of the free bags that fit a patient one order takes unasked.

    Attributes:
        share: Of what lies there.
        of_at_once: Of what is reserved at once; so much is reserved in any case.
    """

    share: float = Field(gt=0, le=1)
    of_at_once: float = Field(gt=0, le=1)


class SameOrderRule(CitedRule):
    """When a second order for a patient may be the first one again.

    Attributes:
        within_h: Hours between the two.
        from_units: Ordering units from which on an order is netted.
    """

    within_h: float = Field(gt=0)
    from_units: int = Field(ge=1)


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
    lookahead: LookaheadRule
    at_once: AtOnceRule
    at_once_in_danger: AtOnceInDangerRule
    usual_order: UsualOrderRule
    last_compatible: LastCompatibleRule
    same_order: SameOrderRule


POLICY_DEFAULTS = PolicyRules.model_validate(read_rules("policies"))
"""The values where a record is silent; a station changes its record, not these."""
