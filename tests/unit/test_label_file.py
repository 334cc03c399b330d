"""A station's label file and its own barcodes: what is read, and which file is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from gateway.labels.barcode_values import (
    DonationNumber,
    GroupCode,
    LabelMoment,
    Moment,
    Part,
    ProductCode,
)
from gateway.labels.label_file import parse_label_book
from models.components import Component
from models.errors import ConfigurationError, ContractError
from models.groups import BloodGroup
from tests.support.labels import load_example, read_example

BOOK = load_example()
EXPIRES_AT = datetime(2025, 2, 5, 15, 59, tzinfo=UTC)


def test_the_example_reads_both_kinds_of_label() -> None:
    read = BOOK.reader.read
    assert read("6543212500001G") == (DonationNumber("6543212500001"),)
    assert read("P0011") == (ProductCode("P0011"),)
    assert read("X12502052359") == (
        GroupCode("1", BloodGroup.O_POS),
        LabelMoment(Moment.EXPIRY, "X12502052359", EXPIRES_AT),
    )
    assert read("=G12341765432170") == (DonationNumber("G123417654321", "70"),)
    assert BOOK.reader.guess_parts("9999999999999?") == {Part.DONATION}
    assert BOOK.reader.guess_parts("X1") == frozenset()


def test_the_example_says_that_it_is_one() -> None:
    assert "INVENTED" in read_example()
    assert "confirmed by no station" in BOOK.confirmed_by
    assert all(product.code.startswith(("EX", "P0")) for product in BOOK.product)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("6543212500001A", "donation_check_wrong"),
        ("6543212500010G", "donation_check_wrong"),
        ("X92502052359", "group_code_unknown"),
        ("X12502302359", "date_impossible"),
        ("X12502052460", "date_impossible"),
        ("P001", "local_barcode_unknown"),
        ("P00111", "local_barcode_unknown"),
        ("Q0011", "local_barcode_unknown"),
        ("(01)069012345678", "local_barcode_unknown"),
        ("=%9700", "group_code_unknown"),
    ],
)
def test_wrong_barcodes_of_the_station_are_told(text: str, code: str) -> None:
    with pytest.raises(ContractError) as caught:
        BOOK.reader.read(text)
    assert caught.value.code == code
    assert caught.value.params["read"] == text


def test_products() -> None:
    found = BOOK.find_product("EX002V00")
    assert found is not None
    assert (found.component, found.volume_ml) == (Component.RED_CELLS, 200)
    assert found.traits == {"leukoreduced": True, "irradiated": False, "washed": False}
    assert BOOK.find_product("EX999V00") is None
    assert BOOK.find_product("P0012") is None
    whole = load_example(**{'code = "EX003"': 'code = "EX001V01"'})
    exact, general = whole.find_product("EX001V01"), whole.find_product("EX001V00")
    assert exact is not None
    assert general is not None
    assert exact.component is Component.FRESH_FROZEN_PLASMA
    assert general.component is Component.RED_CELLS


def test_a_station_with_its_own_labels_alone() -> None:
    book = load_example(**{"enabled = true": "enabled = false"})
    with pytest.raises(ContractError, match="local_barcode_unknown"):
        book.reader.read("=G12341765432170")
    assert book.find_product("EX001V00") is None, "five characters stand for ISBT 128 codes alone"


@pytest.mark.parametrize(
    ("old", "new", "field", "rule"),
    [
        ('station_id = "shigatse"', "", "station_id", "缺少这个字段"),
        ("Asia/Shanghai", "Asia/Lhasaa", "time_zone", "IANA"),
        ('"product", "group"', '"group"', "scan.parts", "donation and product"),
        ('"group", "expiry"]', '"blood"]', "scan.parts.2", "must be one of"),
        ('# "55" = "O+"', '"51" = "A+"', "isbt128.groups", "by the standard"),
        ('# "55" = "O+"', '"55" = "O"', "isbt128.groups.55", "must be one of"),
        ('code = "EX002"', 'code = "EX001"', "product", "stand twice"),
        ('code = "EX002"', 'code = "EX-02"', "product.1.code", "pattern"),
        ('"red_cells"\nvolume_ml = 200\nleuko', '"redcells"\nleuko', "product.1.component", "be"),
        ("irradiated = true", "iradiated = true", "product.3.iradiated", "没有这个字段"),
        ("length = 5", "length = 6", "barcode.1.example", "length and pattern"),
        ("P[0-9]{4})", "P[0-9]{4}", "barcode.1.pattern", "no regular expression"),
        ("?P<product>", "?P<produkt>", "barcode.1.pattern", "produkt"),
        ("?P<product>", "?:", "barcode.1.pattern", "nothing that a label says"),
        ("(?P<day>", "(?:", "barcode.2.pattern", "year, month and day"),
        ("(?P<minute>", "(?:", "barcode.2.pattern", "hour and minute"),
        ('check = "mod37_2"', "", "barcode.0.check", "`check` group"),
        ('example = "6543212500001G"', 'example = "6543212500001A"', "barcode", "校验"),
        ('example = "X12502052359"', 'example = "X12502302359"', "barcode", "日期"),
        ("[local_groups]", "[local_groups", "TOML", "行第"),
    ],
)
def test_a_file_with_any_doubt_is_refused_whole(old: str, new: str, field: str, rule: str) -> None:
    text = read_example()
    assert old in text
    with pytest.raises(ConfigurationError) as caught:
        parse_label_book(text.replace(old, new).encode(), name="shigatse.toml")
    params = caught.value.params
    assert caught.value.code == "labels_invalid"
    assert (params["file"], params["field"]) == ("shigatse.toml", field)
    assert rule in str(params["rule"])


def test_two_codes_that_look_alike_are_refused() -> None:
    twin = """
[[barcode]]
name = "旧产品码"
length = 5
pattern = '(?P<product>[A-Z]0[0-9]{3})'
example = "Q0011"
"""
    with pytest.raises(ConfigurationError) as caught:
        parse_label_book((read_example() + twin).encode(), name="x.toml")
    assert "could be any of" in str(caught.value.params["rule"])


def test_a_file_of_another_station_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_label_book(read_example().encode(), station_id="lhasa", name="lhasa.toml")
    assert (
        caught.value.params["rule"]
        == "须写 lhasa，与文件名一致 · must be lhasa, as the file is named"
    )


def test_every_sentence_about_a_file_is_chinese_and_english() -> None:
    """The clerk who fills the file in reads no validator and no parser."""
    for broken in ('time_zone = "Nowhere"', 'confirmed_by = ""', "station_id = 7"):
        name = broken.split(" ")[0]
        text = re.sub(rf"(?m)^{name} = .*$", "", read_example())
        with pytest.raises(ConfigurationError) as caught:
            parse_label_book(f"{broken}\n{text}".encode(), name="x.toml")
        chinese, english = str(caught.value.params["rule"]).split(" · ")
        assert re.search(r"[\u4e00-\u9fff]", chinese)
        assert not re.search(r"[\u4e00-\u9fff]", english)


def test_a_file_in_gb18030_says_which_line_and_what_to_do() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_label_book(read_example().encode("gb18030"), name="x.toml")
    assert caught.value.params["field"] == "TOML"
    assert "另存为 UTF-8" in str(caught.value.params["rule"])


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert parse_label_book(read_example().encode("utf-8-sig"), name="x.toml").product
