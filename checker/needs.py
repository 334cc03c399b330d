"""Demands of a patient's needs on a unit: the checker's own table, written from the sources.

Pure. Source: BSH and learnhaem.com on newborns, exchange and intrauterine transfusion; guidance on
haemoglobinopathies and anti-CD38; NHSBT on irradiation; JPAC Red Book 15.5 on HLA.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from checker.compatibility import PLASMA_COMPONENTS, PLATELET_COMPONENTS, Patient

RED_CELLS = frozenset(
    {
        "red_cells",
        "washed_red_cells",
        "frozen_red_cells",
        "deglycerolised_red_cells",
        "whole_blood",
        "apheresis_granulocytes",
    }
)
CELLS = RED_CELLS | PLATELET_COMPONENTS
EVERYTHING = CELLS | PLASMA_COMPONENTS
RH_AND_K = ("C", "c", "E", "e", "K")


class Demand(NamedTuple):
    """What one need of a patient demands of a unit.

    Attributes:
        of: The components for which it demands anything.
        lacks: Antigens that a unit must lack.
        matched: Antigens that it must lack where the patient lacks them.
        waived: What is not demanded while life is in danger.
    """

    of: frozenset[str]
    traits: tuple[str, ...] = ()
    days: int | None = None
    hours: int | None = None
    lacks: tuple[str, ...] = ()
    matched: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()


NEWBORN_TO_D = 28
_FOR_FETUS = ("irradiated", "cmv_negative", "hbs_negative", "low_titre")
NEEDS: Mapping[str, Demand] = {
    "newborn": Demand(RED_CELLS, ("cmv_negative",), 5, waived=("cmv_negative",)),
    "infant": Demand(RED_CELLS, (), 5),
    "after_intrauterine": Demand(CELLS, ("irradiated",)),
    "intrauterine": Demand(CELLS, _FOR_FETUS, 5, 24, ("K",), (), (*_FOR_FETUS[1:], "K")),
    "exchange": Demand(RED_CELLS, _FOR_FETUS, 5, 24, ("K",), (), (*_FOR_FETUS, "K")),
    "chronically_transfused": Demand(RED_CELLS, matched=RH_AND_K, waived=RH_AND_K),
    "thalassaemia": Demand(RED_CELLS, matched=RH_AND_K, waived=RH_AND_K),
    "sickle_cell": Demand(
        RED_CELLS, ("hbs_negative",), matched=RH_AND_K, waived=("hbs_negative", *RH_AND_K)
    ),
    "iga_deficient": Demand(EVERYTHING, ("iga_deficient",)),
    "anti_cd38": Demand(RED_CELLS, lacks=("K",), matched=RH_AND_K[:4], waived=RH_AND_K),
    "gvhd_risk": Demand(CELLS, ("irradiated",)),
}


class Demanded(NamedTuple):
    """What the needs come to for one component."""

    traits: frozenset[str]
    days: int | None
    hours: int | None
    antigens: frozenset[str]


def find_demanded(
    component: str, patient: Patient, wanted: Mapping[str, Any], *, emergency: bool
) -> Demanded:
    """Find what is demanded beside what the line asks for itself."""
    asked = [need for need in _list_needs(patient, wanted) if component in need.of]

    def keep(names: tuple[str, ...], need: Demand) -> set[str]:
        return set(names) - set(need.waived if emergency else ())

    traits = {name for need in asked for name in keep(need.traits, need)}
    antigens = {
        name
        for need in asked
        if component in RED_CELLS
        for name in keep(_list_antigens(need, patient), need)
    }
    return Demanded(
        traits=frozenset(traits),
        days=min((need.days for need in asked if need.days is not None), default=None),
        hours=min((need.hours for need in asked if need.hours is not None), default=None),
        antigens=frozenset(antigens),
    )


def _list_needs(patient: Patient, wanted: Mapping[str, Any]) -> Iterator[Demand]:
    names = {*patient.needs, *(wanted.get("indications") or ())}
    if patient.age_days is not None and patient.age_days <= NEWBORN_TO_D:
        names.add("newborn")
    if patient.age_days is None and patient.age_years == 0:
        names.add("infant")
    if patient.chronically_transfused:
        names.add("chronically_transfused")
    for name in names:
        yield NEEDS[name]


def _list_antigens(need: Demand, patient: Patient) -> tuple[str, ...]:
    """List what a unit must lack; without K it has k, which a holder of anti-k must not get."""
    lacks = () if "k" in patient.antibodies else need.lacks
    return (*lacks, *(name for name in need.matched if name in patient.lacking))
