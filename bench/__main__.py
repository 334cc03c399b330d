"""`python -m bench`: measure, print, write `build/bench/result.json`; exit 1 on a missed goal."""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench.results import print_checks, write_result
from bench.run import BenchPlan, measure


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4, help="floor and system in turn, so often")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each round")
    parser.add_argument("--rates", type=float, nargs="+", default=[50.0, 200.0])
    parser.add_argument("--out", type=Path, default=Path("build"))
    asked = parser.parse_args()
    plan = BenchPlan(rounds=asked.rounds, seconds=asked.seconds, rates=tuple(asked.rates))
    started_at = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="xuelian-bench-") as state:
        Path(state).chmod(0o755)  # PostgreSQL runs under its own account
        checks = uvloop.run(measure(plan, state=Path(state)))
    print_checks("血联 · 性能与下限 · Xuelian beside its floors", checks)
    path = write_result("bench", checks, started_at=started_at, folder=asked.out)
    print(f"结果 · results: {path}")
    return 0 if all(check.holds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
