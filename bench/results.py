"""Results of benchmarks: checks with a goal, written as JSON and printed as a table."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCheck:
    """A measured value; with a goal it holds or not, without a goal it is only information.

    Attributes:
        goal: Such as `<= 1.5`; empty for a figure that only informs.
        holds: True where there is no goal.
    """

    name: str
    value: float
    unit: str
    goal: str = ""
    holds: bool = True


def within(
    name: str, value: float, *, unit: str, bound: float, side: Literal["<=", ">="]
) -> MeasuredCheck:
    """Make a check of a value against a bound."""
    holds = value <= bound if side == "<=" else value >= bound
    return MeasuredCheck(
        name=name, value=round(value, 4), unit=unit, goal=f"{side} {bound:g}", holds=holds
    )


def inform(name: str, value: float, *, unit: str) -> MeasuredCheck:
    return MeasuredCheck(name=name, value=round(value, 4), unit=unit)


def write_result(
    target: str, checks: list[MeasuredCheck], *, started_at: datetime, folder: Path = Path("build")
) -> Path:
    """Write `build/<target>/result.json`; figures are rounded to four places."""
    path = folder / target / "result.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "target": target,
        "commit": _describe_commit(),
        "started_at": started_at.isoformat(),
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "checks": [asdict(check) for check in checks],
    }
    path.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path


def print_checks(title: str, checks: list[MeasuredCheck]) -> None:
    table = Table(title=title)
    table.add_column("指标 · check")
    table.add_column("数值 · value", justify="right")
    for column in ("单位 · unit", "目标 · goal", ""):
        table.add_column(column)
    for check in checks:
        mark = "" if not check.goal else ("[green]✔[/]" if check.holds else "[red]✘[/]")
        table.add_row(check.name, f"{check.value:,.3f}", check.unit, check.goal, mark)
    Console().print(table)


def _describe_commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
