"""Ordering units: 200 ml of whole blood, 100 ml of plasma, a bag by apheresis, 25 ± 5 ml of cryo.

As tables of Chinese hospitals have them; nobody read the standard.
"""

from __future__ import annotations

from checker.bag_content import HUNDREDTHS_PER_10_KG, ML_OF_A_UNIT, WHOLE_ONLY
from tests.oracle.rules.saying import Says, Table, fixed, says

RED_CELLS_ML = ML_OF_A_UNIT["red_cells"]
PLASMA_ML = ML_OF_A_UNIT["fresh_frozen_plasma"]


def _list_of(ml: int) -> tuple[str, ...]:
    return tuple(name for name, holds in ML_OF_A_UNIT.items() if holds == ml)


def _whole(component: str) -> Says:
    """Return the rule of a component of which a bag holds whole units, with its tolerance."""
    ml, less = WHOLE_ONLY[component]
    values = {
        "components": fixed((component,), "component"),
        "unit": fixed("U", "measure"),
        "ml": fixed(ml, "ml"),
        "whole": fixed(value=True, unit="yes/no"),
        "per_10_kg_hundredths": fixed(HUNDREDTHS_PER_10_KG[component], "hundredth"),
    }
    if less:
        values["tolerance_ml"] = fixed(less, "ml")
    return Says("standard", "xuelian", None, tuple(values), values)


DOSES: Table = {
    "dose.red_cells": says(
        "standard",
        unread=True,
        components=fixed(_list_of(RED_CELLS_ML), "component"),
        unit=fixed("U", "measure"),
        ml=fixed(RED_CELLS_ML, "ml"),
    ),
    "dose.plasma": says(
        "standard",
        unread=True,
        components=fixed(_list_of(PLASMA_ML), "component"),
        unit=fixed("U", "measure"),
        ml=fixed(PLASMA_ML, "ml"),
        per_10_kg_hundredths=fixed(HUNDREDTHS_PER_10_KG["fresh_frozen_plasma"], "hundredth"),
    ),
    "dose.apheresis": says(
        "standard",
        unread=True,
        components=fixed(("platelets", "apheresis_granulocytes"), "component"),
        unit=fixed("dose", "measure"),
        asked_ml=fixed(250, "ml"),
    ),
    "dose.concentrate": _whole("platelet_concentrate"),
    "dose.pool": _whole("pooled_platelets"),
    "dose.cryoprecipitate": _whole("cryoprecipitate"),
}
