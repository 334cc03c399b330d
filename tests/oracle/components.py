"""The table of components as the sources give it, written out by hand.

WS 399-2012 as quoted by Tongling blood station: storage and transport in degrees Celsius, shelf
life in days; what the source leaves open (transport of red cells, storage of frozen RhD- red cells,
whole blood) is as the station has to confirm it. `shelf_d` is the life of a unit that does not say
how it was made. Additive solutions: a Chinese textbook and 21 CFR 610.53; irradiation: Lifeblood.
"""

from __future__ import annotations

from typing import NamedTuple


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
    "deglycerolised_red_cells": Kept("red_cells", _COLD, (2, 10), 1),
    "platelets": Kept("platelets", _ROOM, _ROOM, 5),
    "platelet_concentrate": Kept("platelets", _ROOM, _ROOM, 5),
    "pooled_platelets": Kept("platelets", _ROOM, _ROOM, 1),
    "fresh_frozen_plasma": Kept("plasma", _FROZEN, _FROZEN, 365),
    "frozen_plasma": Kept("plasma", _FROZEN, _FROZEN, 4 * 365),
    "cryoprecipitate": Kept("plasma", _FROZEN, _FROZEN, 365),
    "whole_blood": Kept("whole_blood", _COLD, (2, 10), 35),
    "apheresis_granulocytes": Kept("whole_blood", _ROOM, _ROOM, 1),
}
