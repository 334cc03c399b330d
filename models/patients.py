"""The patient as far as the choice of blood needs: never a name, never an identity number."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from models.antigens import Antigen, Antigens
from models.base import Identifier, Line, Value
from models.groups import BloodGroup

ANTI_D: Antigen = "D"


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"


class RhdConsent(Value):
    """A named, signed exception: RhD+ blood for an RhD- patient without anti-D, in an emergency."""

    physician: Line = Field(min_length=1)
    signed_by: Line = Field(min_length=1)


class Patient(Value):
    """What the choice depends on.

    Attributes:
        reference: The hospital's own pseudonym, so that two requests for one patient are seen.
        group: Confirmed ABO and RhD; None while unknown.
        sex: None while unknown.
        age_years: None while unknown.
        age_estimated: The age is somebody's guess: read with the margin of rule
            `patient.estimated_age`, always towards protection.
        antibodies: Antigens against which the patient has antibodies; units must lack them.
        asian_del: Genotyped Asian-type DEL, served as RhD+.
        chronically_transfused: Told to the station with the request; no choice depends on it.
        rhd_consent: The signed exception, if there is one.
        anti_d_prophylaxis_ordered: Recorded order for anti-D after RhD+ platelets.
    """

    reference: Identifier | None = None
    group: BloodGroup | None = None
    sex: Sex | None = None
    age_years: int | None = Field(default=None, ge=0, le=130)
    age_estimated: bool = False
    antibodies: Antigens = ()
    asian_del: bool = False
    chronically_transfused: bool = False
    rhd_consent: RhdConsent | None = None
    anti_d_prophylaxis_ordered: bool = False

    @property
    def has_anti_d(self) -> bool:
        return ANTI_D in self.antibodies
