"""Files as stations really send them: headings, words, dates, charsets and spreadsheets."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import xlsxwriter

from gateway.files.cells import (
    CellError,
    InstantReader,
    read_abo,
    read_flag,
    read_group,
    read_rhd,
    read_status,
    read_text,
)
from gateway.files.columns import WORDS
from gateway.files.heading_words import fold, to_word
from gateway.files.printed_volumes import read_volume, settle_dose
from gateway.files.products import find_product
from gateway.files.sheets import decode_file, open_csv, open_workbook
from gateway.files.station_words import OwnWords
from gateway.files.stock_imports import ReleaseTerms, parse_units
from gateway.files.table_values import Parsed
from models.components import Component
from models.errors import ContractError
from models.events.stock import Attestation, CountedAs, CountedUnit
from models.texts import list_texts
from models.texts.instants import BEIJING
from models.units import UnitTraits

CHINESE = "血袋号,献血码,品种,ABO,RhD,规格,采血日期,失效日期,状态"
BAG = "W1-1,W1,去白细胞悬浮红细胞,Ａ型,阳性,1.5U,2025年1月2日,2025/2/5,在库"


RELEASING = ReleaseTerms(
    attestation=Attestation(released_by="质管科", released_at=datetime(2025, 1, 6, 10, tzinfo=UTC)),
    now=datetime(2025, 1, 7, tzinfo=UTC),
)


def parse(text: str, **options: Any) -> Parsed[CountedUnit]:  # noqa: ANN401 - the options of the parser
    return parse_units(
        open_csv(text), station_id="nagqu", zone=BEIJING, **{"releasing": RELEASING, **options}
    )


def read_book(raw: bytes) -> Parsed[CountedUnit]:
    return parse_units(open_workbook(raw), station_id="nagqu", zone=BEIJING, releasing=RELEASING)


def workbook(sheets: dict[str, list[list[Any]]], *, hidden: str = "") -> bytes:
    raw = io.BytesIO()
    book = xlsxwriter.Workbook(raw, {"in_memory": True})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                if isinstance(cell, date):
                    sheet.write_datetime(number, column, cell, day)
                elif cell is not None:
                    sheet.write(number, column, cell)
        if name == hidden:
            sheet.hide()
    book.close()
    return raw.getvalue()


def test_a_file_in_chinese() -> None:
    parsed = parse(f"{CHINESE}\n{BAG}\n")
    assert parsed.errors == ()
    (counted,) = parsed.values
    unit = counted.unit
    assert (unit.unit_id, unit.donation_id, unit.group.value) == ("W1-1", "W1", "A+")
    assert unit.component is Component.RED_CELLS
    assert unit.traits == UnitTraits(leukoreduced=True)
    assert unit.volume_ml == 300
    assert unit.collected_at == datetime(2025, 1, 1, 16, tzinfo=UTC)
    assert unit.expires_at == datetime(2025, 2, 5, 16, tzinfo=UTC), "usable through its last day"
    assert (counted.released, counted.counted_as) == (True, CountedAs.ON_SHELF)
    assert parsed.places == (("", 2),)


def test_columns_come_in_any_order_and_in_other_words() -> None:
    text = (
        "Expiry Date\tBLOOD_GROUP\t容量（ml）\t献血码(DIN)\t产品码\t品名\t采集时间\t序号\n"
        "2025-02-05 23:59\tO Rh(-)\t200\tW1\tE0382\tRBC\t20250102\t7\n"
    )
    (counted,) = parse(text).values
    assert counted.unit.unit_id == "W1-E0382"
    assert counted.unit.group.value == "O-"
    assert counted.unit.expires_at == datetime(2025, 2, 5, 15, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "released", "counted_as"),
    [
        ("合格", True, CountedAs.ON_SHELF),
        ("血联已预留", True, CountedAs.ON_SHELF),
        ("待检", False, CountedAs.ON_SHELF),
        ("报废", True, CountedAs.DISCARDED),
        ("已出库", True, CountedAs.ISSUED),
        ("过期", True, CountedAs.EXPIRED),
    ],
)
def test_what_a_status_says(word: str, *, released: bool, counted_as: CountedAs) -> None:
    (counted,) = parse(f"{CHINESE}\n{BAG.replace('在库', word)}").values
    assert (counted.released, counted.counted_as) == (released, counted_as)


def test_quarantine_wins_over_a_yes() -> None:
    (counted,) = parse(f"{CHINESE},放行\n{BAG.replace('在库', '待检')},是").values
    assert not counted.released
    (counted,) = parse(f"{CHINESE},放行\n{BAG},否").values
    assert not counted.released


@pytest.mark.parametrize(
    ("change", "column", "code"),
    [
        (("阳性", "未知"), "rhd", "rhd_invalid"),
        (("1.5U", "1治疗量"), "volume_ml", "dose_not_of_product"),
        (("1.5U", "2"), "volume_ml", "volume_without_ml"),
        (("2025年1月2日", "元旦"), "collected_at", "date_unreadable"),
        (("2025年1月2日", "2025-02-30"), "collected_at", "date_unreadable"),
        (("在库", "在途"), "status", "status_unknown"),
        (("去白细胞悬浮红细胞", "解冻红细胞"), "component", "product_not_kept"),
        (("W1-1", "2.5E+12"), "unit_id", "code_shortened"),
        (("2025/2/5", "2026/2/5"), "expires_at", "fix_other"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(
    change: tuple[str, str], column: str, code: str
) -> None:
    parsed = parse(f"{CHINESE}\n{BAG.replace(*change)}\n")
    assert [(error.row, error.column, error.code) for error in parsed.errors] == [(2, column, code)]
    assert parsed.values == ()
    assert code in list_texts()


def test_good_rows_may_go_alone() -> None:
    text = f"{CHINESE}\n{BAG}\n{BAG.replace('W1-1', 'W2-1').replace('1.5U', '?')}\n"
    assert parse(text).values == ()
    parsed = parse(text, partial=True)
    assert [counted.unit.unit_id for counted in parsed.values] == ["W1-1"]
    assert (len(parsed.errors), parsed.refused_rows) == (1, 1)


def test_titles_above_and_totals_below_are_no_units() -> None:
    text = f"那曲市中心血站库存表\n\n{CHINESE}\n{BAG}\n合计,1,,,,1.5U,,,\n"
    parsed = parse(text)
    assert parsed.errors == ()
    assert parsed.places == (("", 4),)


def test_a_column_that_is_not_known_is_refused_or_passed_over_on_purpose() -> None:
    text = f"{CHINESE},效价\n{BAG},1:64\n"
    (error,) = parse(text).errors
    assert (error.column, error.code) == ("效价", "column_unknown")
    assert len(parse(text, own=OwnWords().with_call("units", (), ["效价"])).values) == 1


def test_a_spreadsheet_with_numbers_and_dates() -> None:
    head = CHINESE.split(",")
    rows: list[list[Any]] = [
        ["库存", *[None] * 8],
        head,
        [
            "2500012345678", "2500012345000", "单采血小板", "B", "+", 250, date(2025, 1, 6),
            datetime(2025, 1, 10, 18, 30), "在库",  # noqa: DTZ001 - as a spreadsheet has it
        ],
        [
            "2500012345679", "2500012345000", "冷沉淀", "AB", "阴", 45663, date(2025, 1, 6),
            datetime(2025, 2, 12, 12), "在库",  # noqa: DTZ001 - as a spreadsheet has it
        ],
        [None] * 9,
    ]  # fmt: skip
    raw = workbook({"说明": [["本表由系统导出"]], "红细胞": rows, "隐藏": rows}, hidden="隐藏")
    parsed = read_book(raw)
    assert [(e.sheet, e.row, e.column, e.code) for e in parsed.errors] == [
        ("红细胞", 4, "volume_ml", "fix_number")
    ]
    assert parsed.left_out == ("说明",)
    rows[3][5] = 30
    raw = workbook({"红细胞": rows})
    parsed = read_book(raw)
    assert parsed.errors == ()
    first, second = parsed.values
    assert first.unit.unit_id == "2500012345678"
    assert first.unit.collected_at == datetime(2025, 1, 5, 16, tzinfo=UTC)
    assert first.unit.expires_at == datetime(2025, 1, 10, 10, 30, tzinfo=UTC)
    assert second.unit.collected_at == datetime(2025, 1, 5, 16, tzinfo=UTC)
    assert second.unit.expires_at == datetime(2025, 2, 12, 4, 0, tzinfo=UTC)
    assert parsed.places == (("红细胞", 3), ("红细胞", 4))


def test_the_same_unit_on_two_sheets_is_refused() -> None:
    head, bag = CHINESE.split(","), BAG.split(",")
    raw = workbook({"甲": [head, bag], "乙": [head, bag]})
    (error,) = parse_units(
        open_workbook(raw), station_id="nagqu", zone=BEIJING, releasing=RELEASING
    ).errors
    assert (error.sheet, error.row, error.code) == ("乙", 2, "id_twice")


def test_what_is_no_spreadsheet_is_refused() -> None:
    for raw in (b"no workbook", b"PK\x03\x04 broken"):
        with pytest.raises(ContractError, match="workbook_unreadable"):
            open_workbook(raw)


def test_a_spreadsheet_that_unpacks_to_too_much_is_refused_unread() -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("a", "w") as part:
        for _ in range(301):
            part.write(b"\0" * 1_000_000)
    with pytest.raises(ContractError, match="workbook_too_large"):
        open_workbook(raw.getvalue())


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_charsets_are_found_out(charset: str) -> None:
    text = f"{CHINESE}\n{BAG}\n"
    assert decode_file(text.encode(charset)) == text


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("A", "A"), ("a+", "A+"), ("AB-", "AB-"), ("O型Rh阳性", "O+"), ("B Rh(D)+", "B+"),
        ("A型RhD阴性", "A-"), ("ABRh(-)", "AB-"), ("o neg", "O-"), ("B(+)", "B+"),
    ],
)  # fmt: skip
def test_groups_as_they_are_written(text: str, group: str) -> None:
    assert read_group(text) == group


@pytest.mark.parametrize(
    ("name", "component", "treatments"),
    [
        ("悬浮红细胞", "red_cells", ()),
        ("辐照去白细胞悬浮红细胞", "red_cells", ("irradiated", "leukoreduced")),
        ("洗涤红细胞", "washed_red_cells", ()),
        ("新鲜冰冻血浆", "fresh_frozen_plasma", ()),
        ("病毒灭活冰冻血浆", "frozen_plasma", ("virus_inactivated",)),
        ("冷沉淀凝血因子", "cryoprecipitate", ()),
        ("red_cells", "red_cells", ()),
        ("FFP", "fresh_frozen_plasma", ()),
    ],
)
def test_products_as_they_are_named(name: str, component: str, treatments: tuple[str, ...]) -> None:
    found = find_product(name)
    assert found is not None
    assert (found.component, found.treatments) == (component, treatments)


def test_cells_of_the_wrong_kind() -> None:
    for read, cell in (
        (read_text, date(2025, 1, 1)),
        (read_text, True),
        (read_text, 1.5),
        (read_text, 1e16),
        (read_flag, "maybe"),
        (read_rhd, "?"),
        (read_status, "?"),
        (read_volume, "3剂"),
        (read_group, "Q+"),
        (read_abo, "A+"),
    ):
        with pytest.raises(CellError):
            read(cell)
    assert read_text(2500012345678.0) == "2500012345678"
    assert read_abo("0型") == "O"
    assert read_flag(1.0)
    assert read_volume("200 ml") == 200
    assert settle_dose(read_volume("2单位"), "red_cells") == 400


def test_zones() -> None:
    at = InstantReader(timezone(timedelta(hours=6)), day_ends=False)
    assert at("2025-01-07 09:05") == datetime(2025, 1, 7, 3, 5, tzinfo=UTC)
    assert at("2025-01-07T09:05:00+08:00") == datetime(2025, 1, 7, 1, 5, tzinfo=UTC)
    with pytest.raises(CellError, match="date_unreadable"):
        at(12.0)
    with pytest.raises(CellError, match="time_zone_missing"):
        InstantReader(None, day_ends=True)(date(2025, 1, 7))


def test_no_word_means_two_things() -> None:
    for words in (WORDS.units, WORDS.donors):
        seen: dict[str, str] = {}
        for name, texts in words.headings.items():
            for text in (name, *texts):
                assert seen.setdefault(to_word(text), name) == name, text
        assert not {to_word(text) for text in words.ignored}.intersection(seen)
        assert not {to_word(text) for text in words.ambiguous}.intersection(seen)
    statuses: dict[str, str] = {}
    for name, texts in WORDS.statuses.items():
        for text in texts:
            assert statuses.setdefault(to_word(text), name) == name, text


def test_forms_are_folded() -> None:
    assert fold("　Ａ＋　") == "A+"
    assert fold("A−") == "A-"
    assert to_word("Rh(D) 血型") == "rhd血型"
