"""Emergency release: a named clinician takes blood that a test of the patient speaks against.

Pure. It concerns facts of the patient alone. Nothing opens the ABO group of red cells, a unit that
is not released, or one that is recalled.

Source: ANZSBT 2016 as Lifeblood quotes it (emergency red cells); a UK textbook's order for an
emergency: ABO, then antibodies that react at 37 °C, then RhD. To be confirmed by the station.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from models.antigens import Antigens
from models.base import AsSet, Line, Value
from models.decisions import Reason
from models.patient_records import SpecialNeed
from models.patients import ANTI_D, Patient

ALWAYS_KEPT = frozenset({"A", "B", "AB", "A1", "H"})
"""Antibodies that no release passes: they are against the ABO group itself."""


_NEEDS = frozenset({*SpecialNeed, "hbs_negative", "iga_deficient"})
"""Attributes that a release may pass; low titre is not among them, since it is about ABO."""


class Passable(StrEnum):
    """What a release may pass.

    antibodies: an antigen that a unit was not shown to lack, of red cells, platelets or HLA; a
    donor who may be DEL. special_needs: irradiated and when, CMV-negative, leukoreduced, washed,
    without sickle haemoglobin, IgA-deficient, the age of the blood.
    """

    ANTIBODIES = "antibodies"
    SPECIAL_NEEDS = "special_needs"


class EmergencyRelease(Value):
    """Who answers for blood that is given past a test of the patient, and why.

    Attributes:
        clinician: The treating physician, by name.
        passes: What may be passed; everything else is demanded as ever.
    """

    clinician: Line = Field(min_length=1)
    reason: Line = Field(min_length=1)
    passes: Annotated[tuple[Passable, ...], AsSet] = Field(
        default=(Passable.ANTIBODIES,), min_length=1
    )

    @property
    def passes_antibodies(self) -> bool:
        return Passable.ANTIBODIES in self.passes

    def list_patients(self, patient: Patient) -> tuple[Patient, ...]:
        """List the patients by whose groups blood is chosen: RhD+ is opened in spite of anti-D."""
        if not self.passes_antibodies or not patient.has_anti_d:
            return (patient,)
        mother = patient.mother
        other = patient.but(
            antibodies=_without_d(patient.antibodies),
            mother=mother.but(antibodies=_without_d(mother.antibodies)) if mother else None,
        )
        return patient, other

    def may_pass(self, reason: Reason) -> bool:
        """Return whether a reason against a unit is one that this release passes."""
        match reason.code:
            case "not_antigen_negative":
                return self.passes_antibodies and reason.params["antigen"] not in ALWAYS_KEPT
            case "del_not_excluded" | "hla_untyped" | "hla_mismatched" | "hla_antibody_hits":
                return self.passes_antibodies
            case "lacks_attribute":
                is_need = reason.params["attribute"] in _NEEDS
                return is_need and Passable.SPECIAL_NEEDS in self.passes
            case "too_old" | "irradiated_too_long_ago":
                return Passable.SPECIAL_NEEDS in self.passes
            case _:
                return False


def _without_d(antibodies: Antigens) -> Antigens:
    return tuple(name for name in antibodies if name != ANTI_D)


def name_passed(reasons: Iterable[Reason]) -> str:
    """Name what is passed in a few words: antigens, attributes, the age of the blood."""
    return ", ".join(sorted({_name(reason) for reason in reasons}))


def _name(reason: Reason) -> str:
    told = reason.params
    match reason.code:
        case "hla_mismatched" | "hla_antibody_hits":
            # A2 alone would be read as a blood group.
            return f"HLA-{told['antigen']}"
        case "hla_untyped":
            return "HLA"
        case "del_not_excluded":
            return "DEL"
        case code:
            return str(told.get("antigen") or told.get("attribute") or code)
