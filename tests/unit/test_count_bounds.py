"""What cannot be true in a row is told of the cell that says it: volumes, days, states."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import pytest
import xlsxwriter

from gateway.files.cells import CellError, InstantReader, read_day
from gateway.files.columns import WORDS
from gateway.files.exports import STATUS_WORDS
from gateway.files.row_errors import describe_fault
from gateway.files.sheets import open_csv, open_workbook
from gateway.files.station_words import OwnWords
from gateway.files.stock_imports import ReleaseTerms, parse_units, parse_units_json
from gateway.files.table_values import Parsed
from models.errors import ContractError
from models.texts.instants import BEIJING
from tests.support.count_sheets import HEAD, JSON_ROW, RELEASING, bag, codes, parse, told
from tests.support.imports import parse_units_csv


def of_json(**change: object) -> Parsed[Any]:
    return parse_units_json([{**JSON_ROW, **change}], station_id="nagqu", releasing=RELEASING)


@pytest.mark.parametrize(
    ("volume", "code"),
    [
        (1, "volume_without_ml"),
        (10.0, "volume_without_ml"),
        ("1", "volume_without_ml"),
        ("1ml", "volume_too_small"),
        (0, "fix_number"),
        (1001, "fix_number"),
    ],
)
def test_a_volume_in_json_has_the_bounds_of_a_file(volume: object, code: str) -> None:
    assert codes(of_json(volume_ml=volume)) == [(1, "volume_ml", code)]
    assert codes(parse(bag(volume=str(volume)))) == [(2, "volume_ml", code)]


def test_a_volume_that_can_be_is_taken_as_it_was() -> None:
    for volume in (11, 200, 200.0, 1000):
        (counted,) = of_json(volume_ml=volume).values
        assert counted.unit.volume_ml == volume


@pytest.mark.parametrize(
    ("days", "column", "code"),
    [
        (("2026-01-02", "2025-02-05"), "collected_at", "moment_ahead"),
        (("2026-01-02", "2026-02-05"), "collected_at", "moment_ahead"),
        (("1925-01-02", "2025-02-05"), "collected_at", "moment_too_long_ago"),
        (("2025-01-07", "2025-02-05"), "collected_at", "released_before_collected"),
        (("2024-01-02", "2025-02-05"), "expires_at", "fix_other"),
    ],
)
def test_a_collection_that_cannot_be_true_is_told_of_its_own_date(
    days: tuple[str, str], column: str, code: str
) -> None:
    parsed = parse(bag(days=days))
    assert codes(parsed) == [(2, column, code)]
    assert parsed.errors[0].found == (days[0] if column == "collected_at" else days[1],)
    if column == "expires_at":
        assert "采血时间 2024-01-02 00:00" in parsed.errors[0].rule
    moments = {
        name: f"{day}T00:00:00+08:00"
        for name, day in zip(("collected_at", "expires_at"), days, strict=True)
    }
    assert codes(of_json(**moments)) == [(1, column, code)]


def test_a_release_of_its_own_that_is_too_early_is_told_of_the_release() -> None:
    head = f"{HEAD},放行人,放行时间"
    assert codes(parse(f"{bag()},张敏,2025-01-01", head=head)) == [
        (2, "released_at", "released_before_collected")
    ]


def test_nothing_is_held_against_a_present_that_nobody_gives() -> None:
    releasing = ReleaseTerms(attestation=RELEASING.attestation)
    text = "\n".join([HEAD, bag(days=("2026-01-02", "2026-02-05"), status="待检")])
    parsed = parse_units(open_csv(text), station_id="nagqu", releasing=releasing, zone=BEIJING)
    assert parsed.errors == ()


@pytest.mark.parametrize("word", ["预留", "已预留", "已拣血", "reserved", "Picked", "留用", "锁定"])
def test_what_a_station_set_aside_by_hand_is_not_offered(word: str) -> None:
    (error,) = parse(bag(status=word)).errors
    assert (error.column, error.code) == ("status", "status_set_aside")
    assert "从文件中去掉这一行" in describe_fault(error).zh
    without = {name: value for name, value in JSON_ROW.items() if name != "released"}
    rows = [{**without, "status": word}]
    parsed = parse_units_json(rows, station_id="nagqu", releasing=RELEASING)
    assert codes(parsed) == [(1, "status", "status_set_aside")]


@pytest.mark.parametrize("word", ["待发", "待发血", "待发放", "待出库", "Pending Issue"])
def test_what_waits_to_be_issued_is_not_taken_for_free(word: str) -> None:
    """Released stock to some, blood that is crossmatched and held for a patient to others."""
    (error,) = parse(bag(status=word)).errors
    assert (error.column, error.code) == ("status", "status_unclear")
    assert "写“在库”" in describe_fault(error).zh
    without = {name: value for name, value in JSON_ROW.items() if name != "released"}
    parsed = parse_units_json(
        [{**without, "status": word}], station_id="nagqu", releasing=RELEASING
    )
    assert codes(parsed) == [(1, "status", "status_unclear")]


def test_a_station_says_itself_what_waiting_to_be_issued_means() -> None:
    for meant, released in (("在库", True), ("待检", False)):
        own = OwnWords(statuses={"待发": meant})
        own.ensure_known()
        text = "\n".join([HEAD, bag(status="待发")])
        (counted,) = parse_units(
            open_csv(text), station_id="nagqu", zone=BEIJING, releasing=RELEASING, own=own
        ).values
        assert counted.is_released is released
    for meant in ("待出库", "待发"):
        with pytest.raises(ContractError, match="own_status_refused"):
            OwnWords(statuses={"备好": meant}).ensure_known()


def test_no_export_writes_a_status_that_is_unclear() -> None:
    for word in STATUS_WORDS.values():
        assert WORDS.find_status(word) not in {None, "unclear", "set_aside"}


def test_what_xuelian_reserved_comes_back_as_it_went_out() -> None:
    for status in ("reserved", "picked", "available"):
        (counted,) = parse(bag(status=STATUS_WORDS[status])).values
        assert counted.is_released


@pytest.mark.parametrize("text", ["46351", "45663.5"])
def test_the_serial_number_of_a_day_is_no_day(text: str) -> None:
    for days, column in (
        ((text, "2025-02-05"), "collected_at"),
        (("2025-01-02", text), "expires_at"),
    ):
        assert codes(parse(bag(days=days))) == [(2, column, "date_is_number")]
    for cell in (text, float(text)):
        with pytest.raises(CellError, match="date_is_number"):
            read_day(cell)
        with pytest.raises(CellError, match="date_is_number"):
            InstantReader(BEIJING, day_ends=False)(cell)
    assert codes(of_json(collected_at=text)) == [(1, "collected_at", "date_is_number")]


@pytest.mark.parametrize("form", ["yyyy-mm-dd", 14, 31, 57, 'yyyy"年"m"月"d"日"', "General", "0"])
def test_a_number_in_a_workbook_is_a_day_if_its_format_says_so(form: str | int) -> None:
    raw = io.BytesIO()
    book = xlsxwriter.Workbook(raw, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, HEAD.split(","))
    sheet.write_row(1, 0, bag().split(","))
    sheet.write_number(1, 5, 45659, book.add_format({"num_format": form}))
    book.close()
    parsed = parse_units(
        open_workbook(raw.getvalue()), station_id="nagqu", zone=BEIJING, releasing=RELEASING
    )
    if form in {"General", "0"}:
        assert codes(parsed) == [(2, "collected_at", "date_is_number")]
        assert "日期格式" in told(parsed)[0][1]
        return
    (counted,) = parsed.values
    assert counted.unit.collected_at.astimezone(BEIJING).date() == date(2025, 1, 2)


def test_a_csv_with_zones_is_read_so_too() -> None:
    head = "unit_id,donation_id,component,group,volume_ml,collected_at,expires_at"
    text = f"{head}\nu1,d1,red_cells,O+,200,46351,2025-02-05T23:59:59+08:00\n"
    parsed = parse_units_csv(text, station_id="nagqu", releasing=RELEASING)
    assert codes(parsed) == [(2, "collected_at", "date_is_number")]
