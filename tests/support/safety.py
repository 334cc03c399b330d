"""Builders of what the safety kernel is asked with, sound in every respect unless changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from models.clearance import ForPatient, ForStation, Route, UnitFacts
from models.components import Component
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import HardAttributes, Priority, RequestLine
from models.units import UnitStatus
from tests.support.world import NOW

ETA_S = 1800
ARRIVAL = NOW + timedelta(seconds=ETA_S)


def build_facts(**changes: Any) -> UnitFacts:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "unit_id": "u-1",
        "station_id": "shigatse",
        "component": Component.RED_CELLS,
        "group": BloodGroup.A_POS,
        "volume_ml": 200,
        "status": UnitStatus.AVAILABLE,
        # Within the shelf life of every component: the shortest is 24 h.
        "collected_at": NOW - timedelta(hours=6),
        "expires_at": NOW + timedelta(hours=18),
        "released": True,
        "recalled": False,
        "epoch": 0,
    }
    return UnitFacts(**{**fields, **changes})


def build_purpose(
    *,
    component: Component = Component.RED_CELLS,
    attributes: HardAttributes | None = None,
    patient: Patient | None = None,
    **changes: Any,  # noqa: ANN401 - any field
) -> ForPatient:
    fields: dict[str, Any] = {
        "request_id": "r-1",
        "station_id": "shigatse",
        "line": RequestLine(
            line_no=1, component=component, quantity=1, attributes=attributes or HardAttributes()
        ),
        "patient": patient or Patient(group=BloodGroup.A_POS),
        "priority": Priority.URGENT,
        "policy": StationPolicy(),
        # Never what decides, unless it is changed: before the unit would arrive.
        "needed_by": NOW,
        "capped_units": 0,
    }
    return ForPatient(**{**fields, **changes})


def build_transfer(**changes: Any) -> ForStation:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "to_station_id": "lhasa",
        "station_id": "shigatse",
        "component": Component.RED_CELLS,
        "groups": (BloodGroup.A_POS,),
    }
    return ForStation(**{**fields, **changes})


def build_route(**changes: Any) -> Route:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "arrival_at": ARRIVAL,
        "transport_s": ETA_S,
        "temperature_kept": True,
        "agitated": False,
        "can_thaw": True,
    }
    return Route(**{**fields, **changes})
