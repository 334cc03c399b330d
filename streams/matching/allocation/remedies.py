"""Find what would open units on the shelf that may not go to the patient as the request reads.

Pure. One fact of the request is changed and the safety kernel is asked again; the fact would open
the units that the kernel refused before and clears now. No rule is stated here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from itertools import islice

from models.clearance import Cleared, ForPatient, Refused, Route, Step, UnitFacts
from models.compatibility import Candidate, list_candidates
from models.components import Component
from models.decisions import Decision, Reason, ReservedUnit
from models.emergency_release import EmergencyRelease, Passable, name_passed
from models.groups import BloodGroup
from models.patients import Patient, RhdConsent
from models.requests import Priority, RequestLine
from models.safety import clear
from streams.matching.allocation import frozen_red_cells
from streams.matching.allocation.protected_groups import is_kept_from
from streams.matching.available_units import Cell, Shelf
from streams.matching.decision_inputs import Case

LOOKED_AT = 20
"""Units of a place that are looked at to say what would open it. A round figure above what one
patient is given; more units there change nothing for the reader, and a full shelf has thousands."""

_OPENS = "_would_open"
"""Ending of the code of every reason that says what would open units."""

_STATED = RhdConsent(physician="-", signed_by="-")
_RELEASED = EmergencyRelease(clinician="-", reason="-", passes=tuple(Passable))
_OLDEST_AGE_YEARS = 130
"""No rule protects a patient of this age: it shows the most that a known age could open."""

_SAME_USE: tuple[frozenset[Component], ...] = (
    frozenset(
        {Component.RED_CELLS, Component.WASHED_RED_CELLS, Component.DEGLYCEROLISED_RED_CELLS}
    ),
    frozenset({Component.PLATELETS, Component.POOLED_PLATELETS}),
    frozenset({Component.FRESH_FROZEN_PLASMA, Component.FROZEN_PLASMA}),
)
"""Components that a physician may order in place of each other; only the physician does so."""


def list_same_use(component: Component) -> frozenset[Component]:
    """List the components that a physician may order in place of a component, and itself."""
    return frozenset({component}).union(*(use for use in _SAME_USE if component in use))


class Fact(StrEnum):
    """What the hospital could state, or order differently."""

    CONSENT = "consent"
    AGE = "age"
    PROPHYLAXIS = "prophylaxis"
    TYPING = "typing"
    TIME = "time"
    COMPONENT = "component"
    RELEASE = "release"


def list_cells(case: Case, line: RequestLine) -> Iterator[Cell]:
    """Yield every place that an opening may draw on; for an unknown patient, of every group."""
    for component in (line.component, *_others(case, line)):
        groups = _groups_of(case, component, case.request.patient)
        if component is line.component:
            opened = [patient for _, patient in _list_patients(case.request.patient)]
            for patient in (*opened, *_RELEASED.list_patients(case.request.patient)):
                groups |= _groups_of(case, component, patient)
        for group in sorted(groups):
            yield Cell(station_id=case.request.station_id, component=component, group=group)
    yield from frozen_red_cells.list_frozen_cells(case, line)


def explain_openings(
    case: Case, purpose: ForPatient, *, route: Route, shelf: Shelf, now: datetime
) -> Iterator[Reason]:
    """Yield which fact would open how many units of which groups, as far as the shelf was read."""

    def judge(unit: UnitFacts, asked: ForPatient) -> Cleared | Refused:
        return clear(unit, purpose=asked, step=Step.RESERVE, route=route, now=now, rules=case.rules)

    def is_cleared(unit: UnitFacts, asked: ForPatient) -> bool:
        return isinstance(judge(unit, asked), Cleared)

    def name_all(units: Sequence[UnitFacts]) -> str:
        """Name what a release would pass to open these units."""
        answers = [judge(unit, replace(purpose, release=_RELEASED)) for unit in units]
        passed = [
            reason for answer in answers if isinstance(answer, Cleared) for reason in answer.passed
        ]
        return name_passed(passed)

    shut = [
        unit
        for unit in _list_lying(case, purpose.line.component, shelf)
        if not is_cleared(unit, purpose)
    ]

    def is_given(unit: UnitFacts, asked: ForPatient) -> bool:
        free = shelf.measure(Cell.of(unit))
        return is_cleared(unit, asked) and not is_kept_from(
            unit, asked, arrival_at=route.arrival_at, now=now, free=free, rules=case.rules
        )

    opened: dict[Fact, list[UnitFacts]] = {}
    for fact, asked in _list_purposes(purpose, route):
        found = opened.setdefault(fact, [])
        found.extend(unit for unit in shut if unit not in found and is_given(unit, asked))
    for fact, units in opened.items():
        if units:
            passed = name_all(units) if fact is Fact.RELEASE else ""
            yield _explain(fact, units, passed=passed)
    for component in _others(case, purpose.line):
        other = replace(purpose, line=purpose.line.but(component=component))
        units = [unit for unit in _list_lying(case, component, shelf) if is_given(unit, other)]
        if units:
            yield _explain(Fact.COMPONENT, units)
    yield from frozen_red_cells.explain_openings(case, purpose, shelf=shelf, now=now)


def list_ways(decision: Decision) -> frozenset[tuple[int, str, str]]:
    """List what a decision says would open units: line number, code, groups and component.

    The number of units is left out: nobody reads a decision that is repeated for every unit.
    """
    return frozenset(
        (line.line_no, reason.code, f"{reason.params['groups']} {reason.params.get('component')}")
        for line in decision.lines
        for reason in line.refusals
        if reason.code.endswith(_OPENS)
    )


def explain_spared(case: Case, reserved: Sequence[ReservedUnit]) -> Iterator[Reason]:
    """Yield what would have spared the scarce O RhD- units that an unidentified patient got."""
    capped = [unit for unit in reserved if unit.capped]
    if not capped:
        return
    patient = case.request.patient
    units = len(capped)

    def find_first(patient: Patient) -> Candidate:
        return list_candidates(
            component=capped[0].component,
            patient=patient,
            priority=case.request.priority,
            policy=case.policy,
            rules=case.rules,
        )[0]

    if find_first(patient).capped:
        for fact, changed in _list_patients(patient):
            first = find_first(changed)
            if fact is Fact.AGE and not first.capped:
                yield Reason(code="age_would_spare", params={"groups": first.group, "units": units})
    yield Reason(code="typing_would_spare", params={"units": units})


def _list_purposes(purpose: ForPatient, route: Route) -> Iterator[tuple[Fact, ForPatient]]:
    for fact, patient in _list_patients(purpose.patient):
        yield fact, replace(purpose, patient=patient)
    if purpose.needed_by > route.arrival_at:
        yield Fact.TIME, replace(purpose, needed_by=route.arrival_at)
    if purpose.priority is Priority.LIFE_THREATENING:
        yield Fact.RELEASE, replace(purpose, release=_RELEASED)


def _list_patients(patient: Patient) -> Iterator[tuple[Fact, Patient]]:
    """Yield each fact that the request leaves open, with the patient as if it were stated."""
    if patient.rhd_consent is None and patient.group is not None:
        yield Fact.CONSENT, patient.but(rhd_consent=_STATED)
    if patient.age_years is None:
        yield Fact.AGE, patient.but(age_years=_OLDEST_AGE_YEARS)
    if not patient.anti_d_prophylaxis_ordered:
        yield Fact.PROPHYLAXIS, patient.but(anti_d_prophylaxis_ordered=True)
    if patient.group is None or patient.disputed_groups:
        for group in BloodGroup:
            yield Fact.TYPING, patient.but(group=group, disputed_groups=())


def _others(case: Case, line: RequestLine) -> list[Component]:
    """List the components of the same use that no other line asks for."""
    asked = {requested.component for requested in case.request.lines}
    return sorted(list_same_use(line.component) - asked)


def _groups_of(case: Case, component: Component, patient: Patient) -> set[BloodGroup]:
    candidates = list_candidates(
        component=component,
        patient=patient,
        priority=case.request.priority,
        policy=case.policy,
        rules=case.rules,
    )
    return {candidate.group for candidate in candidates}


def _list_lying(case: Case, component: Component, shelf: Shelf) -> Iterator[UnitFacts]:
    for group in BloodGroup:
        cell = Cell(station_id=case.request.station_id, component=component, group=group)
        yield from islice(shelf.list_units(cell), LOOKED_AT)


def _explain(fact: Fact, units: Sequence[UnitFacts], *, passed: str = "") -> Reason:
    groups = " ".join(sorted({unit.group for unit in units}))
    params: dict[str, str | int | float] = {"groups": groups, "units": len(units)}
    match fact:
        case Fact.CONSENT:
            told = Reason(code="consent_would_open", params=params)
        case Fact.AGE:
            told = Reason(code="age_would_open", params=params)
        case Fact.PROPHYLAXIS:
            told = Reason(code="prophylaxis_would_open", params=params)
        case Fact.TYPING:
            told = Reason(code="typing_would_open", params=params)
        case Fact.TIME:
            until = min(unit.expires_at for unit in units).isoformat()
            told = Reason(code="time_would_open", params={**params, "expires_at": until})
        case Fact.COMPONENT:
            component = units[0].component
            told = Reason(code="component_would_open", params={**params, "component": component})
        case Fact.RELEASE:
            told = Reason(code="release_would_open", params={**params, "passed": passed})
    return told
