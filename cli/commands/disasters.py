"""`xuelian alert list | confirm | end | activations`: what disasters led to, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.output import JsonOption, Output, add_rows, build_table, show, show_instant

_LOUD = frozenset({"unanswered", "held"})


def add_to(app: typer.Typer) -> None:
    """Add the commands beside `alert send`."""
    app.command("list")(list_)
    app.command()(confirm)
    app.command()(end)
    app.command()(activations)


def list_(
    *,
    unanswered: Annotated[
        bool, typer.Option("--unanswered", help="只看没有结果的 · only what led to nothing")
    ] = False,
    event: Annotated[str | None, typer.Option(help="只看一次灾害 · of one disaster")] = None,
    as_json: JsonOption = False,
) -> None:
    """列出警报及其结果，最新在前 · List alerts and what became of them, newest first.

    例 · Examples:
      xuelian alert list --unanswered
    """
    params = {"event_key": event, "outcome": sorted(_LOUD) if unanswered else None}
    answer = _call("GET", "/v1/alerts", params=params)
    out = Output(as_json=as_json)
    out.document(answer)
    found = answer["alerts"]
    if not found:
        out.say("[green]✓[/] 没有 · none")
        return
    table = build_table(
        f"警报 {len(found)} · alerts",
        [
            "结果 · outcome",
            "警报 · alert",
            "灾害 · disaster",
            "发出 · sent",
            "原因 · why",
        ],
    )
    rows = [
        [
            _OUTCOMES.get(alert["outcome"], alert["outcome"]),
            alert["alert_id"],
            alert["event_key"],
            show_instant(alert["sent_at"]),
            "；".join(reason["zh"] for reason in alert["reasons"]),
        ]
        for alert in found
    ]
    out.table(add_rows(table, rows))
    if any(alert["outcome"] == "held" for alert in found):
        out.say("待核对 · held：核对后 · after a check: xuelian alert confirm ALERT --by NAME")


_OUTCOMES = {
    "answered": "已应对 · answered",
    "superseded": "已被更新取代 · superseded",
    "unanswered": "没有应对 · unanswered",
    "held": "待核对 · held",
}
_STATES = {"open": "进行中 · open", "stood_down": "已解除 · stood down"}
"""States of an activation; `open` of a request means that the request waits."""


def confirm(
    alert: Annotated[str, typer.Argument(help="警报编号 · alert id", show_default=False)],
    *,
    by: Annotated[str, typer.Option(help="谁确认 · who says so")],
    as_json: JsonOption = False,
) -> None:
    """对被搁置的警报照样启动 · Act on an alert that was held.

    时间写错的，改正后重发即可 · One with a wrong time is simply sent again with the right one.

    例 · Example:
      xuelian alert confirm us6000pi9w-1 --by 张敏
    """
    answer = _call("POST", f"/v1/alerts/{alert}/confirm", json={"by": by})
    out = Output(as_json=as_json)
    out.document(answer)
    out.say(f"[green]✓[/] 已写入日志 · kept in the log: {alert}")
    print_doubts(out, answer)


def end(
    event: Annotated[str, typer.Argument(help="演练的 event_key", show_default=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """结束演练 · End an exercise.

    例 · Example:
      xuelian alert end drill-2026-05
    """
    answer = _call("POST", f"/v1/exercises/{event}/end")
    out = Output(as_json=as_json)
    out.document(answer)
    out.say(f"[green]✓[/] 已写入日志 · kept in the log: {event}")


def activations(
    *,
    station: Annotated[str | None, typer.Option(help="只看一个血站 · of one station")] = None,
    event: Annotated[str | None, typer.Option(help="只看一次灾害 · of one disaster")] = None,
    as_json: JsonOption = False,
) -> None:
    """列出启动：需要、可召集、缺多少；演练另列 · List activations; exercises stand apart.

    例 · Example:
      xuelian alert activations
    """
    answer = _call("GET", "/v1/activations", params={"station_id": station, "event_key": event})
    out = Output(as_json=as_json)
    out.document(answer)
    for title, name in (("启动 · activations", "activations"), ("演练 · exercises", "exercises")):
        if answer[name]:
            _print_activations(out, title, answer[name])
    if not answer["activations"] and not answer["exercises"]:
        out.say("[green]✓[/] 没有启动 · no activations")


def print_doubts(out: Output, answer: Mapping[str, Any]) -> None:
    """Print which stations are in reach, and why an alert may lead to nothing."""
    in_reach = answer.get("stations_in_reach")
    if in_reach:
        out.say(f"范围内 · in reach: {' '.join(in_reach)}")
    for doubt in answer.get("doubts", ()):
        out.say(f"[yellow]![/] {doubt['zh']} · {doubt['en']}")


def _print_activations(out: Output, title: str, found: list[dict[str, Any]]) -> None:
    heads: list[str | tuple[str, dict[str, Any]]] = ["状态 · status", "血站 · station"]
    heads += ["灾害 · disaster", ("需要 · wanted", {"justify": "right"})]
    heads += [("可召集 · callable", {"justify": "right"})]
    heads += [("缺 · missing", {"justify": "right"}), "止于 · ends"]
    rows = [
        [
            _STATES.get(activation["status"], activation["status"]),
            activation["station_id"],
            activation["event_key"],
            activation["donors_wanted"],
            show(activation.get("donors_callable")),
            activation.get("donors_missing", 0),
            show_instant(activation.get("ends_at")),
        ]
        for activation in found
    ]
    out.table(add_rows(build_table(title, heads), rows))
    if note := next(
        (
            activation["donors_not_called"]
            for activation in found
            if activation["donors_not_called"]
        ),
        None,
    ):
        out.say(f"[yellow]![/] {note['zh']} · {note['en']}")


def _call(method: str, path: str, **sent: Any) -> Any:  # noqa: ANN401 - JSON
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    with GatewayClient(load_settings()) as gateway:
        return gateway.call(method, path, **sent)
