"""Storage, transport and shelf lives: the values as the sources give them.

WS 399-2012 as quoted by Tongling blood station: shelf lives in hours from collection, by how the
component was prepared. Nobody makes a shelf life longer; a station may use a component up sooner.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from checker.shelf_lives import (
    AGITATED_DAYS,
    DAYS,
    IRRADIATED,
    IRRADIATED_EARLY,
    KEEPS_IRRADIATED,
    KEEPS_IRRADIATED_LATE,
    KEEPS_WASHED,
    OTHERWISE_DAYS,
    PLATELETS,
    THAWED_H,
    UNSTATED_DAYS,
)
from checker.unit_attributes import FROZEN
from tests.oracle.components import COMPONENTS
from tests.oracle.rules.saying import Says, Table, fixed, higher, lower, narrower, says

DAY_H = 24
HOUR = timedelta(hours=1)


def _by(prepared: str, component: str) -> dict[str, int]:
    """Return the one way in which a component is prepared."""
    return {f"{prepared}_h": round(UNSTATED_DAYS[component] * DAY_H)}


PREPARED: Mapping[str, Mapping[str, int]] = {
    "red_cells": {f"{name}_h": round(days * DAY_H) for name, days in DAYS["red_cells"].items()},
    "washed_red_cells": _by("saline", "washed_red_cells"),
    "frozen_red_cells": _by("rhd_negative", "frozen_red_cells"),
    "deglycerolised_red_cells": _by("open_system", "deglycerolised_red_cells"),
    **{
        name: {
            "agitated_permeable_bag_h": AGITATED_DAYS * DAY_H,
            "otherwise_h": OTHERWISE_DAYS * DAY_H,
        }
        for name in PLATELETS
    },
    "apheresis_granulocytes": _by("collected", "apheresis_granulocytes"),
    "fresh_frozen_plasma": _by("frozen", "fresh_frozen_plasma"),
    "frozen_plasma": _by("frozen", "frozen_plasma"),
    "cryoprecipitate": _by("frozen", "cryoprecipitate"),
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
        components=fixed(IRRADIATED, "component"),
        within_h=lower(IRRADIATED_EARLY // HOUR, "h", least=1),
        keeps_h=lower(KEEPS_IRRADIATED // HOUR, "h", least=1),
        late_keeps_h=lower(KEEPS_IRRADIATED_LATE // HOUR, "h", least=1),
    ),
    "shelf_life.after_washing": says(
        "standard", confirm=("keeps_h",), keeps_h=lower(KEEPS_WASHED // HOUR, "h", least=1)
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
