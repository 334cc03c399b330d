"""Allocate in the order of worth: this path always answers and waits for no solver."""

from __future__ import annotations

from streams.matching.allocation.problem import Allocation, Problem

MADE_BY = "greedy"


class GreedyAllocator:
    """Each demand takes what is cheapest for it, the worthiest demand first; ties by key."""

    def allocate(self, problem: Problem) -> Allocation:
        left = {supply.key: supply.amount for supply in problem.supplies}
        shares: dict[tuple[str, str], int] = {}
        for demand in sorted(problem.demands, key=lambda demand: (-demand.worth, demand.key)):
            missing = demand.amount
            for cost, supply in sorted((cost, key) for key, cost in demand.costs.items()):
                given = min(missing, left[supply], demand.find_limit(supply))
                if given and cost < demand.worth:
                    shares[demand.key, supply] = given
                    left[supply] -= given
                    missing -= given
        return Allocation(shares=dict(sorted(shares.items())), made_by=MADE_BY)
