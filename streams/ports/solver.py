"""Port to whoever shares a shelf."""

from __future__ import annotations

from typing import Protocol

from streams.matching.allocation.problem import Allocation, Problem


class Solver(Protocol):
    async def allocate(self, problem: Problem) -> Allocation:
        """Return how a shelf is shared, in a bounded time; the allocation says by which way."""
        ...
