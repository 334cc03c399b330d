"""What would open blood that lies on the shelf and may not go to the patient as the request reads.

Pure. One fact of the patient is changed and the safety kernel is asked again; what it then clears
is what the fact would open. No rule is stated here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from models.clearance import Cleared, ForPatient, Route, Step
from models.compatibility import list_candidates
from models.decisions import Reason
from models.groups import BloodGroup
from models.patients import Patient, RhdConsent
from models.requests import RequestLine
from models.safety import clear
from streams.matching.cases import Case
from streams.matching.shelf import Cell, Shelf

_STATED = RhdConsent(physician="-", signed_by="-")
_ADULT_AGE_YEARS = 60
"""No rule protects a patient of this age: what the age, once known, could open at most."""


class Fact(StrEnum):
    """A fact that the hospital could state."""

    CONSENT = "consent"
    AGE = "age"
    PROPHYLAXIS = "prophylaxis"
    TYPING = "typing"


def list_openings(patient: Patient) -> Iterator[tuple[Fact, Patient]]:
    """Yield what the record leaves open, with the patient as it would then read."""
    if patient.rhd_consent is None and patient.group is not None:
        yield Fact.CONSENT, patient.but(rhd_consent=_STATED)
    if patient.group is None and patient.age_years is None:
        yield Fact.AGE, patient.but(age_years=_ADULT_AGE_YEARS)
    if not patient.anti_d_prophylaxis_ordered:
        yield Fact.PROPHYLAXIS, patient.but(anti_d_prophylaxis_ordered=True)


def list_cells(case: Case, line: RequestLine) -> Iterator[Cell]:
    """Yield every place that some opening would lead to; of an unknown patient, every group's."""
    groups = set(BloodGroup) if case.request.patient.group is None else set[BloodGroup]()
    for _, patient in list_openings(case.request.patient):
        groups |= _groups_of(case, line, patient)
    for group in sorted(groups):
        yield Cell(station_id=case.request.station_id, component=line.component, group=group)


def tell_openings(
    case: Case, purpose: ForPatient, *, route: Route, shelf: Shelf, now: datetime
) -> Iterator[Reason]:
    """Yield what would open how many units of which groups, as far as the shelf was read."""
    line, patient = purpose.line, purpose.patient
    closed = set(BloodGroup) - _groups_of(case, line, patient)
    for fact, changed in list_openings(patient):
        asked = replace(purpose, patient=changed)
        groups = _groups_of(case, line, changed) & closed
        found = _count(asked, groups, route=route, shelf=shelf, now=now)
        if found:
            yield _tell(fact, found)
    if patient.group is None:
        found = {
            group: units for group in closed if (units := _count_lying(case, line, group, shelf))
        }
        if found:
            yield _tell(Fact.TYPING, found)


def _groups_of(case: Case, line: RequestLine, patient: Patient) -> set[BloodGroup]:
    candidates = list_candidates(
        component=line.component,
        patient=patient,
        priority=case.request.priority,
        policy=case.policy,
    )
    return {candidate.group for candidate in candidates}


def _count(
    purpose: ForPatient,
    groups: set[BloodGroup],
    *,
    route: Route,
    shelf: Shelf,
    now: datetime,
) -> dict[BloodGroup, int]:
    found: dict[BloodGroup, int] = {}
    for group in groups:
        cell = Cell(station_id=purpose.station_id, component=purpose.line.component, group=group)
        cleared = sum(
            isinstance(
                clear(unit, purpose=purpose, step=Step.RESERVE, route=route, now=now), Cleared
            )
            for unit in shelf.first_out(cell)
        )
        if cleared:
            found[group] = cleared
    return found


def _count_lying(case: Case, line: RequestLine, group: BloodGroup, shelf: Shelf) -> int:
    cell = Cell(station_id=case.request.station_id, component=line.component, group=group)
    return sum(1 for _ in shelf.first_out(cell))


def _tell(fact: Fact, found: dict[BloodGroup, int]) -> Reason:
    groups, units = " ".join(sorted(found)), sum(found.values())
    match fact:
        case Fact.CONSENT:
            return Reason(code="consent_would_open", params={"groups": groups, "units": units})
        case Fact.AGE:
            return Reason(code="age_would_open", params={"groups": groups, "units": units})
        case Fact.PROPHYLAXIS:
            return Reason(code="prophylaxis_would_open", params={"groups": groups, "units": units})
        case Fact.TYPING:
            return Reason(code="typing_would_open", params={"groups": groups, "units": units})
