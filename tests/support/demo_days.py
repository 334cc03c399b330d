"""Days of a drill for the tests of hindsight: who asks, and what lies where since when."""

from __future__ import annotations

from datetime import datetime, timedelta

from demo.day_trace import DayBag, DayRequest
from demo.scenario import Scenario
from demo.serving_options import FreeBag
from models.clearance import UnitFacts
from models.components import Component
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Priority, UrgentRequest
from models.units import UnitStatus, UnitTraits

NEAR, FAR = "shigatse-people", "dingri-county"
"""Hospitals of Shigatse's station: in town, and hours away."""


def make_ask(
    scenario: Scenario,
    *,
    name: str = "r-1",
    at_h: float = 2,
    need_h: float = 5,
    hospital_id: str = NEAR,
    priority: Priority = Priority.URGENT,
    component: Component = Component.RED_CELLS,
    quantity: int = 1,
    group: BloodGroup | None = BloodGroup.O_POS,
    typed_h: float | None = None,
    attributes: object = None,
    measure: str = "unit",
) -> DayRequest:
    """Make a request with one line; of a patient who is typed later, the group that is found."""
    request = UrgentRequest.model_validate(
        {
            "request_id": name,
            "hospital_id": hospital_id,
            "station_id": "shigatse",
            "patient": {"group": group, "reference": f"P-{name}"},
            "priority": priority,
            "needed_by": scenario.at(need_h),
            "lines": [
                {
                    "line_no": 1,
                    "component": component,
                    "quantity": quantity,
                    "measure": measure,
                    "attributes": attributes or {},
                }
            ],
        }
    )
    known: list[tuple[datetime, Patient]] = [(scenario.at(at_h), request.patient)]
    if typed_h is not None:
        known = [
            (scenario.at(at_h), request.patient.but(group=None)),
            (scenario.at(typed_h), request.patient),
        ]
    return DayRequest(
        request=request,
        opened_at=scenario.at(at_h),
        closes_at=request.needed_by + timedelta(seconds=scenario.hindsight.grace_s),
        known=tuple(known),
    )


def make_bag(
    scenario: Scenario,
    unit_id: str = "u-1",
    *,
    station_id: str = "shigatse",
    component: Component = Component.RED_CELLS,
    group: BloodGroup = BloodGroup.O_POS,
    volume_ml: int = 200,
    since_h: float = -5,
    expires_h: float = 240,
    until_h: float | None = None,
    traits: UnitTraits | None = None,
) -> DayBag:
    unit = UnitFacts(
        unit_id=unit_id,
        station_id=station_id,
        component=component,
        group=group,
        volume_ml=volume_ml,
        status=UnitStatus.AVAILABLE,
        collected_at=scenario.at(-12),
        expires_at=scenario.at(expires_h),
        released=True,
        recalled=False,
        epoch=0,
        traits=traits or UnitTraits(),
    )
    until = None if until_h is None else scenario.at(until_h)
    return DayBag(lies=FreeBag(unit=unit, since=scenario.at(since_h)), until=until)
