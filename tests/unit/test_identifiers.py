"""One bag has one written form, on every way in; and what programs write around it."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.files.cells import CellError, InstantReader, clean, read_code, read_day
from gateway.files.donor_imports import parse_donors_json
from gateway.files.sheets import open_csv, open_workbook
from gateway.files.stock_imports import ReleaseTerms, parse_units, parse_units_json
from gateway.files.table_values import Parsed
from gateway.labels.unit_names import name_unit
from models.base import BagId, Day, Instant, to_spelling_key
from models.events import EVENT_CLASSES
from models.events.stock import Attestation, CountedUnit
from models.rules.rulebook import PACKAGED
from models.texts import list_texts
from models.texts.instants import BEIJING
from streams.ports.donations import KnownDonations, Spellings
from streams.services.stock_entries import find_refusals
from tests.support.count_sheets import JSON_ROW
from tests.support.imports import parse_donors_csv
from tests.support.workbooks import workbook

HEAD = "unit_id,donation_id,component,group,volume_ml,collected_at,expires_at"
SPAN = "2025-01-02T09:00:00+08:00,2025-02-05T23:59:59+08:00"
RELEASING = ReleaseTerms(
    attestation=Attestation(released_by="x", released_at=datetime(2025, 1, 6, tzinfo=UTC))
)
_BAG: TypeAdapter[str] = TypeAdapter(BagId)
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
_DAY: TypeAdapter[date] = TypeAdapter(Day)


def read(*rows: str) -> Parsed[CountedUnit]:
    text = "\n".join([HEAD, *rows])
    return parse_units(open_csv(text), station_id="nagqu", releasing=RELEASING, zone=BEIJING)


def row(unit_id: str, donation_id: str, span: str = SPAN) -> str:
    return f"{unit_id},{donation_id},red_cells,A+,200,{span}"


@pytest.mark.parametrize(
    ("written", "one"),
    [
        ("g123425000001", "G123425000001"),
        ("G123425000001-E0336Va0", "G123425000001-E0336VA0"),
        ("0543226000001", "0543226000001"),
        ("a.1", "A.1"),
        ("1.a", "1.A"),
        ("A1234E5", "A1234E5"),
        ("E12", "E12"),
        ("1E5-RC", "1E5-RC"),
        ("12E4567-e89b-12d3", "12E4567-E89B-12D3"),
        ("12E5A", "12E5A"),
        ("1E2E3", "1E2E3"),
        ("12E", "12E"),
        ("12E-RC", "12E-RC"),
        ("12E-1-RC", "12E-1-RC"),
        ("W1234-RC", "W1234-RC"),
        ("NAN-1", "NAN-1"),
        ("NULL1", "NULL1"),
    ],
)
def test_f40_an_identifier_of_a_bag_has_capitals(written: str, one: str) -> None:
    assert _BAG.validate_python(written) == one
    assert _BAG.validate_json(f'"{written}"') == one


_NUMBERS = ("1.795974640128E12", "6.5e12", "654329579194E1", "1E12", "1E-5", "6.e3")
_NO_CODES = ("nan", "NaN", "NULL", "None", "TRUE", "False", "NA", "inf")


@pytest.mark.parametrize(
    "written",
    ["6543295791947.0", "6543.", "1.5", "1.2.3", "", "-a", "a b", "a" * 65, 5, None,
     *_NUMBERS, *_NO_CODES],
)  # fmt: skip
def test_f38_a_number_with_a_point_is_none(written: object) -> None:
    with pytest.raises(ValidationError, match="bag_id_invalid"):
        _BAG.validate_python(written)


def test_f40_every_event_that_comes_in_names_bags_in_one_form() -> None:
    """A field of an event that names a bag or donation takes any case, and says capitals."""
    inbound = (
        "blood.donation.tested.v1",
        "blood.donation.split.v1",
        "blood.donation.recalled.v1",
        "blood.stock.changed.v1",
        "blood.stock.differences-closed.v1",
    )
    for name in inbound:
        for field in ("unit_id", "donation_id", "unit_ids"):
            if field in EVENT_CLASSES[name].model_fields:
                with pytest.raises(ValidationError, match="bag_id_invalid"):
                    EVENT_CLASSES[name].model_validate(
                        {field: ["1.0"] if field == "unit_ids" else "1.0"}
                    )


def test_f40_a_label_names_a_unit_in_the_same_form() -> None:
    assert name_unit("g123425000001", "E0336Va0") == "G123425000001-E0336VA0"


def test_f40_two_rows_of_one_bag_are_one_bag() -> None:
    parsed = read(row("G1-RC", "G1"), row("g1-rc", "g1"), row("G1-RC", "G1"))
    assert [(e.row, e.column, e.code) for e in parsed.errors] == [
        (3, "unit_id", "id_twice_otherwise"),
        (4, "unit_id", "id_twice"),
    ]
    assert read(row("0543", "D1"), row("543", "D2")).errors[0].code == "id_twice_otherwise"
    assert to_spelling_key("00a") == "A"
    assert to_spelling_key("0") == to_spelling_key("00")


def test_zeros_before_letters_are_zeros_before_digits() -> None:
    one, other = "0c5f1d2e-rc", "C5F1D2E-RC"
    (error,) = read(row(one, "D1"), row(other, "D2")).errors
    assert (error.row, error.column, error.code) == (3, "unit_id", "id_twice_otherwise")


def test_one_donation_is_written_in_one_way_in_a_file() -> None:
    for first, other in (("0c5f1d2e", "C5F1D2E"), ("0123", "123")):
        parsed = read(row("U1", first), row("U2", other), row("U3", first.lower()))
        (error,) = parsed.errors
        assert (error.row, error.column, error.code) == (3, "donation_id", "donation_spelled_twice")
        assert error.params == {"row": 2, "other": first.upper()}
        units = [{**JSON_ROW, "unit_id": f"U{at}", "donation_id": id_} for at, id_ in
                 enumerate((first, other))]  # fmt: skip
        (error,) = parse_units_json(units, station_id="nagqu", releasing=RELEASING).errors
        assert error.code == "donation_spelled_twice"


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (("C5F1", "D2"), "unit_spelled_otherwise"),
        (("U2", "d1a"), "donation_spelled_otherwise"),
        (("U2", "D2"), None),
    ],
)
def test_one_event_names_no_bag_and_no_donation_in_two_ways(
    other: tuple[str, str], code: str | None
) -> None:
    """What comes over Kafka was read by no import."""
    known = KnownDonations(
        recalled=frozenset(), in_quarantine=frozenset(), results={}, spellings=Spellings()
    )
    fresh = [*read(row("0C5F1", "0D1A")).values, *read(row(*other)).values]
    found = find_refusals(
        fresh,
        known,
        attestation=RELEASING.attestation,
        now=datetime(2025, 1, 7, tzinfo=UTC),
        rules=PACKAGED,
    )
    assert [(counted.unit.unit_id, refusal.code) for counted, refusal in found] == (
        [(other[0], code)] if code else []
    )


def test_f38_a_column_of_codes_takes_no_number_of_a_program() -> None:
    for code in ("6543295791947.0", "6.5432957919E+12"):
        (error,) = read(row("U1", code)).errors
        assert (error.row, error.column, error.code) == (2, "donation_id", "code_shortened")


@pytest.mark.parametrize(
    ("written", "code"),
    [
        *((text, "code_shortened") for text in (*_NUMBERS, "6.5E+12")),
        *((text, "code_is_no_code") for text in (*_NO_CODES, "#N/A", "N/A", "<NA>", "n/a")),
    ],
)
def test_no_number_and_no_word_of_a_program_names_anything(written: str, code: str) -> None:
    """In files and in JSON, a bag, its donation and a donor alike."""
    for unit_id, donation_id, column in (
        (written, "D1", "unit_id"),
        ("U1", written, "donation_id"),
    ):
        (error,) = read(row(unit_id, donation_id)).errors
        assert (error.column, error.code) == (column, code)
        units = [{**JSON_ROW, "unit_id": unit_id, "donation_id": donation_id}]
        (error,) = parse_units_json(units, station_id="nagqu", releasing=RELEASING).errors
        assert (error.column, error.code) == (column, code)
    donor = {"donor_id": written, "name": "甲", "contact": "1", "group": "O+", "sex": "male",
             "born_on": "1990-02-28", "weight_kg": 70}  # fmt: skip
    text = f"{','.join(donor)}\n{','.join(map(str, donor.values()))}\n"
    for parsed in (
        parse_donors_csv(text, station_id="nagqu"),
        parse_donors_json([donor], station_id="nagqu"),
    ):
        (fault,) = parsed.errors
        assert (fault.column, fault.code) == ("donor_id", code)
    assert code in list_texts()


def test_f39_a_number_cell_is_no_identifier() -> None:
    head = HEAD.split(",")
    rest = ["red_cells", "A-", 200, date(2025, 1, 2), date(2025, 2, 5)]
    raw = workbook({"S": [head, ["U1", 543226000001, *rest]]})
    parsed = parse_units(open_workbook(raw), station_id="nagqu", releasing=RELEASING, zone=BEIJING)
    assert [(e.row, e.column, e.code) for e in parsed.errors] == [
        (2, "donation_id", "code_is_number")
    ]
    with pytest.raises(CellError, match="code_is_number"):
        read_code(123.0)


@pytest.mark.parametrize(
    "cell", ['="5133050000009"', "'5133050000009", '＝"5133050000009"', ' ="5133050000009" ']
)
def test_f41_what_programs_write_around_a_text_is_taken_off(cell: str) -> None:
    assert clean(cell) == "5133050000009"
    parsed = read(row('"' + cell.strip().replace('"', '""') + '"', "D1"))
    assert [counted.unit.unit_id for counted in parsed.values] == ["5133050000009"]


def test_f41_an_empty_text_formula_says_nothing() -> None:
    assert clean('=""') is None
    assert clean("'") is None
    assert clean('="a""b"') == 'a"b'
    assert clean("=G1234250000010") == "=G1234250000010"


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-02 09:00:00+08:00",
        "2025-01-02 09:00:00+08",
        "2025-01-02 09:00:00.000000 +0800",
        "2025-01-02 01:00:00+00",
        "2025-01-02 01:00:00Z",
        "2025-01-02 01:00:00 UTC",
        "2025/1/2 09:00+08:00",
        "2025-01-02T09:00:00+08:00",
        "2025-01-02 09:00",
    ],
)
def test_f45_moments_as_databases_write_them_are_read(text: str) -> None:
    at = datetime(2025, 1, 2, 1, tzinfo=UTC)
    assert InstantReader(BEIJING, day_ends=False)(text) == at
    if text.count("-") >= 2 and ("+" in text or text.endswith("Z")):
        assert _INSTANT.validate_python(text) == at
    ends = "2025-02-05"
    assert read(row("U1", "D1", f"{text},{ends}")).errors == ()


@pytest.mark.parametrize(
    "text", ["2025-13-02 09:00+08", "2025-01-02 25:00Z", "2025-01-02 09:00+99", "09:00+08:00"]
)
def test_f45_what_is_no_moment_is_not_read(text: str) -> None:
    with pytest.raises(CellError, match="date_unreadable"):
        InstantReader(None, day_ends=False)(text)


@pytest.mark.parametrize("digits", ["20271231", "1736213400", 20271231, 1736213400.0, True, None])
def test_f47_digits_are_no_moment(digits: object) -> None:
    for adapter in (_INSTANT, _DAY):
        with pytest.raises(ValidationError):
            adapter.validate_python(digits)


def test_f47_a_moment_needs_its_zone() -> None:
    for text in ("2025-01-07T09:05:00", "2025-01-07", datetime(2025, 1, 7)):  # noqa: DTZ001 - what is refused
        with pytest.raises(ValidationError):
            _INSTANT.validate_python(text)
    with pytest.raises(ValidationError):
        _DAY.validate_python(datetime(2025, 1, 7, tzinfo=UTC))


@pytest.mark.parametrize(
    "cell",
    ["1990-02-28", "1990/2/28", "1990年2月28日", "1990.02.28", "19900228", date(1990, 2, 28),
     datetime(1990, 2, 28), "1990-02-28 00:00:00"],  # noqa: DTZ001 - a sheet's
)  # fmt: skip
def test_f46_the_register_reads_the_days_of_a_count(cell: str | date | float) -> None:
    assert read_day(cell) == date(1990, 2, 28)


@pytest.mark.parametrize(
    "cell", ["1990-02-30", "28.2.1990", "x", 12.5, "12345", True, "1990-02-28 09:00"]
)
def test_f46_what_is_no_day_is_told(cell: str | float) -> None:
    with pytest.raises(CellError, match=r"day_unreadable|date_unreadable"):
        read_day(cell)


def test_f46_until_a_day_is_until_its_end() -> None:
    text = (
        "donor_id,name,contact,group,sex,born_on,weight_kg,deferred_until,consented_at\n"
        "d,甲,1,O+,male,1990/2/28,70,2025-02-01,2024-06-01 10:00\n"
    )
    (donor,) = parse_donors_csv(text, station_id="nagqu").values
    assert donor.deferred_until == datetime(2025, 2, 1, 16, tzinfo=UTC)
    assert donor.consented_at == datetime(2024, 6, 1, 2, tzinfo=UTC)
