"""The law of a region as a file: its interval and ages, its days, and what a station may do."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from checker.donor_laws import REGIONS, find_ages, find_interval, read_law_file
from checker.eligibility import list_reasons
from models.errors import ConfigurationError, DomainRefusal
from models.patients import Sex
from models.rules.citations import Reading
from models.rules.donor_laws import Law, choose_laws, list_packaged_laws, read_law
from models.rules.overrides import Checked, check_overrides, follow_laws
from models.rules.rulebook import PACKAGED, Rulebook
from streams.matching.donor_eligibility import list_obstacles
from streams.rules_file import load_rulebook
from tests.support.rules import HEADING
from tests.support.supply import make_record

Changed = dict[str, Any]

NEW_LAW = """
law = "cn-2027"
region = "CN"
zh = "献血法（2027 年修订）"
en = "Blood Donation Law, revised 2027"
source = "the law as promulgated, article 12"
read = "read"
since = 2027-03-01
approved_by = "血源科"

[interval]
days = 90

[age]
from_years = 18
to_years = 65
repeat_to_years = 65
"""
"""A law that is not in the package: a station enters what it read."""


def of_region(region: str) -> Rulebook:
    return follow_laws(PACKAGED, region=region)


def codes(rules: Rulebook, day: str, **changes: Any) -> list[str]:  # noqa: ANN401 - any field
    """What forbids a call on a day; the checker judges by the same region and must agree."""
    now = datetime.fromisoformat(f"{day}T04:00:00+00:00")
    record = make_record(**changes)
    found = list_obstacles(record, now=now, rules=rules.donors)
    assert all(reason.rule.endswith(f"@{rules.version}") for reason in found)
    region = next(
        (region for region in REGIONS if of_region(region).version == rules.version), None
    )
    if region is not None:
        last = record.donor.last_whole_blood_on
        told = list_reasons(
            donor=record.donor.model_dump(mode="json"),
            whole_blood_on=[] if last is None else [last],
            called_at=now,
            laws=REGIONS[region],
        )
        assert len(told) == len(found), (told, found)
    return [reason.code for reason in found]


def test_c29_without_a_region_the_law_of_1998_holds_in_months() -> None:
    assert of_region("CN") is PACKAGED
    gave = {"last_whole_blood_on": "2025-01-07", "sex": "male"}
    assert codes(PACKAGED, "2025-07-06", **gave) == ["whole_blood_too_recent"]
    assert codes(PACKAGED, "2025-07-07", **gave) == []


@pytest.mark.parametrize(
    ("sex", "refused_on", "taken_on", "months"),
    [("male", "2025-04-06", "2025-04-07", 3), ("female", "2025-05-06", "2025-05-07", 4)],
)
def test_c29_hainans_law_gives_men_and_women_their_own_interval(
    sex: str, refused_on: str, taken_on: str, months: int
) -> None:
    gave: Changed = {"last_whole_blood_on": "2025-01-07", "sex": sex}
    rules = of_region("CN-HI")
    assert codes(rules, refused_on, **gave) == ["whole_blood_too_recent"]
    assert codes(rules, taken_on, **gave) == []
    now = datetime.fromisoformat(f"{refused_on}T04:00:00+00:00")
    (reason,) = list_obstacles(make_record(**gave), now=now, rules=rules.donors)
    assert reason.params == {"months": months}


def test_c29_a_law_holds_from_its_day_and_until_its_last() -> None:
    rules = of_region("CN-HI")
    gave: Changed = {"last_whole_blood_on": "2011-11-01", "sex": "male", "born_on": "1980-01-01"}
    gave["consented_at"] = "2011-01-01T00:00:00Z"
    assert codes(rules, "2012-02-29", **gave) == ["whole_blood_too_recent"]
    assert codes(rules, "2012-03-01", **gave) == []
    law = read_law(
        (NEW_LAW.replace("since = 2027-03-01", "since = 2020-01-01\nuntil = 2021-01-01")).encode()
    )
    ended = follow_laws(PACKAGED, own_law=law).donors
    assert ended.find_interval(date(2020, 12, 31)).days == 90
    assert ended.find_interval(date(2021, 1, 1)).months == 6
    assert ended.whole_blood_interval.months == 6
    assert ended.find_ages(date(2020, 6, 1)).to_years == 65
    assert ended.find_ages(date(2021, 1, 1)).to_years == 55


def test_c30_a_first_donor_of_58_may_be_called_where_the_law_of_the_region_says_so() -> None:
    born = {"born_on": "1966-06-15", "repeat_without_reaction": False}
    assert codes(PACKAGED, "2025-01-07", **born) == ["donor_too_old"]
    assert codes(of_region("CN-SZ"), "2025-01-07", **born) == []
    old = {"born_on": "1960-06-15", "repeat_without_reaction": False}
    assert codes(of_region("CN-SZ"), "2025-01-07", **old) == ["donor_too_old"]
    # Nothing was read of Jiangxi's: the country's values hold, and the version names the law.
    jiangxi = of_region("CN-JX")
    assert codes(jiangxi, "2025-01-07", **born) == ["donor_too_old"]
    assert jiangxi.version != PACKAGED.version


def test_c29_a_draft_is_followed_by_nobody() -> None:
    (draft,) = (law for law in list_packaged_laws() if law.since is None)
    assert (draft.region, draft.interval and draft.interval.days) == ("CN", 90)
    for region in REGIONS:
        assert draft not in choose_laws(region)


def test_c29_the_checker_states_every_law_of_the_package_a_second_time() -> None:
    regions = {law.region for law in list_packaged_laws()}
    assert regions == set(REGIONS)
    days = [date(2011, 1, 1), date(2012, 3, 1), date(2015, 1, 1), date(2026, 11, 30)]
    for region in REGIONS:
        donors = of_region(region).donors
        for day in days:
            ages = donors.find_ages(day)
            told = (ages.from_years, ages.to_years, ages.repeat_to_years)
            assert find_ages(REGIONS[region], day) == told
            for sex in Sex:
                unit, number = donors.find_interval(day).find_span(sex)
                assert find_interval(REGIONS[region], day, sex=sex) == (number, unit)


def test_c29_a_new_law_is_a_file_and_not_a_release(tmp_path: Path) -> None:
    path = tmp_path / "law.toml"
    path.write_text(NEW_LAW, encoding="utf-8")
    rules = load_rulebook(None, law_file=path)
    assert rules.version.startswith(f"{PACKAGED.version}+")
    gave = {"last_whole_blood_on": "2027-01-07", "born_on": "1963-01-01"}
    assert codes(rules, "2027-02-28", **gave) == ["donor_too_old", "whole_blood_too_recent"]
    assert codes(rules, "2027-04-06", **gave) == ["whole_blood_too_recent_d"]
    assert codes(rules, "2027-04-07", **gave) == []
    interval = rules.rules["donor.interval.whole_blood"]
    assert (interval.read, interval.since, interval.confirm) == (Reading.READ, "2027-03-01", ())
    assert "cn-2027" in interval.source
    assert [(value.name, value.value, value.terms.unit) for value in interval.values] == [
        ("days", 90, "day")
    ]
    region, law = read_law_file(path)
    assert region == "CN"
    laws = (*REGIONS["CN"], law)
    assert find_interval(laws, date(2027, 3, 1), sex="female") == (90, "days")
    assert find_interval(laws, date(2027, 2, 28), sex="male") == (6, "months")
    assert find_ages(laws, date(2027, 3, 1)) == (18, 65, 65)


def check(text: str) -> Checked:
    return check_overrides((HEADING + text).encode())


def test_c30_a_station_chooses_its_region_and_still_only_tightens() -> None:
    chosen = check('[law]\nregion = "CN-SZ"\n')
    assert not chosen.mistakes
    assert chosen.rules.version == of_region("CN-SZ").version
    own = check('[law]\nregion = "CN-SZ"\n[rules."donor.age"]\nto_years = 58\n')
    assert not own.mistakes
    day = date(2025, 1, 7)
    assert own.rules.donors.find_ages(day).to_years == 58
    assert own.rules.donors.find_ages(day).repeat_to_years == 60
    # Before the region's law the country's is stricter than the station.
    assert own.rules.donors.find_ages(date(2014, 12, 31)).to_years == 55
    (loosened,) = check('[law]\nregion = "CN-SZ"\n[rules."donor.age"]\nto_years = 61\n').mistakes
    assert loosened.code == "rule_loosened"
    (law,) = check(
        '[law]\nregion = "CN-HI"\n[rules."donor.interval.whole_blood"]\nmonths = 2\n'
    ).mistakes
    assert law.code == "rule_is_law"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[law]\nregion = "CN-XX"\n', "law_region_unknown"),
        ("[law]\nregion = 3\n", "rules_heading"),
        ("law = 3\n", "rules_heading"),
        ('[law]\nregion = "CN"\nother = 1\n', "rules_heading"),
    ],
)
def test_c29_a_region_that_no_law_is_of_is_refused(text: str, code: str) -> None:
    (mistake,) = check(text).mistakes
    assert mistake.code == code


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("days = 90", "days = 9", "law_file_wrong"),
        ("days = 90", "days = 90\nmonths = 3", "law_file_wrong"),
        ("days = 90", "weeks = 12", "law_file_wrong"),
        ("to_years = 65", "to_years = 650", "law_file_wrong"),
        ('read = "read"', 'read = "heard"', "law_file_wrong"),
        ('approved_by = "血源科"', "", "law_file_lacks"),
        ("since = 2027-03-01", "", "law_file_lacks"),
        ("days = 90", "x" * 20_001, "law_file_too_long"),
    ],
)
def test_c29_a_law_file_that_says_too_little_or_nonsense_is_refused(
    tmp_path: Path, old: str, new: str, code: str
) -> None:
    content = NEW_LAW.replace(old, new, 1)
    with pytest.raises(DomainRefusal) as refused:
        read_law(content.encode())
    assert refused.value.code == code
    path = tmp_path / "law.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="law_file_refused"):
        load_rulebook(None, law_file=path)
    with pytest.raises(ConfigurationError, match="law_file_unreadable"):
        load_rulebook(None, law_file=tmp_path / "none.toml")


def test_c29_what_was_not_read_of_a_law_is_to_be_confirmed() -> None:
    for law in list_packaged_laws():
        assert law.read is not Reading.READ
        rules = of_region(law.region).rules
        for rule_id, told in (("donor.interval.whole_blood", law.interval), ("donor.age", law.age)):
            if told is not None and law.since is not None:
                rule = rules[rule_id]
                assert set(rule.confirm) == {value.name for value in rule.values}
                assert law.zh in rule.source


def test_c29_two_laws_have_two_versions() -> None:
    versions = {of_region(region).version for region in REGIONS}
    assert len(versions) == len(REGIONS)
    assert of_region("CN-HI").version == of_region("CN-HI").version


def test_c29_the_women_s_interval_may_be_in_another_unit() -> None:
    law = Law.model_validate(
        {
            **choose_laws("CN-HI")[-1].model_dump(exclude={"interval"}),
            "interval": {"months": 3, "female_days": 120},
        }
    )
    donors = follow_laws(PACKAGED, region="CN", own_law=law).donors
    interval = donors.find_interval(date(2026, 1, 1))
    assert interval.add_to(date(2025, 9, 1), Sex.FEMALE) == date(2025, 12, 30)
    assert interval.add_to(date(2025, 9, 1), Sex.MALE) == date(2025, 12, 1)
