"""Solves in a process of its own, within a deadline; greedy answers where that one does not.

The solver holds its interpreter while it works: in a worker, heartbeats and acknowledgements would
stand still. The process begins with the first problem: most stations expect nothing for days.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress

import structlog

from streams.matching.allocation.greedy import GreedyAllocator
from streams.matching.allocation.problem import Allocation, Problem

log = structlog.get_logger(__name__)

DEADLINE_S = 0.5
"""A decision waits no longer for the best shares; a station's shelf takes some milliseconds."""

LOOK_EVERY_S = 1.0
"""How soon the process is begun, begun again or ended, once it should be."""


LONGEST_PAUSE_S = 60.0
"""A process that cannot begin is tried again after pauses that double up to this."""


class SolverProcess:
    """Implements `ports.solver.Solver` while `run` runs.

    Args:
        deadline_s: Seconds after which greedy answers.
    """

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._greedy = GreedyAllocator()
        self._wanted = asyncio.Event()
        self._pool: ProcessPoolExecutor | None = None
        self._failures = 0

    async def allocate(self, problem: Problem) -> Allocation:
        """Return the best shares or, where the process has no answer in time, greedy ones."""
        pool = self._pool
        if pool is None:
            self._wanted.set()
            return self._greedy.allocate(problem)
        try:
            async with asyncio.timeout(self._deadline_s):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(pool, _solve, problem)
        except TimeoutError:
            log.warning("solver_late", deadline_s=self._deadline_s)
        except BrokenProcessPool:
            self._pool = None
            self._wanted.set()
            log.warning("solver_ended")
        return self._greedy.allocate(problem)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the process as long as this one works, from the first problem on."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), LOOK_EVERY_S)
                if self._pool is None:
                    await self._begin()
                self._wanted.clear()
            if self._pool is None and self._failures:
                pause_s = min(LOOK_EVERY_S * 2**self._failures, LONGEST_PAUSE_S)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause_s)
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    async def _begin(self) -> None:
        """Begin the process; it is asked once it has loaded the solver."""
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        try:
            await asyncio.get_running_loop().run_in_executor(pool, _load)
        except BrokenProcessPool:
            self._failures += 1
            log.warning("solver_not_begun", failures=self._failures)
        else:
            self._failures = 0
            self._pool = pool


def _load() -> None:
    """Import the solver, and leave it to the parent to say when this process ends."""
    import streams.matching.allocation.min_cost_flow  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log.debug("solver_loaded", name=streams.matching.allocation.min_cost_flow.MADE_BY)


def _solve(problem: Problem) -> Allocation:
    from streams.matching.allocation.min_cost_flow import FlowAllocator  # noqa: PLC0415

    return FlowAllocator().allocate(problem)
