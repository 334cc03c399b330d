"""Counts as stations write them, read by the readers of the gateway, for tests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import xlsxwriter

from gateway.files.row_errors import describe_fault, describe_place, group_errors
from gateway.files.sheets import open_csv, open_workbook
from gateway.files.station_words import (
    NO_WORDS,
    OwnWords,
)
from gateway.files.stock_imports import ReleaseTerms, parse_units
from gateway.files.table_values import Parsed
from models.events.stock import Attestation, CountedUnit
from models.texts import list_texts
from models.texts.instants import BEIJING

HEAD = "血袋号,献血码,品种,血型,规格,采血日期,失效日期,状态"
RELEASING = ReleaseTerms(
    attestation=Attestation(released_by="质管科", released_at=datetime(2025, 1, 6, 10, tzinfo=UTC)),
    now=datetime(2025, 1, 7, tzinfo=UTC),
)
SHORT_LIVED = ("2025-01-05", "2025-01-09")


def bag(
    number: int = 1,
    *,
    product: str = "悬浮红细胞",
    group: str = "A+",
    volume: str = "200ml",
    days: tuple[str, str] = ("2025-01-02", "2025-02-05"),
    status: str = "在库",
) -> str:
    return f"w{number},d{number},{product},{group},{volume},{days[0]},{days[1]},{status}"


def parse(
    *rows: str, head: str = HEAD, own: OwnWords = NO_WORDS, partial: bool = False
) -> Parsed[CountedUnit]:
    return parse_units(
        open_csv("\n".join([head, *rows])),
        station_id="nagqu",
        zone=BEIJING,
        releasing=RELEASING,
        own=own,
        partial=partial,
    )


def told(parsed: Parsed[Any]) -> list[tuple[str, str]]:
    """Where each group of faults is, and its Chinese text."""
    return [
        (describe_place(error), describe_fault(error).zh) for error in group_errors(parsed.errors)
    ]


def codes(parsed: Parsed[Any]) -> list[tuple[int, str, str]]:
    for error in parsed.errors:
        assert error.code in list_texts()
    return [(error.row, error.column, error.code) for error in parsed.errors]


def workbook(rows: Sequence[Sequence[Any]], *, merges: Sequence[str] = ()) -> bytes:
    """A sheet; a merged range keeps the value that stands in its first cell, as programs do."""
    raw = io.BytesIO()
    book = xlsxwriter.Workbook(raw, {"in_memory": True})
    sheet = book.add_worksheet("库存")
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            if isinstance(cell, date):
                sheet.write_datetime(number, column, cell, day)
            elif cell is not None:
                sheet.write(number, column, cell)
    for area in merges:
        first = area.partition(":")[0]
        column, row_number = ord(first[0]) - ord("A"), int(first[1:]) - 1
        value = rows[row_number][column]
        written = day if isinstance(value, date) else None
        sheet.merge_range(area, value, written)
    book.close()
    return raw.getvalue()


def read_book(raw: bytes) -> Parsed[CountedUnit]:
    return parse_units(open_workbook(raw), station_id="nagqu", zone=BEIJING, releasing=RELEASING)


JSON_ROW: dict[str, Any] = {
    "unit_id": "u1",
    "donation_id": "d1",
    "component": "red_cells",
    "group": "O+",
    "volume_ml": 200,
    "collected_at": "2025-01-02T09:00:00+08:00",
    "expires_at": "2025-02-05T23:59:59+08:00",
    "released": True,
}
