"""How long one batch takes: 3,000 requests against 100,000 units in 8 stations."""

from __future__ import annotations

from random import Random
from time import process_time

from streams.matching.allocation.lookahead import SCALE
from streams.matching.allocation.min_cost_flow import FlowNetwork
from streams.matching.allocation.problem import Problem, Supply, Wanted
from streams.matching.expected_demand import DemandKind
from tests.measurements.matching.policies import WEIGHTS, list_groups
from tests.measurements.matching.traces import MIXES, PRIORITIES, QUANTITIES

REQUESTS, UNITS, STATIONS = 3_000, 100_000, 8
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
