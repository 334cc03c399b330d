"""Solves in this process: for tools, tests and whoever decides a few requests."""

from __future__ import annotations

from streams.matching.allocation.min_cost_flow import FlowAllocator
from streams.matching.allocation.problem import Allocation, Problem


class DirectSolver:
    """Implements `ports.solver.Solver`. The caller's loop stands still while it solves."""

    def __init__(self) -> None:
        self._flow = FlowAllocator()

    async def allocate(self, problem: Problem) -> Allocation:
        return self._flow.allocate(problem)
