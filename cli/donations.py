"""Prints one donation at a terminal: units, results, recalls, and who received of the donor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cli.output import Output, add_rows, build_table, show_code, show_instant

Row = Mapping[str, Any]


def print_donation(out: Output, answer: Row) -> None:
    """Print the answer of `GET /v1/donations/{id}`; nothing with `--json`."""
    if out.as_json:
        return
    _print_units(out, answer["donation_id"], answer["units"])
    _print_results(out, answer["results"])
    for recall in answer["recalls"]:
        out.say(
            f"[red]已召回 · recalled[/] {show_instant(recall['recalled_at'])} "
            f"{recall['recalled_by']}: {recall['reason']}"
        )
        for unit in recall["units"]:
            frozen = "冻结 · frozen" if unit["is_frozen"] else "已输注 · transfused"
            if unit["issued_outside"]:
                told = "系统外发出，查本站纸质记录 · given out by hand, see the paper record"
                frozen = f"{told}: {unit['issued_outside']}"
            out.say(
                f"  {unit['unit_id']}  {show_code(unit['was'])} @ {unit['holder_id']}  {frozen}"
            )
    _print_recipients(out, answer["recipients"])


def _print_units(out: Output, donation_id: str, units: Sequence[Row]) -> None:
    heads = [
        "血袋 · unit",
        "成分 · component",
        "血型 · group",
        "状态 · status",
        "在 · at",
        "去 · to",
    ]
    table = build_table(f"献血 · donation {donation_id}", heads)
    rows = [
        [
            ("└ " if unit["parent_id"] else "") + unit["unit_id"],
            show_code(unit["component"]),
            unit["group"],
            show_code(unit["status"]),
            unit["station_id"],
            unit["hospital_id"] or unit["to_station_id"],
        ]
        for unit in units
    ]
    out.table(add_rows(table, rows))
    for unit in units:
        if hold := unit.get("hold"):
            out.say(f"  {unit['unit_id']}: 暂留 · on hold: {hold['by']}, {hold['reason']}")
        if unit["status"] in {"collected", "quarantined"}:
            for reason in unit["results_against"]:
                out.say(f"  {unit['unit_id']}: {reason['zh']} · {reason['en']}")


def _print_results(out: Output, results: Sequence[Row]) -> None:
    if not results:
        out.say("没有检验结果 · no results")
        return
    corrected = {result["supersedes"] for result in results}
    heads = [
        "项目 · test",
        "结果 · result",
        "血站 · station",
        "方法、批次 · method, run",
        "时间 · at",
        "谁 · by",
    ]
    rows = [
        [
            show_code(result["test"]),
            (result["group"] or show_code(result["outcome"]))
            + (" （已更正 · corrected）" if result["result_id"] in corrected else ""),
            result["station_id"],
            f"{result['method']} {result['run_id']}",
            show_instant(result["performed_at"]),
            result["performed_by"],
        ]
        for result in results
    ]
    out.table(add_rows(build_table("检验结果 · results", heads), rows))


def _print_recipients(out: Output, recipients: Sequence[Row]) -> None:
    if not recipients:
        out.say("没有患者用过这位献血者的血 · no patient received of this donor")
        return
    heads = [
        "献血 · donation",
        "血袋 · unit",
        "申请 · request",
        "医院 · hospital",
        "患者 · patient",
    ]
    rows = [
        [
            row["donation_id"],
            row["unit_id"],
            row["request_id"],
            row["hospital_id"],
            row["patient_reference"],
        ]
        for row in recipients
    ]
    table = build_table("用过这位献血者血液的申请 · requests that received of this donor", heads)
    out.table(add_rows(table, rows))
