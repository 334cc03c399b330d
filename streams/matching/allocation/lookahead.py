"""Share the shelf between who asks now and who is expected to ask before the next supply. Pure.

Everything is one problem: the requests that are open, each with what its priority is worth, and the
expected demand, each further unit of it worth its weight times the chance that it is asked for. A
patient in danger of life stands above every forecast. What a request that can wait does not get now
is held for somebody who is likely to need it more; it is looked at again with every decision, and
nothing is lost by it as long as its time has not come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from models.requests import Priority
from streams.matching.allocation.problem import Problem, Supply, Wanted
from streams.matching.expected_demand import DemandKind, Expected

WEIGHTS: Mapping[Priority, int] = {
    Priority.LIFE_THREATENING: 100,
    Priority.URGENT: 10,
    Priority.ROUTINE: 1,
}
"""What a unit is worth beside a routine one."""

SCALE = 1_000
"""A unit of a routine request, in the integers of the solver."""

ABOVE_EVERY_FORECAST = 100 * SCALE * max(WEIGHTS.values())
MOST_STEPS = 8
"""Steps into which the expected units of a kind are put together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDemand:
    """A request that is open, as far as sharing needs it.

    Attributes:
        amount: Units that it lacks.
        costs: What one unit of each supply costs it, below `SCALE`; only supplies that may serve.
    """

    key: str
    priority: Priority
    amount: int
    costs: Mapping[str, int]


def build_problem(
    asks: Sequence[OpenDemand],
    supplies: Sequence[Supply],
    expected: Mapping[DemandKind, Expected],
    *,
    costs: Mapping[DemandKind, Mapping[str, int]],
) -> Problem:
    """Build the problem of one moment.

    Args:
        asks: The open requests.
        supplies: What is free.
        expected: The demand until the next supply.
        costs: By kind, what one unit of each supply costs a patient of that kind.
    """
    there = {supply.key for supply in supplies}
    demands = []
    for demand in (*_list_open(asks), *_list_expected(expected, costs)):
        reachable = {key: cost for key, cost in demand.costs.items() if key in there}
        if reachable:
            demands.append(replace(demand, costs=reachable))
    return Problem(supplies=tuple(supplies), demands=tuple(demands))


def _list_open(asks: Iterable[OpenDemand]) -> Iterator[Wanted]:
    for ask in asks:
        is_dying = ask.priority is Priority.LIFE_THREATENING
        worth = ABOVE_EVERY_FORECAST if is_dying else WEIGHTS[ask.priority] * SCALE
        yield Wanted(key=f"open {ask.key}", amount=ask.amount, worth=worth, costs=ask.costs)


def _list_expected(
    expected: Mapping[DemandKind, Expected], costs: Mapping[DemandKind, Mapping[str, int]]
) -> Iterator[Wanted]:
    for kind, forecast in expected.items():
        name = f"expected {kind.group.value if kind.group else '?'} {kind.priority.value}"
        for at, (units, chance) in enumerate(forecast.list_steps(MOST_STEPS)):
            worth = round(WEIGHTS[kind.priority] * SCALE * chance)
            yield Wanted(key=f"{name} {at}", amount=units, worth=worth, costs=costs[kind])
