"""Why an alert may lead to nothing: no station in reach, or a time that cannot be acted on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.alerts import Alert
from models.facilities import Location
from models.rules.rulebook import PACKAGED
from streams.matching.alert_doubts import find_unreached, list_in_reach, list_untimely
from tests.support.supply import AT, make_alert, make_station

SHIGATSE = make_station("shigatse")
LHASA = make_station("lhasa", location={"lat": 29.65, "lon": 91.12})


def codes(alert: Alert, *, days: float = 0) -> list[str]:
    return [
        reason.code
        for reason in list_untimely(
            alert, is_open=False, now=AT + timedelta(days=days), rules=PACKAGED.disasters
        )
    ]


def test_f23_no_station_in_reach_is_told_with_the_nearest_and_the_likely_cause() -> None:
    swapped = Location(lat=87.4, lon=28.6)
    found = find_unreached(swapped, [LHASA, SHIGATSE])
    assert [reason.code for reason in found] == [
        "no_station_in_reach",
        "latitude_and_longitude_swapped",
    ]
    assert found[0].params["station_id"] in {"lhasa", "shigatse"}
    assert found[1].params == {"lat": 28.6, "lon": 87.4, "station_id": "shigatse"}


def test_f23_a_place_that_is_simply_far_gets_no_such_hint() -> None:
    far = [reason.code for reason in find_unreached(Location(lat=-30, lon=20), [SHIGATSE])]
    assert far == ["no_station_in_reach"]
    # 121 east is no latitude, so it cannot have been one.
    east = [reason.code for reason in find_unreached(Location(lat=-31, lon=121), [SHIGATSE])]
    assert east == ["no_station_in_reach"]
    assert [r.code for r in find_unreached(Location(lat=0, lon=0), [])] == ["no_station_registered"]


def test_f23_who_is_in_reach_comes_nearest_first() -> None:
    place = Location(lat=28.6, lon=87.4)
    assert [station.station_id for station in list_in_reach(place, [LHASA, SHIGATSE])] == [
        "shigatse",
        "lhasa",
    ]
    assert find_unreached(place, [LHASA, SHIGATSE]) == ()


@pytest.mark.parametrize(
    ("days", "found"),
    [
        (0, []),
        (7, []),
        (7.001, ["alert_out_of_date"]),
        (700, ["alert_out_of_date"]),
        (-900 / 86_400, []),
        (-901 / 86_400, ["alert_ahead_of_time"]),
        (-30, ["alert_ahead_of_time"]),
    ],
)
def test_f49_an_old_or_future_alert_does_not_act_by_itself(days: float, found: list[str]) -> None:
    assert codes(make_alert(), days=days) == found


def test_f49_both_moments_count() -> None:
    old = AT - timedelta(days=700)
    assert codes(make_alert(sent_at=old)) == ["alert_out_of_date"]
    assert codes(make_alert(occurred_at=old)) == ["alert_out_of_date"]
    assert codes(make_alert(occurred_at=AT + timedelta(days=30))) == ["alert_ahead_of_time"]


def test_f49_what_calls_nobody_or_was_confirmed_is_acted_on_at_any_time() -> None:
    assert codes(make_alert(kind="cancel"), days=700) == []
    assert codes(make_alert(status="exercise"), days=700) == []
    assert codes(make_alert(confirmed_by="duty officer"), days=700) == []


@pytest.mark.parametrize(
    ("word", "hazard"),
    [
        ("地震", "earthquake"),
        (" 洪水 ", "flood"),
        ("泥石流", "landslide"),
        ("Earthquake", "earthquake"),
        ("volcano", "volcano"),
    ],
)
def test_f71_a_hazard_may_be_told_in_chinese(word: str, hazard: str) -> None:
    assert make_alert(hazard=word).hazard == hazard


def test_f71_a_word_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"地震 \(earthquake\)、.*洪水 \(flood\)"):
        make_alert(hazard="外星人")
