"""Outlook of a station: what it is likely to be asked for until its next supply. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.compatibility import list_candidates
from models.components import Component
from models.doses import WHOLE, OrderMeasure, round_up, to_units
from models.facilities import StationPolicy
from models.groups import BloodGroup, RhD
from models.patients import Patient, Sex
from models.requests import Priority
from models.rules.rulebook import Rulebook
from models.texts.instants import to_local
from streams.matching.allocation.lookahead import ExpectedDemand
from streams.matching.expected_demand import DemandKind, Expected, Prior, SeenDemand, expect

_GROWN_MAN = 40
"""Age of the patient for whom demand is expected: the groups that most patients may have."""

SURELY = 3.0
"""Standard deviations above the mean: more than that is hardly asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOften:
    """Requests for a component that are alike.

    Attributes:
        component: Of the line.
        group: For which it was chosen; None where it was not known.
        quantity: Of each line, in its measure.
        requests: How many of them, 1 or more.
        is_recent: They came in the last hours of `LookaheadRule.recent_h`.
    """

    component: Component
    group: BloodGroup | None
    priority: Priority
    measure: OrderMeasure
    quantity: int
    requests: int
    is_recent: bool

    @property
    def kind(self) -> DemandKind:
        return DemandKind(self.group, self.priority)

    @property
    def units(self) -> int:
        """Ordering units of each."""
        return round_up(to_units(self.component, self.quantity * WHOLE, self.measure))


@dataclass(frozen=True, slots=True, kw_only=True)
class StationDemand:
    """What a station was asked for since it is watched.

    Attributes:
        began_at: When the first request came, or when it is learned from; None if none came.
        asked: What was asked since then, withdrawn and refused orders left out.
    """

    began_at: datetime | None
    asked: tuple[AskedOften, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandOutlook:
    """What is expected of one component at one station, until its next supply.

    Attributes:
        hours: Until then.
        kinds: What is expected of each kind.
        costs: By kind, the groups that may serve it, each with its rank, best first from 0.
    """

    hours: float
    kinds: Mapping[DemandKind, Expected]
    costs: Mapping[DemandKind, Mapping[BloodGroup, int]]

    def count_for(self, group: BloodGroup) -> int:
        """Return the units that all kinds together will hardly ask of a group."""
        reaching = [found for kind, found in self.kinds.items() if group in self.costs[kind]]
        mean = sum(found.mean for found in reaching)
        variance = sum(found.mean * found.dispersion for found in reaching)
        return int(mean + SURELY * variance**0.5) + 1

    def list_expected(self, component: Component) -> Iterable[ExpectedDemand]:
        """Yield what is expected, as demand for the places of the component."""
        for kind, expected in self.kinds.items():
            group = kind.group.value if kind.group else "unknown"
            yield ExpectedDemand(
                key=f"{component.value} {group} {kind.priority.value}",
                priority=kind.priority,
                expected=expected,
                costs={
                    name_place(component, given): rank for given, rank in self.costs[kind].items()
                },
            )

    @property
    def grave_units(self) -> float:
        """Units that are expected for who is in danger of life or urgent."""
        return sum(
            found.mean
            for kind, found in self.kinds.items()
            if kind.priority is not Priority.ROUTINE
        )


def name_place(component: Component, group: BloodGroup) -> str:
    """Return the key of a place of one station's shelf in a problem."""
    return f"{component.value} {group.value}"


def find_windows(now: datetime, rules: Rulebook) -> tuple[datetime, datetime]:
    """Return since when requests are learned from, and since when they are recent."""
    rule = rules.policies.lookahead
    return now - timedelta(days=rule.learned_d), now - timedelta(hours=rule.recent_h)


def look_ahead(
    demand: StationDemand, *, policy: StationPolicy, now: datetime, rules: Rulebook
) -> dict[Component, DemandOutlook]:
    """Expect what a station will be asked for; nothing where it was watched for too short a time.

    Args:
        demand: What it was asked in the windows of `find_windows`.
        policy: Its own.
        now: Aware UTC instant at which the windows end.
        rules: The rulebook to decide by.
    """
    rule = rules.policies.lookahead
    if demand.began_at is None:
        return {}
    since, recent_since = find_windows(now, rules)
    began_at = max(demand.began_at, since)
    watched_h = _count_hours(now - began_at)
    if watched_h < rule.least_watched_h:
        return {}
    recent_h = _count_hours(now - max(began_at, recent_since))
    by_component: dict[Component, list[AskedOften]] = defaultdict(list)
    for row in demand.asked:
        by_component[row.component].append(row)
    until_filled_h = count_hours_until_filled(now, rules)
    found = {}
    for component, asked in by_component.items():
        kinds = expect(
            _sum_up([row for row in asked if not row.is_recent], hours=watched_h - recent_h),
            _sum_up([row for row in asked if row.is_recent], hours=recent_h),
            prior=Prior.of(rule),
            hours=until_filled_h,
        )
        costs = {kind: rank_groups(component, kind, policy=policy, rules=rules) for kind in kinds}
        found[component] = DemandOutlook(hours=until_filled_h, kinds=kinds, costs=costs)
    return found


def count_hours_until_filled(now: datetime, rules: Rulebook) -> float:
    """Return the hours until the shelf is filled again, above 0 and at most 24."""
    local = to_local(now)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    filled_at = day + timedelta(hours=rules.policies.lookahead.filled_at_h)
    return _count_hours(filled_at - local) % 24 or 24.0


def rank_groups(
    component: Component, kind: DemandKind, *, policy: StationPolicy, rules: Rulebook
) -> dict[BloodGroup, int]:
    """Rank the groups that may serve demand of a kind, best first from 0.

    No RhD- red cells are kept for whoever is RhD+: they are for those who need them.
    """
    candidates = list_candidates(
        component=component,
        patient=Patient(group=kind.group, sex=Sex.MALE, age_years=_GROWN_MAN),
        priority=kind.priority,
        policy=policy,
        rules=rules,
    )
    is_positive = kind.group is not None and kind.group.rhd is RhD.POSITIVE
    spares_negative = is_positive and component.spec.carries_red_cells
    groups = [
        candidate.group
        for candidate in candidates
        if not (spares_negative and candidate.group.rhd is RhD.NEGATIVE)
    ]
    return {group: rank for rank, group in enumerate(groups)}


def _sum_up(asked: Sequence[AskedOften], *, hours: float) -> SeenDemand:
    return SeenDemand.of(((row.kind, row.units, row.requests) for row in asked), hours=hours)


def _count_hours(span: timedelta) -> float:
    return span / timedelta(hours=1)
