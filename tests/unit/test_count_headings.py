"""Headings of counts: known, mapped, passed over, asked about; the head under a title."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cli.columns import write_own_words
from gateway.files.donor_imports import parse_donors
from gateway.files.row_errors import describe_fault
from gateway.files.sheets import open_csv
from gateway.files.station_words import (
    NO_WORDS,
    OwnHeadings,
    OwnWords,
    parse_own_words,
)
from gateway.files.stock_imports import parse_units
from models.errors import ConfigurationError, ContractError
from models.texts import list_texts
from models.texts.instants import BEIJING
from tests.support.count_sheets import (
    HEAD,
    RELEASING,
    bag,
    codes,
    parse,
    read_book,
    told,
    workbook,
)


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
    assert f"“{named}”" in describe_fault(error).zh
    mapped = OwnWords().with_call("units", ("条码=unit_id", "条形码=donation_id"), ())
    if head != f"{HEAD},条码":
        assert parse(bag(), head=head, own=mapped).errors == ()


def test_f42_a_head_of_two_rows_is_one() -> None:
    names = HEAD.split(",")
    first = [*names[:4], None, *names[4:]]
    second = [None] * 3 + ["ABO", "RhD"] + [None] * 4
    cells = bag(group="AB,阴性", status="待检").split(",")
    merges = [*(f"{letter}1:{letter}2" for letter in "ABCFGHI"), "D1:E1"]
    parsed = read_book(workbook([first, second, cells], merges=merges))
    assert parsed.errors == ()
    assert parsed.values[0].unit.group.value == "AB-"
    english = "unit_id,donation_id,component,group,volume_ml,collected_at,expires_at,status"
    assert len(parse(english, bag(1), bag(2)).values) == 2


def test_f43_one_sentence_brings_the_missing_column_and_the_unknown_heading_together() -> None:
    parsed = parse(bag(), head=HEAD.replace("献血码", "血源号"))
    ((place, text),) = told(parsed)
    assert place.startswith("第 1 行")
    assert text.startswith("没有找到献血码（donation_id）；表里有不认识的“血源号”，是它吗？")
    assert "--map 血源号=donation_id" in text
    assert "--ignore 血源号" in text
    ((_, unknown),) = told(parse(f"{bag()},合格", head=f"{HEAD},检验结果"))
    assert "“检验结果”" in unknown
    assert "--map 检验结果=status" in unknown
    assert "--ignore" not in unknown
    ((_, plain),) = told(parse(f"{bag()},x", head=f"{HEAD},储位"))
    assert "--ignore 储位" in plain
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
    read = parse_own_words(text.encode(), station_id="nagqu", name="nagqu.toml")
    assert read == words.but(units={**dict(words.units), "ignore": ("检验结果", "x y")})
    assert parse_own_words(write_own_words(read).encode(), station_id=None, name="x") == read


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
        parse_own_words(text.encode(), station_id="nagqu", name="nagqu.toml")
    assert caught.value.code == "columns_invalid"
    assert caught.value.params["field"] == place


def test_a_columns_file_is_told_of_in_chinese_and_english() -> None:
    """Also where the validator or the parser found the mistake; GB18030 is what Excel writes."""
    for content in (
        b'station_id = "nagqu"\n[units]\nignore = 3',
        'station_id = "那曲"'.encode("gb18030"),
        b"station_id = nagqu\n",
    ):
        with pytest.raises(ConfigurationError) as caught:
            parse_own_words(content, station_id="nagqu", name="nagqu.toml")
        chinese, english = str(caught.value.params["rule"]).split(" · ")
        assert re.search(r"[\u4e00-\u9fff]", chinese)
        assert not re.search(r"[\u4e00-\u9fff]", english)
    marked = b'\xef\xbb\xbfstation_id = "nagqu"'
    assert parse_own_words(marked, station_id="nagqu", name="x").station_id == "nagqu"


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
