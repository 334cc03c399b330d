"""Prints the bags that people hold back, with who and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.output import Output, add_rows, build_table, show_code, show_instant


def print_holds(out: Output, answer: Mapping[str, Any]) -> None:
    """Print a station's bags on hold."""
    if not answer["holds"]:
        out.say("没有暂留的血袋 · no bag is on hold")
        return
    heads = [
        "血袋 · unit",
        "成分 · component",
        "血型 · group",
        "何人 · by",
        "何故 · why",
        "自 · since",
        "到 · until",
    ]
    table = build_table(f"{answer['station_id']} 暂留 · on hold", heads)
    rows = [
        [
            hold["unit_id"],
            show_code(hold["component"]),
            hold["group"],
            f"{hold['by']} ({hold['key']})",
            hold["reason"],
            show_instant(hold["placed_at"]),
            show_instant(hold["until"]) if hold["until"] else "",
        ]
        for hold in answer["holds"]
    ]
    out.table(add_rows(table, rows))
