"""Asking the safety kernel and the oracle the same: one case in the words of each.

A case is a unit, a purpose, a step and a route. The oracle's words are made from the values'
fields, one by one; nothing is computed on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

import checker.compatibility as other_hands
from checker.database_rows import Unit
from models.clearance import Cleared, ForPatient, Purpose, Route, Step, UnitFacts
from models.decisions import Reason
from models.patients import Patient
from models.rules.rulebook import PACKAGED
from models.safety import clear
from tests.oracle.safety import Bag, Bed, Depot, Way, list_reasons
from tests.support.world import NOW

Given = TypeVar("Given")
Told = TypeVar("Told")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """At `NOW`, as everywhere in the tests."""

    unit: UnitFacts
    purpose: Purpose
    step: Step
    route: Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    case: Case
    only_kernel: frozenset[str]
    only_oracle: frozenset[str]

    def __str__(self) -> str:
        told = f"kernel only: {sorted(self.only_kernel)}, oracle only: {sorted(self.only_oracle)}"
        return f"{told}\n    {self.case}"


def compare(cases: Iterable[Case], *, most: int = 20) -> tuple[int, list[Difference]]:
    """Ask both about every case; stop early at so many differences.

    Returns:
        How many cases were asked, and where the two differ.
    """
    count, differing = 0, []
    for case in cases:
        count += 1
        kernel, oracle = ask_kernel(case), ask_oracle(case)
        if kernel != oracle:
            differing.append(
                Difference(
                    case=case,
                    only_kernel=frozenset(kernel - oracle),
                    only_oracle=frozenset(oracle - kernel),
                )
            )
            if len(differing) >= most:
                break
    return count, differing


def ask_kernel(case: Case) -> set[str]:
    answer = clear(
        case.unit, purpose=case.purpose, step=case.step, route=case.route, now=NOW, rules=PACKAGED
    )
    if isinstance(answer, Cleared):
        return {f"passed {_name(reason)}" for reason in answer.passed}
    names = [_name(reason) for reason in answer.reasons]
    assert names, "refused without a reason"
    assert len(set(names)) == len(names), f"a reason twice: {names}"
    return set(names)


def _name(reason: Reason) -> str:
    detail = reason.params.get("attribute") or reason.params.get("antigen")
    return f"{reason.code} {detail}" if detail else reason.code


def ask_oracle(case: Case) -> set[str]:
    bag = _once(case.unit, _told_unit)
    way = _once(case.route, _told_route)
    to = _once(case.purpose, _told_purpose)
    at_station = case.unit.station_id == case.purpose.station_id
    return list_reasons(bag, to, at_station=at_station, step=case.step.value, way=way, now=NOW)


_told: dict[int, tuple[object, object]] = {}
"""What was put in the oracle's words last, by identity: spaces use the same values many times."""


def _once(value: Given, tell: Callable[[Given], Told]) -> Told:
    given, told = _told.get(id(value), (None, None))
    if given is not value:
        if len(_told) > 20_000:
            _told.clear()
        told = tell(value)
        _told[id(value)] = (value, told)
    return cast("Told", told)


def _told_unit(unit: UnitFacts) -> Bag:
    row = Unit(
        unit_id=unit.unit_id,
        donation_id="",
        component=unit.component.value,
        blood_group=unit.group.value,
        volume_ml=unit.volume_ml,
        collected_at=unit.collected_at,
        expires_at=unit.expires_at,
        released_at=unit.collected_at if unit.released else None,
        attested_by=None,
        status=unit.status.value,
        parent_id=None,
        traits=unit.traits.model_dump(mode="json"),
    )
    out = timedelta(seconds=unit.out_of_control_s or 0)
    return Bag(unit=row, recalled=unit.recalled, out=out)


def _told_route(route: Route) -> Way:
    return Way(
        arrival_at=route.arrival_at,
        takes=timedelta(seconds=route.transport_s),
        kept=route.temperature_kept,
        agitated=route.agitated,
        hospital={
            "can_thaw": route.can_thaw,
            "cannot_use": [component.value for component in route.unusable],
        },
    )


def _told_purpose(purpose: Purpose) -> Bed | Depot:
    if not isinstance(purpose, ForPatient):
        return Depot(
            component=purpose.component.value,
            groups=frozenset(group.value for group in purpose.groups),
        )
    return Bed(
        patient=_once(purpose.patient, _told_patient),
        component=purpose.line.component.value,
        priority=purpose.priority.value,
        low_titre_a_plasma=purpose.policy.low_titre_a_plasma,
        needed_by=purpose.needed_by,
        capped=purpose.capped_units,
        wanted=purpose.line.attributes.model_dump(mode="json"),
        passes=frozenset(purpose.release.passes if purpose.release else ()),
    )


def _told_patient(patient: Patient) -> other_hands.Patient:
    return other_hands.Patient.from_json(patient.model_dump(mode="json"))


def list_kinds(differing: Iterable[Difference]) -> Iterator[str]:
    """One example of each kind of difference."""
    seen = set()
    for difference in differing:
        kind = (difference.only_kernel, difference.only_oracle)
        if kind not in seen:
            seen.add(kind)
            yield str(difference)
