"""Special requests that must occur independent of chance: each tests a rule of the system."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from demo.scenario import Scenario
from models.components import Component
from models.groups import BloodGroup
from models.patients import RhdConsent, Sex
from models.requests import HardAttributes, Priority, RequestLine, UrgentRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.casualties import PlannedRequest

_DAYS_OLD_AT_MOST = 14

Change: TypeAlias = "Callable[[UrgentRequest], UrgentRequest]"


def add_special_cases(scenario: Scenario, planned: list[PlannedRequest]) -> list[PlannedRequest]:
    """Turn the first plain requests into special cases, one each; the others are unchanged."""
    special = scenario.requests.special
    frozen_at = [
        hospital.hospital.hospital_id
        for hospital in scenario.hospitals
        if not hospital.hospital.can_thaw
    ]
    wanted: list[tuple[int, Change]] = [
        (special.leukoreduced, _demand(leukoreduced=True)),
        (special.irradiated, _demand(irradiated=True)),
        (special.identical_group_only, _demand(identical_group_only=True)),
        (special.antigen_negative, _demand(antigen_negative=("Jka",))),
        (special.max_age_d, _demand(max_age_d=_DAYS_OLD_AT_MOST)),
        (special.washed, _ask_washed),
    ]
    # Another group would contradict what the patient's second request states.
    asked = Counter(plan.request.patient.reference for plan in planned)
    known = [
        at for at, plan in enumerate(planned) if _is_plain(plan) and plan.request.patient.group
    ]
    women = [at for at in known if asked[planned[at].request.patient.reference] == 1][
        -special.women_rhd_negative :
    ]
    known = [at for at in known if at not in women]
    turns = iter(known)
    changed = list(planned)
    for count, change in wanted:
        for _ in range(count):
            _change(changed, next(turns), change)
    for number in range(special.women_rhd_negative):
        _change(changed, women[number], _woman(number))
    beyond = [
        at
        for at, plan in enumerate(planned)
        if plan.request.hospital_id in frozen_at and _is_plain(plan)
    ]
    for at in [at for at in beyond if changed[at] is planned[at]][
        : special.frozen_at_hospital_without_thawing
    ]:
        _change(changed, at, _ask_plasma_too)
    return changed


def _is_plain(planned: PlannedRequest) -> bool:
    lines = planned.request.lines
    return bool(lines) and lines[-1].component is Component.RED_CELLS and len(lines) == 1


def _change(planned: list[PlannedRequest], at: int, change: Change) -> None:
    planned[at] = replace(planned[at], request=change(planned[at].request))


def _demand(**attributes: object) -> Change:
    wanted = HardAttributes.model_validate(attributes)

    def change(request: UrgentRequest) -> UrgentRequest:
        return request.but(lines=tuple(line.but(attributes=wanted) for line in request.lines))

    return change


def _ask_washed(request: UrgentRequest) -> UrgentRequest:
    line = RequestLine(line_no=1, component=Component.WASHED_RED_CELLS, quantity=1)
    return request.but(lines=(line,))


def _woman(number: int) -> Change:
    """Make the patient an RhD- woman of childbearing age, every second with emergency consent."""
    group = (BloodGroup.A_NEG, BloodGroup.B_NEG)[number % 2]
    consent = (
        RhdConsent(physician="值班医师（合成）", signed_by="家属（合成）") if number % 2 else None
    )

    def change(request: UrgentRequest) -> UrgentRequest:
        patient = request.patient.but(
            group=group, sex=Sex.FEMALE, age_years=24 + number * 7, rhd_consent=consent
        )
        return request.but(patient=patient, priority=Priority.LIFE_THREATENING)

    return change


def _ask_plasma_too(request: UrgentRequest) -> UrgentRequest:
    following = max(line.line_no for line in request.lines) + 1
    line = RequestLine(line_no=following, component=Component.FRESH_FROZEN_PLASMA, quantity=2)
    return request.but(lines=(*request.lines, line))
