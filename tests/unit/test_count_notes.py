"""What stands below a table, and how registers of donors are headed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.files.donor_imports import parse_donors, parse_donors_json
from gateway.files.sheets import open_csv, open_workbook
from tests.support.count_sheets import HEAD, bag, codes, parse, read_book, told, workbook

DONORS = "献血者编号,姓名,联系电话,血型,性别,出生年月日,体重"
DONOR = "n1,扎西,+86 1,B+,男,1990年2月28日,70kg"


@pytest.mark.parametrize(
    "note",
    [
        "制表人：张敏", "打印日期：2025-01-07 09:00", "打印日期2025年1月7日", "审核人:李四",
        "第 1 页 共 2 页", "共 2 袋", "合计：2袋", "以下空白", "备注：以上已核对",
        "Printed 2025-01-07", "Prepared by: Zhang",
    ],
)  # fmt: skip
def test_a_note_below_the_table_is_no_bag(note: str) -> None:
    width = HEAD.count(",")
    for line in (note, note + "," * width, "," * 3 + note + "," * (width - 3)):
        parsed = parse(bag(1), bag(2), line)
        assert parsed.errors == ()
        assert len(parsed.values) == 2
    donors = f"{DONORS}\n{DONOR}\n{note}\n"
    assert len(parse_donors(open_csv(donors), station_id="nagqu").values) == 1


def test_notes_side_by_side_and_a_merged_note_are_passed_over() -> None:
    assert parse(bag(), "制表人：张敏,,,审核人：李四,,,打印日期：2025-01-07,").errors == ()
    rows: list[list[Any]] = [HEAD.split(","), bag().split(","), ["制表人：张敏", *[None] * 7]]
    assert len(read_book(workbook(rows, merges=["A3:H3"])).values) == 1


def test_a_row_of_one_cell_is_asked_about_once() -> None:
    width = HEAD.count(",")
    for line in (
        "张敏",
        "张敏" + "," * width,
        "w9" + "," * width,
        "," * 2 + "张敏" + "," * (width - 2),
    ):
        parsed = parse(bag(), line)
        ((_, text),) = told(parsed)
        assert codes(parsed) == [(3, "", "row_of_one_cell")]
        assert "是一袋血" in text
    donors = f"{DONORS}\n{DONOR}\n张敏,,,,,,\n"
    parsed_donors = parse_donors(open_csv(donors), station_id="nagqu")
    assert codes(parsed_donors) == [(3, "", "row_of_one_cell")]
    assert "张敏" not in str(told(parsed_donors)), "it may be somebody's name"


def test_a_bag_whose_first_cell_is_a_note_is_still_a_bag() -> None:
    parsed = parse(f"备注甲,{bag()}", head=f"备注,{HEAD}")
    assert len(parsed.values) == 1
    assert parse(bag(), "w2,d2").errors[0].code == "row_too_short"


def test_registers_are_headed_in_other_words() -> None:
    head = f"{DONORS},上次献血日期,知情同意时间,暂缓献血至"
    text = f"{head}\n{DONOR},2024-06-01,2024-06-01 10:00,2025-02-01\n"
    (donor,) = parse_donors(open_csv(text), station_id="nagqu").values
    assert (donor.contact, donor.born_on) == ("+86 1", date(1990, 2, 28))
    assert donor.last_whole_blood_on == date(2024, 6, 1)
    assert donor.consented_at == datetime(2024, 6, 1, 2, tzinfo=UTC)
    assert donor.deferred_until == datetime(2025, 2, 1, 16, tzinfo=UTC)
    other = parse_donors(
        open_csv(text.replace("上次献血日期", "最近一次献血日期")), station_id="nagqu"
    )
    assert other.values == (donor,)


@pytest.mark.parametrize("weight", ["70", "70kg", "70 KG", "70公斤", "70.0千克", "７０ｋｇ"])
def test_kilograms_are_read_with_their_measure(weight: str) -> None:
    (donor,) = parse_donors(
        open_csv(f"{DONORS}\n{DONOR.replace('70kg', weight)}\n"), station_id="nagqu"
    ).values
    assert donor.weight_kg == 70
    told = {"donor_id": "n1", "name": "甲", "contact": "1", "group": "B+", "sex": "male",
            "born_on": "1990-02-28", "weight_kg": weight}  # fmt: skip
    assert parse_donors_json([told], station_id="nagqu").values[0].weight_kg == 70


@pytest.mark.parametrize("weight", ["140斤", "70g", "x", "七十"])
def test_a_weight_in_another_measure_is_refused(weight: str) -> None:
    parsed = parse_donors(
        open_csv(f"{DONORS}\n{DONOR.replace('70kg', weight)}\n"), station_id="nagqu"
    )
    assert codes(parsed) == [(2, "weight_kg", "weight_unreadable")]


def test_a_weight_of_a_workbook_is_a_number() -> None:
    rows: list[list[Any]] = [DONORS.split(","), [*DONOR.split(",")[:-1], 70.5]]
    (donor,) = parse_donors(open_workbook(workbook(rows)), station_id="nagqu").values
    assert donor.weight_kg == 70.5
