"""Imports: whole or not at all, every fault with its row and column."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.files.donor_imports import parse_donors_json
from gateway.files.sheets import decode_file
from gateway.files.stock_imports import ReleaseTerms, parse_units_json
from gateway.files.table_values import Parsed
from gateway.labels.unit_names import name_unit
from models.errors import ContractError
from models.events.stock import Attestation, CountedAs, CountedUnit
from models.groups import BloodGroup
from models.texts import list_texts
from models.texts.fixes import fix_of
from tests.support.imports import parse_donors_csv, parse_units_csv

RELEASING = ReleaseTerms(
    attestation=Attestation(released_by="质管科", released_at=datetime(2025, 1, 6, 10, tzinfo=UTC)),
    now=datetime(2025, 1, 7, tzinfo=UTC),
)
HEAD = "unit_id,donation_id,component,group,volume_ml,collected_at,expires_at"
ROW = "u1,d1,red_cells,O+,200,2025-01-02T09:00:00+08:00,2025-02-05T23:59:59+08:00"


def faults(text: str) -> list[tuple[int, str, str]]:
    parsed = parse_units_csv(text, station_id="nagqu", releasing=RELEASING)
    assert not (parsed.values and parsed.errors)
    return [(error.row, error.column, error.code) for error in parsed.errors]


def row(**changes: str) -> str:
    cells = dict(zip(HEAD.split(","), ROW.split(","), strict=True))
    return ",".join({**cells, **changes}.values())


def test_units_of_a_csv() -> None:
    text = (
        f"{HEAD},leukoreduced,antigen_negative,released,station_id\r\n"
        f"{ROW},YES,E; c Mur,否,nagqu\r\n"
        f"\r\n{row(unit_id='u2')},,,是,\r\n"
    )
    parsed = parse_units_csv(text, station_id="nagqu", releasing=RELEASING)
    assert parsed.errors == ()
    first, second = parsed.values
    assert first.unit.traits.leukoreduced
    assert first.unit.traits.antigen_negative == ("E", "Mur", "c")
    assert (first.released, second.released) == (False, True)
    assert first.unit.group is BloodGroup.O_POS
    assert second.unit.station_id == "nagqu"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [(1, "", "file_empty")]),
        (HEAD, [(1, "", "file_empty")]),
        (
            HEAD.replace("group", "grupo") + "\n" + ROW,
            [(1, "group", "column_unclear")],
        ),
        (f"{HEAD},group\n{ROW},O+", [(1, "group", "column_twice")]),
        (f"{HEAD}\n{ROW},x", [(2, "", "row_too_long")]),
        (f"{HEAD}\nu1,d1", [(2, "", "row_too_short")]),
        (f"{HEAD}\n{row(group='Q')}", [(2, "group", "group_unknown")]),
        (f"{HEAD}\n{row(group='')}", [(2, "group", "fix_missing")]),
        (f"{HEAD}\n{row(volume_ml='many')}", [(2, "volume_ml", "volume_unreadable")]),
        (f"{HEAD}\n{row(unit_id='has space')}", [(2, "unit_id", "fix_bag_id")]),
        (
            f"{HEAD}\n{row(collected_at='2025-01-02T09:00:00')}",
            [(2, "collected_at", "time_zone_missing")],
        ),
        (
            f"{HEAD}\n{row(expires_at='2026-02-05T23:59:59+08:00')}",
            [(2, "expires_at", "fix_other")],
        ),
        (f"{HEAD}\n{ROW}\n{ROW}", [(3, "unit_id", "id_twice")]),
        (f"{HEAD},released\n{ROW},perhaps", [(2, "released", "flag_invalid")]),
        (f"{HEAD},station_id\n{ROW},lhasa", [(2, "station_id", "facility_not_yours")]),
        (f'{HEAD}\n"u1', [(2, "", "csv_unreadable")]),
    ],
)
def test_faults_of_a_csv(text: str, expected: list[tuple[int, str, str]]) -> None:
    assert faults(text) == expected


ATTESTED = f"{HEAD},放行人,放行时间"


def release_faults(text: str, *, releasing: ReleaseTerms) -> list[tuple[int, str, str]]:
    parsed = parse_units_csv(text, station_id="nagqu", releasing=releasing)
    return [(error.row, error.column, error.code) for error in parsed.errors]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("张敏,2025-01-06T10:00:00Z", []),
        (",", [(2, "released_by", "status_missing")]),
        ("张敏,", [(2, "released_at", "fix_missing")]),
        (",2025-01-06T10:00:00Z", [(2, "released_by", "fix_missing")]),
        ("张敏,2025-01-01T10:00:00Z", [(2, "released_at", "released_before_collected")]),
        ("张敏,2025-01-07T00:00:01Z", [(2, "released_at", "released_in_future")]),
        ("张敏,2025-01-06", [(2, "released_at", "time_zone_missing")]),
    ],
)
def test_who_released_a_row_is_judged_row_by_row(
    cells: str, expected: list[tuple[int, str, str]]
) -> None:
    alone = ReleaseTerms(now=RELEASING.now)
    assert release_faults(f"{ATTESTED}\n{ROW},{cells}", releasing=alone) == expected


def test_a_row_that_names_nobody_is_released_by_whom_its_count_names() -> None:
    alone = ReleaseTerms(now=RELEASING.now)
    text = f"{HEAD},released\n{ROW},是\n{row(unit_id='u2')},否"
    assert release_faults(text, releasing=alone) == [(2, "released_by", "attestation_missing")]
    assert not release_faults(text, releasing=RELEASING)
    early = ReleaseTerms(
        attestation=Attestation(released_by="x", released_at=datetime(2025, 1, 1, tzinfo=UTC)),
        now=RELEASING.now,
    )
    assert release_faults(text, releasing=early) == [
        (2, "collected_at", "released_before_collected")
    ]
    own = parse_units_csv(
        f"{ATTESTED}\n{ROW},张敏,2025-01-05T10:00:00Z", station_id="nagqu", releasing=early
    )
    attested = own.values[0].attestation
    assert attested is not None
    assert attested.released_by == "张敏"


@pytest.mark.parametrize(
    ("word", "counted_as"),
    [("退回", CountedAs.RETURNED), ("已采集", CountedAs.COLLECTED), ("报废", CountedAs.DISCARDED)],
)
def test_what_is_not_said_to_be_released_needs_nobodys_word(
    word: str, counted_as: CountedAs
) -> None:
    parsed = parse_units_csv(
        f"{HEAD},状态\n{ROW},{word}", station_id="nagqu", releasing=ReleaseTerms(now=RELEASING.now)
    )
    assert not parsed.errors
    (counted,) = parsed.values
    assert (counted.counted_as, counted.is_released) == (counted_as, False)


@pytest.mark.parametrize("code", ["E0336V00", "E0336VA0"])
def test_a_unit_is_named_as_its_label_names_it(code: str) -> None:
    head = f"{HEAD},产品码".replace("unit_id,", "")
    line = f"{row(donation_id='G123417654321').partition(',')[2]},{code}"
    parsed = parse_units_csv(f"{head}\n{line}", station_id="nagqu", releasing=RELEASING)
    assert parsed.errors == ()
    assert parsed.values[0].unit.unit_id == name_unit("G123417654321", code)
    unclear = f"{row(donation_id='G1234-17').partition(',')[2]},{code}"
    assert faults(f"{head}\n{unclear}") == [(2, "unit_id", "unit_name_unclear")]


def test_everything_wrong_is_told() -> None:
    text = f"{HEAD},washed\n{row(group='Q', volume_ml='0')},maybe\n{ROW},1\n{row()},2"
    assert faults(text) == [
        (2, "group", "group_unknown"),
        (2, "washed", "flag_invalid"),
        (2, "volume_ml", "fix_number"),
        (4, "washed", "flag_invalid"),
    ]


def of_json(rows: Sequence[object]) -> Parsed[CountedUnit]:
    return parse_units_json(rows, station_id="nagqu", releasing=RELEASING)


def test_units_of_json() -> None:
    unit: dict[str, Any] = dict(zip(HEAD.split(","), ROW.split(","), strict=True))
    unit["released"] = True
    parsed = parse_units_json(
        [{**unit, "traits": {"washed": True}}], station_id="nagqu", releasing=RELEASING
    )
    assert parsed.values[0].unit.traits.washed
    flat = parse_units_json(
        [{**unit, "washed": True, "volume_ml": 200}], station_id="nagqu", releasing=RELEASING
    )
    assert flat.values[0].unit.traits.washed
    wrong = parse_units_json(
        [unit, "x", {**unit, "colour": 1}], station_id="nagqu", releasing=RELEASING
    )
    assert [(error.row, error.column) for error in wrong.errors] == [
        (2, ""),
        (3, "unit_id"),
        (3, "colour"),
    ]
    assert of_json([]).errors[0].code == "file_empty"


DONORS = "donor_id,name,contact,group,sex,born_on,weight_kg,lat,lon,staff,consented_at"


def test_donors_of_a_csv() -> None:
    text = (
        f"{DONORS}\nn1,扎西,+86 1,B+,male,1990-01-01,70,31.4,92.0,是,2024-01-01T00:00:00Z\n"
        "n2,卓玛,+86 2,O-,female,1995-01-01,55,,,,\n"
    )
    first, second = parse_donors_csv(text, station_id="nagqu").values
    assert first.location is not None
    assert first.location.lat == 31.4
    assert first.staff
    assert second.location is None
    assert second.consented_at is None, "no consent is taken for granted"
    half = parse_donors_csv(
        f"{DONORS}\nn1,扎西,+86 1,B+,male,1990-01-01,70,31.4,,,\n", station_id="nagqu"
    )
    assert [(error.row, error.column) for error in half.errors] == [(2, "lon")]


def test_donors_of_json() -> None:
    donor = {
        "donor_id": "n1",
        "name": "扎西",
        "contact": "+86 1",
        "group": "B+",
        "sex": "male",
        "born_on": "1990-13-01",
        "weight_kg": 70,
    }
    (error,) = parse_donors_json([donor], station_id="nagqu").errors
    assert (error.column, error.code) == ("born_on", "day_unreadable")
    fine = parse_donors_json([{**donor, "born_on": "1990-12-01"}], station_id="nagqu")
    assert fine.values[0].station_id == "nagqu"


def test_files_are_decoded_as_they_say() -> None:
    assert decode_file("\ufeff扎西".encode(), charset="utf-8") == "扎西"
    assert decode_file("扎西".encode("gb18030"), charset="gb18030") == "扎西"
    for raw, charset in ((b"\xff\xfe", "utf-8"), (b"x", "no-such")):
        with pytest.raises(ContractError, match="charset_unknown"):
            decode_file(raw, charset=charset)


@pytest.mark.parametrize(
    "rule", ["missing", "enum", "datetime_parsing", "date_from_datetime_parsing", "new_rule"]
)
def test_every_rule_has_a_text(rule: str) -> None:
    assert fix_of(rule) in list_texts()


def test_c56_and_c58_a_file_tells_platelet_antigens_hla_and_relatives() -> None:
    text = (
        f"{HEAD},HPA阴性,HLA,亲属献血,IgA缺乏,released\r\n"
        f"{ROW},HPA1a Nak(a),HLA-A*0201 b7,是,是,否\r\n"
    )
    parsed = parse_units_csv(text, station_id="nagqu", releasing=RELEASING)
    assert parsed.errors == ()
    traits = parsed.values[0].unit.traits
    assert traits.platelet_antigen_negative == ("CD36", "HPA-1a")
    assert traits.hla == ("A*02:01", "B7")
    assert traits.of_relative
    assert traits.iga_deficient


def test_c35_a_row_with_an_antigen_that_nobody_knows_is_refused_with_what_is_near() -> None:
    text = f"{HEAD},抗原阴性,released\r\n{ROW},Jkz E-,否\r\n"
    (error,) = parse_units_csv(text, station_id="nagqu", releasing=RELEASING).errors
    assert error.column == "antigen_negative"
    assert "Jka" in error.rule
