"""Checks of a unit beside its group: demanded attributes, antibodies, the hospital's equipment.

Pure. A unit without a fault gives an empty list.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from checker.antigens import ABO_AND_D, TOGETHER, read_antigen
from checker.compatibility import Patient
from checker.rows import Unit

_FLAGS = ("leukoreduced", "irradiated", "cmv_negative", "low_titre")
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
    *, unit: Unit, wanted: Mapping[str, Any], patient: Patient, used_at: datetime
) -> list[str]:
    """List what the unit lacks of what the line demands and the patient's antibodies require.

    Args:
        unit: The promised unit.
        wanted: `attributes` of the request line; a missing attribute is not demanded.
        patient: As known when the unit was chosen.
        used_at: Earliest time of its use, at which the age of the blood (`max_age_d`) counts.
    """
    if unit.component in ALWAYS_IRRADIATED:
        wanted = {**wanted, "irradiated": True}
    lacking = [name for name in _FLAGS if wanted.get(name) and not unit.traits.get(name)]
    if unit.component in IN_GLYCEROL:
        lacking.append("glycerol")
    if wanted.get("washed") and not _is_washed(unit):
        lacking.append("washed")
    if wanted.get("identical_group_only") and unit.blood_group != patient.group_for(unit.component):
        lacking.append("identical_group_only")
    hla = unit.traits.get("hla") or ()
    lacking += [f"hla {name}" for name in wanted.get("hla_matched") or () if name not in hla]
    lacking += [f"{name}-" for name in sorted(_unwanted_antigens(unit, wanted, patient))]
    limit_d = wanted.get("max_age_d")
    if limit_d is not None and used_at - unit.collected_at > timedelta(days=limit_d):
        lacking.append(f"max_age_d {limit_d}")
    return lacking


def is_beyond_hospital(*, unit: Unit, hospital: Mapping[str, Any]) -> bool:
    """Whether the unit is frozen, not thawed before it left, and the hospital cannot thaw."""
    is_frozen = unit.component in FROZEN - IN_GLYCEROL and not unit.traits.get("thawed_at")
    return is_frozen and not hospital.get("can_thaw")


def _is_washed(unit: Unit) -> bool:
    return unit.component == "washed_red_cells" or bool(unit.traits.get("washed"))


def _unwanted_antigens(unit: Unit, wanted: Mapping[str, Any], patient: Patient) -> set[str]:
    """Return antigens that the unit may carry and must not; RhD is read from its blood group.

    Plasma carries no red-cell antigens, so the patient's antibodies do not count for it.
    """
    against = {read_antigen(name) for name in wanted.get("antigen_negative") or ()}
    if unit.component in WITH_RED_CELLS:
        against |= patient.antibodies
    if not against:
        return against
    absent = {read_antigen(name) for name in unit.traits.get("antigen_negative") or ()}
    return {name for name in against if not _is_absent(name, absent, unit.blood_group)}


def _is_absent(antigen: str, tested: set[str], group: str) -> bool:
    """Whether a unit lacks an antigen: the label tells A, B and D, of others only a test tells."""
    if antigen in {"A", "B", "D"}:
        return ABO_AND_D[antigen](group)
    if antigen in tested:
        return True
    parts = TOGETHER.get(antigen, "").split()
    return bool(parts) and all(_is_absent(part, tested, group) for part in parts)


_NEEDS = {"irradiated", "cmv_negative", "leukoreduced", "washed"}
_OF_ABO = {"A-", "B-", "AB-", "A1-", "H-"}


def is_passed(lack: str, passes: frozenset[str]) -> bool:
    """Whether a named clinician may answer for what a unit lacks; never for the ABO group.

    Args:
        lack: As `list_lacking` names it.
        passes: `antibodies`, `special_needs`.
    """
    if lack.endswith("-"):
        return "antibodies" in passes and lack not in _OF_ABO
    return "special_needs" in passes and (lack in _NEEDS or lack.startswith("max_age_d"))
