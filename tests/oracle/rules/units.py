"""What is asked of a unit from its tests to its issue: the values as the sources give them.

献血法 art. 10 and what stations report of their tests; WS 399-2012 as a station quotes it (30 min
out of control, 4 h to transfuse, 24 h without agitation); electronic issue as Judd 1998 has
it, with the history that AABB and CAP ask to be compared.
"""

from __future__ import annotations

from datetime import timedelta

from checker.shelf_lives import PLATELETS, RUNS_IN
from checker.unit_attributes import ALWAYS_IRRADIATED, IN_GLYCEROL
from checker.unit_states import (
    DEGLYCEROLISED,
    GROUPING,
    NUCLEIC_ACID,
    RESTOCKED_COMPONENTS,
    RESTOCKED_WITHIN,
    SEROLOGY,
)
from tests.oracle.rules.saying import Says, Table, fewer, fixed, higher, lower, off, says
from tests.oracle.safety import (
    ON_THE_WAY,
    THAWS_IN,
    TRANSFUSED_WITHIN,
    UNAGITATED_WITHIN,
)


def _minutes(takes: timedelta) -> int:
    return takes // timedelta(minutes=1)


SAFETY: Table = {
    "unit.release": says("law"),
    "unit.recall": says("standard"),
    "unit.expiry": says("standard"),
    "unit.outlives_use": Says(
        "standard",
        "xuelian",
        None,
        ("thawing_min", *(f"{kind}_min" for kind in RUNS_IN)),
        {
            "thawing_min": higher(_minutes(THAWS_IN), "min", most=240),
            **{
                f"{kind}_min": higher(
                    _minutes(takes), "min", most=480 if takes >= timedelta(hours=4) else 240
                )
                for kind, takes in RUNS_IN.items()
            },
        },
    ),
    "hospital.thawing": says("standard"),
    "red_cells.deglycerolised": says(
        "standard",
        confirm=("components", "instead"),
        components=fixed(tuple(IN_GLYCEROL), "component"),
        instead=fixed(DEGLYCEROLISED["frozen_red_cells"], "component"),
    ),
    "granulocytes.irradiated": says(
        "standard",
        confirm=("components",),
        components=fixed(tuple(ALWAYS_IRRADIATED), "component"),
    ),
    "red_cells.antibodies": says("standard"),
    "request.attributes": says("standard"),
    "emergency.release": says("standard", confirm=("allowed",), allowed=off("yes/no")),
    "transport.temperature": says("standard"),
    "transport.out_of_control": says(
        "standard",
        unread=True,
        components=fewer(tuple(sorted(RESTOCKED_COMPONENTS)), "component"),
        restock_within_min=lower(RESTOCKED_WITHIN // timedelta(minutes=1), "min", least=0),
        transfuse_within_min=lower(TRANSFUSED_WITHIN // timedelta(minutes=1), "min", least=30),
    ),
    "transport.agitation": says(
        "standard",
        unread=True,
        components=fixed(PLATELETS, "component"),
        unagitated_at_most_h=lower(UNAGITATED_WITHIN // timedelta(hours=1), "h", least=0),
    ),
    "transport.longest": says(
        "standard",
        confirm=("components", "at_most_h"),
        components=fixed(
            ("red_cells", "washed_red_cells", "deglycerolised_red_cells", "whole_blood"),
            "component",
        ),
        at_most_h=lower(ON_THE_WAY // timedelta(hours=1), "h", least=0),
    ),
}

TESTING: Table = {
    "testing.serology": says(
        "law",
        unread=True,
        tests=fixed(SEROLOGY, "test"),
    ),
    "testing.nat": says(
        "standard",
        unread=True,
        tests=fixed(NUCLEIC_ACID, "test"),
        unnamed_counts=off("yes/no"),
    ),
    "testing.grouping": says("standard", unread=True, tests=fixed(GROUPING, "test")),
    "testing.reactive": says("law", fate=fixed("quarantine", "fate")),
    "testing.repeated_reactive": says(
        "local", confirm=("times", "fate"), times=fixed(2, "run"), fate=fixed("discard", "fate")
    ),
    "testing.contradicting": says("local", confirm=("fate",), fate=fixed("quarantine", "fate")),
    "testing.group_differs": says("standard", unread=True, fate=fixed("quarantine", "fate")),
}

RETURNS: Table = {
    "returns.handed_over": says("standard"),
    "returns.restock": says("local"),
    "returns.others": says("local"),
}

ISSUE: Table = {
    "issue.electronic": says(
        "standard",
        confirm=(
            "concordant_abo_results",
            "results_on_current_sample",
            "no_significant_antibody",
            "agrees_with_history",
            "sample_max_age_h",
        ),
        concordant_abo_results=higher(2, "result", most=5),
        results_on_current_sample=higher(1, "result", most=2),
        no_significant_antibody=fixed(value=True, unit="yes/no"),
        agrees_with_history=fixed(value=True, unit="yes/no"),
        sample_max_age_h=lower(72, "h", least=1),
    ),
    "issue.crossmatch": says("standard", by="hospital"),
}

PACKS: Table = {
    "pack.4_4_1": says(
        "local",
        record="hospital",
        confirm=("red_cells", "fresh_frozen_plasma", "platelets"),
        red_cells=fixed(4, "unit"),
        fresh_frozen_plasma=fixed(4, "unit"),
        platelets=fixed(1, "unit"),
    ),
    "pack.5_4_1": says(
        "local",
        record="hospital",
        confirm=("red_cells", "fresh_frozen_plasma", "platelets"),
        red_cells=fixed(5, "unit"),
        fresh_frozen_plasma=fixed(4, "unit"),
        platelets=fixed(1, "unit"),
    ),
    "pack.6_6_1": says(
        "local",
        record="hospital",
        confirm=("red_cells", "fresh_frozen_plasma", "platelets", "cryoprecipitate"),
        red_cells=fixed(6, "unit"),
        fresh_frozen_plasma=fixed(6, "unit"),
        platelets=fixed(1, "unit"),
        cryoprecipitate=fixed(10, "unit"),
    ),
    "pack.protocol": says(
        "local",
        by="hospital",
        confirm=("first_cooler_within_min",),
        first_cooler_within_min=fixed(30, "min"),
    ),
}
"""Red cells : plasma : platelets, as hospitals configure them."""
