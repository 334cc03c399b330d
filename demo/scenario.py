"""The scenario as read from its files: facilities, roads, stock, reserves, alerts, requests.

Invents nothing: what is drawn by chance is made in `people`, `shelves` and `casualties` from the
scenario's seed. Pure after reading.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

from demo.scenario_schema import (
    AlertPlan,
    DemoHospital,
    DemoStation,
    DisasterEvent,
    DonorPlan,
    Goals,
    HindsightPlan,
    RequestPlan,
    Road,
    StockPlan,
    Timeline,
)
from models.base import Value
from models.facilities import Station

PARTS = ("scenario", "facilities", "stock", "donors", "alerts", "requests")


class Scenario(Value):
    """The content of the scenario's files."""

    name: str
    title_zh: str
    title_en: str
    seed: int
    event: DisasterEvent
    timeline: Timeline
    goals: Goals
    hindsight: HindsightPlan
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
        return tuple(demo_station.station for demo_station in self.demo_stations)

    @property
    def routes(self) -> Mapping[tuple[str, str], int]:
        """Return the whole seconds of each direction of each road."""
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
        for demo_hospital in self.hospitals:
            if demo_hospital.hospital.hospital_id == hospital_id:
                return demo_hospital
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
    """Separate the fields that the system knows of a facility from those of the demo alone."""
    demo_only = {name: row[name] for name in own}
    return {**demo_only, kind: {key: row[key] for key in row if key not in own}}
