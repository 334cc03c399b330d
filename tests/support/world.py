"""Builders of the values that tests are about: facilities, units, requests, records."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from models.components import Component
from models.envelope import Envelope
from models.events import EventData
from models.events.requests import RequestOpened
from models.events.stock import Attestation, CountedUnit, StockCounted
from models.facilities import Hospital, Location, Station, StationPolicy
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Priority, RequestLine, UrgentRequest
from models.topics import find_topic_of
from models.units import Unit, UnitTraits
from streams.ports import Received

NOW = datetime(2025, 1, 7, 1, 30, tzinfo=UTC)

SHIGATSE = Station(
    station_id="shigatse",
    name_zh="日喀则市中心血站",
    name_en="Shigatse blood station",
    location=Location(lat=29.267, lon=88.881),
    daily_demand={Component.RED_CELLS: 12.0},
    policy=StationPolicy(neighbours=("lhasa",)),
)
LHASA = Station(
    station_id="lhasa",
    name_zh="西藏自治区血液中心",
    name_en="Tibet blood centre",
    location=Location(lat=29.652, lon=91.172),
    daily_demand={Component.RED_CELLS: 30.0},
    policy=StationPolicy(neighbours=("shigatse",)),
)
PEOPLES = Hospital(
    hospital_id="shigatse-people",
    name_zh="日喀则市人民医院",
    name_en="Shigatse People's Hospital",
    location=Location(lat=29.272, lon=88.885),
    station_id="shigatse",
    can_thaw=True,
)
DINGRI = Hospital(
    hospital_id="dingri-county",
    name_zh="定日县人民医院",
    name_en="Dingri County Hospital",
    location=Location(lat=28.66, lon=87.12),
    station_id="shigatse",
    can_thaw=False,
)

_OFFSETS = itertools.count()
_IDS = itertools.count(1)


class FixedClock:
    """A clock that stands until it is told to move."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)

    def real_s_until(self, instant: datetime) -> float:
        return max(0.0, (instant - self.at).total_seconds())


def one_unit_ml(component: Component) -> int:
    """Return the volume of a bag that holds one ordering unit."""
    if component in {Component.FRESH_FROZEN_PLASMA, Component.FROZEN_PLASMA}:
        return 100
    is_pool = component in {Component.CRYOPRECIPITATE, Component.POOLED_PLATELETS}
    return 25 if is_pool else 200


def build_unit(
    group: str = "O-",
    *,
    unit_id: str | None = None,
    component: Component = Component.RED_CELLS,
    station_id: str = "shigatse",
    expires_in_h: float = 240,
    collected_ago_h: float = 48,
    traits: UnitTraits | None = None,
    volume_ml: int | None = None,
    now: datetime = NOW,
) -> Unit:
    unit_id = unit_id or f"U{next(_IDS):06d}"
    return Unit(
        unit_id=unit_id,
        donation_id=f"D-{unit_id}",
        station_id=station_id,
        component=component,
        group=BloodGroup(group),
        volume_ml=volume_ml or one_unit_ml(component),
        collected_at=now - timedelta(hours=collected_ago_h),
        expires_at=now + timedelta(hours=expires_in_h),
        traits=traits or UnitTraits(),
    )


def build_request(
    *,
    request_id: str | None = None,
    group: str | None = "A+",
    quantity: int = 2,
    component: Component = Component.RED_CELLS,
    priority: Priority = Priority.URGENT,
    hospital: Hospital = PEOPLES,
    needed_in_h: float = 4,
    now: datetime = NOW,
    patient: Patient | None = None,
    lines: tuple[RequestLine, ...] | None = None,
    packs: int = 0,
) -> UrgentRequest:
    line = RequestLine(line_no=1, component=component, quantity=quantity)
    return UrgentRequest(
        request_id=request_id or f"r{next(_IDS):06d}",
        hospital_id=hospital.hospital_id,
        station_id=hospital.station_id,
        patient=patient or Patient(group=BloodGroup(group) if group else None),
        priority=priority,
        needed_by=now + timedelta(hours=needed_in_h),
        lines=lines if lines is not None else (line,),
        massive_transfusion_packs=packs,
    )


def build_envelope(
    event: EventData, *, source: str, event_id: str | None = None, at: datetime = NOW
) -> Envelope:
    return Envelope(
        id=event_id or f"e{next(_IDS):06d}",
        type=event.TYPE,
        source=source,
        subject=event.subject,
        time=at,
        key=event.key,
        data=event.to_body(),
    )


def build_record(
    event: EventData, *, source: str, event_id: str | None = None, at: datetime = NOW
) -> Received:
    """A record as the codec would give it."""
    envelope = build_envelope(event, source=source, event_id=event_id, at=at)
    topic = find_topic_of(event.TYPE)
    assert topic is not None, event.TYPE
    return Received(
        topic=topic.name,
        partition=0,
        offset=next(_OFFSETS),
        envelope=envelope,
        event=event,
        digest=hashlib.sha256(envelope.data).hexdigest(),
    )


def opened(
    request: UrgentRequest, *, event_id: str | None = None, opened_by: str | None = None
) -> Received:
    return build_record(
        RequestOpened(request=request, opened_by=opened_by),
        source=f"hospital/{request.hospital_id}",
        event_id=event_id,
    )


def counted(
    units: Iterable[Unit],
    *,
    station_id: str = "shigatse",
    released: bool = True,
    event_id: str | None = None,
    at: datetime = NOW,
) -> Received:
    found = tuple(CountedUnit(unit=unit, released=released) for unit in units)
    collected_at = max(counted.unit.collected_at for counted in found)
    event = StockCounted(
        station_id=station_id,
        counted_at=at,
        units=found,
        attestation=Attestation(released_by="quality", released_at=collected_at),
    )
    return build_record(event, source=f"station/{station_id}", event_id=event_id)
