"""What the needs of patients demand: the values as the sources give them.

What the checker's table has comes from there; haematocrits and citations stand here.
"""

from __future__ import annotations

from checker.needs import EVERYTHING, NEEDS, NEWBORN_TO_D, RED_CELLS
from tests.oracle.rules.saying import Says, Table, Told, fixed, higher, lower, says

_HAEMATOCRITS = {"intrauterine": (0.70, 0.85), "exchange": (0.5, 0.6)}
"""Learnhaem.com: what the station makes the unit to."""


def _list_classes(of: frozenset[str]) -> tuple[str, ...]:
    classes = ("red_cells", "whole_blood")
    if of == RED_CELLS:
        return classes
    return (*classes, "platelets", *(("plasma",) if of == EVERYTHING else ()))


def _of_need(name: str) -> Says:
    need = NEEDS[name]
    values: dict[str, Told] = {"classes": fixed(_list_classes(need.of), "class")}
    if name == "newborn":
        values["to_age_d"] = higher(NEWBORN_TO_D, "day", most=366)
    if need.days is not None:
        values["max_age_d"] = lower(need.days, "day", least=1)
    if need.traits:
        values["traits"] = fixed(need.traits, "attribute")
    if need.lacks:
        values["antigen_negative"] = fixed(need.lacks, "antigen")
    if need.matched:
        values["matched"] = fixed(need.matched, "antigen")
    if need.hours is not None:
        values["irradiated_within_h"] = fixed(need.hours, "h")
    if name in _HAEMATOCRITS:
        values["haematocrit"] = fixed(_HAEMATOCRITS[name], "share")
    if need.waived:
        values["waived_in_danger"] = fixed(need.waived, "attribute")
    return Says("standard", "xuelian", None, tuple(values), values)


NEEDS_TABLE: Table = {
    **{f"need.{name}": _of_need(name) for name in NEEDS},
    "platelets.hla_selected": says(
        "standard", unread=True, traits=fixed(("irradiated",), "attribute")
    ),
    "platelets.antibodies": says("standard"),
    "unit.of_relative": says("standard", unread=True),
}
