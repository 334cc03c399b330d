"""What goes on now, and lists of it, as tables. Prints; decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cli.decisions import STATUS_WORDS
from cli.output import Output, add_rows, build_table, show, show_instant
from models.messages.words import list_value_names, name_value

Row = Mapping[str, Any]

_URGENT = {"life_threatening": "bold red", "urgent": "yellow"}
_NARROW: dict[str, Any] = {"no_wrap": True}
Heads = list[str | tuple[str, dict[str, Any]]]


def print_overview(out: Output, found: Row) -> None:
    """Print the answer of `GET /v1/overview`, worst first."""
    if out.as_json:
        return
    out.say(f"[bold]血联 · Xuelian[/]  {show_instant(found['as_of'])}")
    if found["requests"]:
        print_requests(out, found["requests"], title="等血的申请 · requests that wait")
    else:
        out.say("[green]✓[/] 没有等血的申请 · no request waits for blood")
    _print_shortages(out, found["shortages"])
    if found["activations"]:
        print_activations(out, found["activations"])
    if found["calls"]:
        told = "，".join(
            f"{row['station_id']} {row['status']} {row['calls']}" for row in found["calls"]
        )
        out.plain(f"进行中的召集 · live calls: {told}")
    if found["transfers"]:
        print_transfers(out, found["transfers"])
    letters = found["dead_letters"]
    if letters:
        out.say(
            f"[yellow]![/] {letters} 条记录未能接受，见 xuelian dlq list · "
            f"{letters} records were not accepted: see xuelian dlq list"
        )


def print_requests(out: Output, rows: Sequence[Row], *, title: str) -> None:
    from rich.text import Text  # noqa: PLC0415 - heavy imports stand in the commands

    heads: Heads = [
        "缓急 · priority",
        "医院 · hospital",
        "患者 · patient",
        "要 · asked",
        "缺 · missing",
        "最晚送达 · needed by",
        "状态 · status",
        ("申请 · request", _NARROW),
    ]
    lines = [
        [
            Text(
                list_value_names().get(row["priority"], row["priority"]),
                style=_URGENT.get(row["priority"], ""),
            ),
            row["hospital_id"],
            row["patient_group"] or "未知 · unknown",
            _tell_lines(row, "quantity"),
            _tell_lines(row, "missing"),
            show_instant(row["needed_by"]) + (" 已过 · late" if row.get("is_late") else ""),
            STATUS_WORDS.get(row["status"], row["status"]),
            row["request_id"],
        ]
        for row in rows
    ]
    out.table(add_rows(build_table(f"{title}：{len(rows)}", heads), lines))


def _tell_lines(row: Row, count: str) -> str:
    counted = [
        f"{list_value_names().get(line['component'], line['component'])} {line[count]}"
        for line in row["lines"] or []
        if line[count]
    ]
    return "\n".join(counted)


def _print_shortages(out: Output, rows: Sequence[Row]) -> None:
    if not rows:
        return
    heads: Heads = [
        "等级 · level",
        "血站 · station",
        "成分 · component",
        "血型 · group",
        "缺 · missing",
        "急 · waiting",
        "起 · since",
    ]
    lines = [
        [
            row["level"],
            row["station_id"],
            name_value(row["component"]),
            row["group"],
            row["units_missing"],
            row["uncovered_units"],
            show_instant(row["opened_at"]),
        ]
        for row in rows
    ]
    out.table(add_rows(build_table(f"短缺 · shortages：{len(rows)}", heads), lines))


def print_activations(out: Output, rows: Sequence[Row]) -> None:
    heads: Heads = [
        "灾害 · event",
        "血站 · station",
        "状态 · status",
        "牵头 · lead",
        "需要 · needs",
        "献血者 · donors wanted",
        "起 · since",
        ("编号 · activation", _NARROW),
    ]
    lines = [
        [
            row["event_key"] + ("（演练 · exercise）" if row.get("exercise") else ""),
            row["station_id"],
            row["status"],
            "是 · yes" if row["lead"] else "",
            "\n".join(f"{name_value(need['component'])} {need['units']}" for need in row["needs"]),
            row["donors_wanted"],
            show_instant(row["opened_at"]),
            row["activation_id"],
        ]
        for row in rows
    ]
    out.table(add_rows(build_table(f"应急启动 · activations：{len(rows)}", heads), lines))


def print_transfers(out: Output, rows: Sequence[Row]) -> None:
    heads: Heads = [
        "从 · from",
        "到 · to",
        "状态 · status",
        "袋 · units",
        "商定 · agreed",
        ("编号 · transfer", _NARROW),
    ]
    lines = [
        [
            row["from_station_id"],
            row["to_station_id"],
            row["status"],
            len(row["units"]) or len(row["unit_ids"]),
            show_instant(row["agreed_at"]),
            row["transfer_id"],
        ]
        for row in rows
    ]
    out.table(add_rows(build_table(f"调拨 · transfers：{len(rows)}", heads), lines))


def print_calls(out: Output, rows: Sequence[Row]) -> None:
    heads: Heads = [
        ("召集 · call", _NARROW),
        "献血者 · donor",
        "血型 · group",
        "状态 · status",
        "呼叫 · called",
        "回答 · answered",
        "姓名 · name",
        "联系 · contact",
    ]
    lines = [
        [
            row["call_out_id"],
            row["donor_id"],
            row["blood_group"],
            row["status"],
            show_instant(row["called_at"]),
            show_instant(row["answered_at"]),
            row.get("name"),
            row.get("contact"),
        ]
        for row in rows
    ]
    out.table(add_rows(build_table(f"召集 · calls：{len(rows)}", heads), lines))


def print_fields(out: Output, row: Row) -> None:
    """Print every field of one record, a line each."""
    for name, value in row.items():
        if isinstance(value, list):
            out.plain(f"  {name}: {len(value)}")
            for part in value:
                shown = part.items() if isinstance(part, Mapping) else [("", part)]
                out.plain("    " + "  ".join(f"{key} {show(told)}".strip() for key, told in shown))
        else:
            out.plain(f"  {name}: {show(value)}")
