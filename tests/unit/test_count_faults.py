"""Faults of a file in its clerk's words, the same fault of many rows once."""

from __future__ import annotations

from gateway.files.donor_imports import parse_donors
from gateway.files.row_errors import group_errors
from gateway.files.sheets import open_csv
from gateway.files.station_words import (
    NO_WORDS,
)
from gateway.files.stock_imports import ReleaseTerms, parse_units
from models.texts.instants import BEIJING
from tests.support.count_sheets import (
    HEAD,
    RELEASING,
    bag,
    codes,
    parse,
    told,
)


def test_f77_the_same_fault_of_many_rows_is_one_line() -> None:
    rows = [bag(number) for number in range(78)]
    parsed = parse_units(
        open_csv("\n".join([HEAD, *rows])),
        station_id="nagqu",
        zone=BEIJING,
        releasing=ReleaseTerms(now=RELEASING.now),
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
    assert "第 2 行 血型“A型”" in places
    assert all("1990" not in place for place in places)
    unknown = parse_donors(
        open_csv(f"{DONORS.replace('献血者编号', '卡号')}\n{row}"), station_id="nagqu"
    )
    assert "--map 卡号=donor_id" in told(unknown)[0][1]
    own = NO_WORDS.with_call("donors", ("卡号=donor_id",), ())
    row = row.replace("male", "女")
    good = row.replace("A型", "A,+").replace("-13-", "-12-")
    head = DONORS.replace("献血者编号", "卡号").replace("血型", "血型ABO,血型Rh")
    (donor,) = parse_donors(open_csv(f"{head}\n{good}"), station_id="nagqu", own=own).values
    assert (donor.donor_id, donor.group.value, donor.sex) == ("n1", "A+", "female")
    strange = parse_donors(open_csv(f"{DONORS}\n{row.replace('女', '未知')}"), station_id="nagqu")
    assert ("第 2 行 性别“未知”", "性别写成男或女") in told(strange)
