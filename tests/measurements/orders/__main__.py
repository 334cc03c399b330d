"""`python -m tests.measurements.orders`: what parts and netting keep of orders far above use.

Writes `build/orders/result.json`. Exit 1 if anybody had blood later than without them, in London or
in Brussels, or if nothing was kept.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from bench.results import MeasuredCheck, inform, print_checks, within, write_result
from tests.measurements.orders.station import Served, Way, serve
from tests.measurements.orders.traces import Day, make_brussels, make_london

DAYS: dict[str, Callable[[int], Day]] = {
    "london_2005": make_london,
    "brussels_2016": make_brussels,
}
HOURS = {"1h": 4, "2h": 8, "4h": 16, "8h": 32}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.measurements.orders", description=__doc__
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("build"))
    asked = parser.parse_args()
    started_at = datetime.now(UTC)
    checks = [check for name in DAYS for check in _measure(name, asked.seeds)]
    print_checks("血联 · 超量与重复的申请 · Orders above use, and orders sent twice", checks)
    path = write_result("orders", checks, started_at=started_at, folder=asked.out)
    print(f"结果 · results: {path}")
    return 0 if all(check.holds for check in checks) else 1


def _measure(name: str, seeds: int) -> Iterator[MeasuredCheck]:
    days = [DAYS[name](seed) for seed in range(seeds)]
    found = {way: [serve(day, way) for day in days] for way in Way}
    whole = found[Way.WHOLE]
    for way, served in found.items():
        for hour, step in HOURS.items():
            free = fmean(day.free[step] for day in served)
            yield inform(f"{name}.{way}.free_after_{hour}", free, unit="bags")
        lowest = fmean(min(day.free) for day in served)
        yield inform(f"{name}.{way}.free_at_least", lowest, unit="bags")
        yield inform(f"{name}.{way}.left_unused", fmean(day.unused for day in served), unit="bags")
        late = fmean(sum(day.late.values()) for day in served)
        yield inform(f"{name}.{way}.late", late / 4, unit="bag hours")
        if way is Way.WHOLE:
            continue
        kept = fmean(_count_kept(mine, other) for mine, other in zip(served, whole, strict=True))
        yield within(f"{name}.{way}.kept_available", kept, unit="bags", bound=1, side=">=")
        later = max(_count_later(mine, other) for mine, other in zip(served, whole, strict=True))
        yield within(f"{name}.{way}.later_than_whole", later, unit="bag hours", bound=0, side="<=")


def _count_kept(served: Served, whole: Served) -> float:
    """Return the bags that lie free beyond those without parts, on the average of the day."""
    return fmean(mine - other for mine, other in zip(served.free, whole.free, strict=True))


def _count_later(served: Served, whole: Served) -> float:
    """Return the bag hours by which hospitals waited longer than they did without parts."""
    return sum(max(0, late - whole.late[name]) for name, late in served.late.items()) / 4


if __name__ == "__main__":
    sys.exit(main())
