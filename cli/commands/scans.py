"""`xuelian scan` and `xuelian labels`: scan the barcodes of bags, and check a label file."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.output import JsonOption, Output, add_rows, build_table
from cli.repeat_command import AtOption, KeyOption, ThawedOption, make_key, repeat_told
from deploy.local.exit_codes import ExitCode

labels = typer.Typer(no_args_is_help=True, help="标签文件 · Label files: check.")

Action = Literal[
    "quarantine",
    "pick",
    "issue",
    "depart",
    "receive",
    "transfuse",
    "return",
    "restock",
    "discard",
]

_MARKS = {"accepted": "✓ 接受 accepted", "refused": "✗ 拒绝 refused", "noted": "· 未用 noted"}
_ENGINE = {
    "done": "[green]✓[/] 已记录 · recorded",
    "awaited": "[yellow]…[/] 已写入日志，引擎尚未判断 · kept in the log, not judged yet",
}
_CALL_S = 30


def scan(
    action: Annotated[
        Action,
        typer.Argument(
            help="入隔离、拣血、发出、启运、收到、输注、退回、重新入库、报废 · what is done",
            show_default=False,
        ),
    ],
    barcodes: Annotated[
        list[str] | None,
        typer.Argument(help="条码，不写则从标准输入逐行读 · else lines of standard input"),
    ] = None,
    *,
    station: Annotated[str | None, typer.Option("--station", "-s", help="血站 · station")] = None,
    hospital: Annotated[
        str | None, typer.Option(help="医院：收到、输注、退回、报废 · or a hospital")
    ] = None,
    request: Annotated[
        str | None,
        typer.Option(help="正在办理的申请或调拨；给别人的血袋会被拒绝 · request or transfer"),
    ] = None,
    out_of_control_min: Annotated[
        float | None,
        typer.Option(min=0, max=10_080, help="退回：脱离温控的分钟数 · of a return: minutes"),
    ] = None,
    thawed_at: ThawedOption = None,
    by: Annotated[str, typer.Option(help="谁做的 · who did it")] = "",
    reason: Annotated[str, typer.Option(help="退回、报废的原因 · to return or discard")] = "",
    wait: Annotated[
        int, typer.Option(min=0, max=30, help="等引擎判断的秒数 · seconds for its word")
    ] = 5,
    at: AtOption = None,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """扫码：一袋血的每一步 · Scan bags: every step of their life.

    一行一个条码，一袋的条码顺序不限，空行结束一袋。条码里有 & 和 <，在命令行上要加单引号。
    One barcode a line, those of a bag in any order; an empty line ends a bag. Quote barcodes.

    例 · Examples:
      xuelian scan issue --station shigatse '=G12342565432170' '=<EX001V00' '=%5100' '&>0250362359'
      xuelian scan transfuse --hospital dingri-county < scanned.txt
      xuelian scan issue -s shigatse --thawed-at 2025-01-07T09:30+08:00 < plasma.txt
      xuelian scan return -s shigatse --reason unused --out-of-control-min 10 < scanned.txt
    """
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.send_and_wait import find_now  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    path = _find_path(station=station, hospital=hospital)
    body: dict[str, Any] = {
        "action": action,
        "barcodes": list(barcodes) if barcodes else _read_lines(),
        "request_id": request,
        "reason": reason,
        "out_of_control_s": _to_seconds(out_of_control_min),
        "thawed_at": thawed_at,
        "done_by": by,
    }
    settings, key = load_settings(), make_key(idempotency_key)
    body["scanned_at"] = at or find_now(settings)
    headers = {"Idempotency-Key": key} | ({"Prefer": f"wait={wait}"} if wait else {})
    same = {"--at": str(body["scanned_at"]), "--idempotency-key": key}
    # An empty line ends a bag, and so does an empty argument.
    read = [] if barcodes else body["barcodes"]
    with (
        GatewayClient(settings, wait_s=_CALL_S + wait) as gateway,
        repeat_told(same, read),
    ):
        answer = gateway.call("POST", path, json=body, headers=headers)
    out = Output(as_json=as_json)
    out.document(answer)
    if not as_json:
        _print_report(out, answer)
    if answer["refused"]:
        raise typer.Exit(ExitCode.FAILED)


def _find_path(*, station: str | None, hospital: str | None) -> str:
    if (station is None) == (hospital is None):
        raise typer.BadParameter(
            "要写 --station 或 --hospital 之一 · give one of --station and --hospital",
            param_hint="--station",
        )
    return f"/v1/stations/{station}/scans" if station else f"/v1/hospitals/{hospital}/scans"


def _to_seconds(minutes: float | None) -> int | None:
    """Round up to whole seconds, so that the time a bag was warm is never understated."""
    return None if minutes is None else math.ceil(minutes * 60)


@labels.command()
def check(
    file: Annotated[
        Path,
        typer.Argument(help="<station_id>.toml", show_default=False, exists=True, dir_okay=False),
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """检查一份标签文件并列出它的内容 · Check a label file and list what it says.

    例 · Example:
      xuelian labels check labels/shigatse.toml
    """
    # Heavy imports stand in the commands.
    from gateway.files.station_files import read_station_file  # noqa: PLC0415
    from gateway.labels.label_file import parse_label_book  # noqa: PLC0415

    book = read_station_file(file, parse_label_book, code="labels_invalid")
    out = Output(as_json=as_json)
    out.document(book.model_dump(mode="json"))
    if as_json:
        return
    out.say(f"[green]✓[/] {file.name}: {book.station_id}, {book.time_zone}")
    out.plain(f"  确认人 · confirmed by: {book.confirmed_by}, {book.confirmed_on}")
    out.plain(f"  每袋必扫 · scanned of every bag: {', '.join(book.scan.parts)}")
    out.plain(f"  ISBT 128: {'是 yes' if book.isbt128.enabled else '否 no'}")
    kinds = build_table("本站条码 · own barcodes", ["名称 · name", "长度 · length", "例 · example"])
    out.table(
        add_rows(
            kinds, [(barcode.name, barcode.length, barcode.example) for barcode in book.barcode]
        )
    )
    products = build_table(
        "产品码 · product codes", ["码 · code", "成分 · component", "ml", "", ""]
    )
    out.table(
        add_rows(
            products,
            [
                (
                    product.code,
                    product.component,
                    product.volume_ml,
                    _say_traits(product),
                    product.note,
                )
                for product in book.product
            ],
        )
    )
    out.say("请与本站实物标签逐项核对 · compare every line with your own labels")


def _say_traits(product: Any) -> str:  # noqa: ANN401 - models are not loaded for `--help`
    return ", ".join(name for name, has in product.traits.items() if has)


def _read_lines() -> list[str]:
    # `splitlines` would split a code at some of the control characters that frame it.
    lines = [line.strip() for line in sys.stdin.read().removesuffix("\n").split("\n")]
    if not any(lines):
        raise typer.BadParameter("没有条码 · no barcodes", param_hint="BARCODES")
    return lines


def _print_report(out: Output, answer: Mapping[str, Any]) -> None:
    heads = ["行 · line", "读到 · read", "内容 · says", "结果 · outcome", "原因 · reason"]
    title = f"{answer['source']} {answer['action']}"
    table = build_table(title, list(heads))
    out.table(add_rows(table, [_build_row(line) for line in answer["lines"]]))
    for bag in answer["bags"]:
        if bag["outcome"] == "accepted":
            meant = bag["request_id"] or bag["transfer_id"] or "–"
            out.say(
                f"{_ENGINE[bag['engine']]}  {bag['unit_id']}  {bag['group']} {bag['component']}  "
                f"给 · for: {meant}  核对 · compared: {', '.join(bag['compared'])}"
            )
    awaited = f"  未判断 · not judged yet: {answer['awaited']}" if answer["awaited"] else ""
    out.say(f"接受 · accepted: {answer['accepted']}  拒绝 · refused: {answer['refused']}{awaited}")


def _build_row(line: Mapping[str, Any]) -> Sequence[object]:
    says = ", ".join(value["value"] for value in line["says"])
    reason = line["reason"]
    told = f"{reason['zh']} · {reason['en']}" if reason else ""
    return line["line"], line["read"], says, _MARKS[line["outcome"]], told
