"""Who may give, and how a reserve is called: the values as the sources give them.

献血法 art. 9 and 10; GB 18467-2011 (haemoglobin from memory); PIPL art. 28. What sizes a call is
assumed: show-up 0.87 near and 0.72 at 10 km, so a kilometre loses 0.0172 of the near rate. What the
checker judges calls by is its own.
"""

from __future__ import annotations

from datetime import timedelta

from checker.donor_laws import NATIONAL
from checker.eligibility import (
    AFTER_PLATELETS,
    MINIMUM_KG,
    PLATELETS_AFTER_MONTHS,
    PLATELETS_APART,
)
from tests.oracle.rules.saying import Table, fewer, fixed, free, higher, lower, says

(_LAW,) = NATIONAL
_MONTHS, _ = _LAW.men or (0, "")
AGE_FROM, AGE_TO, AGE_TO_REPEAT = _LAW.ages or (0, 0, 0)

DONORS: Table = {
    "donor.calendar": says("local", unread=True, utc_offset_h=fixed(8, "h")),
    "donor.interval.whole_blood": says("law", months=fixed(_MONTHS, "month")),
    "donor.volume": says("law", usual_ml=fixed(200, "ml"), most_ml=fixed(400, "ml")),
    "donation.tested": says("law"),
    "donor.interval.after_platelets": says(
        "standard",
        unread=True,
        weeks=higher(AFTER_PLATELETS // timedelta(weeks=1), "week", most=26),
    ),
    "donor.interval.platelets": says(
        "standard",
        unread=True,
        weeks=fixed(PLATELETS_APART // timedelta(weeks=1), "week"),
        special_match_weeks=fixed(1, "week"),
        most_per_year=fixed(24, "donation"),
    ),
    "donor.interval.platelets_after_whole_blood": says(
        "standard", unread=True, months=fixed(PLATELETS_AFTER_MONTHS, "month")
    ),
    "donor.age": says(
        "standard",
        unread=True,
        from_years=higher(AGE_FROM, "year", most=30),
        to_years=lower(AGE_TO, "year", least=30),
        repeat_to_years=lower(AGE_TO_REPEAT, "year", least=55),
    ),
    "donor.weight": says(
        "standard",
        unread=True,
        male_kg=higher(MINIMUM_KG["male"], "kg", most=80),
        female_kg=higher(MINIMUM_KG["female"], "kg", most=80),
    ),
    "donor.haemoglobin": says(
        "standard",
        by="station",
        confirm=("male_g_per_l", "female_g_per_l"),
        male_g_per_l=fixed(120, "g/L"),
        female_g_per_l=fixed(115, "g/L"),
    ),
    "donor.consent": says("law"),
    "donor.temporary_collection": says(
        "law", by="hospital", unread=True, report_within_d=fixed(10, "day")
    ),
    "donor.roster": says("local", by="station"),
    "donor.deferral": says("standard"),
    "donor.availability": says("local"),
    "donor.one_call": says("local"),
    "donor.once_per_cause": says("local"),
    "donor.one_contact": says("local"),
    "donor.same_person": says("local"),
    "donor.rhd_negative_kept": says("local"),
    "donor.group_agrees": says("local"),
    "donor.acceptance": says(
        "local", confirm=("prior_calls",), prior_calls=free(4.0, "call", least=0.5, most=100)
    ),
    "donor.show_up": says(
        "local",
        confirm=("loss_per_km", "least_share"),
        loss_per_km=free(0.0172, "share per km", least=0, most=0.2),
        least_share=free(0.5, "share", least=0.05, most=1),
    ),
    "donor.wave": says(
        "local",
        confirm=("answer_window_s",),
        answer_window_s=free(1800, "s", least=300, most=86400),
    ),
    "donor.arrival": says(
        "local", confirm=("default_eta_s",), default_eta_s=free(3600, "s", least=300, most=86400)
    ),
    "donor.ready": says(
        "local", confirm=("release_s",), release_s=free(18000, "s", least=3600, most=172800)
    ),
    "donor.apheresis_serves": says(
        "local", confirm=("components",), components=fixed(("platelets",), "component")
    ),
    "donor.whole_blood_serves": says(
        "local",
        confirm=("components",),
        components=fewer(
            ("red_cells", "washed_red_cells", "whole_blood", "fresh_frozen_plasma"),
            "component",
            keeps=("red_cells",),
        ),
    ),
}
