"""Prints the present state and its lists as tables. It decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.decisions import STATUS_WORDS
from cli.output import Output, add_rows, build_table, show_code, show_instant
from gateway.reason_texts import name_counted
from models.requests import TERMINAL_REQUEST_STATUSES
from models.texts.instants import ZONE_ZH
from models.texts.words import list_value_names, name_value

if TYPE_CHECKING:
    from rich.text import Text

Row = Mapping[str, Any]

UNREAD_LATE_S = 15
"""A worker acknowledges twice a second: if a record lies longer, no worker runs or it is stuck."""

_URGENT = {"life_threatening": "bold red", "urgent": "yellow"}
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
            f"{row['station_id']} {show_code(row['status'])} {row['calls']}"
            for row in found["calls"]
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
            f"  {row['topic']} → {row['reader']}: {row['records']}" for row in unread["topics"]
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
    """Print who made each request, what it lacks and when it is needed, within 80 columns."""
    heads: Heads = [
        "申请 · request",
        "缺 · missing",
        "最晚送达 · needed by",
    ]
    lines = [
        [
            _describe_request(row),
            _describe_lines(row),
            _stack(row["needed_by"]) + ("\n已过 · late" if row.get("is_late") else ""),
        ]
        for row in rows
    ]
    out.table(add_rows(build_table(f"{title} {len(rows)}", heads), lines))


def _stack(at: str | None) -> str:
    """Return an instant with its zone below it, so that a narrow column holds both."""
    return show_instant(at).replace(f" {ZONE_ZH}", f"\n{ZONE_ZH}")


def _describe_request(row: Row) -> Text:
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


def _describe_lines(row: Row) -> str:
    told = []
    for line in row["lines"] or []:
        name = list_value_names().get(line["component"], line["component"])
        measure = name_counted(line["component"], line["measure"])
        counted = list_value_names().get(measure, measure)
        word = "未供" if row["status"] in TERMINAL_REQUEST_STATUSES else "缺"
        missing = f"\n{word} {line['missing']} {counted}" if line["missing"] else ""
        told.append(f"{name}\n要 {line['quantity']} {counted}{missing}")
    return "\n".join(told)


def _print_shortages(out: Output, rows: Sequence[Row]) -> None:
    if not rows:
        return
    heads: Heads = [
        "等级 · level",
        "血站 · station",
        "缺什么 · what is missing",
        "起 · since",
    ]
    lines = [
        [
            show_code(row["level"]),
            row["station_id"],
            _describe_shortage(row),
            _stack(row["opened_at"]),
        ]
        for row in rows
    ]
    out.table(add_rows(build_table(f"短缺 · shortages {len(rows)}", heads), lines))


def _describe_shortage(row: Row) -> str:
    name = list_value_names().get(row["component"], row["component"])
    return f"{name} {row['group']}\n缺 {row['units_missing']} · missing\n{describe_uncovered(row)}"


def describe_uncovered(row: Row) -> str:
    """Return how many units somebody waits for; 急 counts those of requests that cannot wait."""
    waiting = row.get("waiting") or ()
    urgent = sum(request["units"] for request in waiting if request["priority"] in _URGENT)
    others = row["uncovered_units"] - urgent
    told = [f"急 {urgent} · urgent"] if urgent else []
    return "，".join([*told, *([f"等 {others} · waiting"] if others > 0 or not urgent else [])])


def print_activations(out: Output, rows: Sequence[Row]) -> None:
    """Print activations; exercises stand apart and are counted apart."""
    exercises = [row for row in rows if row.get("exercise")]
    real = [row for row in rows if not row.get("exercise")]
    if real or not exercises:
        _print_activations(out, real, title="应急启动 · activations")
    if exercises:
        _print_activations(out, exercises, title="演练 · exercises")


def _print_activations(out: Output, rows: Sequence[Row], *, title: str) -> None:
    heads: Heads = [
        "应急启动 · activation",
        "需要 · needs",
        "起 · since",
    ]
    lines = [
        [
            _describe_activation(row),
            "\n".join(
                [
                    *(_describe_need(need) for need in row["needs"]),
                    f"献血者 {row['donors_wanted']} · donors",
                ]
            ),
            _stack(row["opened_at"]),
        ]
        for row in rows
    ]
    out.table(add_rows(build_table(f"{title} {len(rows)}", heads), lines))


def _describe_activation(row: Row) -> str:
    drill = "（演练 · exercise）" if row.get("exercise") else ""
    lead = " 牵头 · lead" if row["lead"] else ""
    # "open" of an activation does not mean a request that waits.
    status = {"open": "进行中 · open", "stood_down": "已解除 · stood down"}.get(
        row["status"], row["status"]
    )
    return f"{row['event_key']}{drill}\n{row['station_id']}{lead} {status}\n{row['activation_id']}"


def _describe_need(need: Row) -> str:
    return f"{list_value_names().get(need['component'], need['component'])} {need['units']}"


def print_transfers(out: Output, rows: Sequence[Row]) -> None:
    heads: Heads = [
        "从 → 到 · from → to",
        "状态 · status",
        "商定 · agreed",
    ]
    lines = [
        [
            f"{row['from_station_id']} → {row['to_station_id']}\n{row['transfer_id']}",
            f"{show_code(row['status'])}\n{len(row['units']) or len(row['unit_ids'])} 袋 · units",
            _stack(row["agreed_at"]),
        ]
        for row in rows
    ]
    out.table(add_rows(build_table(f"调拨 · transfers {len(rows)}", heads), lines))


def print_calls(out: Output, rows: Sequence[Row]) -> None:
    heads: Heads = ["献血者、召集 · donor, call", "状态 · status", "呼叫、回答 · called, answered"]
    lines = [
        [
            _describe_call(row),
            show_code(row["status"]),
            f"{show_instant(row['called_at'])}\n{show_instant(row['answered_at'])}",
        ]
        for row in rows
    ]
    out.table(add_rows(build_table(f"召集 · calls {len(rows)}", heads), lines))


def _describe_call(row: Row) -> str:
    """Return who is called, how and what for, below it the identifier.

    Names are for some keys alone.
    """
    who = " ".join(filter(None, (row["donor_id"], row["blood_group"], row.get("name"))))
    asked = "\n".join(name_value(word) for word in (row["gives"], row["purpose"]) if word)
    return "\n".join(filter(None, (who, row.get("contact"), asked, row["call_out_id"])))
