"""`xuelian stock`: a station's units through the gateway: import, change, show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import JsonOption, Output, add_rows, build_table, show_instant

app = typer.Typer(no_args_is_help=True, help="库存 · Stock: import, change, show.")

StationArgument = Annotated[str, typer.Argument(help="血站 · station", show_default=False)]

_GROUPS = ("O-", "O+", "A-", "A+", "B-", "B+", "AB-", "AB+")


@app.command("import")
def import_(
    station: StationArgument,
    file: Annotated[
        Path,
        typer.Argument(
            help=".csv 或 .json · the count", show_default=False, exists=True, dir_okay=False
        ),
    ],
    *,
    charset: Annotated[str, typer.Option(help="CSV 的编码，如 gb18030 · of a CSV")] = "utf-8",
    released_by: Annotated[
        str | None, typer.Option(help="已放行的血由谁放行 · who released what is released")
    ] = None,
    released_at: Annotated[
        str | None, typer.Option(help="何时，带时区 · when, with its zone")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """导入一次盘点；有任何错误就一行也不导入 · Import a count, whole or not at all.

    CSV 列 · columns: unit_id, donation_id, component, group, volume_ml, collected_at, expires_at,
    和可选的 · and optionally: released, released_by, released_at, leukoreduced, irradiated, …

    例 · Examples:
      xuelian stock import shigatse stock.csv
      xuelian stock import nagqu count.json
    """
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.resolve import load_settings  # noqa: PLC0415 - the same

    kind = "application/json" if file.suffix == ".json" else f"text/csv; charset={charset}"
    out = Output(as_json=as_json)
    with (
        GatewayClient(load_settings(), wait_s=30) as gateway,
        out.progress("导入 · importing"),
    ):
        answer = gateway.call(
            "POST",
            f"/v1/stations/{station}/stock",
            params={"released_by": released_by, "released_at": released_at},
            content=file.read_bytes(),
            headers={"Content-Type": kind},
        )
    out.document(answer)
    if not as_json:
        out.say(
            f"[green]✓[/] 已写入日志 · kept in the log; 查看 · see: xuelian stock show {station}"
        )


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
    by: Annotated[str, typer.Option(help="谁做的 · who did it")] = "",
    reason: Annotated[str, typer.Option(help="为什么 · why")] = "",
    hospital: Annotated[
        bool, typer.Option(help="STATION 处写的是医院 · STATION names a hospital")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """记录一袋血的一步 · Record one step of one unit.

    例 · Examples:
      xuelian stock change shigatse W1234-25-000017-RC picked --epoch 1 --by 库房
      xuelian stock change dingri-county W1234-25-000017-RC transfused --epoch 1 --hospital
    """
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.resolve import load_settings  # noqa: PLC0415 - the same

    body = {
        "unit_id": unit,
        "change": what,
        "epoch": epoch,
        "out_of_control_s": out_of_control_s,
        "done_by": by,
        "reason": reason,
    }
    kind = "hospitals" if hospital else "stations"
    with GatewayClient(load_settings()) as gateway:
        answer = gateway.call(
            "POST",
            f"/v1/{kind}/{station}/stock/changes",
            json={name: value for name, value in body.items() if value is not None},
        )
    out = Output(as_json=as_json)
    out.document(answer)
    out.say(f"[green]✓[/] 已写入日志 · kept in the log: {unit} {what}")


@app.command()
def show(station: StationArgument, *, as_json: JsonOption = False) -> None:
    """按成分与血型显示库存 · Show units by component and group.

    例 · Example:
      xuelian stock show shigatse
    """
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.resolve import load_settings  # noqa: PLC0415 - the same

    with GatewayClient(load_settings()) as gateway:
        answer = gateway.call("GET", f"/v1/stations/{station}/stock")
    out = Output(as_json=as_json)
    out.document(answer)
    if not as_json:
        _print_stock(out, answer)


def _print_stock(out: Output, answer: Mapping[str, Any]) -> None:
    rows = answer["stock"]
    title = f"{answer['station_id']} 库存 · stock  {show_instant(answer['as_of'])}"
    if not rows:
        out.say(f"{title}：没有 · none")
        return
    heads: list[str | tuple[str, dict[str, Any]]] = ["成分 · component", "状态 · status"]
    heads += [(group, {"justify": "right"}) for group in _GROUPS]
    heads += [("天 · days", {"justify": "right"})]
    units = {(row["component"], row["status"], row["group"]): row["units"] for row in rows}
    kinds = sorted({(component, status) for component, status, _ in units})
    days = answer.get("days_of_supply", {})
    table = build_table(title, heads)
    lines = [
        [
            component,
            status,
            *(units.get((component, status, group), "") for group in _GROUPS),
            days.get(component) if status == "available" else None,
        ]
        for component, status in kinds
    ]
    out.table(add_rows(table, lines))
