"""The patient as far as the choice of blood needs: never a name, never an identity number."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from models.antigens import Antigen, Antigens, PlateletAntigens
from models.base import AsSet, Identifier, Line, Value
from models.broken_rule import BrokenRuleError
from models.groups import BloodGroup
from models.hla import HlaTypes
from models.rules.types.compatibility import MOTHER_RULE

ANTI_D: Antigen = "D"
ANTI_H: Antigen = "H"

MOST_RESULTS = 5
"""The most results of a group that a station may ask for before electronic issue; more are not
kept."""

REMEMBERED_SETS = ("antibodies", "platelet_antibodies", "hla_antibodies")
"""Fields of a patient that only grow from one statement to the next."""

REMEMBERED_FLAGS = ("chronically_transfused",)
"""Fields of a patient that hold for good once they were told."""

REMEMBERED_FACTS = ("transplant", "rare_group", "antigen_negative")
"""Fields of a patient that hold until they are told otherwise."""


class GroupBasis(StrEnum):
    """How a group was determined.

    one_sample, two_samples: typed from so many samples of this patient, drawn independently.
    historical: from earlier records alone.
    """

    ONE_SAMPLE = "one_sample"
    TWO_SAMPLES = "two_samples"
    HISTORICAL = "historical"


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"


BloodGroups = Annotated[tuple[BloodGroup, ...], AsSet]


class RhdConsent(Value):
    """A named, signed exception: RhD+ blood for an RhD- patient without anti-D who cannot wait."""

    physician: Line = Field(min_length=1)
    signed_by: Line = Field(min_length=1)


class Indication(StrEnum):
    """A condition or a procedure that brings demands of its own; `needs.toml` says which.

    newborn, infant: follow from the age; they may be stated too.
    after_intrauterine: a child that was transfused in the womb.
    gvhd_risk: whoever must have irradiated cells.
    """

    NEWBORN = "newborn"
    INFANT = "infant"
    AFTER_INTRAUTERINE = "after_intrauterine"
    INTRAUTERINE = "intrauterine"
    EXCHANGE = "exchange"
    CHRONICALLY_TRANSFUSED = "chronically_transfused"
    THALASSAEMIA = "thalassaemia"
    SICKLE_CELL = "sickle_cell"
    IGA_DEFICIENT = "iga_deficient"
    ANTI_CD38 = "anti_cd38"
    GVHD_RISK = "gvhd_risk"


Indications = Annotated[tuple[Indication, ...], AsSet]


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
    platelet_antibodies: PlateletAntigens = ()

    def learn(self, stated: Mother) -> Mother:
        """Return what is known of her after one more statement; of two groups neither is."""
        told = {group for group in (self.group, stated.group) if group is not None}
        return Mother(
            group=told.pop() if len(told) == 1 else None,
            antibodies=(*self.antibodies, *stated.antibodies),
            platelet_antibodies=(*self.platelet_antibodies, *stated.platelet_antibodies),
        )


def _join_mothers(known: Mother | None, stated: Mother | None) -> Mother | None:
    return known.learn(stated) if known and stated else stated or known


def _explain_groups(*patients: Patient) -> set[BloodGroup]:
    """Return the groups that may all be found in one patient, because of a transplant."""
    found = [patient.transplant for patient in patients if patient.transplant]
    return {
        group
        for transplant in found
        for group in (transplant.donor_group, transplant.recipient_group)
    }


class Patient(Value):
    """What the choice depends on.

    Attributes:
        reference: The hospital's own pseudonym, so that two requests for one patient are seen.
        group: Confirmed ABO and RhD; None while unknown.
        group_basis: How the group was determined; None if nobody said.
        concordant_results: Results of this group that agree, on earlier samples or from earlier
            records included. The engine writes it.
        disputed_groups: Groups that were told of this patient and contradict each other; none of
            them is believed until a named person settles it. The engine writes them.
        sex: None while unknown.
        age_years: None while unknown.
        age_estimated: The age is somebody's guess: read with the margin of rule
            `patient.estimated_age`, always towards protection.
        age_days: For a child in its first months; None while unknown.
        antibodies: Red-cell antigens against which the patient has antibodies; units must lack
            them.
        platelet_antibodies: The same of platelet antigens; they count for platelets.
        hla_antibodies: HLA types against which the patient has antibodies.
        antigen_negative: Red-cell antigens that the patient was shown to lack, for matched blood.
        indications: Conditions and procedures that bring demands of their own.
        asian_del: Genotyped Asian-type DEL, served as RhD+.
        chronically_transfused: As the need of that name; RhD- units go to such a patient first.
        rhd_consent: The signed exception, if there is one.
        anti_d_prophylaxis_ordered: Recorded order for anti-D after RhD+ platelets.
        transplant: Donor's and own group; `group` is what is typed now.
        rare_group: What ABO and RhD alone do not tell.
        mother: Stated for a newborn: red cells suit mother and child. Remembered for as long as
            the child has her antibodies (`group.mother`).
    """

    reference: Identifier | None = None
    group: BloodGroup | None = None
    group_basis: GroupBasis | None = None
    concordant_results: int = Field(default=0, ge=0, le=MOST_RESULTS)
    disputed_groups: BloodGroups = ()
    sex: Sex | None = None
    age_years: int | None = Field(default=None, ge=0, le=130)
    age_estimated: bool = False
    age_days: int | None = Field(default=None, ge=0, le=3650)
    antibodies: Antigens = ()
    platelet_antibodies: PlateletAntigens = ()
    hla_antibodies: HlaTypes = ()
    antigen_negative: Antigens = ()
    indications: Indications = ()
    asian_del: bool = False
    chronically_transfused: bool = False
    rhd_consent: RhdConsent | None = None
    anti_d_prophylaxis_ordered: bool = False
    transplant: Transplant | None = None
    rare_group: RareGroup | None = None
    mother: Mother | None = None

    @property
    def lacks_h(self) -> bool:
        """Return whether the patient has anti-H, so that red cells of group O harm as well."""
        return self.rare_group in {RareGroup.BOMBAY, RareGroup.PARA_BOMBAY}

    @property
    def all_antibodies(self) -> frozenset[str]:
        """Return what units must lack: by the own antibodies, the mother's, and a rare group."""
        of_mother = self.mother.antibodies if self.mother else ()
        return frozenset((*self.antibodies, *of_mother, *([ANTI_H] if self.lacks_h else [])))

    @model_validator(mode="before")
    @classmethod
    def _knows_its_years(cls, raw: Any) -> Any:  # noqa: ANN401 - a validator sees whatever was given
        """Whoever states the age in days states the years."""
        if isinstance(raw, Mapping) and raw.get("age_years") is None:
            days = raw.get("age_days")
            if isinstance(days, int):
                return {**raw, "age_years": days // 365}
        return raw

    @model_validator(mode="after")
    def _is_of_one_age(self) -> Self:
        days, years = self.age_days, self.age_years
        if days is not None and years is not None and days // 365 not in {years, years + 1}:
            raise BrokenRuleError("age_contradicts", "age_days", days=days, years=years)
        return self

    @property
    def platelet_antigens_against(self) -> frozenset[str]:
        """Return the platelet antigens against which the patient or the mother has antibodies."""
        mothers = self.mother.platelet_antibodies if self.mother else ()
        return frozenset(self.platelet_antibodies).union(mothers)

    @property
    def has_anti_d(self) -> bool:
        return ANTI_D in self.all_antibodies

    @property
    def may_have_mothers_antibodies(self) -> bool:
        """Return whether the child may be so young; at an unknown age it may be."""
        if self.age_days is not None:
            return self.age_days <= MOTHER_RULE.antibodies_to_age_d
        return not self.age_years

    def learn(self, stated: Patient) -> Patient:
        """Return what is known of this patient after one more statement.

        Args:
            stated: What is told now, whole.

        Returns:
            The statement, with everything that is remembered; `disputed_groups` if its group is
            another than those that were known.
        """
        changes: dict[str, object] = {
            name: (*getattr(self, name), *getattr(stated, name)) for name in REMEMBERED_SETS
        }
        changes |= {name: getattr(self, name) or getattr(stated, name) for name in REMEMBERED_FLAGS}
        changes |= {name: getattr(stated, name) or getattr(self, name) for name in REMEMBERED_FACTS}
        changes["mother"] = _join_mothers(self.mother, stated.mother)
        told = {*self.disputed_groups, *stated.disputed_groups}
        if stated.group is not None:
            told |= {stated.group} if self.group is None else {stated.group, self.group}
        disputed = (
            tuple(told) if len(told) > 1 and not told <= _explain_groups(self, stated) else ()
        )
        return stated.but(**changes, disputed_groups=disputed)

    def recall(self, known: Patient) -> Patient:
        """Return this patient with what is remembered in place of what was stated.

        A group is not recalled where none is stated: the sample of today decides.

        Args:
            known: What is remembered, this statement included.
        """
        names = (*REMEMBERED_SETS, *REMEMBERED_FLAGS, *REMEMBERED_FACTS)
        changes = {name: getattr(known, name) for name in names}
        if self.mother is not None or self.may_have_mothers_antibodies:
            changes["mother"] = known.mother
        if self.group is not None and known.group is not None and not known.disputed_groups:
            changes |= {"group": known.group}
        return self.but(**changes, disputed_groups=known.disputed_groups)
