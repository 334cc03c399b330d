"""Plans the hospital requests that follow from the published casualties, in realistic order.

Owns which hospital asks for which units at which time. The total follows from the counts and ratios
of `requests.toml`; patients, places and times are drawn. Pure and deterministic from the seed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from random import Random
from typing import Any

from demo.patients import draw_patient
from demo.random_draws import divide, draw
from demo.scenario import Scenario
from demo.scenario_schema import DemoHospital
from demo.special_requests import add_special_cases
from models.base import derive_id
from models.components import Component
from models.doses import WHOLE, content_of
from models.groups import BloodGroup
from models.requests import Priority, RequestLine, UrgentRequest

_SECOND_REQUEST_SHARE = 0.15
"""Share of patients whose plasma or platelets are requested some time after the red cells."""

BAGS_AT_ONCE = {Component.FRESH_FROZEN_PLASMA: 2}
"""Bags that one patient is given at a time, of the others one: a bag of plasma helps no adult."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRequest:
    """A request that a hospital will send.

    Attributes:
        at: Simulated instant at which it is sent.
        straight: Sent by the hospital's own Kafka producer instead of HTTP.
        resent_after_s: Simulated seconds after which the same message is sent again; None if not.
        then: `cancel` or `amend` once it is decided; empty for most.
        typed: The group that the hospital finds, of a patient whose group is not known at first.
        typed_after_s: Simulated seconds after the request until the hospital tells it.
    """

    at: datetime
    request: UrgentRequest
    straight: bool = False
    resent_after_s: float | None = None
    then: str = ""
    typed: BloodGroup | None = None
    typed_after_s: float = 0.0

    @property
    def known_as(self) -> str:
        """Return the request id that the gateway derives from the hospital's own."""
        request = self.request
        if self.straight:
            return request.request_id
        return derive_id("request", request.hospital_id, request.request_id)


@dataclass(slots=True, kw_only=True)
class Bleeding:
    """A patient while the plan is made: hospital, priority, and the units requested so far."""

    number: int
    hospital: DemoHospital
    at: datetime
    priority: Priority
    units: Counter[Component]
    packs: int = 0


def count_units(scenario: Scenario) -> dict[Component, int]:
    """Count the bags that the published casualties need, per component."""
    size = scenario.requests.size
    admitted = scenario.event.injured * size.admitted_of_injured
    whole = admitted * size.components_per_admission / sum(size.ratio.values())
    units = {component: whole * share for component, share in size.ratio.items()}
    units[Component.PLATELETS] /= size.concentrates_per_platelet_dose
    counted = {component: ceil(count) for component, count in units.items()}
    counted[Component.CRYOPRECIPITATE] = size.cryoprecipitate_units
    return counted


def plan_requests(scenario: Scenario) -> tuple[PlannedRequest, ...]:
    """Plan every request of the day, in the order in which they are sent."""
    patients = _admit(scenario)
    _hand_out(scenario, patients)
    planned = [_write(scenario, patient) for patient in patients]
    planned += _ask_again(scenario, patients, planned)
    planned = add_special_cases(scenario, planned)
    planned.sort(key=lambda plan: (plan.at, plan.request.request_id))
    return tuple(_choose_changes(_choose_transport(scenario, planned)))


def _admit(scenario: Scenario) -> list[Bleeding]:
    plan = scenario.requests
    admitted = scenario.event.injured * plan.size.admitted_of_injured
    people = round(admitted * plan.size.transfused_of_admitted)
    shares = {
        hospital.hospital.hospital_id: hospital.patients_share for hospital in scenario.hospitals
    }
    places = [name for name, count in divide(people, shares).items() for _ in range(count)]
    draw(scenario.seed, "places").shuffle(places)
    priorities = {
        Priority.LIFE_THREATENING: plan.patients.life_threatening,
        Priority.URGENT: plan.patients.urgent,
        Priority.ROUTINE: 1 - plan.patients.life_threatening - plan.patients.urgent,
    }
    ranks = [rank for rank, count in divide(people, priorities).items() for _ in range(count)]
    draw(scenario.seed, "priorities").shuffle(ranks)
    return [
        Bleeding(
            number=number,
            hospital=scenario.get_hospital(place),
            at=_arrive(scenario, draw(scenario.seed, "arrival", number)),
            priority=priority,
            units=Counter({Component.RED_CELLS: 1}),
        )
        for number, (place, priority) in enumerate(zip(places, ranks, strict=True), start=1)
    ]


def _arrive(scenario: Scenario, chance: Random) -> datetime:
    """Draw an arrival from the gamma curve, repeatedly while it is after the last request."""
    curve = scenario.requests.arrival
    scale = (curve.peak_min - curve.first_min) / (curve.shape - 1)
    while True:
        minutes = curve.first_min + chance.gammavariate(curve.shape, scale)
        if minutes < scenario.timeline.requests_until_h * 60:
            return (scenario.event.occurred_at + timedelta(minutes=minutes)).replace(microsecond=0)


def _hand_out(scenario: Scenario, patients: list[Bleeding]) -> None:
    """Divide the day's units: packs first, one unit of red cells each, the rest by chance."""
    left = Counter(count_units(scenario))
    chance = draw(scenario.seed, "units")
    thawing = [patient for patient in patients if patient.hospital.hospital.can_thaw]
    dying = [patient for patient in thawing if patient.priority is Priority.LIFE_THREATENING]
    massive = dying[: scenario.requests.special.massive_transfusion]
    for patient in massive:
        patient.packs, patient.units = 1, Counter()
        for component, units in patient.hospital.hospital.pack.units.items():
            left[component] -= round(units / _measure_bag(scenario, component))
    others = [patient for patient in patients if not patient.packs]
    left[Component.RED_CELLS] -= len(others)
    for component, units in left.items():
        able = [patient for patient in others if patient.hospital.hospital.can_thaw]
        takers = able if component.spec.frozen else others
        at_once = BAGS_AT_ONCE.get(component, 1)
        for given in range(0, max(0, units), at_once):
            chance.choice(takers).units[component] += min(at_once, units - given)


def _measure_bag(scenario: Scenario, component: Component) -> float:
    """Return the ordering units that a bag of this stock holds."""
    return content_of(component, scenario.stock.volume_ml[component]) / WHOLE


def _write(scenario: Scenario, patient: Bleeding) -> PlannedRequest:
    lines = tuple(
        RequestLine(
            line_no=number,
            component=component,
            quantity=ceil(bags * _measure_bag(scenario, component)),
        )
        for number, (component, bags) in enumerate(sorted(patient.units.items()), start=1)
    )
    known, group = draw_patient(scenario, patient.number)
    low, high = scenario.requests.patients.typed_after_min
    chance = draw(scenario.seed, "typed", patient.number)
    return PlannedRequest(
        at=patient.at,
        typed=group if known.group is None else None,
        typed_after_s=60 * chance.uniform(low, high),
        request=UrgentRequest(
            request_id=f"dr-{patient.number:03d}",
            hospital_id=patient.hospital.hospital.hospital_id,
            station_id=patient.hospital.hospital.station_id,
            patient=known,
            priority=patient.priority,
            needed_by=_needed_by(scenario, patient, number=1, at=patient.at),
            lines=lines,
            massive_transfusion_packs=patient.packs,
            note="合成数据 · synthetic",
        ),
    )


def _needed_by(scenario: Scenario, patient: Bleeding, *, number: int, at: datetime) -> datetime:
    chance = draw(scenario.seed, "needed", patient.number, number)
    low, high = scenario.requests.needed_within_s[patient.priority]
    hospital = patient.hospital.hospital
    road_s = scenario.routes[hospital.station_id, hospital.hospital_id]
    return at + timedelta(seconds=road_s + chance.randint(low, high))


def _ask_again(
    scenario: Scenario, patients: list[Bleeding], planned: list[PlannedRequest]
) -> list[PlannedRequest]:
    """Split some requests in two: red cells at once, the other components later."""
    later: list[PlannedRequest] = []
    for at, patient in enumerate(patients):
        chance = draw(scenario.seed, "again", patient.number)
        request = planned[at].request
        if len(request.lines) < 2 or chance.random() > _SECOND_REQUEST_SHARE * 3:  # noqa: PLR2004 - two parts need two lines
            continue
        sent_at = patient.at + timedelta(minutes=chance.randint(40, 120))
        red = tuple(line for line in request.lines if line.component is Component.RED_CELLS)
        rest = tuple(line for line in request.lines if line.component is not Component.RED_CELLS)
        if not red:
            continue
        first = planned[at]
        planned[at] = replace(first, request=request.but(lines=red))
        typed_at = first.at + timedelta(seconds=first.typed_after_s)
        is_typed = first.typed is not None and typed_at <= sent_at
        patient_then = request.patient.but(group=first.typed) if is_typed else request.patient
        later.append(
            PlannedRequest(
                at=sent_at,
                typed=None if is_typed else first.typed,
                typed_after_s=max(0.0, (typed_at - sent_at).total_seconds()),
                request=request.but(
                    request_id=f"{request.request_id}-b",
                    patient=patient_then,
                    lines=rest,
                    needed_by=_needed_by(scenario, patient, number=2, at=sent_at),
                ),
            )
        )
    return later


def _choose_transport(scenario: Scenario, planned: list[PlannedRequest]) -> list[PlannedRequest]:
    shares = scenario.requests.transport
    order = list(range(len(planned)))
    draw(scenario.seed, "resent").shuffle(order)
    resent = set(order[: ceil(len(planned) * shares.resent)])
    chosen: list[PlannedRequest] = []
    for at, plan in enumerate(planned):
        chance = draw(scenario.seed, "transport", plan.request.request_id)
        changes: dict[str, Any] = {"straight": chance.random() < shares.straight_to_kafka}
        if at in resent:
            changes["resent_after_s"] = chance.choice((60.0, 300.0, 900.0, 3600.0))
        chosen.append(replace(plan, **changes))
    return chosen


def _choose_changes(planned: list[PlannedRequest]) -> list[PlannedRequest]:
    """Let an early plain request be cancelled, and another be amended to one unit more."""
    plain = [
        at
        for at, plan in enumerate(planned)
        if not plan.straight
        and plan.resent_after_s is None
        and not plan.request.massive_transfusion_packs
        and plan.request.priority is Priority.URGENT
    ]
    for at, then in zip(plain[2:4], ("cancel", "amend"), strict=True):
        planned[at] = replace(planned[at], then=then)
    return planned
