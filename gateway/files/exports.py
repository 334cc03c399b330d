"""Writes a station's units as a file that stations open and can import again unchanged. Pure.

Instants are text with their zone, so that no spreadsheet shifts them; codes are text, so that no
spreadsheet rounds them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import xlsxwriter

from gateway.files.counted_units import DONE_AT, NAMES, TRAIT_FLAGS
from models.texts.instants import BEIJING

_YES_NO = {True: "是", False: "否", None: ""}

HEADINGS = {
    "unit_id": "血袋号",
    "donation_id": "献血码",
    "component": "品种",
    "blood_group": "血型",
    "volume_ml": "规格(ml)",
    "collected_at": "采血时间",
    "expires_at": "失效时间",
    "status": "状态",
    "released_by": "放行人",
    "released_at": "放行时间",
    "leukoreduced": "去白细胞",
    "irradiated": "辐照",
    "cmv_negative": "CMV阴性",
    "washed": "洗涤",
    "low_titre": "低效价",
    "c_positive": "C抗原阳性",
    "del_typed": "已排除DEL",
    "virus_inactivated": "病毒灭活",
    "hbs_negative": "HbS阴性",
    "iga_deficient": "IgA缺乏",
    "of_relative": "亲属献血",
    "antigen_negative": "抗原阴性",
    "hla": "HLA分型",
    "platelet_antigen_negative": "血小板抗原阴性",
    "anticoagulant": "保养液",
    "bag": "血小板袋",
    "agitated": "振荡",
    "irradiated_at": "辐照时间",
    "washed_at": "洗涤时间",
    "thawed_at": "融化时间",
    "deglycerolised_at": "去甘油时间",
}
STATUS_WORDS = {
    "collected": "已采集",
    "quarantined": "待检",
    "available": "在库",
    "on_hold": "血联已暂留",
    "reserved": "血联已预留",
    "picked": "血联已拣血",
    "returned": "退回",
}
"""A word for every state of a unit on the shelf, which an import reads as the same state."""

RELEASED_BY_RESULTS = "检验结果 · test results"
"""Stands for who released a unit that no station attested: the laboratory results did."""

_SHEET = "库存"


def write_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Write units as CSV: UTF-8 with its byte-order mark, by which office software knows it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADINGS.values())
    writer.writerows(_cells(rows))
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def write_xlsx(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Write units as a spreadsheet of one sheet; every cell except the volume is text."""
    raw = io.BytesIO()
    book = xlsxwriter.Workbook(raw, {"in_memory": True, "strings_to_numbers": False})
    sheet = book.add_worksheet(_SHEET)
    bold = book.add_format({"bold": True})
    for column, heading in enumerate(HEADINGS.values()):
        sheet.write_string(0, column, heading, bold)
    for number, cells in enumerate(_cells(rows), start=1):
        for column, cell in enumerate(cells):
            if isinstance(cell, int):
                sheet.write_number(number, column, cell)
            elif cell:
                sheet.write_string(number, column, cell)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(len(rows), 1), len(HEADINGS) - 1)
    sheet.set_column(0, 1, 20)
    sheet.set_column(5, 6, 27)
    book.close()
    return raw.getvalue()


def _cells(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[str | int]]:
    for row in rows:
        traits = row["traits"]
        yield [
            row["unit_id"],
            row["donation_id"],
            row["component"],
            row["blood_group"],
            row["volume_ml"],
            _instant(row["collected_at"]),
            _instant(row["expires_at"]),
            STATUS_WORDS[row["status"]],
            *_release(row),
            *("是" if traits.get(name) else "" for name in TRAIT_FLAGS),
            *(" ".join(traits.get(name, ())) for name in NAMES),
            *(traits.get(name) or "" for name in ("anticoagulant", "bag")),
            _YES_NO[traits.get("agitated")],
            *(
                _instant(datetime.fromisoformat(at)) if (at := traits.get(name)) else ""
                for name in DONE_AT
            ),
        ]


def _release(row: Mapping[str, Any]) -> tuple[str, str]:
    at = row["released_at"]
    return ("", "") if at is None else (row["attested_by"] or RELEASED_BY_RESULTS, _instant(at))


def _told_instant(told: str | None) -> str:
    return "" if told is None else _instant(datetime.fromisoformat(told))


def _instant(at: datetime) -> str:
    return at.astimezone(BEIJING).isoformat()
