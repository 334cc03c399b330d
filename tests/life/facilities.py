"""The facilities of the driven lives: two neighbouring stations, and their hospitals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from models.components import Component
from models.directory import Directory
from models.facilities import (
    Hospital,
    Location,
    ShortageThresholds,
    Station,
    StationPolicy,
)

STATION_ID, NEIGHBOUR_ID = "station", "neighbour"
HOSPITAL_ID, OTHER_HOSPITAL_ID = "hospital", "other-hospital"
ETA_S, BETWEEN_STATIONS_S = 1800, 4 * 3600
BEGIN = datetime(2025, 1, 7, 1, tzinfo=UTC)
GROUPS = ("O-", "O+", "A+", "B+")

PLACE = Location(lat=29.3, lon=88.9)

_NOTHING_KEPT = ShortageThresholds(yellow_below_d=3e-12, orange_below_d=2e-12, red_below_d=1e-12)
"""A giver keeps back what it will use in the days of its orange colour; what a station burns is not
foretold here, so it keeps nothing."""


def build_hospital(hospital_id: str, *, cannot_use: Sequence[Component] = ()) -> Hospital:
    """Return a hospital that the station supplies."""
    return Hospital(
        hospital_id=hospital_id,
        name_zh="院",
        name_en="hospital",
        location=PLACE,
        station_id=STATION_ID,
        can_thaw=True,
        cannot_use=tuple(cannot_use),
    )


def build_directory(*, eta_s: int = ETA_S, cannot_use: Sequence[Component] = ()) -> Directory:
    """Return all facilities, with the hospital's current values.

    Args:
        eta_s: Seconds from the station to the hospital.
        cannot_use: Components that the hospital cannot use.
    """
    hospitals = (
        build_hospital(HOSPITAL_ID, cannot_use=cannot_use),
        build_hospital(OTHER_HOSPITAL_ID),
    )
    return Directory(
        stations={
            STATION_ID: _build_station(STATION_ID, NEIGHBOUR_ID),
            NEIGHBOUR_ID: _build_station(NEIGHBOUR_ID, STATION_ID),
        },
        hospitals={hospital.hospital_id: hospital for hospital in hospitals},
        routes={
            (STATION_ID, HOSPITAL_ID): eta_s,
            (STATION_ID, NEIGHBOUR_ID): BETWEEN_STATIONS_S,
            (NEIGHBOUR_ID, STATION_ID): BETWEEN_STATIONS_S,
        },
    )


def _build_station(station_id: str, neighbour_id: str) -> Station:
    return Station(
        station_id=station_id,
        name_zh="站",
        name_en=station_id,
        location=PLACE,
        daily_demand={},
        policy=StationPolicy(neighbours=(neighbour_id,), thresholds=_NOTHING_KEPT),
    )
