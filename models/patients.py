"""The patient as far as the choice of blood needs: never a name, never an identity number."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from models.antigens import Antigen, Antigens
from models.base import AsSet, Identifier, Line, Value
from models.groups import BloodGroup

ANTI_D: Antigen = "D"
ANTI_H: Antigen = "H"


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"


class RhdConsent(Value):
    """A named, signed exception: RhD+ blood for an RhD- patient without anti-D who cannot wait."""

    physician: Line = Field(min_length=1)
    signed_by: Line = Field(min_length=1)


class TransplantPhase(StrEnum):
    """before_engraftment: from the preparation on, until the own group is no longer found.

    after_engraftment: only the donor's red cells are found, and the antiglobulin test is negative.
    """

    BEFORE_ENGRAFTMENT = "before_engraftment"
    AFTER_ENGRAFTMENT = "after_engraftment"


class Transplant(Value):
    """A transplant of blood-forming cells: each class of components has its own rule of groups.

    Attributes:
        recipient_group: The patient's own group, as it was before.
    """

    donor_group: BloodGroup
    recipient_group: BloodGroup
    phase: TransplantPhase


class RareGroup(StrEnum):
    """bombay, para_bombay: no H; typed as group O, and only red cells without H are given.

    cis_ab: A and B from one gene; the plasma may hold anti-B.
    """

    BOMBAY = "bombay"
    PARA_BOMBAY = "para_bombay"
    CIS_AB = "cis_ab"


class Mother(Value):
    """The mother of a newborn, whose antibodies the child has.

    Attributes:
        group: None while unknown; red cells are then of group O.
    """

    group: BloodGroup | None = None
    antibodies: Antigens = ()


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
        chronically_transfused: An RhD- patient comes first for scarce RhD- units.
        rhd_consent: The signed exception, if there is one.
        anti_d_prophylaxis_ordered: Recorded order for anti-D after RhD+ platelets.
        transplant: Donor's and own group; `group` is what is typed now.
        rare_group: What ABO and RhD alone do not tell.
        mother: Stated for a newborn: red cells suit mother and child.
        disputed_groups: Groups that history and request state and that contradict each other; while
            there are any, `group` is not believed.
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
    transplant: Transplant | None = None
    rare_group: RareGroup | None = None
    mother: Mother | None = None
    disputed_groups: Annotated[tuple[BloodGroup, ...], AsSet] = ()

    @property
    def lacks_h(self) -> bool:
        """Whether the patient has anti-H, so that red cells of group O harm as well."""
        return self.rare_group in {RareGroup.BOMBAY, RareGroup.PARA_BOMBAY}

    @property
    def all_antibodies(self) -> frozenset[str]:
        """Return what units must lack: by the own antibodies, the mother's, and a rare group."""
        of_mother = self.mother.antibodies if self.mother else ()
        return frozenset((*self.antibodies, *of_mother, *([ANTI_H] if self.lacks_h else [])))

    @property
    def has_anti_d(self) -> bool:
        return ANTI_D in self.all_antibodies
