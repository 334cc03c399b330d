"""`python -m bench.mutation`: mutate, test, print, write `build/mutation/result.json`.

Exit 1 if a mutant survives that `equivalent.toml` does not argue, or if it argues one that is dead
or gone.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from bench.mutation.run import KERNEL, RULES, judge, list_mutants
from bench.results import Check, inform, print_checks, within, write_result

EQUIVALENT = Path(__file__).with_name("equivalent.toml")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.mutation", description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--out", type=Path, default=Path("build"))
    asked = parser.parse_args()
    started_at = datetime.now(UTC)
    (original,) = judge([None], processes=1)
    if original.killed:
        print("没有变异时测试就不通过 · the tests fail without any mutation: mend them first")
        return 1
    equivalent: dict[str, str] = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutants"]
    checks = []
    for title, files in (("kernel", KERNEL), ("rules", RULES)):
        checks += _check(title, files, equivalent, processes=asked.processes, only=asked.only)
    took_s = (datetime.now(UTC) - started_at).total_seconds()
    checks.append(inform("took", took_s, unit="s"))
    print_checks("安全内核 · 变异检查 · Mutations of the safety kernel and its rules", checks)
    path = write_result("mutation", checks, started_at=started_at, folder=asked.out)
    print(f"结果 · results: {path}")
    return 0 if all(check.holds for check in checks) else 1


def _check(
    title: str, files: tuple[str, ...], equivalent: dict[str, str], *, processes: int, only: str
) -> list[Check]:
    mutants = [one for one in list_mutants(files) if only in one.name]
    survived = set()
    for verdict in judge(mutants, processes=processes):
        if not verdict.killed:
            survived.add(verdict.name)
            mark = "等价 · equivalent" if verdict.name in equivalent else "存活 · SURVIVED"
            print(f"{mark}: {verdict.name}", flush=True)
    argued = {name for name in equivalent if name.startswith(files) and only in name}
    unit = "mutants"
    return [
        inform(f"{title}: mutants", len(mutants), unit=unit),
        inform(f"{title}: killed", len(mutants) - len(survived), unit=unit),
        inform(f"{title}: equivalent, argued one by one", len(survived & argued), unit=unit),
        within(f"{title}: survivors", len(survived - argued), unit=unit, bound=0, side="<="),
        within(f"{title}: argued, yet dead", len(argued - survived), unit=unit, bound=0, side="<="),
    ]


if __name__ == "__main__":
    sys.exit(main())
