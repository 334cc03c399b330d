"""Remember what requests tell of a patient, recall it for later ones, and correct it. Pure.

What was once told is never lost: adding is free, taking away needs a named person and a reason. A
record that has learnt from a request is the whole truth about its patient; the request then reads
as the record says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TypeVar

from models.decisions import Reason
from models.group_results import count_results, learn_result
from models.patient_records import (
    MadeCorrection,
    PatientChange,
    PatientCorrection,
    PatientRecord,
    RememberedFact,
    SpecialNeed,
    StatedGroup,
)
from models.patients import GroupBasis, Mother, Patient
from models.requests import RequestLine, UrgentRequest
from models.rules.types.compatibility import MOTHER_RULE

T = TypeVar("T", bound=str)


def remember(
    record: PatientRecord, request: UrgentRequest, *, now: datetime, is_typed: bool = True
) -> PatientRecord:
    """Return a patient's record with what a request tells of them added to it.

    Args:
        record: What is remembered.
        request: What is asked.
        now: Aware UTC instant.
        is_typed: The request states its group now; an amendment of other things repeats it alone.
    """
    patient = request.patient
    learnt = learn_facts(record, patient, now=now, request_id=request.request_id)
    if is_typed:
        learnt = learn_result(learnt, patient, now=now, request_id=request.request_id)
    return learnt.but(
        special_needs=(*record.special_needs, *list_needs(request)),
        antigen_negative=(*record.antigen_negative, *list_antigens(request)),
    )


def learn_facts(
    record: PatientRecord, patient: Patient, *, now: datetime, request_id: str | None = None
) -> PatientRecord:
    """Return a patient's record with facts that were told of them.

    Args:
        record: What is remembered.
        patient: What is told; what it does not state stays.
        now: Aware UTC instant.
        request_id: The request that tells it; None if it is told to the record itself.
    """
    known, groups = record.known, record.groups
    if patient.group is not None and patient.group not in _list_believed(groups):
        stated = StatedGroup(
            group=patient.group, basis=patient.group_basis, told_at=now, request_id=request_id
        )
        groups = (*groups, stated)
    learnt = Patient().recall(known.learn(patient))
    is_told = patient.group is not None
    is_typed = is_told and patient.group_basis is not GroupBasis.HISTORICAL
    return record.but(
        typed_at=now if is_typed else record.typed_at,
        mother_told_at=record.mother_told_at or (now if patient.mother else None),
        known=learnt.but(
            group=patient.group if is_told else known.group,
            group_basis=patient.group_basis if is_told else known.group_basis,
        ),
        groups=groups,
    )


def apply_change(record: PatientRecord, change: PatientChange, *, now: datetime) -> PatientRecord:
    """Return a patient's record after what was told beside any request."""
    if change.patient is not None:
        record = learn_facts(record, change.patient, now=now)
        record = learn_result(record, change.patient, now=now)
    record = record.but(special_needs=(*record.special_needs, *change.special_needs))
    if change.correction is None:
        return record
    by = change.changed_by or f"hospital/{change.hospital_id}"
    return correct(record, change.correction, now=now, by=by)


def recall(
    record: PatientRecord, request: UrgentRequest, *, opened_at: datetime | None = None
) -> UrgentRequest:
    """Return a request as the record of its patient says, which has learnt from it before.

    Args:
        record: What is remembered.
        request: What is asked.
        opened_at: When it was opened, if before now: a group that was determined since is its own.
    """
    patient = request.patient.recall(_find_known(record, request))
    is_typed = (
        opened_at is not None and record.typed_at is not None and record.typed_at >= opened_at
    )
    if is_typed and patient.group is None and not patient.disputed_groups:
        known = record.known
        patient = patient.but(group=known.group, group_basis=known.group_basis)
    return request.but(
        patient=patient.but(concordant_results=count_results(record, patient.group)),
        lines=tuple(_recall_line(record, line) for line in request.lines),
    )


def _find_known(record: PatientRecord, request: UrgentRequest) -> Patient:
    """Return what is known by the time of need: a mother's antibodies are gone some time later."""
    told_at, known = record.mother_told_at, record.known
    lasts = timedelta(days=MOTHER_RULE.antibodies_to_age_d)
    if told_at is None or request.needed_by <= told_at + lasts:
        return known
    return known.but(mother=request.patient.mother)


def explain_recalled(
    stated: UrgentRequest, recalled: UrgentRequest, record: PatientRecord
) -> tuple[Reason, ...]:
    """Explain what a request did not state and is served by all the same."""
    found = []
    forgotten = sorted(_list_antibodies(recalled.patient) - _list_antibodies(stated.patient))
    if forgotten:
        params: dict[str, str | int | float] = {"antibodies": ", ".join(forgotten)}
        found.append(Reason(code="antibodies_remembered", params=params))
    needs = sorted({need for line in _list_changed(stated, recalled) for need in line})
    if needs:
        found.append(Reason(code="needs_remembered", params={"needs": ", ".join(needs)}))
    if recalled.patient.mother != stated.patient.mother:
        found.append(Reason(code="mother_remembered"))
    group = record.known.group
    if stated.patient.group is None and group and not record.known.disputed_groups:
        found.append(Reason(code="group_remembered", params={"group": group}))
    return tuple(found)


def correct(
    record: PatientRecord, correction: PatientCorrection, *, now: datetime, by: str
) -> PatientRecord:
    """Return a record without what a named person takes away; its history stays.

    Args:
        record: What is remembered.
        correction: What is taken away, or which group is right.
        now: Aware UTC instant.
        by: Whose word it was on the wire, such as `hospital/<id>` or `dispatcher/<key>`.
    """
    groups, known = record.groups, _correct_patient(record.known, correction)
    if correction.group is not None:
        settled = StatedGroup(group=correction.group, told_at=now, settled_by=correction.person)
        groups = (*groups, settled)
        known = known.but(group=correction.group, group_basis=None)
    elif RememberedFact.TRANSPLANT in correction.withdrawn_facts:
        # What the transplant explained is a contradiction without it.
        told = _list_believed(groups)
        known = known.but(disputed_groups=tuple(told) if len(told) > 1 else ())
    made = MadeCorrection(correction=correction, made_at=now, made_by=by)
    has_no_mother = RememberedFact.MOTHER in correction.withdrawn_facts
    return record.but(
        known=known,
        mother_told_at=None if has_no_mother else record.mother_told_at,
        groups=groups,
        results=() if correction.group else record.results,
        special_needs=_without(record.special_needs, correction.withdrawn_needs),
        antigen_negative=_without(record.antigen_negative, correction.withdrawn_antigens),
        corrections=(*record.corrections, made),
    )


def correct_request(request: UrgentRequest, correction: PatientCorrection) -> UrgentRequest:
    """Return a request as a correction leaves it, where the patient has no record."""
    patient = _correct_patient(request.patient, correction)
    if patient.group is not None and correction.group is not None:
        patient = patient.but(group=correction.group, group_basis=None)
    return request.but(
        patient=patient,
        lines=tuple(
            line.but(
                attributes=line.attributes.but(
                    **dict.fromkeys(correction.withdrawn_needs, False),
                    antigen_negative=_without(
                        line.attributes.antigen_negative, correction.withdrawn_antigens
                    ),
                )
            )
            for line in request.lines
        ),
    )


def _list_antibodies(patient: Patient) -> set[str]:
    return {*patient.antibodies, *patient.platelet_antibodies, *patient.hla_antibodies}


def list_needs(request: UrgentRequest) -> list[SpecialNeed]:
    """List the special needs that a request states for a component that they concern."""
    return [
        need
        for need in SpecialNeed
        if any(
            getattr(line.attributes, need) and need.concerns(line.component)
            for line in request.lines
        )
    ]


def list_antigens(request: UrgentRequest) -> list[str]:
    """List the antigens that a request's red cells must lack, beside the antibodies."""
    return [
        antigen
        for line in request.lines
        if line.component.spec.carries_red_cells
        for antigen in line.attributes.antigen_negative
    ]


def _list_changed(stated: UrgentRequest, recalled: UrgentRequest) -> Iterator[set[str]]:
    """Yield what each line must have that it does not state."""
    for before, after in zip(stated.lines, recalled.lines, strict=True):
        old, new = before.attributes, after.attributes
        flags = {need.value for need in SpecialNeed if getattr(new, need) > getattr(old, need)}
        antigens = {*new.antigen_negative} - {*old.antigen_negative}
        yield flags | {f"{antigen}-" for antigen in antigens}


def _list_believed(groups: tuple[StatedGroup, ...]) -> set[str]:
    """List the groups that were told since the last settlement, that one included."""
    told: list[StatedGroup] = []
    for stated in groups:
        told = [stated] if stated.settled_by else [*told, stated]
    return {stated.group for stated in told}


def _recall_line(record: PatientRecord, line: RequestLine) -> RequestLine:
    changes: dict[str, object] = {
        need: need in record.special_needs for need in SpecialNeed if need.concerns(line.component)
    }
    if line.component.spec.carries_red_cells:
        changes["antigen_negative"] = record.antigen_negative
    return line.but(attributes=line.attributes.but(**changes))


def _correct_patient(patient: Patient, correction: PatientCorrection) -> Patient:
    blank = Patient()
    left = patient.but(**{name: getattr(blank, name) for name in correction.withdrawn_facts})
    return left.but(
        antibodies=_without(patient.antibodies, correction.withdrawn_antibodies),
        platelet_antibodies=_without(
            patient.platelet_antibodies, correction.withdrawn_platelet_antibodies
        ),
        hla_antibodies=_without(patient.hla_antibodies, correction.withdrawn_hla_antibodies),
        disputed_groups=() if correction.group else patient.disputed_groups,
        mother=_correct_mother(left.mother, correction),
    )


def _correct_mother(mother: Mother | None, correction: PatientCorrection) -> Mother | None:
    if mother is None:
        return None
    gone = correction.withdrawn_platelet_antibodies
    return mother.but(
        antibodies=_without(mother.antibodies, correction.withdrawn_antibodies),
        platelet_antibodies=_without(mother.platelet_antibodies, gone),
    )


def _without(names: tuple[T, ...], gone: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(name for name in names if name not in gone)
