"""The flow finds the best shares there are; greedy and flow keep to what there is."""

from __future__ import annotations

import itertools
from collections import Counter

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvariantViolation
from streams.matching.allocation.greedy import GreedyAllocator
from streams.matching.allocation.min_cost_flow import FlowAllocator
from streams.matching.allocation.problem import (
    Allocation,
    Allocator,
    Problem,
    Supply,
    Wanted,
)

FLOW, GREEDY = FlowAllocator(), GreedyAllocator()


@st.composite
def problems(draw: st.DrawFn, *, most: int = 6, amount: int = 9) -> Problem:
    supplies = tuple(
        Supply(key=f"s{at}", amount=draw(st.integers(1, amount)))
        for at in range(draw(st.integers(0, most)))
    )
    keys = [supply.key for supply in supplies]
    demands = tuple(
        Wanted(
            key=f"w{at}",
            amount=draw(st.integers(1, amount)),
            worth=draw(st.integers(0, 1000)),
            costs={
                key: draw(st.integers(0, 50))
                for key in draw(st.sets(st.sampled_from(keys)) if keys else st.just(set()))
            },
        )
        for at in range(draw(st.integers(0, most)))
    )
    return Problem(supplies=supplies, demands=demands)


def ensure_within(problem: Problem, allocation: Allocation) -> None:
    of_supplies, of_demands = Counter[str](), Counter[str]()
    demands = {demand.key: demand for demand in problem.demands}
    for (demand, supply), amount in allocation.shares.items():
        assert amount > 0
        assert supply in demands[demand].costs
        of_supplies[supply] += amount
        of_demands[demand] += amount
    assert all(of_supplies[supply.key] <= supply.amount for supply in problem.supplies)
    assert all(of_demands[demand.key] <= demand.amount for demand in problem.demands)


@given(problem=problems())
def test_the_flow_gains_as_much_as_networkx_and_greedy_no_more(problem: Problem) -> None:
    best, simple = FLOW.allocate(problem), GREEDY.allocate(problem)
    ensure_within(problem, best)
    ensure_within(problem, simple)
    assert measure_gain(problem, best) == gain_by_network_simplex(problem)
    assert 0 <= measure_gain(problem, simple) <= measure_gain(problem, best)


@settings(max_examples=40)
@given(problem=problems(most=2, amount=3))
def test_no_shares_that_can_be_tried_gain_more(problem: Problem) -> None:
    assert measure_gain(problem, FLOW.allocate(problem)) == gain_by_trying_all(problem)


@given(problem=problems(), data=st.data())
@pytest.mark.parametrize("allocator", [FLOW, GREEDY])
def test_who_gets_what_does_not_depend_on_the_order_of_rows(
    allocator: Allocator, problem: Problem, data: st.DataObject
) -> None:
    mixed = Problem(
        supplies=tuple(data.draw(st.permutations(problem.supplies))),
        demands=tuple(data.draw(st.permutations(problem.demands))),
    )
    assert allocator.allocate(mixed) == allocator.allocate(problem)


def test_costs_too_large_for_the_network_are_refused_before_they_are_solved() -> None:
    supply = Supply(key="s", amount=1)
    demand = Wanted(key="w", amount=1, worth=10**15, costs={"s": 0})
    with pytest.raises(InvariantViolation, match="allocation_costs_too_large"):
        FLOW.allocate(Problem(supplies=(supply,), demands=(demand,)))


@pytest.mark.parametrize(
    ("supplies", "demands"),
    [
        ([("s", 0)], []),
        ([("s", 1), ("s", 1)], []),
        ([("s", 1)], [("w", 0, 1, "s")]),
        ([("s", 1)], [("w", 1, -1, "s")]),
        ([("s", 1)], [("w", 1, 1, "other")]),
        ([("s", 1)], [("w", 1, 1, "s"), ("w", 1, 1, "s")]),
    ],
)
def test_a_problem_that_makes_no_sense_is_refused(
    supplies: list[tuple[str, int]], demands: list[tuple[str, int, int, str]]
) -> None:
    with pytest.raises(InvariantViolation, match="allocation_problem_invalid"):
        Problem(
            supplies=tuple(Supply(key=key, amount=amount) for key, amount in supplies),
            demands=tuple(
                Wanted(key=key, amount=amount, worth=worth, costs={at: 0})
                for key, amount, worth, at in demands
            ),
        )


def gain_by_network_simplex(problem: Problem) -> int:
    graph: nx.DiGraph[str] = nx.DiGraph()
    for supply in problem.supplies:
        graph.add_node(supply.key, demand=-supply.amount)
        graph.add_edge(supply.key, "sink", capacity=supply.amount, weight=0)
    graph.add_node("sink", demand=sum(supply.amount for supply in problem.supplies))
    for demand in problem.demands:
        graph.add_edge(demand.key, "sink", capacity=demand.amount, weight=-demand.worth)
        for key, price in demand.costs.items():
            graph.add_edge(key, demand.key, capacity=demand.amount, weight=price)
    cost, _ = nx.network_simplex(graph)
    return -int(cost)


def gain_by_trying_all(problem: Problem) -> int:
    """Give every bag to every demand or to nobody."""
    bags = [supply.key for supply in problem.supplies for _ in range(supply.amount)]
    best = 0
    for takers in itertools.product((None, *problem.demands), repeat=len(bags)):
        taken = Counter(demand.key for demand in takers if demand)
        if any(taken[demand.key] > demand.amount for demand in problem.demands):
            continue
        pairs = [(demand, bag) for demand, bag in zip(takers, bags, strict=True) if demand]
        if all(bag in demand.costs for demand, bag in pairs):
            best = max(best, sum(demand.worth - demand.costs[bag] for demand, bag in pairs))
    return best


def measure_gain(problem: Problem, allocation: Allocation) -> int:
    """Return the worth of what is covered less what it costs."""
    demands = {demand.key: demand for demand in problem.demands}
    return sum(
        (demands[demand].worth - demands[demand].costs[supply]) * amount
        for (demand, supply), amount in allocation.shares.items()
    )
