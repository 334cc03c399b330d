"""Expect demand until the next supply: how many units of each kind, and how sure that is.

Pure and deterministic. Demand is learned from what was asked: its volume follows today's pace and
what the days before had, its mix of groups and priorities is drawn towards a prior as long as
little was seen. Requests come by chance and ask for several units at once, and the pace itself is
uncertain; so the number is taken to be negative binomial, wider than Poisson by both. The k-th unit
of a kind is worth its weight times the chance that so many are asked for.

The forecast only ever takes part in a choice beside real requests; what it is worth to hold a unit
for a patient who may come is at most what that patient's priority is worth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import exp, log
from typing import NamedTuple, Self

from models.groups import BloodGroup
from models.requests import Priority
from models.rules.types.policies import LookaheadRule

LEAST_CHANCE = 0.003
"""A unit that is asked for less often than that is not looked at any more."""
MOST_UNITS = 5_000


class DemandKind(NamedTuple):
    """Demand that is alike: for a group (None where it is unknown) and at a priority."""

    group: BloodGroup | None
    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDemand:
    """What was asked in some time: units by kind, and their squares request by request.

    Attributes:
        hours: How long it was watched, above 0.
        units: Units by kind.
        squares: The sum of the squared quantities of the requests.
    """

    hours: float
    units: Mapping[DemandKind, int] = field(default_factory=dict)
    squares: int = 0

    @property
    def total(self) -> int:
        return sum(self.units.values())

    @property
    def clumping(self) -> float:
        """Return by how much the variance exceeds the mean because several are asked at once."""
        return self.squares / self.total if self.total else 1.0

    @classmethod
    def of(cls, requests: Iterable[tuple[DemandKind, int, int]], *, hours: float) -> Self:
        """Sum up what was asked: the kind, units and number of requests that are alike."""
        units, squares = Counter[DemandKind](), 0
        for kind, quantity, times in requests:
            units[kind] += quantity * times
            squares += quantity * quantity * times
        return cls(hours=hours, units=units, squares=squares)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is taken to be so until enough was seen.

    Attributes:
        groups: Share of each group; None is the unknown one. Sums to 1.
        priorities: Share of each priority. Sums to 1.
        units: Units of demand after which what was seen counts as much as the shares here.
        pace_cv: Coefficient of variation of a day's volume.
    """

    groups: Mapping[BloodGroup | None, float]
    priorities: Mapping[Priority, float]
    units: float
    pace_cv: float

    @classmethod
    def of(cls, rule: LookaheadRule) -> Self:
        return cls(
            groups=rule.group_shares,
            priorities=rule.priority_shares,
            units=rule.prior_units,
            pace_cv=rule.day_cv,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How many units of a kind are expected.

    Attributes:
        mean: Units.
        dispersion: Variance over mean, above 1.
    """

    mean: float
    dispersion: float

    def list_chances(self) -> list[float]:
        """Return the chance that at least 1, 2, 3 … units are asked for, until it hardly is one."""
        if self.mean <= 0:
            return []
        size = self.mean / (self.dispersion - 1)
        log_stays = log(self.dispersion - 1) - log(self.dispersion)
        # By logarithms: the chance that nothing is asked may be too small for a float.
        log_mass = -size * log(self.dispersion)
        below, chances = exp(log_mass), list[float]()
        while (left := 1 - below) >= LEAST_CHANCE and len(chances) < MOST_UNITS:
            chances.append(left)
            count = len(chances)
            log_mass += log((size + count - 1) / count) + log_stays
            below += exp(log_mass)
        return chances

    def list_steps(self, most: int) -> Iterator[tuple[int, float]]:
        """Yield at most so many steps: units that are taken together, and their mean chance."""
        chances = self.list_chances()
        steps = min(most, len(chances))
        for at in range(steps):
            part = chances[at * len(chances) // steps : (at + 1) * len(chances) // steps]
            yield len(part), sum(part) / len(part)


def expect(
    before: SeenDemand, recent: SeenDemand, *, prior: Prior, hours: float
) -> dict[DemandKind, Expected]:
    """Expect the demand of the coming hours.

    Args:
        before: The days that were watched, but for the last hours.
        recent: The last hours, whose pace tells this day's from the others.
        prior: What holds until enough was seen.
        hours: Until the next supply.

    Returns:
        Every kind of the prior with a mean above 0.
    """
    units = {
        kind: before.units.get(kind, 0) + recent.units.get(kind, 0) for kind in _list_kinds(prior)
    }
    total = sum(units.values()) + prior.units
    squares = before.squares + recent.squares
    clumping = SeenDemand(hours=before.hours, units=units, squares=squares).clumping
    pace = _find_pace(before, recent, clumping=clumping, cv=prior.pace_cv)
    expected = {}
    for kind in units:
        of_group = sum(units[other] for other in units if other.group is kind.group)
        of_priority = sum(units[other] for other in units if other.priority is kind.priority)
        group = (prior.units * prior.groups[kind.group] + of_group) / total
        priority = (prior.units * prior.priorities[kind.priority] + of_priority) / total
        mean = pace * hours * group * priority
        if mean > 0:
            dispersion = max(1.05, clumping + mean * prior.pace_cv**2)
            expected[kind] = Expected(mean=mean, dispersion=dispersion)
    return expected


def _find_pace(before: SeenDemand, recent: SeenDemand, *, clumping: float, cv: float) -> float:
    """Return the units per hour of this day, between what the days before had and the last hours.

    A day's pace is taken to be gamma distributed about that of the days before. Its posterior mean
    follows the last hours as soon as they tell more than the days before leave open.
    """
    usual = before.total / before.hours if before.hours else 0.0
    if not usual:
        return recent.total / recent.hours if recent.hours else 0.0
    hours = clumping / (cv**2 * usual)
    return (usual * hours + recent.total) / (hours + recent.hours)


def _list_kinds(prior: Prior) -> list[DemandKind]:
    return [DemandKind(group, priority) for group in prior.groups for priority in prior.priorities]
