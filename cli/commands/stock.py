"""`xuelian stock`: a station's units through the gateway: import, change, show, reconcile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.commands import reconcile
from cli.commands.alerts_and_events import COLOURS
from cli.output import JsonOption, Output, add_rows, build_table, show_code, show_instant
from cli.repeat_command import AtOption, KeyOption, ThawedOption
from deploy.local.exit_codes import ExitCode

if TYPE_CHECKING:
    from cli.counts import CountFile

app = typer.Typer(no_args_is_help=True, help="库存 · Stock: import, change, show, reconcile.")
app.add_typer(reconcile.app, name="reconcile")

StationArgument = Annotated[str, typer.Argument(help="血站 · station", show_default=False)]

_GROUPS = ("O-", "O+", "A-", "A+", "B-", "B+", "AB-", "AB+")


@app.command("import")
def import_(
    station: StationArgument,
    file: Annotated[
        Path,
        typer.Argument(
            help=".csv .xlsx .xls .ods .json", show_default=False, exists=True, dir_okay=False
        ),
    ],
    *,
    released_by: Annotated[
        str | None, typer.Option(help="已放行的血由谁放行 · who released what is released")
    ] = None,
    released_at: Annotated[
        str | None, typer.Option(help="何时，带时区 · when, with its zone")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="只预览，不导入 · only preview")
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="全库盘点：没列出的即未盘到 · what is not named is missing"),
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="跳过有错的行 · leave out rows with errors")
    ] = False,
    zone: Annotated[str, typer.Option(help="没写时区的时间 · of times without one")] = "+08:00",
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", help="表头=列名，可多次 · heading=column, e.g. 献血号=donation_id"),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="跳过这一列，可多次 · pass over a column")
    ] = None,
    remember: Annotated[
        bool,
        typer.Option("--remember", help="记住 --map 和 --ignore · keep them for the station"),
    ] = False,
    charset: Annotated[
        str, typer.Option(help="CSV 的编码 · of a CSV", show_default="自动 · found out")
    ] = "",
    counted_at: Annotated[
        str, typer.Option(help="何时盘点 · when", show_default="文件的时间 · the file's time")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="不再询问 · do not ask")] = False,
    wait: Annotated[float, typer.Option(min=1, help="等受理的秒数 · seconds to wait")] = 120.0,
    as_json: JsonOption = False,
) -> None:
    """预览并导入一次盘点；有错误就一行也不导入 · Preview and import a count, whole or not at all.

    列名中英文均可，次序不限：血袋号或产品码、献血码、品种、血型（或 ABO 与 RhD）、规格、采血日期、
    失效日期；可有状态、放行人、放行时间、去白细胞、辐照、辐照时间、洗涤时间、融化时间等。
    Columns in either language and any order; docs/imports.md lists them.
    不认识的表头会问：--map 说明是哪一列，--ignore 跳过，--remember 记住（见 xuelian columns）。
    A heading that is not known is asked about: --map, --ignore, --remember.

    已放行的血须写明由谁、何时放行：列在文件里，或用下面两个选项。
    What is counted as released needs who released it and when: in columns, or by two options.

    中断后再运行一次即续传 · After a break run it again: it goes on.

    例 · Examples:
      xuelian stock import shigatse 库存.xlsx --preview
      xuelian stock import shigatse stock.csv --full
      xuelian stock import shigatse 库存.xlsx --map 献血号=donation_id --ignore 检验结果 --remember
      xuelian stock import shigatse s.csv --released-by 张敏 --released-at 2025-01-06T18:00+08:00
      xuelian stock import nagqu count.json --yes --json
    """
    from cli.counts import CountFile, import_count  # noqa: PLC0415 - heavy imports stand here
    from cli.reports import print_count  # noqa: PLC0415 - the same

    count = CountFile(
        station=station,
        path=file,
        full=full,
        partial=partial,
        zone=zone,
        maps=tuple(maps or ()),
        ignore=tuple(ignore or ()),
        charset=charset,
        counted_at=counted_at,
        released_by=released_by,
        released_at=released_at,
    )
    if remember:
        _ensure_remembered(count)
    out = Output(as_json=as_json)
    done = import_count(count, out=out, preview_only=preview, yes=yes, wait_s=wait)
    out.document(done)
    if done["status"] == "imported":
        print_count(out, done)
    if not done["preview"]["applicable"]:
        out.say("[red]✗[/] 没有导入任何一行 · nothing was imported")
        raise typer.Exit(ExitCode.FAILED)
    if remember:
        from cli.columns import remember as keep  # noqa: PLC0415 - as above
        from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

        path = keep(load_settings(), station, "units", count.maps, count.ignore)
        out.say(f"[green]✓[/] 已记住 · remembered: {path}")


def _ensure_remembered(count: CountFile) -> None:
    """Check before anything is sent that the headings can be kept: nothing is to be half done."""
    from cli.columns import plan_words  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    if not count.maps and not count.ignore:
        raise typer.BadParameter(
            "没有可记的：要同时写 --map 或 --ignore · nothing to keep: write --map or --ignore too",
            param_hint="--remember",
        )
    plan_words(load_settings(), count.station, "units", count.maps, count.ignore)


@app.command()
def export(
    station: StationArgument,
    file: Annotated[Path, typer.Argument(help="写到 .csv 或 .xlsx · where to", show_default=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """导出在库血液；原样导入则什么也不改变 · Write the units on the shelf to a file.

    例 · Examples:
      xuelian stock export shigatse 库存.xlsx
      xuelian stock export shigatse stock.csv
    """
    from cli.files import ensure_writable, write_file  # noqa: PLC0415 - heavy imports stand here
    from cli.gateway import GatewayClient  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    kind = file.suffix.lower().removeprefix(".")
    if kind not in {"csv", "xlsx"}:
        raise typer.BadParameter("须为 .csv 或 .xlsx · .csv or .xlsx", param_hint="FILE")
    ensure_writable(file)
    with GatewayClient(load_settings(), wait_s=60) as gateway:
        content = gateway.download(f"/v1/stations/{station}/stock/export", params={"format": kind})
    write_file(file, content)
    out = Output(as_json=as_json)
    out.document({"station_id": station, "file": str(file), "bytes": len(content)})
    out.say(f"[green]✓[/] {file}")


@app.command()
def change(
    station: StationArgument,
    unit: Annotated[str, typer.Argument(help="血袋 · unit", show_default=False)],
    what: Annotated[
        str,
        typer.Argument(
            help="quarantined, picked, issued, departed, received, transfused, returned, "
            "restocked, discarded",
            show_default=False,
        ),
    ],
    *,
    epoch: Annotated[int | None, typer.Option(help="预留序号 · of its promise")] = None,
    out_of_control_s: Annotated[
        int | None, typer.Option(help="退回：脱离温控的秒数 · of a return: seconds")
    ] = None,
    thawed_at: ThawedOption = None,
    by: Annotated[str, typer.Option(help="谁做的 · who did it")] = "",
    reason: Annotated[str, typer.Option(help="为什么 · why")] = "",
    hospital: Annotated[
        bool, typer.Option(help="STATION 处写的是医院 · STATION names a hospital")
    ] = False,
    at: AtOption = None,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """记录一袋血的一步 · Record one step of one unit.

    例 · Examples:
      xuelian stock change shigatse W1234-25-000017-RC picked --epoch 1 --by 库房
      xuelian stock change dingri-county W1234-25-000017-RC transfused --epoch 1 --hospital
      xuelian stock change shigatse W17-FFP picked --epoch 1 --thawed-at 2025-01-07T09:30+08:00
    """
    from cli.send_and_wait import Act, send_act  # noqa: PLC0415 - heavy imports stand in the commands

    body = {
        "unit_id": unit,
        "change": what,
        "epoch": epoch,
        "out_of_control_s": out_of_control_s,
        "thawed_at": thawed_at,
        "done_by": by,
        "reason": reason,
    }
    kind = "hospitals" if hospital else "stations"
    send_act(
        f"/v1/{kind}/{station}/stock/changes",
        {name: value for name, value in body.items() if value is not None},
        out=Output(as_json=as_json),
        what=f"{unit} {what}",
        act=Act(key=idempotency_key, moment="happened_at", at=at),
    )


@app.command()
def show(station: StationArgument, *, as_json: JsonOption = False) -> None:
    """按成分与血型显示库存和可供天数 · Show units and days of supply by component and group.

    例 · Example:
      xuelian stock show shigatse
    """
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    with GatewayClient(load_settings()) as gateway:
        answer = gateway.call("GET", f"/v1/stations/{station}/stock")
    out = Output(as_json=as_json)
    out.document(answer)
    if not as_json:
        _print_stock(out, answer)


def _print_stock(out: Output, answer: Mapping[str, Any]) -> None:
    from cli.reports import print_alarms  # noqa: PLC0415 - heavy imports stand in the commands

    rows = answer["stock"]
    title = f"{answer['station_id']} 库存 · stock  {show_instant(answer['as_of'])}"
    if rows:
        _print_counts(out, title, rows)
    else:
        out.say(f"{title}：没有 · none")
    _print_supply(out, answer["supply"])
    print_alarms(out, answer["open_differences"])


def _print_counts(out: Output, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    heads: list[str | tuple[str, dict[str, Any]]] = ["成分 · component", "状态 · status"]
    heads += [(group, {"justify": "right"}) for group in _GROUPS]
    units = {(row["component"], row["status"], row["group"]): f"{row['units']:g}" for row in rows}
    counted = {row["component"]: row["counted"] for row in rows}
    kinds = sorted({(component, status) for component, status, _ in units})
    lines = [
        [
            f"{show_code(component)} ({show_code(counted[component])})",
            show_code(status),
            *(units.get((component, status, group), "") for group in _GROUPS),
        ]
        for component, status in kinds
    ]
    out.table(add_rows(build_table(title, heads), lines))


def _print_supply(out: Output, places: Sequence[Mapping[str, Any]]) -> None:
    """Print the days of supply per component and group, in the colour of their level."""
    from rich.text import Text  # noqa: PLC0415 - heavy imports stand in the commands

    found = {(place["component"], place["group"]): place for place in places}
    burning = sorted(
        {place["component"] for place in places if place["burn_per_d"] or place["uncovered"]}
    )
    if not burning:
        return
    heads: list[str | tuple[str, dict[str, Any]]] = ["成分 · component"]
    heads += [(group, {"justify": "right"}) for group in _GROUPS]
    table = build_table("可供天数（颜色为等级） · days of supply, coloured by level", heads)
    for component in burning:
        cells = [show_code(component)]
        cells += [_show_days(found.get((component, group))) for group in _GROUPS]
        colours = [found.get((component, group), {}).get("level", "green") for group in _GROUPS]
        table.add_row(
            cells[0],
            *(
                Text(cell, style=COLOURS[colour])
                for cell, colour in zip(cells[1:], colours, strict=True)
            ),
        )
    out.table(table)


def _show_days(place: Mapping[str, Any] | None) -> str:
    if place is None or place["days_of_supply"] is None:
        return "–"
    return f"{place['days_of_supply']:.1f}"
