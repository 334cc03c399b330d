"""Policies of allocation: each serves a trace request by request, knowing only what has come.

The clairvoyant knows the whole day; what it covers is the most that anyone could have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from models.compatibility import list_candidates
from models.components import Component
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient, Sex
from models.requests import Priority
from models.rules.rulebook import PACKAGED
from streams.matching.allocation.lookahead import SCALE, OpenDemand, build_problem, name_open
from streams.matching.allocation.min_cost_flow import FlowAllocator
from streams.matching.allocation.problem import Problem, Supply, Wanted
from streams.matching.expected_demand import DemandKind
from tests.measurements.matching.traces import Asking, Trace

POLICY = StationPolicy()
PROTECTED = {Priority.LIFE_THREATENING: 0.0, Priority.URGENT: 0.15, Priority.ROUTINE: 0.4}
"""Of what a group had in the morning: the share that is kept from this priority."""

WEIGHTS = PACKAGED.policies.lookahead.weights

FLOW = FlowAllocator()


@cache
def list_groups(kind: DemandKind) -> tuple[BloodGroup, ...]:
    """List the groups that the kernel lets a man of forty have, best first."""
    candidates = list_candidates(
        component=Component.RED_CELLS,
        patient=Patient(group=kind.group, sex=Sex.MALE, age_years=40),
        priority=kind.priority,
        policy=POLICY,
        rules=PACKAGED,
    )
    return tuple(candidate.group for candidate in candidates)


@cache
def find_costs(kind: DemandKind) -> Mapping[str, int]:
    return {group.value: rank for rank, group in enumerate(list_groups(kind))}


def kind_of(asking: Asking) -> DemandKind:
    return DemandKind(asking.group, asking.priority)


@dataclass(slots=True)
class Day:
    """A trace while it is served.

    Attributes:
        free: Units on the shelf, by group.
        got: What each request got, by group.
        waited_h: Units × hours from a request until its units.
    """

    trace: Trace
    free: Counter[BloodGroup] = field(default_factory=Counter)
    got: list[Counter[BloodGroup]] = field(default_factory=list)
    waited_h: float = 0.0

    @classmethod
    def begin(cls, trace: Trace) -> Day:
        return cls(trace, Counter(trace.stock), [Counter() for _ in trace.requests])

    def lack(self, at: int) -> int:
        return self.trace.requests[at].quantity - self.got[at].total()

    def give(self, at: int, group: BloodGroup, units: int, *, at_h: float) -> None:
        given = min(units, self.free[group], self.lack(at))
        self.free[group] -= given
        self.got[at][group] += given
        self.waited_h += given * (at_h - self.trace.requests[at].at_h)

    def has(self, group: str) -> bool:
        return self.free[BloodGroup(group)] > 0

    def list_supplies(self) -> tuple[Supply, ...]:
        return tuple(
            Supply(key=group.value, amount=units) for group, units in self.free.items() if units
        )

    def list_waiting(self, at_h: float) -> list[int]:
        """List the requests that have come, lack something and can still be served."""
        return [
            at
            for at, asking in enumerate(self.trace.requests)
            if asking.at_h <= at_h <= asking.until_h and self.lack(at)
        ]

    def list_moments(self) -> Iterator[tuple[float, int]]:
        """Yield when each request must be decided at the latest."""
        due = sorted((asking.until_h, at) for at, asking in enumerate(self.trace.requests))
        yield from due


Serve = Callable[[Trace], Day]


def serve_by_order(
    trace: Trace,
    order: Callable[[Day, DemandKind], list[BloodGroup]],
    kept: Mapping[Priority, float],
) -> Day:
    """First come, first served; some part of the morning's shelf is kept from some."""
    day = Day.begin(trace)
    for at, asking in enumerate(trace.requests):
        for group in order(day, kind_of(asking)):
            floor = int(trace.stock[group] * kept.get(asking.priority, 0.0))
            day.give(at, group, max(0, day.free[group] - floor), at_h=asking.at_h)
    return day


def serve_most_stock_first(trace: Trace) -> Day:
    def order(day: Day, kind: DemandKind) -> list[BloodGroup]:
        return sorted(list_groups(kind), key=lambda group: (-day.free[group], group.value))

    return serve_by_order(trace, order, {})


def serve_exact_group_first(trace: Trace) -> Day:
    return serve_by_order(trace, lambda _, kind: list(list_groups(kind)), {})


def serve_with_protection_levels(trace: Trace) -> Day:
    return serve_by_order(trace, lambda _, kind: list(list_groups(kind)), PROTECTED)


def serve_reoptimising(trace: Trace) -> Day:
    """Share everything open at each moment at which somebody can wait no longer; only they get."""
    day = Day.begin(trace)
    for at_h, due in day.list_moments():
        if not day.lack(due):
            continue
        asks = [_build_ask(day, at) for at in {due, *day.list_waiting(at_h)}]
        problem = build_problem(asks, day.list_supplies(), (), weights=WEIGHTS)
        for group, units in FLOW.allocate(problem).of(name_open(str(due))).items():
            day.give(due, BloodGroup(group), units, at_h=at_h)
    return day


def serve_as_clairvoyant(trace: Trace) -> Day:
    """The optimum: the whole day is shared as if it were known in the morning."""
    day = Day.begin(trace)
    demands = tuple(
        Wanted(
            key=str(at),
            amount=asking.quantity,
            worth=WEIGHTS[asking.priority] * SCALE,
            costs={key: cost for key, cost in find_costs(kind_of(asking)).items() if day.has(key)},
        )
        for at, asking in enumerate(trace.requests)
    )
    found = FLOW.allocate(Problem(supplies=day.list_supplies(), demands=demands))
    for (demand, group), units in found.shares.items():
        at = int(demand)
        day.give(at, BloodGroup(group), units, at_h=trace.requests[at].at_h)
    return day


def _build_ask(day: Day, at: int) -> OpenDemand:
    kind = kind_of(day.trace.requests[at])
    return OpenDemand(
        key=str(at),
        priority=kind.priority,
        amount=day.lack(at),
        costs=find_costs(kind),
        is_firm=False,
    )
