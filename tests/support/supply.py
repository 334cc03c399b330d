"""Builders of stations, donors and units for tests of the supply side."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from models.alerts import Alert
from models.clearance import UnitFacts
from models.components import Component
from models.donors import Donor
from models.facilities import Station
from models.groups import BloodGroup
from models.units import UnitStatus
from streams.matching.donor_eligibility import DonorRecord
from tests.support.world import one_unit_ml

AT = datetime(2025, 1, 7, 1, 5, 16, tzinfo=UTC)
"""The Dingri earthquake; morning of 7 January in China."""

EPICENTRE = {"lat": 28.6, "lon": 87.4}


def make_station(station_id: str = "shigatse", **changes: object) -> Station:
    fields: dict[str, object] = {
        "station_id": station_id,
        "name_zh": "站",
        "name_en": "station",
        "location": {"lat": 29.27, "lon": 88.88},
        "daily_demand": {"red_cells": 10.0, "fresh_frozen_plasma": 5.0},
    }
    return Station.model_validate({**fields, **changes})


def make_alert(*, revision: int = 1, injured: int = 340, **changes: object) -> Alert:
    """The Dingri earthquake; with `injured` reported, unless `casualties` are changed."""
    fields: dict[str, object] = {
        "alert_id": f"us6000pi9w-{revision}",
        "event_key": "us6000pi9w",
        "revision": revision,
        "source": "test",
        "sent_at": AT,
        "occurred_at": AT,
        "location": EPICENTRE,
        "casualties": {"injured": injured},
    }
    return Alert.model_validate({**fields, **changes})


def make_donor(donor_id: str = "d-1", **changes: object) -> Donor:
    fields: dict[str, object] = {
        "donor_id": donor_id,
        "station_id": "shigatse",
        "name": f"Test {donor_id}",
        "contact": f"test:{donor_id}",
        "group": "O+",
        "sex": "female",
        "born_on": "1990-06-15",
        "weight_kg": 55,
        "consented_at": "2024-01-01T00:00:00Z",
    }
    return Donor.model_validate({**fields, **changes})


def make_record(
    donor_id: str = "d-1",
    *,
    learnt_on: date | None = None,
    called: int = 0,
    accepted: int = 0,
    on_live_call: bool = False,
    **changes: object,
) -> DonorRecord:
    """Other changes are the donor's own fields."""
    return DonorRecord(
        donor=make_donor(donor_id, **changes),
        last_whole_blood_on=learnt_on,
        called=called,
        accepted=accepted,
        on_live_call=on_live_call,
    )


def make_units(
    count: int,
    *,
    station_id: str = "lhasa",
    group: BloodGroup = BloodGroup.O_POS,
    component: Component = Component.RED_CELLS,
    expires_in_h: float = 240.0,
    prefix: str = "u",
) -> list[UnitFacts]:
    return [
        UnitFacts(
            unit_id=f"{prefix}-{station_id}-{group.name}-{at:03}",
            station_id=station_id,
            component=component,
            group=group,
            volume_ml=one_unit_ml(component),
            collected_at=AT - timedelta(days=5),
            expires_at=AT + timedelta(hours=expires_in_h + at),
            status=UnitStatus.AVAILABLE,
            released=True,
            recalled=False,
            epoch=0,
        )
        for at in range(count)
    ]
