"""Storage, transport and shelf lives: the values as the sources give them.

WS 399-2012 as quoted by Tongling blood station: shelf lives in hours from collection, by how the
component was prepared. Nobody makes a shelf life longer; a station may use a component up sooner.
"""

from __future__ import annotations

from collections.abc import Mapping

from checker.shelf_lives import DAYS, THAWED_H
from checker.unit_attributes import FROZEN
from tests.oracle.components import COMPONENTS
from tests.oracle.rules.saying import Says, Table, fixed, higher, lower, narrower, says

DAY_H = 24
YEAR_H = 365 * DAY_H

PREPARED: Mapping[str, Mapping[str, int]] = {
    "red_cells": {f"{name}_h": round(days * DAY_H) for name, days in DAYS["red_cells"].items()},
    "washed_red_cells": {"saline_h": DAY_H},
    "frozen_red_cells": {"rhd_negative_h": 10 * YEAR_H},
    "deglycerolised_red_cells": {"open_system_h": DAY_H},
    **{
        name: {"agitated_permeable_bag_h": 5 * DAY_H, "otherwise_h": DAY_H}
        for name in ("platelets", "platelet_concentrate", "pooled_platelets")
    },
    "apheresis_granulocytes": {"collected_h": DAY_H},
    "fresh_frozen_plasma": {"frozen_h": YEAR_H},
    "frozen_plasma": {"frozen_h": 4 * YEAR_H},
    "cryoprecipitate": {"frozen_h": YEAR_H},
    "whole_blood": {f"{name}_h": round(days * DAY_H) for name, days in DAYS["whole_blood"].items()},
}


def _component(name: str) -> Says:
    kept = COMPONENTS[name]
    values = {
        "class": fixed(kept.kind, "class"),
        "storage_temp_c": narrower(kept.storage_c, "°C"),
        "transport_temp_c": narrower(kept.transport_c, "°C"),
        "frozen": fixed(name in FROZEN, "yes/no"),
    }
    return Says("standard", "xuelian", None, tuple(values), values)


def _shelf_life(name: str) -> Says:
    """Whole blood is not in the source's table: it is taken as red cells are.

    The standard that the others are from was abolished on 2024-09-01: all is to be confirmed.
    """
    values = {prepared: fixed(hours, "h") for prepared, hours in PREPARED[name].items()}
    values["unstated_h"] = lower(round(COMPONENTS[name].shelf_d * DAY_H), "h", least=1)
    values["use_within_h"] = lower(max(PREPARED[name].values()), "h", least=1)
    return Says("standard", "xuelian", None, tuple(values), values)


COMPONENT_RULES: Table = {
    **{f"component.{name}": _component(name) for name in COMPONENTS},
    **{f"shelf_life.{name}": _shelf_life(name) for name in COMPONENTS},
    "shelf_life.after_irradiation": says(
        "standard",
        confirm=("components", "within_h", "keeps_h", "late_keeps_h"),
        components=fixed(
            ("red_cells", "washed_red_cells", "deglycerolised_red_cells", "whole_blood"),
            "component",
        ),
        within_h=lower(14 * DAY_H, "h", least=1),
        keeps_h=lower(14 * DAY_H, "h", least=1),
        late_keeps_h=lower(DAY_H, "h", least=1),
    ),
    "shelf_life.after_washing": says(
        "standard", confirm=("keeps_h",), keeps_h=lower(DAY_H, "h", least=1)
    ),
    "shelf_life.after_thawing": Says(
        "standard",
        "xuelian",
        None,
        tuple(f"{name}_h" for name in THAWED_H),
        {f"{name}_h": lower(hours, "h", least=1) for name, hours in THAWED_H.items()},
    ),
    "component.label_day": says(
        "local",
        confirm=("grace_h", "from_shelf_life_h"),
        grace_h=lower(DAY_H, "h", least=0),
        from_shelf_life_h=higher(2 * DAY_H, "h", most=87_600),
    ),
}
