from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from checker.eligibility import add_months, age_on, list_reasons

CALLED_AT = datetime(2025, 1, 7, 1, 5, tzinfo=UTC)
DONOR: dict[str, Any] = {
    "sex": "male",
    "born_on": "1990-05-01",
    "weight_kg": 50.0,
    "consented_at": "2024-01-01T00:00:00Z",
}


def reasons(*, whole_blood_on: tuple[date, ...] = (), **changes: object) -> list[str]:
    return list_reasons(donor=DONOR | changes, whole_blood_on=whole_blood_on, called_at=CALLED_AT)


def test_a_fit_donor_may_be_called() -> None:
    assert reasons() == []


@pytest.mark.parametrize(
    ("last", "is_eligible"),
    [(date(2024, 7, 7), True), (date(2024, 7, 8), False), (date(2025, 1, 7), False)],
)
def test_six_months_lie_between_whole_blood_donations(last: date, *, is_eligible: bool) -> None:
    assert (not reasons(whole_blood_on=(date(2023, 1, 1), last))) is is_eligible


@pytest.mark.parametrize(
    ("platelets_on", "is_eligible"), [("2024-12-10", True), ("2024-12-11", False)]
)
def test_four_weeks_lie_after_platelets(platelets_on: str, *, is_eligible: bool) -> None:
    assert (not reasons(last_platelets_on=platelets_on)) is is_eligible


@pytest.mark.parametrize(
    ("born_on", "repeat", "is_eligible"),
    [
        ("2007-01-07", False, True),
        ("2007-01-08", False, False),
        ("1969-01-08", False, True),
        ("1969-01-07", False, False),
        ("1969-01-07", True, True),
        ("1964-01-08", True, True),
        ("1964-01-07", True, False),
    ],
)
def test_age_limits(born_on: str, *, repeat: bool, is_eligible: bool) -> None:
    assert (not reasons(born_on=born_on, repeat_without_reaction=repeat)) is is_eligible


@pytest.mark.parametrize(
    ("sex", "weight_kg", "is_eligible"),
    [("male", 50, True), ("male", 49.9, False), ("female", 45, True), ("female", 44.9, False)],
)
def test_weight_limits(sex: str, weight_kg: float, *, is_eligible: bool) -> None:
    assert (not reasons(sex=sex, weight_kg=weight_kg)) is is_eligible


def test_consent_must_be_given_before_the_call() -> None:
    assert reasons(consented_at=None)
    assert reasons(consented_at="2025-01-07T01:05:01Z")
    assert not reasons(consented_at="2025-01-07T01:05:00Z")


@pytest.mark.parametrize("name", ["deferred_until", "unavailable_until"])
def test_a_deferral_ends_at_its_instant(name: str) -> None:
    for until, is_over in (("2025-01-07T01:05:00Z", True), ("2025-01-07T01:05:01Z", False)):
        told = list_reasons(donor=DONOR | {name: until}, whole_blood_on=(), called_at=CALLED_AT)
        assert (told == []) is is_over


def test_a_call_near_midnight_is_wrong_only_if_both_calendars_say_so() -> None:
    # 17:00 UTC is the next day in China: the interval has passed there.
    late = datetime(2025, 1, 6, 17, 0, tzinfo=UTC)
    last = (date(2024, 7, 7),)
    assert not list_reasons(donor=DONOR, whole_blood_on=last, called_at=late)
    early = datetime(2025, 1, 6, 15, 0, tzinfo=UTC)
    assert list_reasons(donor=DONOR, whole_blood_on=last, called_at=early)


def test_months_end_on_the_last_day_of_a_shorter_month() -> None:
    assert add_months(date(2024, 8, 31), 6) == date(2025, 2, 28)
    assert add_months(date(2024, 6, 30), 6) == date(2024, 12, 30)
    assert age_on(date(2004, 2, 29), date(2025, 2, 28)) == 20


@pytest.mark.parametrize(
    ("changes", "is_eligible"),
    [
        ({"last_platelets_on": "2024-12-24"}, True),
        ({"last_platelets_on": "2024-12-25"}, False),
        ({"whole_blood_on": (date(2024, 10, 7),)}, True),
        ({"whole_blood_on": (date(2024, 10, 8),)}, False),
    ],
)
def test_c89_intervals_of_who_gives_platelets(
    changes: dict[str, Any], *, is_eligible: bool
) -> None:
    assert (not reasons(gives="apheresis_platelets", **changes)) is is_eligible
