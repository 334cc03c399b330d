"""Prints requests and decisions for people at a terminal. It decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.output import Output, add_rows, build_table, show, show_code, show_expiry, show_instant

Json = Mapping[str, Any]

STATUS_WORDS: Mapping[str, str] = {
    "accepted": "已受理，待决定 · accepted, not decided yet",
    "open": "未满足，等待中 · open",
    "reserved": "已全部预留 · reserved",
    "partly_refused": "部分不供，其余已预留 · a part is not supplied, the rest is reserved",
    "refused": "被拒 · refused",
    "cancelled": "已取消 · cancelled",
    "expired": "已过期 · expired",
    "partly_fulfilled": "部分送达，其余未供 · a part arrived, the rest was not supplied",
    "fulfilled": "已送达 · fulfilled",
    "waiting": "没有可预留的血，等待中 · nothing to reserve, waiting",
    "deferred": "库里有，暂留给预计更急的病人 · it lies there, kept for graver need to come",
    "partly_reserved": "部分预留 · partly reserved",
    "quarantined": "被隔离，未受理 · quarantined, not taken in",
}
_MARKS = {
    "reserved": "[green]✓[/]",
    "fulfilled": "[green]✓[/]",
    "refused": "[red]✗[/]",
    "cancelled": "[yellow]✓[/]",
    "expired": "[red]✗[/]",
    "deferred": "[yellow]![/]",
    "partly_refused": "[red]![/]",
    "partly_fulfilled": "[red]![/]",
}


def print_request(out: Output, answer: Json) -> None:
    """Print where a request stands, its decision, and its timeline if there is one."""
    if out.as_json:
        return
    status = answer["status"]
    mark = _MARKS.get(status, "[red]✗[/]" if status == "quarantined" else "[yellow]…[/]")
    out.say(f"{mark} [bold]{answer['request_id']}[/]  {STATUS_WORDS.get(status, status)}")
    _print_whose(out, answer)
    waiting = answer.get("waiting_for")
    if waiting:
        out.plain(f"  等待 · waits: {both(waiting)}")
    decision = answer.get("decision")
    if decision:
        _print_decision(out, decision)
    if answer.get("timeline"):
        _print_timeline(out, answer["timeline"])


def _print_whose(out: Output, answer: Json) -> None:
    """Print hospital, patient's group, priority and needed-by of a request that was read."""
    asked = answer.get("request")
    if not asked:
        return
    group = (asked.get("patient") or {}).get("group") or "血型未知 · group unknown"
    out.plain(f"  医院 · hospital: {asked['hospital_id']}    患者 · patient: {group}")
    out.plain(
        f"  缓急 · priority: {show_code(asked['priority'])}    "
        f"最晚送达 · needed by: {show_instant(asked['needed_by'])}"
    )


def both(text: Json) -> str:
    """Return a code with its texts, as the gateway gives them."""
    return f"{text['zh']} · {text['en']}"


def _print_decision(out: Output, decision: Json) -> None:
    for reason in decision["reasons"]:
        out.plain(f"  {both(reason)}")
    eta_s = decision.get("eta_s")
    if eta_s is not None:
        estimated = "（估计 · estimated）" if decision.get("eta_estimated") else ""
        hours, minutes = divmod(round(eta_s / 60), 60)
        out.plain(f"  路程 · journey: {hours} h {minutes:02} min{estimated}")
    if decision.get("hold_until"):
        out.plain(f"  预留到 · held until: {show_instant(decision['hold_until'])}")
    lines = decision["lines"]
    if not lines:
        return
    table = build_table(
        "决定 · decision",
        [
            "成分 · component",
            "要 · asked",
            "预留 · held",
            "合计 · covered",
            "待补 · short",
            "拒绝 · refused",
        ],
    )
    out.table(
        add_rows(
            table,
            [
                [
                    show_code(line["component"]),
                    f"{line['requested']} {_counted(line)}".strip(),
                    f"{len(line['reserved'])} 袋 · bags",
                    _show_covered(line),
                    line.get("uncovered", 0),
                    line.get("refused", 0),
                ]
                for line in lines
            ],
        )
    )
    for line in lines:
        for refusal in (
            *line.get("asked_back", ()),
            *line["refusals"],
            *line.get("issue", ()),
        ):
            out.plain(f"  {show_code(line['component'])}: {both(refusal)}")
    _print_units(out, [unit for line in lines for unit in line["reserved"]])


def _counted(line: Json) -> str:
    """Return what the quantities of a line count; an older decision does not tell it."""
    return show_code(line["amounts"]["params"]["counted"]) if "amounts" in line else ""


def _show_covered(line: Json) -> str:
    if "amounts" not in line:
        return ""
    return f"{line['amounts']['params']['covered']} {_counted(line)}"


def _print_units(out: Output, units: list[Json]) -> None:
    if not units:
        return
    table = build_table(
        "预留的血液 · units held",
        [
            "血袋 · unit",
            "成分 · component",
            "血型 · group",
            "毫升 · ml",
            "失效 · expires",
            "理由 · why",
        ],
    )
    rows = [
        [
            unit["unit_id"],
            show_code(unit["component"]),
            unit["group"],
            unit.get("volume_ml", ""),
            show_expiry(unit["expires_at"]),
            f"{unit['reason']['zh']}\n{unit['reason']['en']}",
        ]
        for unit in units
    ]
    out.table(add_rows(table, rows))


_KINDS: Mapping[str, str] = {
    "decision": "决定 · decision",
    "promise": "预留 · promise",
    "transfer": "调拨 · transfer",
    "quarantined": "未能接受 · quarantined",
}
_PROMISES: Mapping[str, str] = {
    "held": "预留中 · held",
    "released": "已放回 · released",
    "lost": "血袋已失去 · lost",
}
"""States of a promise whose codes mean something else elsewhere."""


def _print_timeline(out: Output, timeline: list[Json]) -> None:
    table = build_table("经过 · timeline", ["时间 · at", "事件 · what", ""])
    out.table(
        add_rows(
            table,
            [
                [
                    show_instant(str(entry["at"])),
                    _KINDS.get(entry["kind"], entry["kind"]),
                    _describe_entry(entry),
                ]
                for entry in timeline
            ],
        )
    )


def _describe_promise(status: str) -> str:
    return _PROMISES.get(status, show_code(status))


def _describe_entry(entry: Json) -> str:
    kind = entry["kind"]
    if kind == "decision":
        decision = entry["decision"]
        outcome = decision["outcome"]
        return f"v{decision['version']} {STATUS_WORDS.get(outcome, outcome)}"
    if kind == "promise":
        promise = entry["promise"]
        status = _describe_promise(promise["status"])
        return f"{promise['unit_id']} {status} · {both(promise['reason'])}"
    if kind == "quarantined":
        return both(entry["reason"])
    return ", ".join(f"{name} {show(value)}" for name, value in entry.get(kind, {}).items())[:200]
