"""Shortage rules: when a station lacks blood and what a neighbour can spare, as cited data.

Pure. The rules stand in `rules/data/shortages.toml`; this module gives them types.
"""

from __future__ import annotations

from pydantic import Field

from models.base import Value
from models.groups import Abo, BloodGroup, RhD
from models.requests import Priority
from models.rules.citations import CitedRule, RuleSet


class GroupsRule(CitedRule):
    """Shares of the population; RhD does not depend on ABO."""

    rhd_negative: float = Field(ge=0, le=1)
    abo: dict[Abo, float] = Field(min_length=len(Abo))

    def share_of(self, group: BloodGroup) -> float:
        """Return the share of the population that has this group."""
        negative = group.rhd is RhD.NEGATIVE
        return self.abo[group.abo] * (self.rhd_negative if negative else 1 - self.rhd_negative)


class BurnRule(CitedRule):
    """The window of the mean, and the two short windows in which an emergency is seen.

    `surge_least_units`: units promised in a short window from which it counts at a green place.
    """

    window_d: int = Field(ge=1)
    recent_h: float = Field(gt=0)
    surge_h: float = Field(gt=0)
    surge_least_units: int = Field(ge=1)


class ExpectedRule(CitedRule):
    least_units: float = Field(ge=0)


class RecoveryRule(CitedRule):
    margin: float = Field(ge=0, le=1)


class ChangeRule(CitedRule):
    share: float = Field(ge=0, le=1)


class FloorStep(Value):
    """One step of a floor: the days of its own use that a giver keeps, and for whom."""

    waiting: Priority
    keep_d: float = Field(ge=0)


class BendingRule(CitedRule):
    steps: tuple[FloorStep, ...]


class ShortageRules(RuleSet):
    """All rules of `shortages.toml`."""

    groups: GroupsRule
    burn: BurnRule
    expected: ExpectedRule
    recovery: RecoveryRule
    change: ChangeRule
    offers: CitedRule
    bending: BendingRule
    rhd_negative: CitedRule
