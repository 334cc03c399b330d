"""`xuelian alert`, `xuelian shortages`, `xuelian events`: disasters in, and what goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.output import JsonOption, Output, add_rows, build_table, show, show_instant

alert = typer.Typer(no_args_is_help=True, help="灾害警报 · Disaster alerts: send.")
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
    from cli.acts import send_act  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.asking import read_json_file  # noqa: PLC0415 - heavy imports stand in the commands

    body = read_json_file(file)
    send_act("/v1/alerts", body, out=Output(as_json=as_json), what=str(body.get("alert_id")))


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
    from cli.resolve import load_settings  # noqa: PLC0415 - the same

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
        ["", "血站 · station", "成分 · component", "血型 · group", "缺 · missing", "急 · waiting",
         "天 · days", "起 · since"],
    )  # fmt: skip
    rows = [
        [
            Text(f"● {one['level']}", style=COLOURS.get(one["level"], "")),
            one["station_id"],
            one["component"],
            one["group"],
            one["units_missing"],
            one["uncovered_units"],
            show(one.get("days_of_supply")),
            show_instant(one["opened_at"]),
        ]
        for one in found
    ]
    out.table(add_rows(table, rows))


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

    --json 每行一个事件 · one event a line.

    例 · Examples:
      xuelian events tail
      xuelian events tail --topic blood.shortages.v1 --json | jq .data
      xuelian events tail --after 0-0 -n 20
    """
    from cli.feed import follow_feed  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.resolve import load_settings  # noqa: PLC0415 - the same

    out = Output(as_json=as_json)
    feed = follow_feed(load_settings(), topics=tuple(topic or ()), after=after)
    for seen, event in enumerate(feed, 1):
        out.json_line(event)
        if not as_json:
            _print_event(out, event)
        if count is not None and seen >= count:
            return


def _print_event(out: Output, event: Mapping[str, Any]) -> None:
    out.say(
        f"[dim]{show_instant(event.get('time'))}[/] [cyan]{event.get('type')}[/] "
        f"[bold]{event.get('subject')}[/] [dim]{event.get('id')}[/]"
    )
