"""Allocate by minimum cost flow: no other shares of the supplies have a greater gain.

ortools solves in integers, breaks ties by the order in which arcs are added, casts floats without
a word, refuses costs that are large for the size of the network, and holds the interpreter while it
solves. So arcs are added in the order of their keys, costs are integers by type, their head-room is
checked before, and the status is read before anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

from models.errors import InvariantViolation
from streams.matching.allocation.problem import Allocation, Problem

MADE_BY = "flow"
Column = NDArray[Any]
"""Integers; int32 for nodes, int64 for amounts and costs."""
HEAD_ROOM = 10**15
"""Largest cost times number of nodes. On networks of two layers the solver takes 10^17 and more; on
chains, its worst case, some 10^16."""


class FlowAllocator:
    """Solves the whole problem at once."""

    def allocate(self, problem: Problem) -> Allocation:
        """Return the best shares.

        Raises:
            InvariantViolation: The costs are too large for a network of this size, or the solver
                does not find the optimum, which every such network has.
        """
        network = FlowNetwork(problem)
        flow = network.load()
        status = flow.solve()
        if status != SimpleMinCostFlow.OPTIMAL:
            raise InvariantViolation("allocation_not_solved", status=str(status))
        given = flow.flows(np.arange(len(network.pairs), dtype=np.int32)).tolist()
        shares = {pair: amount for pair, amount in zip(network.pairs, given, strict=True) if amount}
        return Allocation(shares=shares, made_by=MADE_BY)


class FlowNetwork:
    """Supplies, demands and one sink, in the order of their keys; what serves nobody stays.

    Attributes:
        pairs: Demand and supply of each of the first arcs.

    Raises:
        InvariantViolation: The costs are too large for a network of this size.
    """

    def __init__(self, problem: Problem) -> None:
        _ensure_head_room(problem)
        self._supplies = sorted(problem.supplies, key=lambda supply: supply.key)
        demands = sorted(problem.demands, key=lambda demand: demand.key)
        nodes = {supply.key: at for at, supply in enumerate(self._supplies)}
        self._sink = len(nodes) + len(demands)
        self.pairs = [(demand.key, key) for demand in demands for key in sorted(demand.costs)]
        of_pairs = [
            (nodes[key], len(nodes) + at, demand.find_limit(key), demand.costs[key])
            for at, demand in enumerate(demands)
            for key in sorted(demand.costs)
        ]
        # What is covered is paid for on the way out of the demand.
        out = [
            (len(nodes) + at, self._sink, demand.amount, -demand.worth)
            for at, demand in enumerate(demands)
        ]
        stays = [(nodes[lies.key], self._sink, lies.amount, 0) for lies in self._supplies]
        self._arcs = [*of_pairs, *out, *stays]

    def load(self) -> SimpleMinCostFlow:
        """Return a solver that has the network, not yet solved."""
        flow = SimpleMinCostFlow()
        flow.add_arcs_with_capacity_and_unit_cost(*self._list_columns())
        flow.set_nodes_supplies(*self._list_stock())
        return flow

    def _list_columns(self) -> Iterator[Column]:
        """Yield tails, heads, capacities and costs of all arcs."""
        table = np.array(self._arcs, dtype=np.int64).reshape(-1, 4)
        yield table[:, 0].astype(np.int32)
        yield table[:, 1].astype(np.int32)
        yield table[:, 2].copy()
        yield table[:, 3].copy()

    def _list_stock(self) -> tuple[Column, Column]:
        """Return the nodes that have a stock, and how much; the sink takes all of it."""
        amounts = [supply.amount for supply in self._supplies]
        nodes = [*range(len(amounts)), self._sink]
        return np.array(nodes, dtype=np.int32), np.array([*amounts, -sum(amounts)], dtype=np.int64)


def _ensure_head_room(problem: Problem) -> None:
    prices = [
        price for demand in problem.demands for price in (demand.worth, *demand.costs.values())
    ]
    nodes = len(problem.supplies) + len(problem.demands) + 1
    if max(prices, default=0) * nodes > HEAD_ROOM:
        raise InvariantViolation("allocation_costs_too_large", nodes=str(nodes))
