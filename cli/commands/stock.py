"""`xuelian stock`: a station's units through the gateway: import, show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import JsonOption, Output, add_rows, build_table, show_instant

app = typer.Typer(no_args_is_help=True, help="库存 · Stock: import, show.")

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
    as_json: JsonOption = False,
) -> None:
    """导入一次盘点；有任何错误就一行也不导入 · Import a count, whole or not at all.

    CSV 列 · columns: unit_id, donation_id, component, group, volume_ml, collected_at, expires_at,
    和可选的 · and optionally: released, leukoreduced, irradiated, …

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
            content=file.read_bytes(),
            headers={"Content-Type": kind},
        )
    out.document(answer)
    if not as_json:
        out.say(
            f"[green]✓[/] 已写入日志 · kept in the log; 查看 · see: xuelian stock show {station}"
        )


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
