"""The summary in the terminal: every figure with its verdict, and what open requests wait for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from demo.actor_context import DrillStage
from demo.hindsight import Hindsight
from demo.played_day import PlayedDay
from demo.results import Figure, describe_unit, list_waiting, read_texts
from demo.unserved import Unserved, describe_lever
from models.texts.words import name_value

_EXAMPLES = 5


def print_summary(
    console: Console, day: PlayedDay, *, figures: Sequence[Figure], out: Path
) -> None:
    """Print the checks, the figures, the faults, and the path of the report."""
    console.print(
        _table("核查 · Checks", [figure for figure in figures if figure.goal is not None])
    )
    console.print(_table("数字 · Figures", [figure for figure in figures if figure.goal is None]))
    for failed in day.verdict.list_failed():
        console.print(f"[bold red]✗ {failed.title}[/]")
        for example in failed.examples[:_EXAMPLES]:
            console.print(f"    {example.subject}: {example.told}", markup=False)
    for line in day.stage.refused.lines[:_EXAMPLES]:
        console.print(f"    {line}", markup=False)
    _print_unserved(console, day.stage, day.unserved)
    _print_hindsight(console, day.hindsight)
    waiting = Counter(what for _, what in list_waiting(day.stage))
    if waiting:
        told = ", ".join(f"{count} × {what}" for what, count in waiting.items())
        console.print(f"未了结的申请等待 · requests not ended wait for: {told}")
    console.print(f"报告 · report  {out / 'report.html'}\n数据 · data    {out / 'result.json'}")
    if all(figure.holds for figure in figures):
        console.print("[bold green]✔ 全部通过 · every check holds[/]")
    else:
        failing = sum(not figure.holds for figure in figures)
        console.print(f"[bold red]✗ {failing} 项不通过 · {failing} checks fail[/]")


def _print_unserved(console: Console, stage: DrillStage, unserved: Sequence[Unserved]) -> None:
    """Print the requests that end with nothing, each with what would have served it."""
    texts = read_texts()["levers"]
    for request in unserved:
        if not request.has_nothing:
            continue
        zh, en = stage.scenario.get_names(request.hospital_id)
        who = f"{request.patient} {request.group} {name_value(request.priority)}"
        console.print(
            f"一袋未得 · nothing  {zh} · {en} {who}",
            markup=False,
        )
        for shortfall in request.shortfalls:
            for lever in shortfall.levers:
                told = describe_lever(stage, lever, texts)
                console.print(f"    {told.zh}\n    {told.en}", markup=False)


def _print_hindsight(console: Console, hindsight: Hindsight) -> None:
    """Print what each priority got, beside what hindsight would have given it."""
    table = Table(title="与事后最优相比 · Beside the optimum of hindsight", title_justify="left")
    table.add_column("紧急程度 · priority")
    for heading in ("权重 · weight", "申请 · asked", "我们 · ours", "最优 · optimum"):
        table.add_column(heading, justify="right")
    for of in hindsight.list_priorities():
        cells = (of.weight, of.asked, of.got, of.could)
        table.add_row(name_value(of.priority), *(f"{cell:,}" for cell in cells))
    console.print(table)


def _table(title: str, figures: list[Figure]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("项目 · what")
    table.add_column("值 · value", justify="right")
    table.add_column("目标 · goal", justify="right")
    table.add_column("结论 · verdict")
    for figure in figures:
        verdict = "[dim]仅告知 · told[/]"
        if figure.goal is not None:
            verdict = "[green]通过 · holds[/]" if figure.holds else "[bold red]不通过 · FAILS[/]"
        goal = "–" if figure.goal is None else f"{figure.goal:,}"
        value = figure.value if isinstance(figure.value, str) else f"{figure.value:,}"
        table.add_row(figure.title, f"{value} {describe_unit(figure.unit)}", goal, verdict)
    return table
