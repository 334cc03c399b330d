"""Lines to bags: any order, whole bags, and never a bag made of two."""

from __future__ import annotations

import dataclasses
import itertools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.http.examples import SCAN
from gateway.labels.bags import Label, Session, assemble
from gateway.labels.label_file import parse_label_book
from gateway.labels.unit_names import name_unit
from gateway.scans.report import list_compared
from gateway.scans.scan_intake import ensure_agrees
from models.components import Component
from models.errors import ContractError, DomainRefusal
from models.groups import BloodGroup
from models.units import UnitStatus, UnitTraits
from streams.ports.stock import RecordedUnit
from tests.support.label_writing import make_donation, render
from tests.support.labels import load_example

BOOK = load_example()
PAIRS = load_example(**{', "group", "expiry"]': "]"})
EXPIRES_AT = datetime(2025, 2, 5, 15, 59, tzinfo=UTC)
LABELS_PAGE = Path(__file__).resolve().parents[2] / "docs" / "labels.md"


def bag(number: int, *, product: str = "EX001V00", group: str = "51", day: int = 36) -> list[str]:
    din = render(make_donation(f"G123425{number:06d}"))
    return [din, f"=<{product}", f"=%{group}00", f"&>025{day:03d}2359"]


def units(session: Session) -> list[str | None]:
    return [bag.label.unit_id if bag.label else None for bag in session.bags]


def faults(session: Session) -> list[str | None]:
    return [bag.fault.code if bag.fault else None for bag in session.bags]


def test_one_bag_in_any_order() -> None:
    for lines in itertools.permutations(bag(1)):
        session = assemble(lines, BOOK)
        (found,) = session.bags
        assert found.label is not None
        assert found.label.unit_id == "G123425000001-EX001V00"
        assert found.label.group is BloodGroup.O_POS
        assert found.label.expires_at == EXPIRES_AT
        assert found.lines == (1, 2, 3, 4)


def test_many_bags_each_in_its_own_order() -> None:
    lines = [*bag(1), *reversed(bag(2)), *bag(3)[2:], *bag(3)[:2]]
    session = assemble(lines, BOOK)
    assert units(session) == [f"G12342500000{number}-EX001V00" for number in (1, 2, 3)]
    assert [line.bag for line in session.lines] == [0] * 4 + [1] * 4 + [2] * 4


def test_a_compound_message_is_a_bag() -> None:
    whole = "=+04000" + "".join(bag(1))
    session = assemble([whole, *bag(2), "=+04000" + "".join(bag(3))], BOOK)
    assert units(session) == [f"G12342500000{number}-EX001V00" for number in (1, 2, 3)]
    short = assemble(["=+02000" + "".join(bag(1)[:2]), *bag(2)], BOOK)
    assert faults(short) == ["bag_incomplete", None]
    assert units(assemble(["=+04000" + "".join(bag(1))], PAIRS)) == ["G123425000001-EX001V00"]


def test_an_incomplete_bag_is_refused_and_the_next_one_stands() -> None:
    session = assemble([*bag(1)[:3], *bag(2)], BOOK)
    assert faults(session) == ["bag_incomplete", None]
    assert session.bags[0].fault is not None
    assert session.bags[0].fault.params["missing"] == "expiry"
    assert units(session)[1] == "G123425000002-EX001V00"
    ended = assemble([*bag(1)[:1], "", *bag(2)[1:], "", "", *bag(3)], BOOK)
    assert faults(ended) == ["bag_incomplete", "bag_incomplete", None]


def test_a_barcode_scanned_twice_is_one() -> None:
    din, product, group, expiry = bag(1)
    assert units(assemble([din, din, product, product, group, expiry], BOOK)) == [
        "G123425000001-EX001V00"
    ]
    other_flags = "=G12342500000101"
    assert units(assemble([other_flags, din, product, group, expiry], BOOK)) == [
        "G123425000001-EX001V00"
    ]


def test_a_wrong_line_spoils_its_bag_and_no_other() -> None:
    bad = bag(1)
    bad[0] = bad[0][:-1] + ("0" if bad[0][-1] != "0" else "1")
    session = assemble([*bad, *bag(2)], BOOK)
    assert faults(session) == ["bag_has_unread_line", None]
    assert [line.fault.code for line in session.lines if line.fault] == ["donation_check_wrong"]
    again = assemble([bad[0], *bag(1)], BOOK)
    assert units(again) == ["G123425000001-EX001V00"], "scanned again, it is whole"


def test_an_unknown_line_spoils_what_it_stands_in() -> None:
    """It may have been the number of this bag: the next number must not be put in its place."""
    lines = ["(01)069", *bag(1)[1:], *bag(2)]
    session = assemble(lines, BOOK)
    assert "G123425000001-EX001V00" not in units(session)
    assert units(session) == [None]
    assert faults(assemble([*lines, "", *bag(3)], BOOK)) == ["bag_has_unread_line", None]


def test_an_unreadable_line_of_the_next_bag_begins_it() -> None:
    """Or the number of a third bag would be put to the product of the second."""
    second = bag(2, product="EX002V00")
    unreadable = [second[0][:-2] + "61", *second[1:]]
    session = assemble([*bag(1)[:3], *unreadable, *bag(3)], BOOK)
    assert units(session) == [None, None, "G123425000003-EX001V00"]
    assert faults(session) == ["bag_incomplete", "bag_has_unread_line", None]


def test_an_unknown_product_names_the_code_and_the_file() -> None:
    session = assemble(bag(1, product="EX777V00"), BOOK)
    fault = session.lines[1].fault
    assert isinstance(fault, DomainRefusal)
    assert fault.code == "product_code_unknown"
    assert fault.params == {"read": "EX777V00", "station_id": "shigatse"}
    assert faults(session) == ["bag_has_unread_line"]


def test_what_is_not_scanned_of_every_bag_is_not_guessed() -> None:
    session = assemble([*bag(1), *bag(2)], PAIRS)
    assert units(session) == ["G123425000001-EX001V00", "G123425000002-EX001V00"]
    codes = [line.fault.code if line.fault else None for line in session.lines]
    assert codes == [None, None, "part_not_scanned_here", "part_not_scanned_here"] * 2


def test_what_no_cross_check_uses_is_noted() -> None:
    session = assemble(["&(N0008", *bag(1)[:2], "&)0000123456", *bag(1)[2:]], BOOK)
    assert units(session) == ["G123425000001-EX001V00"]
    assert [line.bag for line in session.lines] == [None, 0, 0, None, 0, 0]
    assert not any(line.fault for line in session.lines)


def test_a_divided_product_needs_its_division() -> None:
    lines = bag(1, product="EX001V99")
    assert faults(assemble(lines, BOOK)) == ["bag_incomplete"]
    divided = assemble([*lines, "=,0000A1", *lines, "=,0000A2"], BOOK)
    assert units(divided) == ["G123425000001-EX001V99-0000A1", "G123425000001-EX001V99-0000A2"]


def test_one_thing_twice_in_one_barcode() -> None:
    session = assemble(["=+02000=%5100=%9500"], BOOK)
    assert [line.fault.code for line in session.lines if line.fault] == ["label_part_twice"]


def test_the_documented_scans_are_bags() -> None:
    shown = [example["value"]["barcodes"] for example in SCAN.values()]
    told = re.findall(r"^xuelian scan issue .*$", LABELS_PAGE.read_text("utf-8"), re.MULTILINE)
    shown += [re.findall(r"'([^']+)'", line) for line in told]
    assert len(shown) == 3
    for lines in shown:
        assert units(assemble(lines, BOOK)) == ["G123425654321-EX001V00"]


def test_the_page_shows_a_file_that_is_valid() -> None:
    page = LABELS_PAGE.read_text("utf-8")
    (shown,) = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert parse_label_book(shown.encode(), name="labels.md").find_product("EX002V00")


def test_the_name_of_a_unit() -> None:
    assert name_unit("G123425000001", "EX001V00") == "G123425000001-EX001V00"
    for donation, product in (("G1-2", "3"), ("血", "1"), ("", "-"), ("1" * 40, "2" * 30)):
        with pytest.raises(ContractError, match="label_not_an_identifier"):
            name_unit(donation, product)


UNIT = RecordedUnit(
    unit_id="G123425000001-EX001V00",
    station_id="shigatse",
    component=Component.RED_CELLS,
    group=BloodGroup.O_POS,
    volume_ml=200,
    collected_at=EXPIRES_AT - timedelta(days=35),
    expires_at=EXPIRES_AT,
    released=True,
    recalled=False,
    status=UnitStatus.RESERVED,
    epoch=3,
    request_id="r-1",
)


def label(**scanned: Any) -> Label:  # noqa: ANN401 - words of `bag`
    (found,) = assemble(bag(1, **scanned), BOOK).bags
    assert found.label is not None
    return found.label


def change(unit: RecordedUnit, **fields: Any) -> RecordedUnit:  # noqa: ANN401 - any field
    return dataclasses.replace(unit, **fields)


def test_a_label_that_agrees() -> None:
    ensure_agrees(label(), UNIT)
    for seconds in (0, 59, 60):
        recorded = change(UNIT, expires_at=EXPIRES_AT + timedelta(seconds=seconds))
        ensure_agrees(label(), recorded)
    ensure_agrees(label(product="EX002V00"), UNIT)


def test_what_was_not_scanned_is_not_said_to_be_compared() -> None:
    traits = ["leukoreduced", "irradiated", "washed"]
    assert list_compared(label()) == ["component", "group", "expires_at", "volume_ml", *traits]
    (pair,) = assemble(bag(1, product="EX003V00")[:2], PAIRS).bags
    assert pair.label is not None
    assert list_compared(pair.label) == ["component", *traits]


@pytest.mark.parametrize(
    ("scanned", "recorded", "what"),
    [
        ({"group": "95"}, {}, "group"),
        ({}, {"group": BloodGroup.A_POS}, "group"),
        ({"day": 37}, {}, "expires_at"),
        ({}, {"expires_at": EXPIRES_AT - timedelta(seconds=1)}, "expires_at"),
        ({}, {"expires_at": EXPIRES_AT + timedelta(seconds=61)}, "expires_at"),
        ({"product": "EX003V00"}, {}, "component"),
        ({}, {"volume_ml": 400}, "volume_ml"),
        ({}, {"traits": UnitTraits(leukoreduced=True)}, "leukoreduced"),
        ({"product": "EX002V00"}, {"traits": UnitTraits(irradiated=True)}, "irradiated"),
    ],
)
def test_a_mislabelled_bag_is_refused(
    scanned: dict[str, object], recorded: dict[str, object], what: str
) -> None:
    with pytest.raises(DomainRefusal) as caught:
        ensure_agrees(label(**scanned), change(UNIT, **recorded))
    assert caught.value.code == "label_contradicts_record"
    assert caught.value.params["what"] == what


def test_f58_a_code_that_was_read_twice_shifts_no_bag() -> None:
    first, second, third = (bag(number, day=35 + number) for number in (1, 2, 3))
    names = [f"G12342500000{number}-EX001V00" for number in (1, 2, 3)]
    for lines in (
        [*first, first[-1], *second, *third],
        [*first, first[-1], first[-1], *second, second[-1], *third, third[-1]],
        [*first, *second, *third, third[-1]],
        [*reversed(first), first[0], *reversed(second), *reversed(third)],
    ):
        session = assemble(lines, BOOK)
        assert units(session) == names
        assert faults(session) == [None] * 3
        assert all(line.bag is not None for line in session.lines)
    session = assemble([*first, first[-1], *second], BOOK)
    assert [bag.lines for bag in session.bags] == [(1, 2, 3, 4, 5), (6, 7, 8, 9)]
    whole = "=+04000" + "".join(first)
    assert units(assemble([whole, whole, *second], BOOK)) == names[:2]


def test_f58_a_repeat_after_an_empty_line_begins_a_bag() -> None:
    session = assemble([*bag(1), "", bag(1)[-1], *bag(2)[:3]], BOOK)
    assert units(session) == [f"G12342500000{number}-EX001V00" for number in (1, 2)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\x02", "\x03"),
        ("\x1d", "\x1e\x04"),
        ("", "\r\n"),
        ("\x00\t ", "\x7f\x85"),
        ("\ufeff", "\u3000"),
    ],
)
def test_f59_control_characters_around_a_code_are_dropped(before: str, after: str) -> None:
    lines = [f"{before}{line}{after}" for line in bag(1)]
    session = assemble(lines, BOOK)
    assert units(session) == ["G123425000001-EX001V00"]
    assert session.lines[0].text == bag(1)[0]
    assert assemble([*bag(1)[:3], f"{before}{after}", *bag(2)], BOOK).bags[0].fault is not None


def test_f59_control_characters_inside_a_code_are_told() -> None:
    lines = bag(1)
    session = assemble([lines[0][:5] + "\x1d" + lines[0][5:], *lines[1:]], BOOK)
    assert session.lines[0].fault is not None
