"""`python -m tests.measurements.matching`: traces served by each policy, beside the optimum.

Writes `build/matching/result.json`. Exit 1 if our share of the optimum misses a goal.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median

from bench.results import MeasuredCheck, inform, print_checks, within, write_result
from models.groups import BloodGroup
from models.requests import Priority
from tests.measurements.matching.builds import LookingAhead, serve_as_todays_build
from tests.measurements.matching.policies import (
    WEIGHTS,
    Day,
    Serve,
    serve_as_clairvoyant,
    serve_exact_group_first,
    serve_most_stock_first,
    serve_reoptimising,
    serve_with_protection_levels,
)
from tests.measurements.matching.speed import make_batch, measure_gap, time_flow
from tests.measurements.matching.traces import MIXES, Trace, make_trace, with_surge

GOALS = {0.6: 0.95, 0.8: 0.97, 1.0: 0.985}
"""Supply over demand, and the mean share of the optimum that is demanded there."""
WORST = 0.9
SOLVED_IN_S = 0.25
SPEED_ROUNDS = 3
LOOP_MS = 50.0
OPTIMUM, OURS, EXACT = "optimum", "ours", "exact_group_first"
POLICIES: Mapping[str, Serve] = {
    OURS: LookingAhead(),
    "todays_build": serve_as_todays_build,
    "most_stock_first": serve_most_stock_first,
    EXACT: serve_exact_group_first,
    "protection_levels": serve_with_protection_levels,
    "reoptimising": serve_reoptimising,
    OPTIMUM: serve_as_clairvoyant,
}
HARDER: Mapping[str, Serve] = {
    OURS: LookingAhead(),
    "prior_halved": LookingAhead(wrong_by=0.5),
    "prior_doubled": LookingAhead(wrong_by=2.0),
    EXACT: serve_exact_group_first,
    OPTIMUM: serve_as_clairvoyant,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one policy made of one trace.

    Attributes:
        value: Units covered, each by the weight of its priority.
        urgent_fill: Share of the units for life-threatening and urgent requests that were covered.
        o_negative_for_others: O RhD- units that went to somebody of a known other group.
        waited_h: Mean hours from a request until its units.
    """

    value: int
    urgent_fill: float
    o_negative_for_others: int
    waited_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A trace, by what it is made of, and whether it is one of the harder ones."""

    mix: str
    ratio: float
    seed: int
    is_harder: bool

    def run(self) -> dict[str, Figures]:
        trace = make_trace(self.seed, mix=self.mix, ratio=self.ratio)
        if not self.is_harder:
            return _serve(trace, POLICIES)
        surge = with_surge(trace, self.seed, mix=self.mix)
        usual = _serve(trace, HARDER)
        return {
            **{f"usual.{name}": found for name, found in usual.items()},
            **{f"surge.{name}": found for name, found in _serve(surge, HARDER).items()},
        }


def _serve(trace: Trace, policies: Mapping[str, Serve]) -> dict[str, Figures]:
    return {name: _measure(serve(trace)) for name, serve in policies.items()}


def _measure(day: Day) -> Figures:
    urgent = covered = value = others = units = 0
    for asking, got in zip(day.trace.requests, day.got, strict=True):
        given = got.total()
        units += given
        value += WEIGHTS[asking.priority] * given
        if asking.priority is not Priority.ROUTINE:
            urgent += asking.quantity
            covered += given
        if asking.group not in {None, BloodGroup.O_NEG}:
            others += got[BloodGroup.O_NEG]
    return Figures(
        value=value,
        urgent_fill=covered / urgent if urgent else 1.0,
        o_negative_for_others=others,
        waited_h=day.waited_h / units if units else 0.0,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.measurements.matching", description=__doc__
    )
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--harder-seeds", type=int, default=10)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build"))
    asked = parser.parse_args()
    started_at = datetime.now(UTC)
    checks: list[MeasuredCheck] = []
    with ProcessPoolExecutor(asked.processes) as pool:
        for mix in MIXES:
            for ratio in GOALS:
                usual = _list_tasks(mix, ratio, asked.seeds, is_harder=False)
                checks += _check_usual(f"{mix}.{ratio}", ratio, list(pool.map(Task.run, usual)))
                harder = _list_tasks(mix, ratio, asked.harder_seeds, is_harder=True)
                checks += _check_harder(f"{mix}.{ratio}", list(pool.map(Task.run, harder)))
    checks += _check_speed()
    print_checks("血联 · 分配策略与事后最优 · Policies beside the optimum of hindsight", checks)
    path = write_result("matching", checks, started_at=started_at, folder=asked.out)
    print(f"结果 · results: {path}")
    return 0 if all(check.holds for check in checks) else 1


def _list_tasks(mix: str, ratio: float, seeds: int, *, is_harder: bool) -> list[Task]:
    return [Task(mix=mix, ratio=ratio, seed=seed, is_harder=is_harder) for seed in range(seeds)]


def _check_usual(
    title: str, ratio: float, found: list[dict[str, Figures]]
) -> Iterable[MeasuredCheck]:
    for name in POLICIES:
        shares = _list_shares(found, name, OPTIMUM)
        mean, worst = fmean(shares), min(shares)
        if name == OURS:
            yield within(f"{title}.{name}.share", mean, unit="×", bound=GOALS[ratio], side=">=")
            yield within(f"{title}.{name}.worst", worst, unit="×", bound=WORST, side=">=")
        elif name != OPTIMUM:
            yield inform(f"{title}.{name}.share", mean, unit="×")
            yield inform(f"{title}.{name}.worst", worst, unit="×")
        figures = [trace[name] for trace in found]
        urgent = fmean(figure.urgent_fill for figure in figures)
        yield inform(f"{title}.{name}.urgent_fill", urgent, unit="×")
        others = fmean(figure.o_negative_for_others for figure in figures)
        yield inform(f"{title}.{name}.o_negative_for_others", others, unit="units")
        yield inform(
            f"{title}.{name}.waited", fmean(figure.waited_h for figure in figures), unit="h"
        )


def _check_harder(title: str, found: list[dict[str, Figures]]) -> Iterable[MeasuredCheck]:
    for day in ("usual", "surge"):
        for name in (OURS, "prior_halved", "prior_doubled"):
            shares = _list_shares(found, f"{day}.{name}", f"{day}.{EXACT}")
            label = f"{title}.{day}.{name}.beside_exact_group_first.worst"
            yield within(label, min(shares), unit="×", bound=1.0, side=">=")


def _check_speed() -> Iterable[MeasuredCheck]:
    times = [time_flow(make_batch(seed)) for seed in range(SPEED_ROUNDS)]
    title = "3000_requests.100000_units.8_stations"
    solved, built = (median(column) for column in zip(*times, strict=True))
    yield within(f"{title}.solver", solved, unit="s", bound=SOLVED_IN_S, side="<=")
    yield inform(f"{title}.network", built, unit="s")
    gap = asyncio.run(measure_gap(make_batch(0)))
    yield within(f"{title}.loop_stands_still", gap * 1000, unit="ms", bound=LOOP_MS, side="<=")


def _list_shares(found: list[dict[str, Figures]], name: str, beside: str) -> list[float]:
    return [trace[name].value / trace[beside].value for trace in found]


if __name__ == "__main__":
    sys.exit(main())
