"""Ordering units: 200 ml of whole blood, 100 ml of plasma, a bag by apheresis, 25 ± 5 ml of cryo.

As tables of Chinese hospitals have them; nobody read the standard.
"""

from __future__ import annotations

from tests.oracle.rules.saying import Table, fixed, says

DOSES: Table = {
    "dose.red_cells": says(
        "standard",
        unread=True,
        components=fixed(
            (
                "red_cells",
                "washed_red_cells",
                "frozen_red_cells",
                "deglycerolised_red_cells",
                "whole_blood",
            ),
            "component",
        ),
        unit=fixed("U", "measure"),
        ml=fixed(200, "ml"),
    ),
    "dose.plasma": says(
        "standard",
        unread=True,
        components=fixed(("fresh_frozen_plasma", "frozen_plasma"), "component"),
        unit=fixed("U", "measure"),
        ml=fixed(100, "ml"),
        per_10_kg_hundredths=fixed(150, "hundredth"),
    ),
    "dose.apheresis": says(
        "standard",
        unread=True,
        components=fixed(("platelets", "apheresis_granulocytes"), "component"),
        unit=fixed("dose", "measure"),
        asked_ml=fixed(250, "ml"),
    ),
    "dose.concentrate": says(
        "standard",
        unread=True,
        components=fixed(("platelet_concentrate",), "component"),
        unit=fixed("U", "measure"),
        ml=fixed(200, "ml"),
        whole=fixed(value=True, unit="yes/no"),
        per_10_kg_hundredths=fixed(200, "hundredth"),
    ),
    "dose.pool": says(
        "standard",
        unread=True,
        components=fixed(("pooled_platelets",), "component"),
        unit=fixed("U", "measure"),
        ml=fixed(25, "ml"),
        tolerance_ml=fixed(5, "ml"),
        whole=fixed(value=True, unit="yes/no"),
        per_10_kg_hundredths=fixed(200, "hundredth"),
    ),
    "dose.cryoprecipitate": says(
        "standard",
        unread=True,
        components=fixed(("cryoprecipitate",), "component"),
        unit=fixed("U", "measure"),
        ml=fixed(25, "ml"),
        tolerance_ml=fixed(5, "ml"),
        whole=fixed(value=True, unit="yes/no"),
        per_10_kg_hundredths=fixed(150, "hundredth"),
    ),
}
