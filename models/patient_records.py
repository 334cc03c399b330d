"""Patient records: what is remembered from one request to the next, and what contradicts it. Pure.

A patient is known by the hospital's own pseudonym, or else by the one request. What was once told
is never lost: adding is free, taking away needs a named person and a reason. Two different groups
are believed neither: `Patient.disputed_groups` names them until somebody settles which is right.

Source: AABB standard 5.14.8 and CAP TRM.40300 as quoted (the patient's history is compared before
each issue); BSH, two-sample rule, as quoted. To be confirmed by the station.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from models.antigens import Antigens, PlateletAntigens
from models.base import AsSet, Identifier, Instant, Line, Value
from models.broken_rule import BrokenRuleError
from models.components import Component, ComponentClass
from models.groups import BloodGroup
from models.hla import HlaTypes
from models.patients import GroupBasis, Patient


class SpecialNeed(StrEnum):
    """A need of the patient for every bag with cells; the name of an attribute of a line."""

    IRRADIATED = "irradiated"
    CMV_NEGATIVE = "cmv_negative"
    LEUKOREDUCED = "leukoreduced"
    WASHED = "washed"

    def concerns(self, component: Component) -> bool:
        """Return whether bags of a component are chosen by this need.

        Plasma has no cells. Platelets are washed for single patients, on the order's own word.
        """
        component_class = component.spec.component_class
        if self is SpecialNeed.WASHED:
            return component_class is ComponentClass.RED_CELLS
        return component_class is not ComponentClass.PLASMA


SpecialNeeds = Annotated[tuple[SpecialNeed, ...], AsSet]


class RememberedFact(StrEnum):
    """A fact that a named person may take away whole; the name of a field of a patient."""

    TRANSPLANT = "transplant"
    RARE_GROUP = "rare_group"
    MOTHER = "mother"
    ANTIGEN_NEGATIVE = "antigen_negative"
    CHRONICALLY_TRANSFUSED = "chronically_transfused"


RememberedFacts = Annotated[tuple[RememberedFact, ...], AsSet]


class StatedGroup(Value):
    """A group as it was told for the first time since the record began or was settled.

    Attributes:
        basis: How it was determined; None if nobody said.
        request_id: The request that told it; None if it was told to the record itself.
        settled_by: The named person who settled that it is the right one; empty otherwise.
    """

    group: BloodGroup
    basis: GroupBasis | None = None
    told_at: Instant
    request_id: Identifier | None = None
    settled_by: Line = ""


class GroupResult(Value):
    """A laboratory's result of the group, as it was told.

    Attributes:
        request_id: The request that told it; None if it was told to the record itself.
    """

    group: BloodGroup
    basis: GroupBasis
    told_at: Instant
    request_id: Identifier | None = None


class PatientCorrection(Value):
    """What a named person takes away from what is remembered, and why.

    Attributes:
        group: The group that is right, of those that contradict each other, or another.
        withdrawn_antibodies: Antibodies that the patient, or the mother, never had.
        withdrawn_platelet_antibodies, withdrawn_hla_antibodies: The same of these.
        withdrawn_needs: Special needs that hold no longer.
        withdrawn_antigens: Antigens that bags need not lack any longer.
        withdrawn_facts: Facts that were told in error, or of another patient.
        person: Who answers for it, by name.
    """

    group: BloodGroup | None = None
    withdrawn_antibodies: Antigens = ()
    withdrawn_platelet_antibodies: PlateletAntigens = ()
    withdrawn_hla_antibodies: HlaTypes = ()
    withdrawn_needs: SpecialNeeds = ()
    withdrawn_antigens: Antigens = ()
    withdrawn_facts: RememberedFacts = ()
    person: Line = Field(min_length=1)
    reason: Line = Field(min_length=1)

    @model_validator(mode="after")
    def _corrects_something(self) -> Self:
        withdrawn = (
            *self.withdrawn_antibodies,
            *self.withdrawn_platelet_antibodies,
            *self.withdrawn_hla_antibodies,
            *self.withdrawn_needs,
            *self.withdrawn_antigens,
            *self.withdrawn_facts,
        )
        if self.group is None and not withdrawn:
            raise BrokenRuleError("correction_empty", "correction")
        return self


class PatientChange(Value):
    """What is told of a patient beside any request: facts to add, and what is taken away.

    Attributes:
        station_id: The station that supplies the hospital; also the key on Kafka.
        reference: The hospital's pseudonym.
        patient: Facts to add; what it does not state stays.
        special_needs: Needs to add.
        changed_by: Who told it, where it was not the hospital, such as `dispatcher/<key>`.
    """

    hospital_id: Identifier
    station_id: Identifier
    reference: Identifier
    patient: Patient | None = None
    special_needs: SpecialNeeds = ()
    correction: PatientCorrection | None = None
    changed_by: Line = ""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.patient is None and not self.special_needs and self.correction is None:
            raise BrokenRuleError("patient_change_empty", "(body)")
        return self


class MadeCorrection(Value):
    """A correction that was made.

    Attributes:
        made_by: Whose word it was on the wire, such as `hospital/<id>` or `dispatcher/<key>`.
    """

    correction: PatientCorrection
    made_at: Instant
    made_by: Line = ""


class PatientRecord(Value):
    """A patient of one hospital, as remembered.

    Attributes:
        reference: The hospital's pseudonym, as it was first written.
        known: The facts that hold for every request, and the group as it was told last.
        typed_at: When a group was told last that was determined then, and not from old records.
        mother_told_at: When a mother was told of first; her antibodies end some time after it.
        groups: Every group that was told, in order; what was told before a settlement stays.
        results: Results of the group since it was last settled, as many as issue can ask for.
        special_needs: Needs that any line of any request stated.
        antigen_negative: Antigens that any line with red cells demanded to be absent.
        corrections: What was taken away, by whom and why, in order.
        version: 0 for a record that is not kept yet.
    """

    hospital_id: Identifier
    reference: Identifier
    known: Patient = Patient()
    typed_at: Instant | None = None
    mother_told_at: Instant | None = None
    groups: tuple[StatedGroup, ...] = ()
    results: tuple[GroupResult, ...] = ()
    special_needs: SpecialNeeds = ()
    antigen_negative: Antigens = ()
    corrections: tuple[MadeCorrection, ...] = ()
    version: int = Field(default=0, ge=0)

    @property
    def key(self) -> tuple[str, str]:
        """Return whose record it is: the hospital, and the pseudonym in small letters."""
        return name_patient(self.hospital_id, self.reference)


def name_patient(hospital_id: str, reference: str) -> tuple[str, str]:
    """Return the key of a patient's record: pseudonyms that differ in capitals are one."""
    return hospital_id, reference.lower()
