"""The content of a bag: how much of what is asked it covers, by tables of Chinese hospitals.

1 U of red cells, of whatever kind, and of whole blood is from 200 ml; 1 U of plasma is 100 ml; a
bag of platelets by apheresis is one dose; 1 U of cryoprecipitate is 25 ± 5 ml. In hundredths.
"""

from __future__ import annotations

from math import ceil

WHOLE = 100

ML_OF_A_UNIT = {
    "red_cells": 200,
    "washed_red_cells": 200,
    "frozen_red_cells": 200,
    "deglycerolised_red_cells": 200,
    "whole_blood": 200,
    "fresh_frozen_plasma": 100,
    "frozen_plasma": 100,
}
WHOLE_ONLY = {
    "cryoprecipitate": (25, 5),
    "platelet_concentrate": (200, 0),
    "pooled_platelets": (25, 5),
}
"""Millilitres of a unit, and how many of them a bag may lack; at least one unit a bag."""


def measure_content(component: str, volume_ml: int, measure: str) -> int:
    """Return what a bag holds, in hundredths of a `unit`, of a `bag`, or of an `ml`."""
    if measure == "ml":
        return volume_ml * WHOLE
    if measure == "bag":
        return WHOLE
    if component in WHOLE_ONLY:
        ml, less = WHOLE_ONLY[component]
        return max(WHOLE, (volume_ml + less) // ml * WHOLE)
    if component in ML_OF_A_UNIT:
        return max(1, volume_ml * WHOLE // ML_OF_A_UNIT[component])
    return WHOLE


HUNDREDTHS_PER_10_KG = {
    "fresh_frozen_plasma": 150,
    "frozen_plasma": 150,
    "cryoprecipitate": 150,
    "platelet_concentrate": 200,
    "pooled_platelets": 200,
}


def count_dose(component: str, weight_kg: int) -> int:
    """Return the units for a patient of this weight; of what comes by apheresis one dose."""
    return ceil(HUNDREDTHS_PER_10_KG.get(component, 0) * weight_kg / 10 / WHOLE) or 1
