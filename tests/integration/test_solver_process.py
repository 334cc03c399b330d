"""The process that shares shelves: its loop goes on, and greedy answers where it does not."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing import active_children

import pytest

from streams.matching.allocation.min_cost_flow import FlowAllocator
from streams.matching.allocation.problem import Allocation, Problem, Supply, Wanted
from streams.solver.process import SolverProcess
from tests.measurements.matching.speed import make_batch

TWO = Problem(
    supplies=(Supply(key="A", amount=1), Supply(key="O", amount=1)),
    demands=(
        Wanted(key="a", amount=1, worth=5, costs={"A": 1, "O": 0}),
        Wanted(key="o", amount=1, worth=5, costs={"O": 0}),
    ),
)
"""Greedy gives the O to the first and leaves the other with nothing."""

MOST_S = 30.0


@asynccontextmanager
async def running(solver: SolverProcess) -> AsyncIterator[SolverProcess]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(solver.run(stop))
        try:
            yield solver
        finally:
            stop.set()


async def wait_for(solver: SolverProcess, made_by: str) -> Allocation:
    async with asyncio.timeout(MOST_S):
        while True:
            found = await solver.allocate(TWO)
            if found.made_by == made_by:
                return found
            await asyncio.sleep(0.05)


async def test_greedy_answers_until_the_process_does() -> None:
    before = set(active_children())
    async with running(SolverProcess()) as solver:
        first = await solver.allocate(TWO)
        assert first.made_by == "greedy"
        assert first.shares == {("a", "O"): 1}
        assert (await wait_for(solver, "flow")).shares == {("a", "A"): 1, ("o", "O"): 1}
    assert set(active_children()) <= before


async def test_a_process_that_ends_is_begun_again() -> None:
    before = set(active_children())
    async with running(SolverProcess()) as solver:
        await wait_for(solver, "flow")
        (child,) = set(active_children()) - before
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        await wait_for(solver, "greedy")
        await wait_for(solver, "flow")


async def test_who_is_late_is_not_waited_for() -> None:
    solver = SolverProcess()
    async with running(solver):
        await wait_for(solver, "flow")
        late = SolverProcess(deadline_s=0.0)
        late._pool = solver._pool
        assert (await late.allocate(TWO)).made_by == "greedy"
        assert (await solver.allocate(TWO)).made_by == "flow"


@pytest.mark.slow
async def test_the_loop_goes_on_while_thousands_of_requests_are_shared_for() -> None:
    batch = make_batch(0)
    loop = asyncio.get_running_loop()
    gaps = []
    async with running(SolverProcess(deadline_s=MOST_S)) as solver:
        await wait_for(solver, "flow")
        done = asyncio.Event()

        async def beat() -> None:
            last = loop.time()
            while not done.is_set():
                await asyncio.sleep(0.005)
                gaps.append(loop.time() - last - 0.005)
                last = loop.time()

        async with asyncio.TaskGroup() as group:
            group.create_task(beat())
            found = await solver.allocate(batch)
            done.set()
    assert found == FlowAllocator().allocate(batch)
    assert max(gaps) < 0.5
