"""`xuelian alert`, `shortages`, `overdue`, `events`: send an alert, and follow what happens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.commands import disasters
from cli.output import JsonOption, Output, add_rows, build_table, show, show_code, show_instant

alert = typer.Typer(
    no_args_is_help=True, help="灾害警报 · Disaster alerts: send, list, confirm, end, activations."
)
disasters.add_to(alert)
events = typer.Typer(no_args_is_help=True, help="事件流 · The event feed: tail.")

COLOURS = {"red": "bold red", "orange": "dark_orange", "yellow": "yellow", "green": "green"}


@alert.command()
def send(
    file: Annotated[
        Path, typer.Argument(help="警报的 JSON，- 为标准输入 · the alert", show_default=False)
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """发送警报、更新或取消 · Send an alert, its update or its cancellation.

    alert_id 相同即为重发 · The same alert_id is a repeat.

    必有 · needed: alert_id, event_key, revision, source, sent_at, occurred_at, location
    常用 · usual: magnitude, depth_km, exposures, casualties, kind (alert|update|cancel)

    例 · Examples:
      xuelian alert send dingri-4.json
      curl -s https://example.org/alert.json | xuelian alert send -
    """
    from cli.request_opening import read_json_file  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.send_and_wait import send_act  # noqa: PLC0415 - heavy imports stand in the commands

    body = read_json_file(file)
    out = Output(as_json=as_json)
    answer = send_act("/v1/alerts", body, out=out, what=str(body.get("alert_id")), act=None)
    disasters.print_doubts(out, answer)


def shortages(
    *,
    station: Annotated[str | None, typer.Option(help="只看一个血站 · of one station")] = None,
    status: Annotated[Literal["open", "cleared"], typer.Option(help="状态 · status")] = "open",
    as_json: JsonOption = False,
) -> None:
    """列出短缺，最严重在前 · List shortages, worst first.

    例 · Examples:
      xuelian shortages
      xuelian shortages --station shigatse --json
    """
    from rich.text import Text  # noqa: PLC0415 - heavy imports stand in the commands

    from cli.gateway import GatewayClient  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    with GatewayClient(load_settings()) as gateway:
        answer = gateway.call(
            "GET", "/v1/shortages", params={"station_id": station, "status": status}
        )
    out = Output(as_json=as_json)
    out.document(answer)
    found = answer["shortages"]
    if not found:
        out.say("[green]✓[/] 没有短缺 · no shortages")
        return
    table = build_table(
        f"短缺 {len(found)} · shortages",
        ["等级 · level", "缺什么 · what is missing", "起，谁在等 · since, who waits"],
    )
    rows = [
        [
            Text(f"● {show_code(shortage['level'])}", style=COLOURS.get(shortage["level"], "")),
            _describe_missing(shortage),
            "\n".join(
                filter(None, (show_instant(shortage["opened_at"]), _describe_waiting(shortage)))
            ),
        ]
        for shortage in found
    ]
    out.table(add_rows(table, rows))


def _describe_missing(shortage: Mapping[str, Any]) -> str:
    from cli.overview import describe_uncovered  # noqa: PLC0415 - heavy imports stand in the commands

    return (
        f"{shortage['station_id']} {shortage['group']}\n{show_code(shortage['component'])}\n"
        f"缺 {shortage['units_missing']} · missing\n{describe_uncovered(shortage)}\n"
        f"{show(shortage.get('days_of_supply'))} 天 · days of supply"
    )


_PRIORITIES = {"life_threatening": "危重", "urgent": "紧急", "routine": "常规"}
_MOST_NAMED = 3


def _describe_waiting(shortage: Mapping[str, Any]) -> str:
    """Return who waits, the most endangered first, a line each; only the first few of many."""
    waiting = shortage.get("waiting", ())
    lines: list[str] = []
    for request in waiting[:_MOST_NAMED]:
        who = f"{_PRIORITIES.get(request['priority'], request['priority'])} {request['units']}"
        lines.append(
            f"{who} {request.get('hospital_id', '')} → {show_instant(request['needed_by'])}"
        )
        lines += filter(None, (request.get("request_id"),))
    if (left := len(waiting) - _MOST_NAMED) > 0:
        lines.append(f"… +{left}")
    if shortage.get("donors_not_called"):
        lines.append("不召集 · nobody is called")
    return "\n".join(lines)


RESET = "reset"
"""Type of what the stream sends where events are missing; it is not counted as an event."""

_MARKS = {
    "waiting": ("缺血", "waiting", "yellow"),
    "late": ("来不及", "late", "bold red"),
    "unacknowledged": ("无人签收", "not received", "dark_orange"),
    "may_have_left": ("还在吗", "still there?", "magenta"),
}
_MINUTE_S = 60


def overdue(
    *,
    mark: Annotated[
        Literal["waiting", "late", "unacknowledged", "may_have_left"] | None,
        typer.Option(help="只看一种 · only this mark"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """等得最久、来不及、无人签收的，危及生命在前 · What waits longest, is late, was never received.

    例 · Examples:
      xuelian overdue
      xuelian overdue --mark unacknowledged --json
    """
    from rich.text import Text  # noqa: PLC0415 - heavy imports stand in the commands

    from cli.gateway import GatewayClient  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    with GatewayClient(load_settings()) as gateway:
        answer = gateway.call("GET", "/v1/overdue", params={"mark": mark})
    out = Output(as_json=as_json)
    out.document(answer)
    found = answer["overdue"]
    if not found:
        out.say("[green]✓[/] 没有 · nothing is overdue")
        return
    table = build_table(
        f"须处理 {len(found)} · to be looked after",
        ["", "申请或调拨 · request or transfer", "多少，已等 · how much, waited", "须到 · due"],
    )
    rows = []
    for row in found:
        zh, en, style = _MARKS[row["mark"]]
        urgent = "‼ " if row["priority"] == "life_threatening" else ""
        places = filter(None, (row["hospital_id"], row["from_station_id"], row["station_id"]))
        way = (" ← " if row["hospital_id"] else " → ").join(places)
        rows.append(
            [
                Text(f"{urgent}{zh} · {en}", style=style),
                f"{way}\n{row['request_id'] or row['transfer_id']}",
                f"{_describe_amount(row)}\n{row['waited_s'] // _MINUTE_S} 分钟 · min",
                show_instant(row["due_at"]),
            ]
        )
    out.table(add_rows(table, rows))


def _describe_amount(row: Mapping[str, Any]) -> str:
    """Return what is missing in ordering units, and the bags, each by itself."""
    missing = f"缺 {row['units']} · missing"
    told = [missing] if row["units"] else []
    return "\n".join([*told, *([f"{row['bags']} 袋 · bags"] if row["bags"] else [])])


@events.command()
def tail(
    *,
    topic: Annotated[
        list[str] | None, typer.Option(help="只看这些主题，可多次 · only these, repeatable")
    ] = None,
    after: Annotated[
        str | None, typer.Option(help="从这个位置之后，0-0 为最早 · go on behind this position")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="看到几个就停 · stop after so many")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """跟随事件流，断线自动续接 · Follow the feed; goes on where it stopped after a lost connection.

    ⚠ 表示中间有事件已不再保留，或危及生命的记录被拒。
    ⚠ marks a gap that is no longer kept, or a life-threatening record that was refused.
    --json 每行一个事件 · one event a line.

    例 · Examples:
      xuelian events tail
      xuelian events tail --topic blood.shortages.v1 --json | jq .data
      xuelian events tail --after 0-0 -n 20
    """
    from cli.feed import follow_feed  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    out = Output(as_json=as_json)
    feed = follow_feed(load_settings(), topics=tuple(topic or ()), after=after)
    seen = 0
    for event in feed:
        out.json_line(event)
        if not as_json:
            _print_event(out, event)
        seen += event.get("type") != RESET
        if count is not None and seen >= count:
            return


def _print_event(out: Output, event: Mapping[str, Any]) -> None:
    from cli.event_words import describe_event, is_alarming  # noqa: PLC0415 - only with a feed

    if event.get("type") == RESET:
        reason = event.get("reason", {})
        out.say(f"[bold red]⚠[/] {reason.get('zh', '')} · {reason.get('en', '')}")
        return
    zh, en = describe_event(event)
    mark = "[bold red]⚠[/] " if is_alarming(event) else ""
    out.say(f"[dim]{show_instant(event.get('time'))}[/] {mark}", end="")
    out.plain(f"{zh} · {en}")
    out.say(f"  [dim]{event.get('type')} {event.get('position')}[/]")
