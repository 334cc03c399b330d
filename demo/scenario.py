"""The scenario as its files tell it: facilities, roads, shelves, reserves, alerts, requests.

Owns the shape of the TOML files and their reading. Makes nothing up: what is drawn by chance is
made in `people`, `shelves` and `casualties` from the seed that stands here. Pure after reading.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

from pydantic import Field

from models.alerts import AlertKind, Casualties, Exposure
from models.base import Identifier, Instant, Line, Value
from models.components import Component
from models.facilities import Hospital, Location, Station
from models.groups import Abo, BloodGroup

PARTS = ("scenario", "facilities", "stock", "donors", "alerts", "requests")

Share = float


class Event(Value):
    """The disaster itself, as published."""

    source: str
    synthetic: bool
    event_key: Identifier
    occurred_at: Instant
    lat: float
    lon: float
    depth_km: float
    dead: int
    injured: int

    @property
    def location(self) -> Location:
        return Location(lat=self.lat, lon=self.lon)


class Timeline(Value):
    """How the day is pressed into a minute.

    Attributes:
        speed: Simulated seconds per real second.
        lead_s: Real seconds from the start of the system to the earthquake.
        settle_s: Real seconds that what is under way at the end is waited for.
    """

    source: str
    synthetic: bool
    speed: float = Field(gt=0)
    lead_s: float = Field(gt=0)
    requests_until_h: float = Field(gt=0)
    ends_after_h: float = Field(gt=0)
    settle_s: float = Field(ge=0)


class DemoStation(Value):
    """A station, with the short names that tables show, Chinese first."""

    station: Station
    short: tuple[Line, Line]


class DemoHospital(Value):
    """A hospital, with what only the demo wants to know of it."""

    hospital: Hospital
    short: tuple[Line, Line]
    altitude_m: int
    patients_share: Share


class Road(Value):
    """One road, both ways; the time is an estimate."""

    between: tuple[Identifier, Identifier]
    road: Line
    km: float = Field(gt=0)
    kmh: float = Field(gt=0)

    def eta_s(self, *, handover_s: int) -> int:
        return round(self.km / self.kmh * 3600) + handover_s


class RareStock(Value):
    station: Identifier
    component: Component
    group: BloodGroup
    units: int = Field(ge=1)


class TypedShare(Value):
    share: Share
    antigens: tuple[str, ...]


class TraitShares(Value):
    leukoreduced: Share
    irradiated: Share
    cmv_negative: Share
    low_titre: Share
    antigen_negative: tuple[TypedShare, ...]


class RhdShares(Value):
    negative: Share


class StockPlan(Value):
    """What lies on the shelves; RhD+ totals per station and component, rare units by hand."""

    source: str
    synthetic: bool
    counted_before_h: float
    abo: dict[Abo, Share]
    rhd: RhdShares
    station: dict[Identifier, dict[Component, int]]
    rare: tuple[RareStock, ...]
    volume_ml: dict[Component, int]
    traits: TraitShares
    quarantined_share: Share
    expiring_share: Share


class Reserve(Value):
    station: Identifier
    staff: int = Field(ge=0)
    on_call: int = Field(ge=0)


class Ineligible(Value):
    share: Share
    reasons: tuple[str, ...]


class Answers(Value):
    """How a kind of donor answers; what is neither accepted nor declined is no answer."""

    accepts: Share
    declines: Share = 0.0
    comes: Share
    fit: Share
    volume_ml: tuple[int, ...]
    answer_min_s: int
    answer_max_s: int
    arrive_min_s: int
    arrive_max_s: int


class Collection(Value):
    source: str
    donation_s: int
    tests_s: int
    fails_tests: Share
    shelf_life_d: int


class DonorPlan(Value):
    source: str
    synthetic: tuple[str, ...]
    reserve: tuple[Reserve, ...]
    ineligible: Ineligible
    answers: dict[str, Answers]
    collection: Collection


class Revision(Value):
    """One message about the disaster; its number is its place in the file."""

    sent_at: Instant
    source: Line
    headline: Line
    kind: AlertKind | None = None
    magnitude: float | None = None
    exposures: tuple[Exposure, ...] = ()
    casualties: Casualties | None = None


class AlertPlan(Value):
    source: str
    synthetic: bool
    revision: tuple[Revision, ...]


class RequestSize(Value):
    admitted_of_injured: Share
    components_per_admission: float
    ratio: dict[Component, float]
    concentrates_per_platelet_dose: int
    cryoprecipitate_units: int
    transfused_of_admitted: Share


class Arrival(Value):
    """A gamma curve from `first_min`, highest at `peak_min`."""

    first_min: float
    peak_min: float
    shape: float = Field(gt=1)


class PatientShares(Value):
    unknown_group: Share
    female: Share
    child: Share
    rhd_negative: Share
    life_threatening: Share
    urgent: Share


class SpecialCases(Value):
    """How many requests of each kind must occur, whatever chance says."""

    massive_transfusion: int
    women_rhd_negative: int
    leukoreduced: int
    irradiated: int
    identical_group_only: int
    antigen_negative: int
    max_age_d: int
    washed: int
    frozen_at_hospital_without_thawing: int


class TransportShares(Value):
    straight_to_kafka: Share
    resent: Share


class RequestPlan(Value):
    source: str
    synthetic: bool
    size: RequestSize
    arrival: Arrival
    patients: PatientShares
    needed_within_s: dict[str, tuple[int, int]]
    special: SpecialCases
    transport: TransportShares


class Scenario(Value):
    """Everything that the files tell."""

    name: str
    title_zh: str
    title_en: str
    seed: int
    event: Event
    timeline: Timeline
    demo_stations: tuple[DemoStation, ...]
    hospitals: tuple[DemoHospital, ...]
    roads: tuple[Road, ...]
    handover_s: int
    stock: StockPlan
    donors: DonorPlan
    alerts: AlertPlan
    requests: RequestPlan

    @property
    def stations(self) -> tuple[Station, ...]:
        return tuple(one.station for one in self.demo_stations)

    @property
    def routes(self) -> Mapping[tuple[str, str], int]:
        """Whole seconds for each direction of each road."""
        ways = {}
        for road in self.roads:
            near, far = road.between
            ways[near, far] = ways[far, near] = road.eta_s(handover_s=self.handover_s)
        return ways

    def get_names(self, facility_id: str) -> tuple[str, str]:
        """Return the short Chinese and English name of a facility.

        Raises:
            KeyError: There is none of that id.
        """
        for station in self.demo_stations:
            if station.station.station_id == facility_id:
                return station.short
        return self.get_hospital(facility_id).short

    def at(self, hours: float) -> datetime:
        """Return the simulated instant so many hours after the earthquake."""
        return self.event.occurred_at + timedelta(hours=hours)

    def get_hospital(self, hospital_id: str) -> DemoHospital:
        """Return a hospital of the scenario.

        Raises:
            KeyError: There is none of that id.
        """
        for one in self.hospitals:
            if one.hospital.hospital_id == hospital_id:
                return one
        raise KeyError(hospital_id)


def list_scenarios() -> tuple[str, ...]:
    """List the demos that have data files."""
    folder = files("demo")
    return tuple(
        sorted(
            entry.name for entry in folder.iterdir() if entry.joinpath("scenario.toml").is_file()
        )
    )


def read_scenario(name: str) -> Scenario:
    """Read the files of one demo.

    Raises:
        KeyError: There is no demo of that name.
        ValidationError: A file does not have the shape it must have.
    """
    if name not in list_scenarios():
        raise KeyError(name)
    parts = {part: _read(name, part) for part in PARTS}
    facilities = parts["facilities"]
    return Scenario.model_validate(
        {
            **parts["scenario"],
            "demo_stations": [
                _split(row, "station", own=("short",)) for row in facilities["station"]
            ],
            "hospitals": [
                _split(row, "hospital", own=("short", "altitude_m", "patients_share"))
                for row in facilities["hospital"]
            ],
            "roads": facilities["road"],
            "handover_s": facilities["roads"]["handover_s"],
            **{part: parts[part] for part in ("stock", "donors", "alerts", "requests")},
        }
    )


def _read(name: str, part: str) -> dict[str, Any]:
    text = files("demo").joinpath(name, f"{part}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _split(row: dict[str, Any], kind: str, *, own: tuple[str, ...]) -> dict[str, Any]:
    """Part what the system knows of a facility from what only the demo does."""
    demo_only = {name: row[name] for name in own}
    return {**demo_only, kind: {key: row[key] for key in row if key not in own}}
