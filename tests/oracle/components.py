"""The table of components as the sources give it, written out by hand.

WS 399-2012 as quoted by Tongling blood station: storage and transport in degrees Celsius, shelf
life in days; what the source leaves open (transport of red cells, storage of frozen RhD- red cells,
whole blood) is as the station has to confirm it. `shelf_d` is the life of a unit that does not say
how it was made, as the checker states it.
"""

from __future__ import annotations

from typing import NamedTuple

from checker.shelf_lives import UNSTATED_DAYS


class Kept(NamedTuple):
    kind: str
    storage_c: tuple[float, float]
    transport_c: tuple[float, float]
    shelf_d: float


_DEEP, _FROZEN, _ROOM, _COLD = (-196, -65), (-80, -18), (20, 24), (2, 6)

_KEPT = {
    "red_cells": ("red_cells", _COLD, (2, 10)),
    "washed_red_cells": ("red_cells", _COLD, (2, 10)),
    "frozen_red_cells": ("red_cells", _DEEP, _DEEP),
    "deglycerolised_red_cells": ("red_cells", _COLD, (2, 10)),
    "platelets": ("platelets", _ROOM, _ROOM),
    "platelet_concentrate": ("platelets", _ROOM, _ROOM),
    "pooled_platelets": ("platelets", _ROOM, _ROOM),
    "fresh_frozen_plasma": ("plasma", _FROZEN, _FROZEN),
    "frozen_plasma": ("plasma", _FROZEN, _FROZEN),
    "cryoprecipitate": ("plasma", _FROZEN, _FROZEN),
    "whole_blood": ("whole_blood", _COLD, (2, 10)),
    "apheresis_granulocytes": ("whole_blood", _ROOM, _ROOM),
}

COMPONENTS = {name: Kept(*kept, UNSTATED_DAYS[name]) for name, kept in _KEPT.items()}
