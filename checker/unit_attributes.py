"""Checks of a unit beside its group: demanded attributes, antibodies, the hospital's equipment.

Pure. A unit without a fault gives an empty list.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from checker.antigens import ABO_AND_D, TOGETHER, read_antigen
from checker.compatibility import PLATELET_COMPONENTS, Patient
from checker.database_rows import Unit
from checker.evidence import parse_instant
from checker.hla import list_hla_faults
from checker.needs import CELLS, find_demanded

_FLAGS = (
    "leukoreduced",
    "irradiated",
    "cmv_negative",
    "washed",
    "low_titre",
    "hbs_negative",
    "iga_deficient",
)
WITH_RED_CELLS = {
    "red_cells", "washed_red_cells", "frozen_red_cells", "deglycerolised_red_cells",
    "whole_blood", "apheresis_granulocytes",
}  # fmt: skip
"""They carry the antigens that a patient's antibodies are against."""

IN_GLYCEROL = {"frozen_red_cells"}
"""No patient gets them as they are: the station takes the glycerol out first."""

ALWAYS_IRRADIATED = {"apheresis_granulocytes"}

FROZEN = {"frozen_red_cells", "fresh_frozen_plasma", "frozen_plasma", "cryoprecipitate"}


def list_lacking(
    *,
    unit: Unit,
    wanted: Mapping[str, Any],
    patient: Patient,
    used_at: datetime,
    done_at: datetime,
    emergency: bool = False,
) -> list[str]:
    """List what the unit lacks of what the line, the patient's needs and antibodies demand.

    Args:
        unit: The promised unit.
        wanted: `attributes` of the request line; a missing attribute is not demanded.
        patient: As known when the unit was chosen.
        used_at: Earliest time of its use, at which the age of the blood (`max_age_d`) counts.
        done_at: When the last of it is given at the earliest; the hours since it was irradiated
            count until then.
        emergency: Life is in danger; some of what needs demand is waived then.
    """
    demanded = find_demanded(unit.component, patient, wanted, emergency=emergency)
    traits = {name for name in _FLAGS if wanted.get(name)} | demanded.traits
    is_platelets = unit.component in PLATELET_COMPONENTS
    own = wanted.get("hla_matched") or ()
    hit = patient.hla_antibodies if is_platelets else frozenset()
    if own or hit or unit.component in ALWAYS_IRRADIATED:
        traits.add("irradiated")
    lacking = [name for name in _FLAGS if name in traits and not _has(unit, name)]
    if unit.component in IN_GLYCEROL:
        lacking.append("glycerol")
    if wanted.get("identical_group_only"):
        own_group = patient.group_for(unit.component)
        lacking += ["identical_group_only"] if unit.blood_group != own_group else []
    if own or hit:
        lacking += list_hla_faults(unit.traits.get("hla") or (), own, hit)
    if demanded.hours is not None and unit.traits.get("irradiated"):
        at = unit.traits.get("irradiated_at")
        irradiated_at = parse_instant(at) if at else unit.collected_at
        if done_at - irradiated_at > timedelta(hours=demanded.hours):
            lacking.append("irradiated_too_long_ago")
    if unit.traits.get("of_relative") and not _is_safe_of_relative(unit):
        lacking.append("relative_not_irradiated")
    against = set(wanted.get("platelet_antigen_negative") or ())
    against |= patient.platelet_antibodies if is_platelets else set()
    tested = set(unit.traits.get("platelet_antigen_negative") or ())
    unwanted = _unwanted_antigens(unit, wanted, patient, demanded.antigens) | (against - tested)
    lacking += [f"{name}-" for name in sorted(unwanted)]
    limits = [days for days in (wanted.get("max_age_d"), demanded.days) if days is not None]
    if limits and used_at - unit.collected_at > timedelta(days=min(limits)):
        lacking.append(f"max_age_d {min(limits)}")
    return lacking


def serves(component: str, asked: str, *, wanted: Mapping[str, Any], patient: Patient) -> bool:
    """Return whether a component is what was asked for; washed red cells are, if asked so."""
    if component == asked:
        return True
    demanded = find_demanded(asked, patient, wanted, emergency=False).traits
    is_washed = any(wanted.get(name) or name in demanded for name in ("washed", "iga_deficient"))
    return is_washed and (component, asked) == ("washed_red_cells", "red_cells")


def is_beyond_hospital(*, unit: Unit, hospital: Mapping[str, Any]) -> bool:
    """Return whether the unit leaves frozen for a hospital that cannot thaw."""
    is_frozen = unit.component in FROZEN - IN_GLYCEROL and not unit.traits.get("thawed_at")
    return is_frozen and not hospital.get("can_thaw")


def _has(unit: Unit, trait: str) -> bool:
    """Return whether a unit has a trait; washed cells pass for those of an IgA-deficient donor."""
    if trait == "washed" or (trait == "iga_deficient" and unit.component in CELLS):
        was_made_so = unit.component in {"washed_red_cells", "deglycerolised_red_cells"}
        is_washed = was_made_so or bool(unit.traits.get("washed"))
        return is_washed or bool(trait == "iga_deficient" and unit.traits.get(trait))
    return bool(unit.traits.get(trait))


def _is_safe_of_relative(unit: Unit) -> bool:
    return unit.component not in CELLS or bool(unit.traits.get("irradiated"))


def _unwanted_antigens(
    unit: Unit, wanted: Mapping[str, Any], patient: Patient, demanded: frozenset[str]
) -> set[str]:
    """Return antigens that the unit may carry and must not; RhD is read from its blood group.

    Plasma carries no red-cell antigens, so the patient's antibodies do not count for it.
    """
    against = {read_antigen(name) for name in wanted.get("antigen_negative") or ()} | demanded
    if unit.component in WITH_RED_CELLS:
        against |= patient.antibodies
    absent = {read_antigen(name) for name in unit.traits.get("antigen_negative") or ()}
    return {name for name in against if not _is_absent(name, absent, unit.blood_group)}


def _is_absent(antigen: str, tested: set[str], group: str) -> bool:
    """Return whether a unit lacks an antigen.

    The label tells A, B and D; of others only a test tells.
    """
    if antigen in {"A", "B", "D"}:
        return ABO_AND_D[antigen](group)
    if antigen in tested:
        return True
    parts = TOGETHER.get(antigen, "").split()
    return bool(parts) and all(_is_absent(part, tested, group) for part in parts)


_NEEDS = {
    "irradiated",
    "irradiated_too_long_ago",
    "cmv_negative",
    "leukoreduced",
    "washed",
    "hbs_negative",
    "iga_deficient",
}
MAY_BE_DEL = "del_not_excluded"
"""A lack that `compatibility.is_kept_as_del` finds."""

_OF_ABO = {"A-", "B-", "AB-", "A1-", "H-"}


def is_passed(lack: str, passes: frozenset[str]) -> bool:
    """Return whether a named clinician may answer for what a unit lacks; never for the ABO group.

    Args:
        lack: As `list_lacking` names it, or `MAY_BE_DEL`.
        passes: `antibodies`, `special_needs`.
    """
    if lack.endswith("-") or lack.startswith("hla_") or lack == MAY_BE_DEL:
        return "antibodies" in passes and lack not in _OF_ABO
    return "special_needs" in passes and (lack in _NEEDS or lack.startswith("max_age_d"))
