"""What a count does not say is never released."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from typing import Any

import pytest

from gateway.files.sheets import open_csv, open_workbook
from gateway.files.station_words import (
    NO_WORDS,
)
from gateway.files.stock_imports import ReleaseTerms, parse_units, parse_units_json
from models.errors import ContractError
from models.texts.instants import BEIJING
from tests.support.count_sheets import (
    HEAD,
    JSON_ROW,
    RELEASING,
    bag,
    codes,
    parse,
    read_book,
    told,
    workbook,
)

BOOK_HEAD = HEAD.split(",")


def book_row(number: int, status: str | None, **other: Any) -> list[Any]:  # noqa: ANN401 - cells
    cells = {
        "id": f"w{number}",
        "donation": f"d{number}",
        "product": "悬浮红细胞",
        "group": "A-",
        "volume": "200ml",
        "from": date(2025, 1, 2),
        "until": date(2025, 2, 5),
        "status": status,
    }
    return list({**cells, **other}.values())


def test_f37_rows_under_a_merged_status_take_its_value() -> None:
    raw = workbook(
        [["某血站 库存"], BOOK_HEAD, book_row(1, "待检"), book_row(2, None), book_row(3, "在库")],
        merges=["A1:H1", "H3:H4"],
    )
    parsed = read_book(raw)
    assert parsed.errors == ()
    assert [counted.is_released for counted in parsed.values] == [False, False, True]


def test_f37_other_merged_cells_are_read_over_rows_and_refused_over_columns() -> None:
    rows = [BOOK_HEAD, book_row(1, "待检"), book_row(2, "待检", product=None, until=None)]
    parsed = read_book(workbook(rows, merges=["C2:C3", "G2:G3"]))
    assert parsed.errors == ()
    first, second = parsed.values
    assert first.unit.expires_at == second.unit.expires_at
    assert second.unit.component == "red_cells"
    across = read_book(workbook([BOOK_HEAD, book_row(1, "待检")], merges=["C2:D2"]))
    assert codes(across) == [(2, "group", "cell_merged")]
    same = read_book(workbook([BOOK_HEAD, book_row(1, "待检"), book_row(2, "待检", id=None)],
                              merges=["A2:A3"]))  # fmt: skip
    assert codes(same) == [(3, "unit_id", "id_twice")]


def test_f37_a_sheet_that_starts_in_another_column_is_filled_in_its_own() -> None:
    rows: list[list[Any]] = [
        [None, None, *BOOK_HEAD],
        [None, None, *book_row(1, "待检")],
        [None, None, *book_row(2, None)],
    ]
    parsed = read_book(workbook(rows, merges=["J2:J3"]))
    assert parsed.errors == ()
    assert [counted.released for counted in parsed.values] == [False, False]


def test_f37_merged_rows_of_a_format_that_hides_them_are_refused() -> None:
    for spans, is_refused in (("2", True), ("1", False)):
        raw = io.BytesIO()
        with zipfile.ZipFile(raw, "w") as packed:
            packed.writestr(
                "content.xml", f'<table:table-cell table:number-rows-spanned="{spans}">'
            )
        with pytest.raises(ContractError) as caught:
            open_workbook(raw.getvalue())
        assert (caught.value.code == "workbook_merged") is is_refused


@pytest.mark.parametrize(
    ("head", "cells", "column"),
    [
        (HEAD, "", "status"),
        (HEAD.replace("状态", "放行"), "", "released"),
        (HEAD.replace("状态", "放行人,放行时间"), ",", "released_by"),
        (f"{HEAD},放行", ",是", "status"),
    ],
)
def test_f37_an_empty_status_is_never_released(head: str, cells: str, column: str) -> None:
    row = bag(status="").removesuffix(",") + f",{cells}"
    parsed = parse(row, head=head)
    assert codes(parsed) == [(2, column, "status_missing")]
    assert parse(row, head=head, partial=True).values == ()


def test_f37_what_says_no_needs_no_status_and_no_column_needs_one_word_for_all() -> None:
    head = f"{HEAD},放行"
    parsed = parse(f"{bag(status='')},否", head=head)
    assert parsed.errors == ()
    assert not parsed.values[0].released
    bare = bag().rpartition(",")[0]
    assert parse(bare, head=HEAD.rpartition(",")[0]).values[0].is_released
    nobody = parse_units(
        open_csv("\n".join([HEAD.rpartition(",")[0], bare])),
        station_id="nagqu",
        zone=BEIJING,
        releasing=ReleaseTerms(now=RELEASING.now),
    )
    assert codes(nobody) == [(2, "released_by", "attestation_missing")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"released": None}, [(1, "released", "fix_other")]),
        ({"status": "待检"}, []),
        ({"status": "在途"}, [(1, "status", "status_unknown")]),
        ({"status": 5}, [(1, "status", "status_unknown")]),
        ({"counted_as": "on_shelf"}, [(1, "released", "status_missing")]),
        ({}, [(1, "released", "status_missing")]),
    ],
)
def test_f37_a_json_row_that_says_nothing_is_never_released(
    change: dict[str, Any], expected: list[tuple[int, str, str]]
) -> None:
    row = {name: value for name, value in JSON_ROW.items() if name != "released"}
    parsed = parse_units_json([{**row, **change}], station_id="nagqu", releasing=RELEASING)
    assert codes(parsed) == expected
    assert not any(counted.is_released for counted in parsed.values)


def test_f37_a_column_without_a_heading_is_not_passed_over() -> None:
    head = HEAD.rpartition(",")[0]
    parsed = parse(bag(status="待检"), head=f"{head},")
    assert codes(parsed) == [(2, "", "column_unnamed")]
    assert "“待检”" in told(parsed)[0][1]
    assert parse(bag(status=""), head=f"{head},").errors == ()


def test_f37_the_status_cannot_be_passed_over() -> None:
    for heading in ("状态", "放行", "是否合格", "status"):
        with pytest.raises(ContractError, match="column_not_ignorable"):
            NO_WORDS.with_call("units", (), (heading,))


def test_f37_an_unknown_status_is_told_alone() -> None:
    parsed = parse_units(
        open_csv("\n".join([HEAD, bag(status="在途"), bag(2, product="?", volume="1治疗量")])),
        station_id="nagqu",
        zone=BEIJING,
        releasing=ReleaseTerms(now=RELEASING.now),
    )
    assert codes(parsed) == [
        (2, "status", "status_unknown"),
        (3, "component", "product_unknown"),
    ]
