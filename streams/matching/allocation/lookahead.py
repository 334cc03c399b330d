"""Share the shelf between who asks now and who is expected to ask before the next supply. Pure.

Everything is one problem: the requests that are open, each with what its priority is worth, and the
expected demand, each further unit of it worth its weight times the chance that it is asked for. A
firm request, such as that of a patient in danger of life, stands above every forecast. What a
request that can wait does not get now is held for somebody who is likely to need it more; it is
looked at again with every decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from models.requests import Priority
from streams.matching.allocation.problem import Problem, Supply, Wanted
from streams.matching.expected_demand import Expected

SCALE = 1_000
"""A unit of a routine request, in the integers of the solver."""

FIRM = 1_000
"""Times a request that is kept from nothing outweighs what any forecast of its priority can."""

MOST_STEPS = 8
"""Steps into which the expected units of a kind are put together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDemand:
    """A request that is open, as far as sharing needs it.

    Attributes:
        amount: What it lacks.
        costs: What one unit of each supply costs it, below `SCALE`; only supplies that may serve.
        is_firm: No forecast keeps anything from it.
        limits: As of `Wanted`.
    """

    key: str
    priority: Priority
    amount: int
    costs: Mapping[str, int]
    is_firm: bool
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedDemand:
    """Demand that is expected of one kind.

    Attributes:
        key: Unique among the kinds.
        costs: As of `OpenDemand`.
    """

    key: str
    priority: Priority
    expected: Expected
    costs: Mapping[str, int]


def build_problem(
    asks: Iterable[OpenDemand],
    supplies: Sequence[Supply],
    expected: Iterable[ExpectedDemand],
    *,
    weights: Mapping[Priority, int],
    whole: int = 1,
) -> Problem:
    """Build the problem of one moment.

    Args:
        asks: The open requests.
        supplies: What is free.
        expected: The demand until the next supply.
        weights: What a unit is worth, by priority.
        whole: One unit, in what amounts are counted in.
    """
    asks = list(asks)
    there = {supply.key for supply in supplies}
    # An open request outweighs what is expected of its own priority, in whichever group.
    ahead = 1 + max((cost for ask in asks for cost in ask.costs.values()), default=0)
    demands = []
    for demand in (*_list_open(asks, weights), *_list_expected(expected, weights, whole, ahead)):
        reachable = {key: cost for key, cost in demand.costs.items() if key in there}
        if reachable:
            demands.append(replace(demand, costs=reachable))
    return Problem(supplies=tuple(supplies), demands=tuple(demands))


def name_open(key: str) -> str:
    """Return the key of an open request in a problem."""
    return f"open {key}"


def _list_open(asks: Iterable[OpenDemand], weights: Mapping[Priority, int]) -> Iterator[Wanted]:
    for ask in asks:
        yield Wanted(
            key=name_open(ask.key),
            amount=ask.amount,
            worth=weights[ask.priority] * SCALE * (FIRM if ask.is_firm else 1),
            costs=ask.costs,
            limits=ask.limits,
        )


def _list_expected(
    demands: Iterable[ExpectedDemand], weights: Mapping[Priority, int], whole: int, ahead: int
) -> Iterator[Wanted]:
    for demand in demands:
        most = weights[demand.priority] * SCALE
        for at, (units, chance) in enumerate(demand.expected.list_steps(MOST_STEPS)):
            worth = min(round(most * chance), most - ahead)
            yield Wanted(
                key=f"expected {demand.key} {at}",
                amount=units * whole,
                worth=worth,
                costs=demand.costs,
            )
