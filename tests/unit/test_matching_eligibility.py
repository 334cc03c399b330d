"""Who may be called, who may not, and under which rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.donors import Donation
from models.rules.rulebook import PACKAGED
from models.rules.types.donors import DONOR_RULES, add_months
from streams.matching.donor_eligibility import list_obstacles
from tests.support.supply import AT, make_record


def codes(now: datetime = AT, /, **changes: Any) -> list[str]:  # noqa: ANN401 - any field
    return [
        reason.code
        for reason in list_obstacles(make_record(**changes), now=now, rules=PACKAGED.donors)
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        # Two weeks after platelets, three months after whole blood; no six months, no four weeks.
        ({"last_platelets_on": date(2024, 12, 24)}, []),
        (
            {"last_platelets_on": date(2024, 12, 25)},
            [("platelets_too_recent", "donor.interval.platelets@2026-3")],
        ),
        ({"last_whole_blood_on": date(2024, 10, 7)}, []),
        (
            {"last_whole_blood_on": date(2024, 10, 8)},
            [("whole_blood_too_recent", "donor.interval.platelets_after_whole_blood@2026-3")],
        ),
        (
            {"learnt_on": date(2024, 10, 8)},
            [("whole_blood_too_recent", "donor.interval.platelets_after_whole_blood@2026-3")],
        ),
        ({"weight_kg": 44.9}, [("weight_too_low", "donor.weight@2026-3")]),
    ],
)
def test_c89_who_gives_platelets_has_intervals_of_their_own(
    changes: dict[str, Any], told: list[tuple[str, str]]
) -> None:
    record = make_record(gives="apheresis_platelets", **changes)
    found = list_obstacles(record, now=AT, rules=PACKAGED.donors)
    assert [(reason.code, reason.rule) for reason in found] == told


def test_a_healthy_consenting_donor_may_be_called() -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("changes", "code", "rule"),
    [
        ({"consented_at": None}, "no_consent", "donor.consent"),
        ({"consented_at": AT + timedelta(seconds=1)}, "no_consent", "donor.consent"),
        ({"born_on": date(2007, 1, 8)}, "donor_too_young", "donor.age"),
        ({"born_on": date(1969, 1, 7)}, "donor_too_old", "donor.age"),
        (
            {"born_on": date(1964, 1, 7), "repeat_without_reaction": True},
            "donor_too_old",
            "donor.age",
        ),
        ({"weight_kg": 44.9}, "weight_too_low", "donor.weight"),
        ({"sex": "male", "weight_kg": 49.9}, "weight_too_low", "donor.weight"),
        (
            {"last_whole_blood_on": date(2024, 7, 8)},
            "whole_blood_too_recent",
            "donor.interval.whole_blood",
        ),
        (
            {"learnt_on": date(2024, 7, 8), "last_whole_blood_on": date(2023, 1, 1)},
            "whole_blood_too_recent",
            "donor.interval.whole_blood",
        ),
        (
            {"last_platelets_on": date(2024, 12, 11)},
            "platelets_too_recent",
            "donor.interval.after_platelets",
        ),
        ({"deferred_until": AT + timedelta(seconds=1)}, "deferred", "donor.deferral"),
        ({"unavailable_until": AT + timedelta(seconds=1)}, "unavailable", "donor.availability"),
        ({"on_live_call": True}, "on_live_call", "donor.one_call"),
    ],
)
def test_each_rule_refuses_and_is_cited(changes: dict[str, Any], code: str, rule: str) -> None:
    (reason,) = list_obstacles(make_record(**changes), now=AT, rules=PACKAGED.donors)
    assert (reason.code, reason.rule) == (code, f"{rule}@{DONOR_RULES.version}")


@pytest.mark.parametrize(
    "changes",
    [
        {"born_on": date(2007, 1, 7)},  # 18 today
        {"born_on": date(1969, 1, 8)},  # 55 until tomorrow
        {"born_on": date(1964, 1, 8), "repeat_without_reaction": True},  # 60 until tomorrow
        {"weight_kg": 45},
        {"sex": "male", "weight_kg": 50},
        {"last_whole_blood_on": date(2024, 7, 7)},  # six months to the day
        {"last_platelets_on": date(2024, 12, 10)},  # four weeks to the day
        {"deferred_until": AT},
        {"unavailable_until": AT},
        {"consented_at": AT},
    ],
)
def test_the_last_allowed_value_is_allowed(changes: dict[str, Any]) -> None:
    assert codes(**changes) == []


def test_every_reason_is_told_not_only_the_first() -> None:
    assert codes(weight_kg=40, consented_at=None, on_live_call=True) == [
        "no_consent",
        "weight_too_low",
        "on_live_call",
    ]


def test_the_day_is_a_day_in_china() -> None:
    # 6 July 16:30 UTC is already 7 July in China.
    late = datetime(2025, 7, 6, 16, 30, tzinfo=UTC)
    assert codes(late, last_whole_blood_on=date(2025, 1, 7)) == []
    assert codes(late - timedelta(hours=1), last_whole_blood_on=date(2025, 1, 7)) == [
        "whole_blood_too_recent"
    ]


@pytest.mark.parametrize(
    ("day", "after"),
    [
        (date(2024, 8, 31), date(2025, 2, 28)),
        (date(2023, 8, 31), date(2024, 2, 29)),
        (date(2024, 12, 31), date(2025, 6, 30)),
        (date(2024, 6, 15), date(2024, 12, 15)),
    ],
)
def test_six_calendar_months(day: date, after: date) -> None:
    assert add_months(day, 6) == after


@given(st.dates(date(2000, 1, 1), date(2040, 1, 1)))
def test_six_months_are_never_less_than_181_days(day: date) -> None:
    assert timedelta(days=181) <= add_months(day, 6) - day <= timedelta(days=184)


@pytest.mark.parametrize(("volume_ml", "is_allowed"), [(200, True), (400, True), (401, False)])
def test_the_law_caps_what_is_drawn(volume_ml: int, *, is_allowed: bool) -> None:
    told = {
        "unit_id": "u-1",
        "donation_id": "d-1",
        "component": "whole_blood",
        "group": "O+",
        "volume_ml": volume_ml,
        "collected_at": AT,
        "expires_at": AT + timedelta(days=21),
    }
    if is_allowed:
        assert Donation.model_validate(told).volume_ml == volume_ml
    else:
        with pytest.raises(ValidationError, match="volume_ml"):
            Donation.model_validate(told)


def test_f56_a_deferral_under_another_number_counts() -> None:
    record = replace(make_record(), deferred_as_other_until=AT + timedelta(days=1))
    (reason,) = list_obstacles(record, now=AT, rules=PACKAGED.donors)
    assert (reason.code, reason.rule) == ("deferred_as_other", "donor.same_person@2026-3")
    assert list_obstacles(record, now=AT + timedelta(days=1), rules=PACKAGED.donors) == ()


def test_f57_a_donor_whose_group_is_disputed_is_not_called() -> None:
    (reason,) = list_obstacles(
        replace(make_record(), group_disputed=True), now=AT, rules=PACKAGED.donors
    )
    assert (reason.code, reason.rule) == ("group_disputed", "donor.group_agrees@2026-3")
