"""Disasters, shortages and what a silent record means: the values as the sources give them.

Las Vegas 2017 (2.7 components an admission, 1 : 0.54 : 0.81), USGS PAGER's models, Dingri 2025
(some 340 injured to 126 dead), the groups of 23 million people in China (Heliyon 2022), the UK's
target of 6 d and Shandong's red at 3 d. The rest are assumptions that a station confirms.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from checker.checks.asked_back import AT_ONCE, AT_ONCE_IN_DANGER, FROM_UNITS, MULTIPLE, UNNAMED
from checker.checks.waiting_at_end import LEAST_OF_USE, SHARE_OF_USE
from checker.expected_need import GIVEN_AHEAD, LEARNED, LEAST_WATCHED
from tests.oracle.rules.saying import Says, Table, fixed, free, higher, says


def _part(units: Mapping[str, int]) -> Says:
    """Return what is reserved at once: a station may give more red cells, and never fewer."""
    told = {kind: fixed(most, "unit") for kind, most in units.items()}
    red_cells = higher(units["red_cells"], "unit", most=100)
    return Says("local", "xuelian", None, tuple(units), {**told, "red_cells": red_cells})


def _part_in_danger() -> Says:
    told = _part(AT_ONCE_IN_DANGER)
    values = {**told.values, "unnamed": fixed(UNNAMED, "person")}
    return told._replace(confirm=tuple(values), values=values)


DISASTERS: Table = {
    "disaster.components": says(
        "standard",
        units_per_admission=free(2.7, "unit", least=0.5, most=10),
        ratio=fixed({"red_cells": 1.0, "fresh_frozen_plasma": 0.54, "platelets": 0.81}, "part"),
    ),
    "disaster.platelet_doses": says(
        "local",
        confirm=("components_per_dose",),
        components_per_dose=free(5.0, "component per dose", least=1, most=12),
    ),
    "disaster.reported": says(
        "local",
        confirm=("admissions_per_injured",),
        admissions_per_injured=free(0.3, "share", least=0.01, most=1),
    ),
    "disaster.first_reports": says(
        "local", confirm=("early_h",), early_h=free(72.0, "h", least=6, most=336)
    ),
    "disaster.timely": says(
        "local",
        confirm=("oldest_h", "ahead_s"),
        oldest_h=free(168.0, "h", least=24, most=2160),
        ahead_s=free(900, "s", least=60, most=86400),
    ),
    "disaster.exercise_ends": says(
        "local", confirm=("ends_after_h",), ends_after_h=free(12.0, "h", least=1, most=168)
    ),
    "disaster.pager": says(
        "standard",
        unread=True,
        fallback_country=free("CN", "country"),
        countries=fixed(
            {
                "CN": {"theta": 10.328811, "beta": 0.100058},
                "JP": {"theta": 11.862534, "beta": 0.100779},
                "NP": {"theta": 14.570893, "beta": 0.205403},
            },
            "theta, beta",
        ),
    ),
    "disaster.injured_per_dead": says(
        "local",
        confirm=("injured_per_dead",),
        injured_per_dead=free(3.0, "person", least=0.1, most=50),
    ),
    "disaster.magnitude": says(
        "local",
        confirm=("rows", "deep_below_km", "deep_share", "very_deep_below_km"),
        deep_below_km=free(70.0, "km", least=10, most=250),
        deep_share=free(0.25, "share", least=0, most=1),
        very_deep_below_km=free(300.0, "km", least=260, most=700),
        rows=fixed(
            [
                {"from_magnitude": 5.5, "admissions": 5},
                {"from_magnitude": 6.0, "admissions": 20},
                {"from_magnitude": 6.5, "admissions": 50},
                {"from_magnitude": 7.0, "admissions": 100},
                {"from_magnitude": 7.5, "admissions": 300},
                {"from_magnitude": 8.0, "admissions": 1000},
            ],
            "admission",
        ),
    ),
    "disaster.cover": says("local"),
    "disaster.donations": says(
        "local",
        confirm=("red_cells_per_donation", "group_order"),
        red_cells_per_donation=free(1.0, "unit", least=0.5, most=2),
        group_order=free(("O+", "A+", "B+", "AB+", "O-", "A-", "B-", "AB-"), "group"),
    ),
}

SHORTAGES: Table = {
    "shortage.group_frequency": says(
        "standard",
        unread=True,
        rhd_negative=free(0.005, "share", least=0.0001, most=0.2),
        abo=fixed({"O": 0.342, "A": 0.2872, "B": 0.2817, "AB": 0.0891}, "share"),
    ),
    "shortage.burn_rate": says(
        "local",
        confirm=("window_d", "recent_h", "surge_h", "surge_least_units"),
        window_d=free(7, "day", least=3, most=90),
        recent_h=free(24.0, "h", least=6, most=72),
        surge_h=free(2.0, "h", least=1, most=6),
        surge_least_units=free(10, "unit", least=1, most=100),
    ),
    "shortage.expected_use": says(
        "local", confirm=("least_units",), least_units=free(1.0, "unit", least=0, most=10)
    ),
    "shortage.recovery": says(
        "local", confirm=("margin",), margin=free(0.1, "share", least=0, most=1)
    ),
    "shortage.change": says("local", confirm=("share",), share=free(0.1, "share", least=0, most=1)),
    "offer.keep_orange": says("local"),
    "offer.floor_bends": says(
        "local",
        confirm=("steps",),
        steps=fixed(
            [
                {"waiting": "urgent", "keep_d": 3.0},
                {"waiting": "urgent", "keep_d": 1.0},
                {"waiting": "life_threatening", "keep_d": 0.25},
            ],
            "day kept, by who waits",
        ),
    ),
    "offer.rhd_negative_kept": says("local"),
}

POLICIES: Table = {
    "plasma.low_titre_a": says(
        "local", record="station", confirm=("allowed",), allowed=fixed(value=True, unit="yes/no")
    ),
    "shortage.thresholds": says(
        "local",
        record="station",
        confirm=("yellow_below_d", "orange_below_d", "red_below_d"),
        yellow_below_d=fixed(6.0, "day of supply"),
        orange_below_d=fixed(4.5, "day of supply"),
        red_below_d=fixed(3.0, "day of supply"),
    ),
    "disaster.radius": says(
        "local", record="station", confirm=("radius_km",), radius_km=fixed(800.0, "km")
    ),
    "donor.reserve_rates": says(
        "local",
        record="station",
        confirm=("acceptance_rate", "staff_acceptance_rate", "show_up_rate"),
        acceptance_rate=fixed(0.25, "share"),
        staff_acceptance_rate=fixed(0.8, "share"),
        show_up_rate=fixed(0.8, "share"),
    ),
    "donor.no_show": says(
        "local", record="station", confirm=("grace_s",), grace_s=fixed(2700, "s")
    ),
    "offer.agreement": says("local", record="station"),
    "journey.estimate": says(
        "local",
        confirm=("road_factor", "road_speed_kmh", "handover_s"),
        road_factor=free(1.4, "road per great circle", least=1, most=4),
        road_speed_kmh=free(50.0, "km/h", least=5, most=120),
        handover_s=free(900, "s", least=0, most=14400),
    ),
    # Four red cells are the first pack of a massive transfusion; the hours are an assumption.
    "reserve.emergency_o": says(
        "local",
        confirm=("o_units", "given_ahead_h"),
        o_units=free(4, "unit", least=0, most=200),
        given_ahead_h=free(GIVEN_AHEAD / timedelta(hours=1), "h", least=0, most=72),
    ),
    # The checker states these again; what a station sets keeps less back, never more.
    "order.at_once": _part(AT_ONCE),
    "order.at_once_in_danger": _part_in_danger(),
    "order.usual": says(
        "local",
        confirm=("multiple", "share", "least_orders", "within_d"),
        multiple=higher(MULTIPLE, "multiple", most=10),
        share=fixed(0.9, "share"),
        least_orders=fixed(10, "order"),
        within_d=fixed(90, "day"),
    ),
    "order.last_compatible": says(
        "local",
        confirm=("share", "of_at_once"),
        share=fixed(0.5, "share"),
        of_at_once=fixed(0.5, "share"),
    ),
    "order.same_patient": says(
        "local",
        confirm=("within_h", "from_units"),
        within_h=fixed(6.0, "h"),
        from_units=higher(FROM_UNITS, "unit", most=100),
    ),
    # 1 U per 10 kg (McMaster textbook of internal medicine), an adult of 60 kg.
    "supply.useful_part": says(
        "local",
        confirm=("cryoprecipitate", "share"),
        cryoprecipitate=free(LEAST_OF_USE["cryoprecipitate"], "unit", least=1, most=30),
        share=free(SHARE_OF_USE, "share", least=0.1, most=1),
    ),
    # Groups: Heliyon 2022. The weights are those of the measurement beside the optimum.
    "supply.lookahead": says(
        "local",
        confirm=(
            "life_threatening",
            "urgent",
            "filled_at_h",
            "learned_d",
            "recent_h",
            "least_watched_h",
            "prior_units",
            "day_cv",
            "life_threatening_share",
            "urgent_share",
            "unknown_share",
            "o_share",
            "a_share",
            "b_share",
            "rhd_negative_share",
        ),
        life_threatening=free(100, "weight", least=20, most=1000),
        urgent=free(10, "weight", least=2, most=20),
        filled_at_h=free(8.0, "clock hour", least=0, most=23),
        learned_d=free(LEARNED // timedelta(days=1), "day", least=1, most=60),
        recent_h=free(12.0, "h", least=1, most=24),
        least_watched_h=free(LEAST_WATCHED / timedelta(hours=1), "h", least=1, most=87600),
        prior_units=free(60, "unit", least=1, most=10000),
        day_cv=free(0.25, "share", least=0.01, most=2),
        life_threatening_share=free(0.2, "share", least=0.01, most=0.55),
        urgent_share=free(0.4, "share", least=0.01, most=0.75),
        unknown_share=free(0.02, "share", least=0, most=0.5),
        o_share=free(0.342, "share", least=0.01, most=0.42),
        a_share=free(0.2872, "share", least=0.01, most=0.37),
        b_share=free(0.2817, "share", least=0.01, most=0.37),
        rhd_negative_share=free(0.004, "share", least=0.0001, most=0.5),
    ),
}

FIGURES: Table = {
    "figures.safe_stock_rate": says(
        "local",
        confirm=("least_days_of_supply",),
        least_days_of_supply=free(3.0, "day of supply", least=0.5, most=30),
    ),
    "figures.safe_stock_places": says(
        "local",
        confirm=("least_units",),
        least_units=free(1.0, "unit", least=0, most=10),
    ),
    "figures.testing_coverage": says("standard"),
    "figures.emergency_releases": says("local"),
}
"""Below Shandong's red at 3 d a station serves only acute and critical patients."""
