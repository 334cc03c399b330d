"""The live view: a table that redraws in a terminal, or plain lines without a terminal.

Reads the board and the clock; writes only to the screen.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta, timezone

from rich.align import Align
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.actor_context import DrillStage
from demo.day_record import percentile
from demo.event_lines import LEVELS_ZH
from models.groups import BloodGroup
from models.shortages import ShortageLevel

CHINA = timezone(timedelta(hours=8))
_REDRAW_S = 0.25
_LINE_S = 4.0
_MOMENTS = 8
_WIDE_COLUMNS = 110

OUTCOMES = {
    "deciding": "决定中 · deciding",
    "reserved": "已预留 · reserved",
    "partly_reserved": "部分预留 · partly",
    "waiting": "等血 · waiting",
    "deferred": "暂缓 · deferred",
    "partly_refused": "部分不供 · partly refused",
    "partly_fulfilled": "部分送达 · partly fulfilled",
    "fulfilled": "已送达 · fulfilled",
    "cancelled": "已取消 · cancelled",
    "expired": "已过时 · expired",
    "refused": "已拒绝 · refused",
}
CALLS = {
    "called": "已呼 · called",
    "accepted": "答应 · accepted",
    "arrived": "到站 · arrived",
    "donated": "已献 · donated",
    "declined": "婉拒 · declined",
    "no_answer": "未接 · no answer",
    "no_show": "未到 · no show",
    "deferred": "暂缓 · deferred",
    "stood_down": "撤呼 · stood down",
}
_STYLES = {
    ShortageLevel.GREEN: "green",
    ShortageLevel.YELLOW: "yellow",
    ShortageLevel.ORANGE: "dark_orange",
    ShortageLevel.RED: "bold red",
}
_KINDS = {
    "alert": "bold red",
    "activation": "magenta",
    "wave": "cyan",
    "shortage": "yellow",
    "transfer": "green",
    "request": "white",
}


@asynccontextmanager
async def show(stage: DrillStage, console: Console) -> AsyncIterator[None]:
    """Show the day while the block runs."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            async with _repeat(
                lambda: live.update(draw(stage, console.width), refresh=True), _REDRAW_S
            ):
                yield
        console.print(draw(stage, console.width))
    else:
        async with _repeat(lambda: console.print(describe_line(stage), soft_wrap=True), _LINE_S):
            yield
        console.print(describe_line(stage), soft_wrap=True)


@asynccontextmanager
async def _repeat(action: Callable[[], None], every_s: float) -> AsyncIterator[None]:
    async def run() -> None:
        while True:
            action()
            await asyncio.sleep(every_s)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(run())
        try:
            yield
        finally:
            task.cancel()


def format_time(stage: DrillStage) -> str:
    """Return the simulated hour in China, and its distance from the earthquake."""
    now = stage.clock.now()
    hours = (now - stage.scenario.event.occurred_at).total_seconds() / 3600
    return f"{now.astimezone(CHINA):%m-%d %H:%M} (T{hours:+.1f} h)"


def describe_line(stage: DrillStage) -> str:
    """Return the day so far as one plain line."""
    board = stage.board
    counts = board.count_requests()
    calls = sum(board.count_calls().values(), Counter[str]())
    ms = board.list_ms()
    told = ", ".join(f"{name} {counts[name]}" for name in OUTCOMES if counts[name])
    return (
        f"{format_time(stage)} | 申请 requests {board.sent}: {told or '-'}"
        f" | 呼叫 calls {calls.total()}, 已献 donated {calls['donated']}"
        f" | 短缺 shortages {len(board.list_open_shortages())}"
        f", 调剂 transfers {len(board.transfers)}"
        f" | p50 {percentile(ms, 0.5):.0f} ms, p99 {percentile(ms, 0.99):.0f} ms"
    )


def draw(stage: DrillStage, width: int) -> RenderableType:
    """Draw the whole view."""
    left = Group(_requests(stage), _latency(stage))
    right = Group(_shelves(stage), _calls(stage))
    body: RenderableType
    if width >= _WIDE_COLUMNS:
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(ratio=2)
        grid.add_column(ratio=5)
        grid.add_row(left, right)
        body = grid
    else:
        body = Columns([left, right])
    return Group(_head(stage), body, _story(stage))


def _head(stage: DrillStage) -> Panel:
    scenario, timeline = stage.scenario, stage.scenario.timeline
    whole_s = timeline.ends_after_h * 3600
    gone_s = (stage.clock.now() - scenario.event.occurred_at).total_seconds()
    line = Text.assemble(
        (scenario.title_zh, "bold"),
        f" · {scenario.title_en}   ",
        (format_time(stage), "bold cyan"),
        f"   ×{stage.clock.speed:.0f}",
    )
    bar = ProgressBar(total=whole_s, completed=max(0.0, min(gone_s, whole_s)))
    return Panel(Group(Align.center(line), bar), border_style="red")


def _requests(stage: DrillStage) -> Table:
    board, counts = stage.board, stage.board.count_requests()
    table = Table(title="申请 · Requests", expand=True, title_justify="left")
    table.add_column("状态 · state")
    table.add_column("件 · n", justify="right")
    for name, label in OUTCOMES.items():
        if counts[name]:
            table.add_row(label, str(counts[name]))
    table.add_section()
    table.add_row("已发送 · sent", f"{board.sent} (+{board.repeats})")
    table.add_row("坏消息隔离 · quarantined", f"{board.quarantined.total()}/{board.bad}")
    table.add_row("送达血袋 · bags delivered", str(len(board.received)))
    return table


def _latency(stage: DrillStage) -> Table:
    table = Table(title="申请 → 决定 · Request → decision", expand=True, title_justify="left")
    for label in ("途径 · way", "p50 ms", "p99 ms"):
        table.add_column(label, justify="left" if label.startswith("途") else "right")
    for way in ("http", "kafka"):
        ms = stage.board.list_ms(way)
        table.add_row(way, f"{percentile(ms, 0.5):.0f}", f"{percentile(ms, 0.99):.0f}")
    return table


def _shelves(stage: DrillStage) -> Table:
    table = Table(title="红细胞库存 · Red cells on the shelf", expand=True, title_justify="left")
    table.add_column("血站 · station")
    positive = [group for group in BloodGroup if group.value.endswith("+")]
    for group in positive:
        table.add_column(group.value, justify="right")
    table.add_column("Rh−", justify="right")
    table.add_column("血浆 · FFP", justify="right")
    table.add_column("血小板 · plt", justify="right")
    table.add_column("级别 · level")
    for station in stage.scenario.stations:
        zh, en = stage.scenario.get_names(station.station_id)
        shelf = stage.board.find_shelf(station.station_id)
        groups = shelf.by_group if shelf else {}
        components = shelf.by_component if shelf else {}
        negative = sum(units for group, units in groups.items() if group.endswith("-"))
        level = stage.board.find_worst(station.station_id)
        table.add_row(
            f"{zh} · {en}",
            *(str(groups.get(group.value, 0)) for group in positive),
            str(negative),
            str(components.get("fresh_frozen_plasma", 0)),
            str(components.get("platelets", 0)),
            Text(f"{LEVELS_ZH[level]} · {level}", style=_STYLES[level]),
        )
    return table


def _calls(stage: DrillStage) -> Table:
    counted = stage.board.count_calls()
    table = Table(title="应急献血者 · Reserve donors", expand=True, title_justify="left")
    table.add_column("血站 · station")
    shown = [name for name in CALLS if any(counts[name] for counts in counted.values())]
    for name in shown or ["called"]:
        table.add_column(CALLS[name].replace(" · ", "\n"), justify="right")
    for station_id, counts in sorted(counted.items()):
        zh, en = stage.scenario.get_names(station_id)
        table.add_row(f"{zh} · {en}", *(str(counts[name]) for name in shown))
    return table


def _story(stage: DrillStage) -> Panel:
    lines = []
    for moment in stage.board.moments[-_MOMENTS:]:
        line = Text(f"{moment.at.astimezone(CHINA):%m-%d %H:%M}  ", style="dim")
        line.append(moment.zh, style=_KINDS[moment.kind])
        line.append(f"  {moment.en}", style="dim")
        lines.append(line)
    while len(lines) < _MOMENTS:
        lines.append(Text(""))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Panel(Group(*lines), title="经过 · What happened", title_align="left")
