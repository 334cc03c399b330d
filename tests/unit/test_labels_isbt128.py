"""Every data structure read, written and refused, with what was read and what was expected."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.labels.barcode_values import (
    Division,
    DonationNumber,
    GroupCode,
    LabelMoment,
    Moment,
    OtherStructure,
    Part,
    ProductCode,
    Scanned,
    SpecialTesting,
)
from gateway.labels.isbt128 import GENERAL_GROUPS, IsbtReader
from gateway.labels.structures import BY_IDENTIFIER, SINGLE
from models.errors import ContractError
from models.groups import BloodGroup
from models.texts import render as tell
from tests.support.label_writing import (
    make_donation,
    make_group,
    make_moment,
    render,
    render_compound,
)
from tests.support.labels import SHANGHAI

READER = IsbtReader(zone=SHANGHAI)
END_OF_2018 = datetime(2018, 12, 31, 15, 59, tzinfo=UTC)
ANTIGENS = "9" * 16 + "00"

KNOWN: list[tuple[str, Scanned]] = [
    ("=G12341765432170", DonationNumber("G123417654321", "70")),
    ("=A99992112345601", DonationNumber("A999921123456", "01")),
    ("=%5100", GroupCode("5100", BloodGroup.O_POS)),
    ("=%95C0", GroupCode("95C0", BloodGroup.O_NEG)),
    ("=<EX001V00", ProductCode("EX001V00")),
    ("=<EX0014Ab", ProductCode("EX0014Ab")),
    ("=>018365", LabelMoment(Moment.EXPIRY, "018365", END_OF_2018)),
    ("&>0183652359", LabelMoment(Moment.EXPIRY, "0183652359", END_OF_2018)),
    (
        "&>0250362230",
        LabelMoment(Moment.EXPIRY, "0250362230", datetime(2025, 2, 5, 14, 30, tzinfo=UTC)),
    ),
    ("=*018365", LabelMoment(Moment.COLLECTION, "018365", END_OF_2018)),
    ("&*0183652359", LabelMoment(Moment.COLLECTION, "0183652359", END_OF_2018)),
    ("=}018365", LabelMoment(Moment.PRODUCTION, "018365", END_OF_2018)),
    ("&}0183652359", LabelMoment(Moment.PRODUCTION, "0183652359", END_OF_2018)),
    ("&(N0008", SpecialTesting("010", "N0008")),
    ("=\\" + ANTIGENS, SpecialTesting("012", ANTIGENS)),
    ("&\\" + ANTIGENS, SpecialTesting("013", ANTIGENS)),
    ("&{" + ANTIGENS, SpecialTesting("014", ANTIGENS)),
    ("=)1XX0012345", OtherStructure("017", "1XX0012345")),
    ("&)00001234rZ", OtherStructure("018", "00001234rZ")),
    ('&"' + ANTIGENS, OtherStructure("027", ANTIGENS)),
    ("=,000012", Division("000012")),
]


@pytest.mark.parametrize(("text", "value"), KNOWN, ids=[text for text, _ in KNOWN])
def test_a_barcode_is_read_and_written(text: str, value: Scanned) -> None:
    assert READER.read(text) == (value,)
    assert type(READER.read(text)[0]) is type(value)
    assert render(value) == text


def test_every_structure_has_an_example_here() -> None:
    assert {BY_IDENTIFIER[text[:2]].number for text, _ in KNOWN} == {
        structure.number for structure in SINGLE
    }
    assert all(len(text) == BY_IDENTIFIER[text[:2]].length for text, _ in KNOWN)


def test_groups_for_general_use_are_all_there_and_no_other() -> None:
    assert set(GENERAL_GROUPS.values()) == set(BloodGroup)
    for group in BloodGroup:
        assert READER.read(render(make_group(group))) == (make_group(group),)
    for code in ("97", "55", "00", "Mq"):
        with pytest.raises(ContractError, match="group_code_unknown"):
            READER.read(f"=%{code}00")
    more = IsbtReader(zone=SHANGHAI, groups={"55": BloodGroup.O_POS})
    assert more.read("=%5500") == (GroupCode("5500", BloodGroup.O_POS),)


COMPOUND = "=+05000=Z54991712345600=%5100=<T0416003&>0183652359=,000012"


def test_compound_messages() -> None:
    values = READER.read(COMPOUND)
    assert [type(value).__name__ for value in values] == [
        "DonationNumber", "GroupCode", "ProductCode", "LabelMoment", "Division",
    ]  # fmt: skip
    assert render_compound(values) == COMPOUND
    joined = READER.read("=A99991712345600=,000012")
    assert joined == (DonationNumber("A999917123456", "00"), Division("000012"))
    assert READER.read("]C0=%5100") == READER.read("=%5100")
    assert READER.guess_parts(COMPOUND) == {Part.DONATION, Part.PRODUCT}


def test_a_specified_order_must_be_known_and_kept() -> None:
    text = "=+02035=%5100=<EX001V00"
    for orders, code in (
        ({}, "compound_order_unknown"),
        ({"035": ("003", "002")}, "compound_order_wrong"),
    ):
        with pytest.raises(ContractError) as caught:
            IsbtReader(zone=SHANGHAI, orders=orders).read(text)
        assert caught.value.code == code
    assert len(IsbtReader(zone=SHANGHAI, orders={"035": ("002", "003")}).read(text)) == 2


@pytest.mark.parametrize(
    ("text", "code", "params"),
    [
        ("=G1234176543217", "barcode_length_wrong", {"found": 15, "expected": 16}),
        ("=G123417654321700", "barcode_length_wrong", {"found": 17, "expected": 16}),
        ("=%510", "barcode_length_wrong", {"found": 5, "expected": 6}),
        ("=%51000", "barcode_length_wrong", {"found": 7, "expected": 6}),
        ("&>025036235", "barcode_length_wrong", {"found": 11, "expected": 12}),
        (
            "=G12341765432I70",
            "barcode_form_wrong",
            {"position": 14, "found": "I", "expected": "0-9"},
        ),
        ("=<eX001V00", "barcode_form_wrong", {"shape": "=<αooootds"}),
        ("=%51é0", "barcode_form_wrong", {"shape": "=%ggre"}),
        ("&>02503６2359", "barcode_form_wrong", {"shape": "&>cyyjjjhhmm"}),
        ("=O12341765432170", "identifier_unknown", {"found": "=O", "position": 1}),
        ("=012341765432170", "identifier_unknown", {"found": "=0", "position": 1}),
        ("=?12345", "identifier_unknown", {"found": "=?", "position": 1}),
        ("=", "identifier_unknown", {"found": "="}),
        ("&a12345", "identifier_unknown", {"found": "&a"}),
        ("=%5100=?12", "identifier_unknown", {"found": "=?", "position": 7}),
        ("=%5100=%51", "barcode_length_wrong", {"read": "=%51"}),
        ("&>0183662359", "date_impossible", {"read": "&>0183662359"}),
        ("&>0183652400", "date_impossible", {}),
        ("&>0183652360", "date_impossible", {}),
        ("=>018000", "date_impossible", {}),
        ("=>918365", "date_impossible", {}),
        ("=G12341765432107", "donation_not_of_bag", {"flags": "07"}),
        ("=+03000=%5100=<EX001V00", "compound_count_wrong", {"found": 2, "expected": 3}),
        ("=+01000=%5100=<EX001V00", "compound_count_wrong", {"found": 2, "expected": 1}),
        ("=+01000", "compound_count_wrong", {"found": 0, "expected": 1}),
        ("=+0100", "barcode_length_wrong", {"found": 6, "expected": 7}),
        ("=+01000=+01000=%5100", "identifier_unknown", {"found": "=+"}),
        ("W1234", "barcode_unknown", {"read": "W1234"}),
    ],
)
def test_what_cannot_be_read_is_told(text: str, code: str, params: dict[str, object]) -> None:
    with pytest.raises(ContractError) as caught:
        READER.read(text)
    assert caught.value.code == code
    assert params.items() <= dict(caught.value.params).items()
    told = tell(code, caught.value.params)
    assert "…" not in told.zh + told.en, "every parameter of the text is given"
    assert "{" not in told.zh


def test_the_366th_day_is_one_in_a_leap_year_only() -> None:
    assert READER.read("=>024366")[0].to_text() == "2024-12-31T15:59:00+00:00"
    with pytest.raises(ContractError, match="date_impossible"):
        READER.read("=>025366")


def test_dates_are_local_to_the_station() -> None:
    kathmandu = IsbtReader(zone=ZoneInfo("Asia/Kathmandu"))
    (here,), (there,) = READER.read("=>025036"), kathmandu.read("=>025036")
    assert isinstance(here, LabelMoment)
    assert isinstance(there, LabelMoment)
    assert (there.at - here.at).total_seconds() == (8 - 5.75) * 3600


def test_a_check_can_be_demanded() -> None:
    strict = IsbtReader(zone=SHANGHAI, needs_check=True)
    assert strict.read("=G12341765432170")
    for flags in ("00", "01", "59", "6A"):
        with pytest.raises(ContractError, match="donation_check_missing"):
            strict.read(f"=G123417654321{flags}")
        assert READER.read(f"=G123417654321{flags}")


def test_what_has_no_form_is_not_written() -> None:
    at = datetime(1999, 12, 31, tzinfo=UTC)
    for attempt in (
        lambda: render(ProductCode("ex001v00")),
        lambda: render(DonationNumber("G12341765432")),
        lambda: make_donation("G1234"),
        lambda: make_moment(Moment.EXPIRY, at, SHANGHAI),
        lambda: render_compound([]),
    ):
        with pytest.raises(ContractError):
            attempt()
    assert render(DonationNumber("G123417654321")) == "=G12341765432170"
