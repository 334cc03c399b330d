"""Shelf lives of blood, by how it was made, written a second time for checking.

Pure. WS 399-2012 as quoted by Tongling blood station; additive solutions: a Chinese textbook and
21 CFR 610.53; irradiation: Lifeblood; thawing: an examination text and the UK.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from checker.database_rows import Unit

UNSTATED_DAYS: dict[str, float] = {
    "red_cells": 35,
    "washed_red_cells": 1,
    "frozen_red_cells": 10 * 365,
    "deglycerolised_red_cells": 1,
    "platelets": 5,
    "platelet_concentrate": 5,
    "pooled_platelets": 1,
    "fresh_frozen_plasma": 365,
    "frozen_plasma": 4 * 365,
    "cryoprecipitate": 365,
    "whole_blood": 35,
    "apheresis_granulocytes": 1,
}
"""Of a unit that does not say how it was made."""

DAYS: dict[str, dict[str, float]] = {
    "red_cells": {
        "acd_b": 21, "cpd": 21, "cp2d": 21, "cpda_1": 35, "map": 35, "sagm": 35,
        "as_1": 42, "as_3": 42, "as_5": 42, "saline": 1,
    },
    "whole_blood": {"acd_b": 21, "cpd": 21, "cp2d": 21, "cpda_1": 35},
}  # fmt: skip
"""Red cells and whole blood by what they were drawn into or suspended in; of whole blood in
anything else nobody says how long it keeps, so it is taken to keep for the shortest."""

IRRADIATED = ("red_cells", "washed_red_cells", "deglycerolised_red_cells", "whole_blood")
IRRADIATED_EARLY = timedelta(days=14)
"""Blood is irradiated early within so long of its collection."""
KEEPS_IRRADIATED = timedelta(days=14)
KEEPS_IRRADIATED_LATE = timedelta(hours=24)
KEEPS_WASHED = timedelta(hours=24)
BEGINS = {"washed_red_cells": "washed_at", "deglycerolised_red_cells": "deglycerolised_at"}
PLATELETS = ("platelets", "platelet_concentrate", "pooled_platelets")
AGITATED_DAYS = 5
"""Of platelets that are kept agitated in a bag for five days; all others keep a day."""
OTHERWISE_DAYS = 1
THAWED_H = {"fresh_frozen_plasma": 24, "frozen_plasma": 24, "cryoprecipitate": 4}

RUNS_IN = {
    "red_cells": timedelta(hours=4),
    "whole_blood": timedelta(hours=4),
    "plasma": timedelta(hours=1),
    "platelets": timedelta(hours=1),
}
"""NZBS: red cells within four hours of the refrigerator, platelets within one of issue."""


def find_duration(component: str) -> timedelta:
    """Return how long a component runs into the patient; thawing is not counted."""
    if component in PLATELETS:
        return RUNS_IN["platelets"]
    return RUNS_IN["plasma" if component in THAWED_H else "red_cells"]


def list_ends(component: str, collected_at: datetime, traits: Mapping[str, Any]) -> list[datetime]:
    """List every end that how a unit was made sets to its life, whatever its label says."""
    washed_at = _at(traits, "washed_at")
    begun_at = _at(traits, BEGINS.get(component, "")) or collected_at
    days = _keeps_days(component, traits)
    # What keeps for a day has its hour on the label, not its day.
    ends = [begun_at + timedelta(days=days if days <= 1 else days + 1)]
    if traits.get("washed") and component != "washed_red_cells":
        ends.append((washed_at or collected_at) + KEEPS_WASHED)
    if traits.get("irradiated") and component in IRRADIATED:
        # Nobody knows when: it may have been on the day of the donation.
        at = _at(traits, "irradiated_at") or collected_at
        late = at > collected_at + IRRADIATED_EARLY
        ends.append(at + (KEEPS_IRRADIATED_LATE if late else KEEPS_IRRADIATED))
    thawed_at = _at(traits, "thawed_at")
    if thawed_at and component in THAWED_H:
        ends.append(thawed_at + timedelta(hours=THAWED_H[component]))
    return ends


def _keeps_days(component: str, traits: Mapping[str, Any]) -> float:
    if component in PLATELETS:
        bag, agitated = traits.get("bag"), traits.get("agitated")
        if agitated is False or bag == "ordinary":
            return OTHERWISE_DAYS
        return AGITATED_DAYS if agitated and bag else UNSTATED_DAYS[component]
    by_bag = DAYS.get(component)
    drawn_into = traits.get("anticoagulant")
    if by_bag is None or drawn_into is None:
        return UNSTATED_DAYS[component]
    return by_bag.get(drawn_into, min(by_bag.values()))


def _at(traits: Mapping[str, Any], name: str) -> datetime | None:
    told = traits.get(name)
    return None if told is None else datetime.fromisoformat(told)


def find_end(unit: Unit) -> datetime:
    """Return the first instant at which a unit may not be used any more.

    What a label says beyond the life of the component, as it was made, does not count.
    """
    return min(unit.expires_at, *list_ends(unit.component, unit.collected_at, unit.traits))
