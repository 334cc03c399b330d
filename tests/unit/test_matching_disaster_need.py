"""The need of a disaster: from reports, from exposures, from a magnitude, or from nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isclose
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.alerts import Alert
from models.components import Component
from models.rules.rulebook import PACKAGED
from streams.matching.disaster_need import estimate_fatality_rate, estimate_need

AT = datetime(2025, 1, 7, 1, 5, 16, tzinfo=UTC)


def make_alert(**changes: object) -> Alert:
    fields: dict[str, Any] = {
        "alert_id": "us6000pi9w-1",
        "event_key": "us6000pi9w",
        "revision": 1,
        "source": "test",
        "sent_at": AT,
        "occurred_at": AT,
        "location": {"lat": 28.6, "lon": 87.4},
        "depth_km": 10,
        "magnitude": 7.1,
    }
    return Alert.model_validate({**fields, **changes})


def units(alert: Alert) -> dict[str, int]:
    return {
        need.component.value: need.units
        for need in estimate_need(alert, rules=PACKAGED.disasters).needs
    }


def exposures(*populations: int, first_mmi: int = 7) -> list[dict[str, int]]:
    return [{"mmi": first_mmi + at, "population": people} for at, people in enumerate(populations)]


def test_reported_injured_are_turned_into_components_by_the_published_ratio() -> None:
    # 340 x 0.3 = 102 admitted; 102 x 2.7 / 2.35 = 117.2; x 0.54 = 63.3; x 0.81 / 5 = 19.0.
    alert = make_alert(casualties={"dead": 126, "injured": 340})
    assert units(alert) == {"red_cells": 118, "fresh_frozen_plasma": 64, "platelets": 19}
    estimate = estimate_need(alert, rules=PACKAGED.disasters)
    assert (estimate.basis, estimate.admissions, estimate.exercise) == ("reported", 102, False)
    assert [reason.rule for reason in estimate.reasons] == [
        "disaster.reported@2026-3",
        "disaster.components@2026-3",
        "disaster.platelet_doses@2026-3",
    ]


def test_c27_platelets_are_needed_in_doses_and_the_need_says_of_what() -> None:
    alert = make_alert(casualties={"injured": 333})
    estimate = estimate_need(alert, rules=PACKAGED.disasters)
    assert estimate.admissions == 100
    assert units(alert) == {"red_cells": 115, "fresh_frozen_plasma": 63, "platelets": 19}
    (told,) = [reason for reason in estimate.reasons if reason.code == "platelets_in_doses"]
    assert told.params == {"components_per_dose": 5.0}


def test_c28_a_report_replaces_no_model_at_once_and_the_newest_report_alone_when_it_is_old() -> (
    None
):
    model = make_alert()
    low = make_alert(revision=2, casualties={"injured": 38})
    for hours in (1, 24, 72):
        told = low.but(sent_at=AT + timedelta(hours=hours))
        assert admissions(model, told) == 100
    assert admissions(model, low.but(sent_at=LATE)) == 12


def test_c83_the_dead_alone_are_no_report_of_nobody_injured() -> None:
    # Three injured for each of the dead, of whom 0.3 are admitted; the model is more.
    dead_only = make_alert(casualties={"dead": 32}, magnitude=None)
    estimate = estimate_need(dead_only, rules=PACKAGED.disasters)
    assert (estimate.admissions, estimate.is_nothing) == (29, False)
    assert admissions(make_alert(casualties={"dead": 32})) == 100


LATE = AT + timedelta(hours=72, seconds=1)
"""Later than the reports of this time are early."""


def test_a_late_report_rules_over_exposures_and_magnitude_even_when_it_says_zero() -> None:
    counts = {"dead": 0, "injured": 0}
    alert = make_alert(casualties=counts, exposures=exposures(0, 0, 1_000_000), sent_at=LATE)
    estimate = estimate_need(alert, rules=PACKAGED.disasters)
    assert estimate.is_nothing
    assert estimate.basis == "reported"


def admissions(*alerts: Alert) -> int:
    *earlier, newest = alerts
    return estimate_need(newest, earlier=earlier, rules=PACKAGED.disasters).admissions


@pytest.mark.parametrize(
    ("dead", "injured", "at_least"),
    [(32, 38, 100), (53, 62, 100), (95, 130, 100), (126, 188, 100), (126, 340, 102)],
)
def test_c82_an_early_report_never_goes_below_the_model(
    dead: int, injured: int, at_least: int
) -> None:
    alert = make_alert(casualties={"dead": dead, "injured": injured})
    assert estimate_need(alert, rules=PACKAGED.disasters).admissions == at_least


def test_f51_the_dead_told_without_the_injured_are_no_report_of_nobody_injured() -> None:
    exposed = make_alert(exposures=exposures(60_000, 30_000, first_mmi=8), magnitude=None)
    dead_only = make_alert(revision=2, casualties={"dead": 126}, magnitude=None)
    known = admissions(exposed)
    assert known > 126 * 3 * 0.3
    assert admissions(exposed, dead_only) == known
    # Alone: three injured for each of the dead, as the rule says; 32 dead are C83.
    assert admissions(make_alert(casualties={"dead": 126}, magnitude=None)) == 114
    assert admissions(make_alert(casualties={"dead": 32}, magnitude=None)) == 29
    told = estimate_need(dead_only.but(revision=1), rules=PACKAGED.disasters).reasons
    assert [reason.code for reason in told][:2] == ["dead_reported", "injured_estimated"]


def test_f51_a_recorded_event_that_says_zero_for_unknown_is_read_as_unknown() -> None:
    old = make_alert(casualties={"dead": 126, "injured": 0}, magnitude=None)
    assert admissions(old) == 114


@pytest.mark.parametrize(
    "counts", [{"dead": 7, "injured": 40}, {"dead": 0, "injured": 1}, {}, {"dead": 0}]
)
def test_f52_a_low_or_empty_early_report_shrinks_nothing(counts: dict[str, int]) -> None:
    first = make_alert(magnitude=6.8)
    update = make_alert(revision=2, kind="update", magnitude=None, casualties=counts)
    assert admissions(first) == 50
    assert admissions(first, update) == 50
    assert not estimate_need(update, earlier=[first], rules=PACKAGED.disasters).is_nothing


def test_f52_the_greatest_early_report_holds_and_says_why_until_the_event_is_old() -> None:
    flood = {"hazard": "flood", "magnitude": None}
    first = make_alert(casualties={"injured": 340}, **flood)
    lower = make_alert(revision=2, casualties={"injured": 40}, **flood)
    estimate = estimate_need(lower, earlier=[first], rules=PACKAGED.disasters)
    assert estimate.admissions == 102
    assert estimate.reasons[-3].rule == "disaster.first_reports@2026-3"
    assert admissions(first, lower.but(sent_at=LATE - timedelta(seconds=1))) == 102
    assert admissions(first, lower.but(sent_at=LATE)) == 12


def test_f52_a_late_revision_that_leaves_out_the_injured_keeps_what_was_known() -> None:
    first = make_alert(casualties={"injured": 340}, magnitude=None)
    silent = make_alert(revision=2, casualties={"dead": 5}, magnitude=None, sent_at=LATE)
    assert admissions(first, silent) == 102
    assert admissions(first, silent.but(casualties=None)) == 102


def test_f52_a_cancelled_alert_ends_it_and_what_was_told_before_counts_no_more() -> None:
    first = make_alert(casualties={"injured": 340}, magnitude=None)
    cancel = make_alert(revision=2, kind="cancel")
    again = make_alert(revision=3, casualties={"injured": 10}, magnitude=None)
    assert estimate_need(cancel, earlier=[first], rules=PACKAGED.disasters).is_nothing
    assert admissions(first, cancel, again) == 3


def test_f52_an_exercise_tells_nothing_of_the_real_thing() -> None:
    drill = make_alert(status="exercise", casualties={"injured": 3_400})
    actual = make_alert(revision=2, casualties={"injured": 10}, magnitude=None)
    assert admissions(drill, actual) == 3


def test_a_model_that_is_corrected_downwards_holds() -> None:
    assert admissions(make_alert(magnitude=8.0), make_alert(revision=2, magnitude=5.5)) == 5


# Deaths per person as the USGS prints them for China, and as it published them for Japan's
# intensities in the revisions of the 2018 Hokkaido earthquake.
@pytest.mark.parametrize(
    ("country", "mmi", "rate"),
    [
        ("CN", 7, 1 / 19_789),
        ("CN", 8, 1 / 188),
        ("CN", 9, 1 / 12),
        ("JP", 6, 6.731733934e-12),
        ("JP", 7, 8.295094048e-08),
        ("JP", 8, 4.634257007e-05),
        ("JP", 9, 3.069549400e-03),
        ("JP", 10, 4.505697758e-02),
    ],
)
def test_the_fatality_rate_is_the_published_one(country: str, mmi: int, rate: float) -> None:
    model = PACKAGED.disasters.estimated.countries[country]
    # The tails of erf lose digits; the Chinese rates are printed as whole reciprocals.
    tolerance = 0.05 if country == "CN" else 1e-4
    assert isclose(estimate_fatality_rate(mmi, model), rate, rel_tol=tolerance)


def test_a_published_exposure_gives_the_published_deaths() -> None:
    # Hokkaido 2018, seventh revision: 16 dead estimated.
    alert = make_alert(country="JP", exposures=exposures(1_518_738, 52_811, 4_587))
    reason = next(
        r
        for r in estimate_need(alert, rules=PACKAGED.disasters).reasons
        if r.code == "fatalities_estimated"
    )
    assert round(float(reason.params["dead"])) in {16, 17}


def test_exposures_lead_over_dead_and_injured_to_admissions() -> None:
    alert = make_alert(exposures=exposures(10_000, 4_000, 1_200))
    model = PACKAGED.disasters.estimated.countries["CN"]
    dead = sum(
        people * estimate_fatality_rate(mmi, model)
        for mmi, people in ((7, 10_000), (8, 4_000), (9, 1_200))
    )
    estimate = estimate_need(alert, rules=PACKAGED.disasters)
    assert estimate.basis == "estimated"
    assert 0 <= estimate.admissions - dead * 3 * 0.3 < 1


def test_a_country_without_a_model_falls_back_and_says_so() -> None:
    alert = make_alert(country="MN", exposures=exposures(10_000))
    assert "country_model_missing" in {
        reason.code for reason in estimate_need(alert, rules=PACKAGED.disasters).reasons
    }
    assert units(alert) == units(make_alert(exposures=exposures(10_000)))


@pytest.mark.parametrize(
    ("magnitude", "depth_km", "admissions"),
    [
        (5.45, 10, 0),
        (5.5, 10, 5),
        (5.95, 10, 5),
        (6.0, 10, 20),
        (6.45, 10, 20),
        (6.5, 10, 50),
        (6.95, 10, 50),
        (7.0, 10, 100),
        (7.45, 10, 100),
        (7.5, 10, 300),
        (7.95, 10, 300),
        (8.0, 10, 1000),
        (9.5, 10, 1000),
        (7.1, None, 100),
        (7.1, 69.5, 100),
        (7.1, 70.5, 25),
        (7.1, 298, 25),
        (7.1, 301, 0),
        (8.0, 100, 250),
    ],
)
def test_a_magnitude_alone_gives_a_rough_need(
    magnitude: float, depth_km: float | None, admissions: int
) -> None:
    estimate = estimate_need(
        make_alert(magnitude=magnitude, depth_km=depth_km), rules=PACKAGED.disasters
    )
    assert (estimate.admissions, estimate.basis) == (admissions, "magnitude")


def test_a_cancelled_alert_needs_nothing() -> None:
    alert = make_alert(kind="cancel", casualties={"injured": 340})
    estimate = estimate_need(alert, rules=PACKAGED.disasters)
    assert (estimate.needs, estimate.reasons[0].code) == ((), "alert_cancelled")


def test_a_flood_without_casualties_tells_nothing() -> None:
    estimate = estimate_need(make_alert(hazard="flood"), rules=PACKAGED.disasters)
    assert (estimate.needs, estimate.reasons[0].code) == ((), "no_basis_for_need")


@pytest.mark.parametrize("status", ["exercise", "test"])
def test_an_exercise_is_computed_and_marked(status: str) -> None:
    drill = estimate_need(
        make_alert(status=status, casualties={"injured": 340}), rules=PACKAGED.disasters
    )
    actual = estimate_need(make_alert(casualties={"injured": 340}), rules=PACKAGED.disasters)
    assert drill.exercise
    assert drill.needs == actual.needs


@given(injured=st.integers(0, 100_000), more=st.integers(0, 1_000))
def test_more_injured_never_need_less(injured: int, more: int) -> None:
    fewer = units(make_alert(casualties={"injured": injured}))
    greater = units(make_alert(casualties={"injured": injured + more}))
    assert all(greater[component] >= count for component, count in fewer.items())
    assert set(fewer) == {Component.RED_CELLS, Component.FRESH_FROZEN_PLASMA, Component.PLATELETS}
