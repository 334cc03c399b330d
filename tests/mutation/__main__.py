"""`python -m tests.mutation`: mutate, test, print, write `build/mutation/result.json`.

Beside it `mutants.tsv` tells of each mutant what noticed it. Exit 1 if one survives that
`equivalent.toml` does not argue, or if that argues one which is dead or gone.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from bench.results import MeasuredCheck, inform, print_checks, within, write_result
from tests.mutation.run import End, Task, Verdict, judge, list_tasks
from tests.mutation.suites import GROUPS, Suite
from tests.mutation.values import RuleMutant

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
UNIT = "mutants"
TOLD = {
    End.LOADING: "refused when loaded",
    End.BEHAVIOUR: "noticed by what is decided",
    End.TERMS: "noticed by what a station may set",
    End.TABLES: "noticed by the sources' tables alone",
    End.HUNG: "hung",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--group", choices=GROUPS, action="append", help="all of them if not given")
    parser.add_argument("--only", default="", help="mutants whose name matches this pattern")
    parser.add_argument(
        "--quick", action="store_true", help="tables first: the same dead, in a third of the time"
    )
    parser.add_argument("--out", type=Path, default=Path("build"))
    asked = parser.parse_args()
    started_at = datetime.now(UTC)
    chosen = {name: GROUPS[name] for name in asked.group or GROUPS}
    if not _originals_pass(chosen.values(), processes=asked.processes):
        return 1
    equivalent: dict[str, str] = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutants"]
    checks: list[MeasuredCheck] = []
    record = asked.out / "mutation" / "mutants.tsv"
    record.parent.mkdir(parents=True, exist_ok=True)
    with record.open("w", encoding="utf-8", buffering=1) as told:
        for title, suites in chosen.items():
            listed = list_tasks(suites, quick=asked.quick)
            tasks = [task for task in listed if re.search(asked.only, task.name)]
            found = []
            for verdict in judge(tasks, processes=asked.processes):
                found.append(verdict)
                _report(verdict, equivalent)
                told.write(
                    f"{verdict.end.name.lower()}\t{verdict.took_s:.1f}\t{verdict.task.name}\n"
                )
            argued = {n for n in equivalent if n.startswith(tuple(suites))}
            argued = {n for n in argued if re.search(asked.only, n)}
            checks += _check(title, found, argued)
    took_s = (datetime.now(UTC) - started_at).total_seconds()
    checks.append(inform("took", took_s, unit="s"))
    print_checks("安全内核与规则 · 变异检查 · Mutations of the safety kernel and the rules", checks)
    path = write_result("mutation", checks, started_at=started_at, folder=asked.out)
    print(f"结果 · results: {path}")
    return 0 if all(check.holds for check in checks) else 1


def _originals_pass(groups: Iterable[Mapping[str, Suite]], *, processes: int) -> bool:
    """Whether every command finds tests that pass without a mutation; print those that do not.

    Each command is a task of its own, because a suite stops at its first failed command.
    """
    commands = {
        tuple(word.replace(" and {rule}.", "").replace("{rule}", "") for word in command): None
        for suites in groups
        for suite in suites.values()
        for command in suite.commands
    }
    tasks = [Task(mutant=None, suite=Suite(behaviour=[command])) for command in commands]
    failing = [
        verdict.task
        for verdict in judge(tasks, processes=processes)
        if verdict.end is not End.SURVIVED
    ]
    for task in failing:
        print(f"没有变异时就不通过 · fails without any mutation: {task.suite.behaviour}")
    return not failing


def _report(verdict: Verdict, equivalent: Mapping[str, str]) -> None:
    name = verdict.task.name
    if verdict.end is End.SURVIVED:
        mark = "等价 · equivalent" if name in equivalent else "存活 · SURVIVED"
        print(f"{mark}: {name}", flush=True)
    elif verdict.end is End.BROKEN:
        print(f"无法判断 · no test could be run on: {name}", flush=True)


def _check(title: str, verdicts: list[Verdict], argued: set[str]) -> list[MeasuredCheck]:
    survived = {verdict.task.name for verdict in verdicts if verdict.end is End.SURVIVED}
    checks = [inform(f"{title}: mutants", len(verdicts), unit=UNIT)]
    parts = {"value": "values", "terms": "terms", "name": "names", "": ""}
    for about, part in parts.items():
        found = [verdict for verdict in verdicts if _find_about(verdict) == about]
        checks += _count(f"{title}, {part}" if part else title, found)
    broken = sum(verdict.end is End.BROKEN for verdict in verdicts)
    return [
        *checks,
        within(f"{title}: not judged", broken, unit=UNIT, bound=0, side="<="),
        inform(f"{title}: equivalent, argued one by one", len(survived & argued), unit=UNIT),
        within(f"{title}: survivors", len(survived - argued), unit=UNIT, bound=0, side="<="),
        within(f"{title}: argued, yet dead", len(argued - survived), unit=UNIT, bound=0, side="<="),
    ]


def _count(title: str, verdicts: list[Verdict]) -> list[MeasuredCheck]:
    ends = Counter(verdict.end for verdict in verdicts)
    return [
        inform(f"{title}: {words}", ends[end], unit=UNIT)
        for end, words in TOLD.items()
        if ends[end]
    ]


def _find_about(verdict: Verdict) -> str:
    mutant = verdict.task.mutant
    return mutant.about if isinstance(mutant, RuleMutant) else ""


if __name__ == "__main__":
    sys.exit(main())
