"""Counts as stations write them: nothing becomes stock by a guess, and every refusal says why."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
import xlsxwriter

from models.cells import BEIJING
from models.columns import WORDS
from models.errors import ConfigurationError, ContractError
from models.events.stock import Attestation, CountedUnit
from models.imports import Releasing, parse_donors, parse_units, parse_units_json
from models.messages import list_texts
from models.own_words import (
    NO_WORDS,
    OwnHeadings,
    OwnWords,
    parse_own_words,
    write_own_words,
)
from models.row_errors import group_errors, tell_fault, tell_place
from models.sheets import open_csv, open_workbook
from models.tables import Parsed

HEAD = "血袋号,献血码,品种,血型,规格,采血日期,失效日期,状态"
RELEASING = Releasing(
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
    return [(tell_place(error), tell_fault(error).zh) for error in group_errors(parsed.errors)]


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


# F36: product names -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("自体悬浮红细胞", "product_autologous"),
        ("自身输血红细胞", "product_autologous"),
        ("自体全血", "product_autologous"),
        ("悬浮红细胞(自体)", "product_autologous"),
        ("HIV阳性悬浮红细胞", "product_unsafe"),
        ("不合格血浆", "product_unsafe"),
        ("红细胞保存液", "product_reagent"),
        ("血小板保存液", "product_reagent"),
        ("抗A抗B血型定型试剂", "product_reagent"),
        ("脐带血红细胞", "product_cord_blood"),
        ("单采粒细胞", "product_not_kept"),
        ("冰冻解冻去甘油红细胞", "product_not_kept"),
        ("RhD阴性悬浮红细胞", "product_names_group"),
        ("血浆", "product_unknown"),
        ("未去白细胞悬浮红细胞", "product_unknown"),
        ("悬浮红细胞?", "product_unknown"),
        ("悬浮红细胞200ml", "product_unknown"),
        ("单采悬浮红细胞", "product_unknown"),
        ("人血白蛋白", "product_unknown"),
        ("platelet additive solution", "product_reagent"),
        ("autologous red cells", "product_autologous"),
        ("plasma", "product_unknown"),
    ],
)
def test_f36_a_name_that_is_not_known_whole_is_refused_with_its_reason(
    name: str, code: str
) -> None:
    parsed = parse(bag(product=name))
    assert codes(parsed) == [(2, "component", code)]
    (place, _) = told(parsed)[0]
    assert place == f"第 2 行 品种“{name}”"
    row = {**JSON_ROW, "component": name}
    by_json = parse_units_json([row], station_id="nagqu", releasing=RELEASING)
    assert codes(by_json) == [(1, "component", code)]


@pytest.mark.parametrize("name", sorted(WORDS.components))
def test_f36_the_known_names_are_read_and_their_treatments(name: str) -> None:
    long = {"frozen_red_cells", "fresh_frozen_plasma", "frozen_plasma", "cryoprecipitate"}
    component = WORDS.components[name]
    days = ("2025-01-02", "2025-02-01") if component in long else SHORT_LIVED
    if component == "washed_red_cells":
        days = ("2025-01-06 09:00", "2025-01-07 08:00")
    early = Releasing(attestation=None, now=RELEASING.now)
    text = "\n".join([HEAD, bag(product=f"辐照{name}", days=days, status="待检")])
    parsed = parse_units(open_csv(text), station_id="nagqu", zone=BEIJING, releasing=early)
    assert parsed.errors == ()
    (counted,) = parsed.values
    assert counted.unit.component == component
    assert counted.unit.traits.irradiated


def test_f36_refused_reasons_have_texts_and_never_a_known_name() -> None:
    for refused in WORDS.refused_products:
        assert refused.code in list_texts()
        for word in refused.words:
            assert word not in WORDS.components


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


def test_f36_json_reads_names_as_a_sheet_does() -> None:
    row = {**JSON_ROW, "component": "去白细胞悬浮红细胞", "group": "AB型RhD阴性", "volume_ml": "2U"}
    parsed = parse_units_json([row], station_id="nagqu", releasing=RELEASING)
    assert parsed.errors == ()
    (counted,) = parsed.values
    assert counted.unit.traits.leukoreduced
    assert (counted.unit.group.value, counted.unit.volume_ml) == ("AB-", 400)


# F37: nothing said is never released ------------------------------------------------------------

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
        releasing=Releasing(now=RELEASING.now),
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
        releasing=Releasing(now=RELEASING.now),
    )
    assert codes(parsed) == [
        (2, "status", "status_unknown"),
        (3, "component", "product_unknown"),
    ]


# F09: volumes and doses -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written", ["1治疗量", "1个治疗量", "1.0 治疗量", "１治疗量", "1治疗量/袋"]
)
@pytest.mark.parametrize("name", ["单采血小板", "去白细胞单采血小板", "机采血小板"])
def test_f09_one_dose_of_apheresis_platelets_is_read(written: str, name: str) -> None:
    good = bag(2)
    parsed = parse(bag(product=name, volume=written, days=SHORT_LIVED), good)
    assert parsed.errors == ()
    assert parsed.values[0].unit.volume_ml == 250


@pytest.mark.parametrize(
    ("name", "written", "code"),
    [
        ("单采血小板", "0.5治疗量", "dose_not_whole"),
        ("单采血小板", "2治疗量", "dose_not_whole"),
        ("单采血小板", "1U", "dose_of_apheresis"),
        ("单采血小板", "10U", "dose_of_apheresis"),
        ("单采血小板", "1袋", "volume_unreadable"),
        ("单采血小板", "1人份", "volume_unreadable"),
        ("单采血小板", "治疗量", "volume_unreadable"),
        ("血小板", "1治疗量", "dose_not_of_product"),
        ("浓缩血小板", "1治疗量", "dose_not_of_product"),
        ("悬浮红细胞", "1治疗量", "dose_not_of_product"),
        ("悬浮红细胞", "1U(150ml)", "volume_unreadable"),
        ("悬浮红细胞", "2", "volume_without_ml"),
        ("悬浮红细胞", "约200ml", "volume_unreadable"),
    ],
)
def test_f09_a_volume_that_is_not_certain_is_refused(name: str, written: str, code: str) -> None:
    days = SHORT_LIVED if "血小板" in name else ("2025-01-02", "2025-02-05")
    parsed = parse(bag(product=name, volume=written, days=days))
    assert codes(parsed) == [(2, "volume_ml", code)]
    assert told(parsed)[0][0] == f"第 2 行 规格“{written}”"


@pytest.mark.parametrize(
    ("written", "ml"),
    [
        ("200ml", 200), ("200mL", 200), ("200ML", 200), ("200 毫升", 200), ("200", 200),
        ("1U", 200), ("1.5U", 300), ("1.5u", 300), ("2单位", 400), ("2个单位", 400), ("1U/袋", 200),
    ],
)  # fmt: skip
def test_f09_usual_volumes_are_read(written: str, ml: int) -> None:
    (counted,) = parse(bag(volume=written)).values
    assert counted.unit.volume_ml == ml


# F42, F43: headings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usual", "other"),
    [
        ("献血码", "献血号"), ("献血码", "献血条码"), ("失效日期", "失效期"),
        ("失效日期", "到期日期"), ("失效日期", "有效期至"), ("血袋号", "条码"),
        ("血袋号", "条形码"), ("采血日期", "献血日期"), ("采血日期", "采集日期"),
    ],
)  # fmt: skip
def test_f42_usual_headings_are_known(usual: str, other: str) -> None:
    parsed = parse(bag(), head=HEAD.replace(usual, other))
    assert parsed.errors == ()
    assert parsed.values == parse(bag()).values


@pytest.mark.parametrize(
    "pair", ["血型ABO,血型Rh", "ABO血型,RhD血型", "血型(ABO),血型(Rh)", "血型,RhD"]
)
def test_f42_a_group_in_two_columns_is_one(pair: str) -> None:
    head = HEAD.replace("血型", pair)
    for group, expected in (("AB型,阴性", "AB-"), ("O,+", "O+")):
        (counted,) = parse(bag(group=group), head=head).values
        assert counted.unit.group.value == expected
    assert codes(parse(bag(group="A,"), head=head))[0][2] == "rhd_missing"


def test_f42_columns_that_contradict_each_other_are_refused() -> None:
    head = HEAD.replace("血型", "血型,ABO,RhD")
    assert parse(bag(group="A+,A,阳性"), head=head).errors == ()
    assert parse(bag(group="A,A,阳性"), head=head).values[0].unit.group.value == "A+"
    for group, column in (("A+,B,阳性", "abo"), ("A+,A,阴性", "rhd"), ("A,B,阳性", "abo")):
        assert codes(parse(bag(group=group), head=head)) == [(2, column, "group_contradicts")]


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (HEAD.replace("献血码", "条码"), "条码"),
        (HEAD.replace("血袋号", "条码").replace("献血码", "条形码"), "条码"),
        (f"{HEAD},条码", "条码"),
    ],
)
def test_f42_an_ambiguous_heading_is_asked_about(head: str, named: str) -> None:
    parsed = parse(bag() + (",x" if head.endswith("条码") else ""), head=head)
    if head == HEAD.replace("献血码", "条码"):
        # The bag's number is there: it can only be the donation's.
        assert parsed.errors == ()
        return
    (error,) = parsed.errors
    assert f"“{named}”" in tell_fault(error).zh
    mapped = OwnWords().with_call("units", ("条码=unit_id", "条形码=donation_id"), ())
    if head != f"{HEAD},条码":
        assert parse(bag(), head=head, own=mapped).errors == ()


def test_f43_one_sentence_brings_the_missing_column_and_the_unknown_heading_together() -> None:
    parsed = parse(bag(), head=HEAD.replace("献血码", "血源号"))
    ((place, text),) = told(parsed)
    assert place.startswith("第 1 行")
    assert text.startswith("没有找到献血码（donation_id）；表里有不认识的“血源号”，是它吗？")
    assert "--map 血源号=donation_id" in text
    assert "--ignore 血源号" in text
    ((_, unknown),) = told(parse(f"{bag()},合格", head=f"{HEAD},检验结果"))
    assert "“检验结果”" in unknown
    assert "--ignore 检验结果" in unknown
    ((_, missing),) = told(parse(bag(), head=HEAD.replace("献血码", "序号")))
    assert missing.startswith("没有找到献血码（donation_id）")


def test_f43_a_heading_is_mapped_or_passed_over_for_a_call() -> None:
    own = NO_WORDS.with_call("units", ("血源号=donation_id", "备注 = status"), ("检验结果",))
    head = HEAD.replace("献血码", "血源号").replace("状态", "备注") + ",检验结果"
    parsed = parse(f"{bag(status='待检')},合格", head=head, own=own)
    assert parsed.errors == ()
    assert not parsed.values[0].released


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("血源号", "map_unreadable"),
        ("=donation_id", "map_unreadable"),
        ("血源号=", "map_unreadable"),
        ("血源号=donation", "map_column_unknown"),
        ("血型=donation_id", "map_moves_column"),
        ("状态=component", "map_moves_column"),
        ("group=abo", "map_moves_column"),
    ],
)
def test_f43_a_mapping_that_makes_no_sense_is_refused(word: str, code: str) -> None:
    with pytest.raises(ContractError, match=code):
        NO_WORDS.with_call("units", (word,), ())
    assert code in list_texts()


def test_f43_a_station_names_its_products_and_states_by_known_names() -> None:
    own = OwnWords(
        station_id="nagqu",
        units=OwnHeadings(headings={"血源号": "donation_id"}, ignore=("检验结果",)),
        products={"滤白红悬": "去白细胞悬浮红细胞"},
        statuses={"检验中待放": "待检"},
    )
    own.ensure_known()
    head = HEAD.replace("献血码", "血源号") + ",检验结果"
    row = bag(product="滤白红悬", status="检验中待放")
    parsed = parse(f"{row},合格", head=head, own=own)
    assert parsed.errors == ()
    (counted,) = parsed.values
    assert counted.unit.traits.leukoreduced
    assert not counted.released
    (named,) = parsed.named
    assert getattr(named, "name", "") == "滤白红悬"
    assert parse(row, own=NO_WORDS).values == ()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"products": {"自体红悬": "悬浮红细胞"}}, "own_product_refused"),
        ({"products": {"阳性红悬": "悬浮红细胞"}}, "own_product_refused"),
        ({"products": {"红悬": "粒细胞"}}, "own_product_refused"),
        ({"products": {"单采血小板": "悬浮红细胞"}}, "own_product_refused"),
        ({"statuses": {"待检": "在库"}}, "own_status_refused"),
        ({"statuses": {"好的": "很好"}}, "own_status_refused"),
        ({"units": {"ignore": ["状态"]}}, "column_not_ignorable"),
        ({"units": {"headings": {"x": "nothing"}}}, "map_column_unknown"),
    ],
)
def test_f43_no_word_of_a_station_makes_stock_of_what_is_refused(
    words: dict[str, Any], code: str
) -> None:
    with pytest.raises(ContractError, match=code):
        OwnWords.model_validate(words).ensure_known()


def test_f43_what_is_remembered_reads_back_as_it_was() -> None:
    words = OwnWords(
        station_id="nagqu",
        units=OwnHeadings(headings={'血源"号\\': "donation_id"}, ignore=("检验结果", "x\ty")),
        donors=OwnHeadings(headings={"卡号": "donor_id"}),
        products={"滤白红悬": "去白细胞悬浮红细胞"},
        statuses={"检测完待放": "待检"},
    )
    text = write_own_words(words)
    read = parse_own_words(text, station_id="nagqu", name="nagqu.toml")
    assert read == words.but(units={**dict(words.units), "ignore": ("检验结果", "x y")})
    assert parse_own_words(write_own_words(read), station_id=None, name="x") == read


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("station_id = ", "TOML"),
        ('station_id = "lhasa"', "station_id"),
        ("", "station_id"),
        ('station_id = "nagqu"\ncolour = 1', "colour"),
        ('station_id = "nagqu"\n[units]\nignore = ["状态"]', "column_not_ignorable"),
    ],
)
def test_f43_a_columns_file_that_is_wrong_says_where(text: str, place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_own_words(text, station_id="nagqu", name="nagqu.toml")
    assert caught.value.code == "columns_invalid"
    assert caught.value.params["field"] == place


# F44: a title above the head --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "delimiter"),
    [
        ("某某血站 库存盘点表", ";"),
        ("Example station, stock on hand", "\t"),
        ("库存盘点表", ","),
        ("甲;乙;丙;丁;戊;己;庚;辛;壬;癸", ","),
        ("制表：张，审核：李,共 3 页,第 1 页\n\n", ";"),
    ],
)
def test_f44_the_head_tells_how_a_file_is_parted(title: str, delimiter: str) -> None:
    table = "\n".join([HEAD, bag(1), bag(2)]).replace(",", delimiter)
    parsed = parse_units(
        open_csv(f"{title}\n{table}\n"), station_id="nagqu", zone=BEIJING, releasing=RELEASING
    )
    assert parsed.errors == ()
    assert len(parsed.values) == 2


def test_f44_a_register_with_a_title_is_read_too() -> None:
    head = "献血者编号;姓名;电话;血型;性别;出生日期;体重"
    text = f"献血者名册, 2025\n{head}\nn1;扎西;+86 1;B+;male;1990-01-01;70\n"
    (donor,) = parse_donors(open_csv(text), station_id="nagqu").values
    assert donor.donor_id == "n1"


# F77, F78: a clerk's words ----------------------------------------------------------------------


def test_f77_the_same_fault_of_many_rows_is_one_line() -> None:
    rows = [bag(number) for number in range(78)]
    parsed = parse_units(
        open_csv("\n".join([HEAD, *rows])),
        station_id="nagqu",
        zone=BEIJING,
        releasing=Releasing(now=RELEASING.now),
    )
    assert len(parsed.errors) == 78
    ((place, text),) = told(parsed)
    assert place == "第 2–79 行 放行人"
    assert "--released-by" in text
    (group,) = group_errors(parsed.errors)
    assert (group.rows, group.spans) == (78, ((2, 79),))
    assert group_errors(group_errors(parsed.errors)) == (group,)


def test_f77_rows_are_told_as_ranges_and_cells_as_they_stand() -> None:
    groups = ["A型", "A+", "A型", "B型", "Q", "A型"]
    parsed = parse(*(bag(number, group=group) for number, group in enumerate(groups)))
    assert [place for place, _ in told(parsed)] == [
        "第 2、4–5、7 行 血型“A型”“B型”",
        "第 6 行 血型“Q”",
    ]


def test_f78_a_group_without_rhd_says_so() -> None:
    ((place, text),) = told(parse(bag(group="A型")))
    assert place == "第 2 行 血型“A型”"
    assert text.startswith("缺 RhD")
    assert codes(parse(bag(group="A型弱阳性"))) == [(2, "group", "rhd_unclear")]


def test_f78_a_file_in_english_is_told_in_english_places() -> None:
    head = "unit_id,donation_id,component,blood group,volume_ml,collected_at,expires_at,status"
    ((place, _),) = told(parse(bag(group="A"), head=head))
    assert place == "row 2, blood group “A”"


def test_f78_everything_wrong_with_a_row_is_told_with_it() -> None:
    parsed = parse(bag(group="A型", volume="0ml"))
    assert codes(parsed) == [(2, "group", "rhd_missing"), (2, "volume_ml", "fix_number")]


DONORS = "献血者编号,姓名,电话,血型,性别,出生日期,体重"


def test_f78_the_register_is_told_the_same_way_and_repeats_no_personal_data() -> None:
    row = "n1,扎西,+86 1,A型,male,1990-13-01,70"
    parsed = parse_donors(open_csv(f"{DONORS}\n{row}"), station_id="nagqu")
    places = [place for place, _ in told(parsed)]
    assert places[0] == "第 2 行 血型“A型”"
    assert all("1990" not in place for place in places)
    unknown = parse_donors(
        open_csv(f"{DONORS.replace('献血者编号', '卡号')}\n{row}"), station_id="nagqu"
    )
    assert "--map 卡号=donor_id" in told(unknown)[0][1]
    own = NO_WORDS.with_call("donors", ("卡号=donor_id",), ())
    good = row.replace("A型", "A,+").replace("-13-", "-12-")
    head = DONORS.replace("献血者编号", "卡号").replace("血型", "血型ABO,血型Rh")
    (donor,) = parse_donors(open_csv(f"{head}\n{good}"), station_id="nagqu", own=own).values
    assert (donor.donor_id, donor.group.value) == ("n1", "A+")
