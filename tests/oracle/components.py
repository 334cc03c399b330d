"""The table of components as the sources give it, written out by hand.

WS 399-2012 as quoted by Tongling blood station: storage and transport in degrees Celsius, shelf
life in days; what the source leaves open (transport of red cells, storage of frozen RhD- red cells,
whole blood) is as the station has to confirm it. `shelf_d` is the life of a unit that does not say
how it was made. Additive solutions: a Chinese textbook and 21 CFR 610.53; irradiation: Lifeblood.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple


class Kept(NamedTuple):
    kind: str
    storage_c: tuple[float, float]
    transport_c: tuple[float, float]
    shelf_d: float


_DEEP, _FROZEN, _ROOM, _COLD = (-196, -65), (-80, -18), (20, 24), (2, 6)

COMPONENTS = {
    "red_cells": Kept("red_cells", _COLD, (2, 10), 35),
    "washed_red_cells": Kept("red_cells", _COLD, (2, 10), 1),
    "frozen_red_cells": Kept("red_cells", _DEEP, _DEEP, 10 * 365),
    "platelets": Kept("platelets", _ROOM, _ROOM, 5),
    "fresh_frozen_plasma": Kept("plasma", _FROZEN, _FROZEN, 365),
    "frozen_plasma": Kept("plasma", _FROZEN, _FROZEN, 4 * 365),
    "cryoprecipitate": Kept("plasma", _FROZEN, _FROZEN, 365),
    "whole_blood": Kept("whole_blood", _COLD, (2, 10), 35),
}

DAYS: dict[str, dict[str, float]] = {
    "red_cells": {
        "acd_b": 21, "cpd": 21, "cp2d": 21, "cpda_1": 35, "map": 35, "sagm": 35,
        "as_1": 42, "as_3": 42, "as_5": 42, "saline": 1,
    },
    "whole_blood": {"acd_b": 21, "cpd": 21, "cp2d": 21, "cpda_1": 35},
}  # fmt: skip
"""Red cells and whole blood by what they were drawn into or suspended in; of whole blood in
anything else nobody says how long it keeps, so it is taken to keep for the shortest."""

IRRADIATED = {"red_cells", "washed_red_cells", "whole_blood"}
THAWED_H = {"fresh_frozen_plasma": 24, "frozen_plasma": 24, "cryoprecipitate": 4}


def list_ends(component: str, collected_at: datetime, traits: Mapping[str, Any]) -> list[datetime]:
    """List every end that how a unit was made sets to its life, whatever its label says."""
    washed_at = _at(traits, "washed_at")
    begun_at = washed_at or collected_at if component == "washed_red_cells" else collected_at
    days = _keeps_days(component, traits)
    # What keeps for a day has its hour on the label, not its day.
    ends = [begun_at + timedelta(days=days if days <= 1 else days + 1)]
    if traits.get("washed") and component != "washed_red_cells":
        ends.append((washed_at or collected_at) + timedelta(hours=24))
    if traits.get("irradiated") and component in IRRADIATED:
        # Nobody knows when: it may have been on the day of the donation.
        at = _at(traits, "irradiated_at") or collected_at
        late = at > collected_at + timedelta(days=14)
        ends.append(at + (timedelta(hours=24) if late else timedelta(days=14)))
    thawed_at = _at(traits, "thawed_at")
    if thawed_at and component in THAWED_H:
        ends.append(thawed_at + timedelta(hours=THAWED_H[component]))
    return ends


def _keeps_days(component: str, traits: Mapping[str, Any]) -> float:
    if component == "platelets":
        lying = traits.get("agitated") is False or traits.get("bag") == "ordinary"
        return 1 if lying else 5
    by_bag = DAYS.get(component)
    drawn_into = traits.get("anticoagulant")
    if by_bag is None or drawn_into is None:
        return COMPONENTS[component].shelf_d
    return by_bag.get(drawn_into, min(by_bag.values()))


def _at(traits: Mapping[str, Any], name: str) -> datetime | None:
    told = traits.get(name)
    return None if told is None else datetime.fromisoformat(told)
