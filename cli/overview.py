"""What goes on now, and lists of it, as tables. Prints; decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.decisions import STATUS_WORDS
from cli.output import Output, add_rows, build_table, show, show_instant
from models.messages.moments import ZONE_ZH
from models.messages.words import list_value_names, name_value

if TYPE_CHECKING:
    from rich.text import Text

Row = Mapping[str, Any]

UNREAD_LATE_S = 15
"""A worker acknowledges twice a second; whatever lies longer is read by nobody, or one is stuck."""

_URGENT = {"life_threatening": "bold red", "urgent": "yellow"}
_NARROW: dict[str, Any] = {"no_wrap": True}
_FOLDED: dict[str, Any] = {"overflow": "fold"}
_WHOSE: dict[str, Any] = {"width": 36, "overflow": "fold"}
"""As wide as the longest identifier that the system makes: whose it is stands above it."""
_WHEN: dict[str, Any] = {"width": len("2025-01-07 09:05"), "overflow": "fold"}
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
    _print_letters(out, found)
    _print_unread(out, found["unread"])


def _print_unread(out: Output, unread: Row) -> None:
    """Print what no worker has acknowledged: a request that nobody reads waits unseen."""
    if not unread["known"]:
        reason = unread["reason"]
        out.say(
            f"[yellow]?[/] 不知道有多少记录没有 worker 处理：{reason['zh']} · "
            f"how much no worker has acknowledged is not known: {reason['en']}"
        )
        return
    if not unread["records"]:
        return
    mark = "[bold red]‼[/]" if unread["oldest_s"] > UNREAD_LATE_S else "[yellow]![/]"
    out.say(
        f"{mark} 已受理而没有 worker 处理 · accepted, no worker has acknowledged: "
        f"{unread['records']}"
    )
    out.plain(
        f"  最早 · oldest: {unread['oldest_s']} s, {show_instant(unread['oldest_at'])}\n"
        + "\n".join(
            f"  {one['topic']} → {one['reader']}: {one['records']}" for one in unread["topics"]
        )
    )
    if unread["oldest_s"] > UNREAD_LATE_S:
        out.plain("  怎么办 · what to do: xuelian doctor")


def _print_letters(out: Output, found: Row) -> None:
    letters, lives = found["dead_letters"], found.get("dead_letters_life_threatening")
    if not letters:
        return
    out.say(f"[yellow]![/] {letters} 条记录未能接受 · {letters} records were not accepted")
    if lives:
        out.say(f"  [bold red]‼ 危及生命 · life-threatening: {lives}[/]")
    out.plain(f"  最早 · oldest: {show_instant(found.get('dead_letters_oldest_at'))}")
    out.plain("  见 · see: xuelian dlq list；GET /v1/dead-letters")


def print_requests(out: Output, rows: Sequence[Row], *, title: str) -> None:
    """Print whose each request is, what it lacks and when it is needed, within 80 columns."""
    heads: Heads = [
        ("申请 · request", _WHOSE),
        ("缺 · missing", _FOLDED),
        ("最晚送达 · needed by", _WHEN),
    ]
    lines = [
        [
            _tell_request(row),
            _tell_lines(row),
            _stack(row["needed_by"]) + ("\n已过 · late" if row.get("is_late") else ""),
        ]
        for row in rows
    ]
    out.table(add_rows(build_table(f"{title}：{len(rows)}", heads), lines))


def _stack(at: str | None) -> str:
    """An instant with its zone below it, so that a narrow column holds both."""
    return show_instant(at).replace(f" {ZONE_ZH}", f"\n{ZONE_ZH}")


def _tell_request(row: Row) -> Text:
    """Return priority, hospital and group, below them the state, below it the identifier."""
    from rich.text import Text  # noqa: PLC0415 - heavy imports stand in the commands

    priority = list_value_names().get(row["priority"], row["priority"])
    group = row["patient_group"] or "血型未知 · group unknown"
    return Text.assemble(
        (priority, _URGENT.get(row["priority"], "")),
        f" {row['hospital_id']} {group}\n",
        f"{STATUS_WORDS.get(row['status'], row['status'])}\n",
        row["request_id"],
    )


def _tell_lines(row: Row) -> str:
    told = []
    for line in row["lines"] or []:
        name = list_value_names().get(line["component"], line["component"])
        missing = f"缺 {line['missing']} / " if line["missing"] else ""
        told.append(f"{name} {missing}要 {line['quantity']}")
    return "\n".join(told)


def _print_shortages(out: Output, rows: Sequence[Row]) -> None:
    if not rows:
        return
    heads: Heads = [
        "等级 · level",
        ("血站 · station", _FOLDED),
        ("缺什么 · what is missing", _FOLDED),
        ("起 · since", _WHEN),
    ]
    lines = [
        [
            row["level"],
            row["station_id"],
            _tell_shortage(row),
            _stack(row["opened_at"]),
        ]
        for row in rows
    ]
    out.table(add_rows(build_table(f"短缺 · shortages：{len(rows)}", heads), lines))


def _tell_shortage(row: Row) -> str:
    name = list_value_names().get(row["component"], row["component"])
    return (
        f"{name} {row['group']}\n缺 {row['units_missing']} · missing\n"
        f"急 {row['uncovered_units']} · waiting"
    )


def print_activations(out: Output, rows: Sequence[Row]) -> None:
    heads: Heads = [
        ("应急启动 · activation", _WHOSE),
        ("需要 · needs", _FOLDED),
        ("起 · since", _WHEN),
    ]
    lines = [
        [
            _tell_activation(row),
            "\n".join(
                [
                    *(_tell_need(need) for need in row["needs"]),
                    f"献血者 {row['donors_wanted']} · donors",
                ]
            ),
            _stack(row["opened_at"]),
        ]
        for row in rows
    ]
    out.table(add_rows(build_table(f"应急启动 · activations：{len(rows)}", heads), lines))


def _tell_activation(row: Row) -> str:
    drill = "（演练 · exercise）" if row.get("exercise") else ""
    lead = " 牵头 · lead" if row["lead"] else ""
    # Of an activation "open" is not a request that waits.
    status = {"open": "进行中 · open", "stood_down": "已解除 · stood down"}.get(
        row["status"], row["status"]
    )
    return f"{row['event_key']}{drill}\n{row['station_id']}{lead} {status}\n{row['activation_id']}"


def _tell_need(need: Row) -> str:
    return f"{list_value_names().get(need['component'], need['component'])} {need['units']}"


def print_transfers(out: Output, rows: Sequence[Row]) -> None:
    heads: Heads = [
        ("从 → 到 · from → to", _WHOSE),
        ("状态 · status", _FOLDED),
        ("商定 · agreed", _WHEN),
    ]
    lines = [
        [
            f"{row['from_station_id']} → {row['to_station_id']}\n{row['transfer_id']}",
            f"{name_value(row['status'])}\n{len(row['units']) or len(row['unit_ids'])} 袋 · units",
            _stack(row["agreed_at"]),
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
