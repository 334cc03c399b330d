"""Prints previews, stock counts and figures for people at a terminal. It decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cli.fields import name_of
from cli.gateway import describe_where
from cli.output import Output, add_rows, build_table, show, show_code, show_instant

Json = Mapping[str, Any]

OUTCOMES: Mapping[str, str] = {
    "new": "新入库，可用 · new, available",
    "new_quarantined": "新入库，待检 · new, quarantined",
    "refused": "按献血情况不能入库 · may not come in",
    "confirmed": "与记录一致 · confirmed",
    "gone": "已不在库，与记录一致 · gone, as recorded",
    "changed_since": "盘点后有变动，不比对 · changed since",
    "missing": "未盘到 · missing",
    "moved": "记录在别的血站 · recorded elsewhere",
    "differs": "标签与记录不同 · label differs",
    "status": "状态与记录不同 · status differs",
}
_LOUD = ("refused", "missing", "moved", "differs", "status")
_SHOWN = 20


def print_preview(out: Output, preview: Json) -> None:
    """Print what a count would change, and everything that is wrong with its file."""
    if out.as_json:
        return
    counted_at = show_instant(preview["counted_at"])
    kind = "全库盘点 · full count" if preview["full"] else "盘点 · count"
    out.say(f"[bold]{preview['station_id']}[/] {kind} {counted_at}：{preview['units']} 袋 · units")
    attested = preview["attestation"]
    if attested is not None:
        at = show_instant(attested["released_at"])
        out.plain(f"  放行 · released by {attested['released_by']}, {at}")
    print_products(out, preview["products"])
    _print_outcomes(out, preview["outcomes"])
    if preview["left_out"]:
        out.plain(f"  没有读的表 · sheets left out: {', '.join(preview['left_out'])}")
    if preview["missing_reserved"]:
        out.say(
            f"[bold red]⚠[/] 未盘到的有 {preview['missing_reserved']} 袋已预留给患者 · "
            "missing units are reserved for patients"
        )
    print_differences(out, preview["differences"], preview["differences_in_all"])
    _print_errors(out, preview)


def print_products(out: Output, products: Sequence[Json]) -> None:
    """Print how each product name was understood: the only check before it becomes stock."""
    if not products or out.as_json:
        return
    table = build_table(
        "品种读作 · products as understood",
        ["文件里的名称 · in the file", "成分 · component", "处理 · treated", "袋 · units"],
    )
    rows = [
        [
            product["name"],
            show_code(product["component"]),
            ", ".join(map(name_of, product["treatments"])) or None,
            product["units"],
        ]
        for product in products
    ]
    out.table(add_rows(table, rows))


def _print_outcomes(out: Output, outcomes: Json) -> None:
    for name, text in OUTCOMES.items():
        if outcomes.get(name):
            mark = "[yellow]![/]" if name in _LOUD else "[green]✓[/]"
            out.say(f"  {mark} {outcomes[name]:>7} {text}")


def _print_errors(out: Output, preview: Json) -> None:
    errors = preview["errors"]
    if not errors:
        return
    out.say(
        f"[red]✗[/] {preview['errors_in_all']} 处错误，{preview['refused_rows']} 行 · "
        f"faults in {preview['refused_rows']} rows"
    )
    for error in errors[:_SHOWN]:
        out.plain(f"  {describe_where(error)}：{error['what_to_do']}")
        if error["rule"] and error["rule"] not in error["what_to_do"]:
            out.plain(f"      {error['rule']}")
    _report_rest(out, len(errors))


def _report_rest(out: Output, in_all: int) -> None:
    if in_all > _SHOWN:
        out.plain(f"  … 还有 {in_all - _SHOWN} 处 · more; --json 列出 · lists them")


def print_differences(out: Output, rows: Sequence[Json], in_all: int) -> None:
    """Print units that contradict the record: both accounts, and whom each unit is promised to."""
    if not rows or out.as_json:
        return
    table = build_table(
        f"差异 {in_all} · differences",
        [
            "血袋 · unit",
            "差异 · kind",
            "记录 · recorded",
            "盘点 · counted",
            "预留给 · promised to",
        ],
    )
    lines = [
        [
            row["unit_id"],
            OUTCOMES[row["kind"]],
            _describe_recorded(row),
            _describe_counted(row),
            row.get("request_id") or row.get("transfer_id"),
        ]
        for row in rows[:_SHOWN]
    ]
    out.table(add_rows(table, lines))
    _report_rest(out, in_all)


def _describe_recorded(row: Json) -> str:
    recorded = row["recorded"] or {}
    fields = row["fields"] or ["status", "station_id"]
    return ", ".join(show_code(show(recorded.get(name))) for name in fields)


def _describe_counted(row: Json) -> str:
    counted = row.get("counted") or {}
    unit = {**counted, **counted.get("unit", {})}
    if not unit:
        return "–"
    where = f"{row['sheet']} " if row.get("sheet") else ""
    place = f"{where}{row['row']} 行 · row, " if row.get("row") else ""
    if row["fields"]:
        return place + ", ".join(
            f"{name_of(name)} {show_code(show(unit.get(name)))}" for name in row["fields"]
        )
    released = "" if unit.get("released", True) else ", 待检 · quarantined"
    return f"{place}{show_code(unit.get('counted_as', 'on_shelf'))}{released}"


def print_count(out: Output, answer: Json) -> None:
    """Print one stock count, the alarms first: how far it is, what it found, what is open."""
    if out.as_json:
        return
    count = answer["count"]
    taken = count["taken_at"]
    mark = "[green]✓[/]" if taken else "[yellow]…[/]"
    kind = "全库 · full" if count["is_full"] else "部分 · not full"
    out.say(
        f"{mark} 盘点 · count [bold]{count['count_id']}[/] {show_instant(count['counted_at'])} "
        f"{kind}，{count['parts_taken'] or 0}/{count['parts']} 部分 · parts"
    )
    _print_outcomes(out, {**count["outcomes"], **count["open_differences"]})
    for alarm in answer["alarms"]:
        out.say(f"[bold red]⚠[/] {alarm['zh']}")
        out.plain(f"    {alarm['en']}")
    print_differences(out, answer["differences"], len(answer["differences"]))
    if answer["differences"]:
        out.plain("  处理 · close: xuelian stock reconcile close … --as discarded|issued|…")


def print_counts(out: Output, answer: Json) -> None:
    counts = answer["counts"]
    if not counts:
        out.say("没有盘点 · no counts")
        return
    table = build_table(
        "盘点 · counts",
        [
            "编号 · count", "时间 · counted at", "范围 · scope",
            "袋 · units", "进度 · parts", "待处理 · open",
        ],
    )  # fmt: skip
    rows = [
        [
            count["count_id"],
            show_instant(count["counted_at"]),
            "全库 · full" if count["is_full"] else "部分 · part",
            count["units"],
            f"{count['parts_taken'] or 0}/{count['parts']}",
            sum(count["open_differences"].values()) or None,
        ]
        for count in counts
    ]
    out.table(add_rows(table, rows))


def print_alarms(out: Output, found: Json) -> None:
    """Print the line that a station must not overlook; nothing if nothing is open."""
    if not found["open"]:
        return
    out.say(
        f"[yellow]![/] 盘点差异待处理 {found['open']} 处 · open differences: "
        "xuelian stock reconcile list"
    )
    for name, text in (
        ("missing_reserved", "已预留而未盘到 · reserved and missing"),
        ("identity_differs", "标签与记录不同 · label differs from the record"),
    ):
        if found[name]:
            out.say(f"[bold red]⚠[/] {text}: {found[name]}")


def print_figures(out: Output, answer: Json) -> None:
    if out.as_json:
        return
    where = answer["station_id"] or "所有血站 · all stations"
    out.say(f"[bold]{where}[/] {answer['day_from']} – {answer['day_until']}（不含 · excluded）")
    safe, tests = answer["safe_stock"], answer["testing_coverage"]
    releases = answer["emergency_releases"]
    table = build_table("上报指标 · figures", ["指标 · figure", "值 · value", "依据 · made of"])
    rows = [
        [
            "安全库存率 · safe-stock rate",
            _percent(safe["rate"]),
            f"{safe['safe']}/{safe['counted']}，{safe['days_recorded']}/{safe['days']} 天 · days",
        ],
        [
            "检测覆盖率 · testing coverage",
            _percent(tests["rate"]),
            f"{tests['covered']}/{tests['released']} 份献血 · donations",
        ],
        [
            "紧急放行 · emergency releases",
            f"{releases['units']} 袋 · bags",
            f"{releases['requests']} 份申请 · requests",
        ],
    ]
    out.table(add_rows(table, rows))
    for row in safe["worst"]:
        out.plain(
            f"  {row['component']} {row['group']}: {row['unsafe']}/{row['counted']} 天不足 · short"
        )
    _print_rules(out, answer["rules"])


def _print_rules(out: Output, rules: Iterable[Json]) -> None:
    out.plain("  各站定义不同，上报前须确认 · confirm before reporting: docs/figures.md")
    for rule in rules:
        values = ", ".join(f"{name} = {rule[name]}" for name in rule["confirm"])
        out.plain(f"  {rule['rule']}: {rule['source']}{f' ({values})' if values else ''}")


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{rate * 100:.1f} %"
