"""How long one batch takes: 3,000 requests against 100,000 units in 8 stations."""

from __future__ import annotations

import asyncio
from random import Random
from time import process_time

from streams.matching.allocation.lookahead import SCALE
from streams.matching.allocation.min_cost_flow import MADE_BY as FLOW
from streams.matching.allocation.min_cost_flow import FlowNetwork
from streams.matching.allocation.problem import Problem, Supply, Wanted
from streams.matching.expected_demand import DemandKind
from streams.solver.process import SolverProcess
from tests.measurements.matching.policies import WEIGHTS, list_groups
from tests.measurements.matching.traces import MIXES, PRIORITIES, QUANTITIES

REQUESTS, UNITS, STATIONS = 3_000, 100_000, 8
ONE = Problem(
    supplies=(Supply(key="a", amount=1),),
    demands=(Wanted(key="d", amount=1, worth=1, costs={"a": 0}),),
)
ANSWERED_IN_S = 30.0
BEAT_S = 0.002
EXPIRY_BUCKETS = 3
MINUTES_APART = 60


def make_batch(seed: int) -> Problem:
    """Make a batch: each place of each station in three buckets of expiry, each request anywhere.

    What a unit costs a request grows with the rank of its group and the journey of its station.
    """
    chance = Random(f"batch {seed}")
    shares = MIXES["western"]
    stations = range(STATIONS)
    drawn = chance.choices(list(shares), list(shares.values()), k=UNITS)
    places: dict[str, int] = {}
    for group in drawn:
        key = f"{chance.choice(stations)} {group.value} {chance.randrange(EXPIRY_BUCKETS)}"
        places[key] = places.get(key, 0) + 1
    demands = []
    for at in range(REQUESTS):
        (priority,) = chance.choices(list(PRIORITIES), list(PRIORITIES.values()))
        (group,) = chance.choices(list(shares), list(shares.values()))
        minutes = [chance.randrange(MINUTES_APART * STATIONS) for _ in stations]
        costs = {
            f"{station} {donor.value} {bucket}": rank + minutes[station] + bucket
            for rank, donor in enumerate(list_groups(DemandKind(group, priority)))
            for station in stations
            for bucket in range(EXPIRY_BUCKETS)
        }
        demands.append(
            Wanted(
                key=f"{at}",
                amount=chance.choice(QUANTITIES),
                worth=WEIGHTS[priority] * SCALE,
                costs={key: cost for key, cost in costs.items() if key in places},
            )
        )
    supplies = tuple(Supply(key=key, amount=amount) for key, amount in sorted(places.items()))
    return Problem(supplies=supplies, demands=tuple(demands))


def time_flow(problem: Problem) -> tuple[float, float]:
    """Return the seconds of processor time: to solve, and to build the network before."""
    began = process_time()
    flow = FlowNetwork(problem).load()
    built = process_time()
    flow.solve()
    return process_time() - built, built - began


async def measure_gap(problem: Problem) -> float:
    """Return the longest time, in seconds, for which a loop stands still while it is solved apart.

    Raises:
        RuntimeError: The process did not answer.
    """
    stop, done = asyncio.Event(), asyncio.Event()
    solver = SolverProcess(deadline_s=ANSWERED_IN_S)
    loop = asyncio.get_running_loop()
    gaps = [0.0]

    async def beat() -> None:
        while not done.is_set():
            began = loop.time()
            await asyncio.sleep(BEAT_S)
            gaps.append(loop.time() - began - BEAT_S)

    async with asyncio.TaskGroup() as group:
        group.create_task(solver.run(stop))
        while (await solver.allocate(ONE)).made_by != FLOW:
            await asyncio.sleep(BEAT_S)
        group.create_task(beat())
        found = await solver.allocate(problem)
        done.set()
        stop.set()
    if found.made_by != FLOW:
        raise RuntimeError("the solver did not answer")
    return max(gaps)
