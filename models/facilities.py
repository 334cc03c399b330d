"""Stations that hold blood, hospitals that ask for it, and where they are."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Annotated

from pydantic import Field

from models.base import Identifier, Line, Value
from models.components import Component

EARTH_RADIUS_KM = 6371.0088


class Location(Value):
    """WGS 84, decimal degrees."""

    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)

    def distance_km(self, other: Location) -> float:
        """Return the great-circle distance in kilometres."""
        lat_1, lat_2 = radians(self.lat), radians(other.lat)
        h = (
            sin((lat_2 - lat_1) / 2) ** 2
            + cos(lat_1) * cos(lat_2) * sin(radians(other.lon - self.lon) / 2) ** 2
        )
        return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(h)))


class ShortageThresholds(Value):
    """Days of supply below which each colour begins; one station's policy.

    Defaults: yellow below the UK target of 6 d, red below Shandong's 3 d, orange halfway. Local
    policy: every station must confirm its own.
    """

    yellow_below_d: float = Field(default=6.0, gt=0)
    orange_below_d: float = Field(default=4.5, gt=0)
    red_below_d: float = Field(default=3.0, gt=0)


class StationPolicy(Value):
    """What a station decides for itself.

    Attributes:
        low_titre_a_plasma: Low-titre A plasma may go to AB and to unknown patients.
        thresholds: The colours of shortage.
        activation_radius_km: An earthquake within this distance opens an activation.
        neighbours: Stations whose shortages this one answers, nearest agreement first.
        acceptance_rate: Share of called reserve donors expected to accept, before any is learnt.
            4.4 % was seen in one fatigued pool, 17-47 % in volunteer programmes.
        staff_acceptance_rate: The same for the station's own staff, who answer far better.
        show_up_rate: Share of those who accepted that come.
        no_show_grace_s: Seconds after the promised arrival when a donor counts as a no-show.
    """

    low_titre_a_plasma: bool = False
    thresholds: ShortageThresholds = ShortageThresholds()
    activation_radius_km: float = Field(default=800.0, gt=0)
    neighbours: tuple[Identifier, ...] = ()
    acceptance_rate: float = Field(default=0.25, gt=0, le=1)
    staff_acceptance_rate: float = Field(default=0.8, gt=0, le=1)
    show_up_rate: float = Field(default=0.8, gt=0, le=1)
    no_show_grace_s: int = Field(default=2700, ge=60)


DailyDemand = Annotated[dict[Component, float], Field(default_factory=dict)]
"""Units a day that a station usually issues, per component, all groups together."""


class Station(Value):
    """A blood station: it collects, tests, holds and releases."""

    station_id: Identifier
    name_zh: Line
    name_en: Line
    location: Location
    altitude_m: int = Field(default=0, ge=-500, le=9000)
    daily_demand: DailyDemand
    policy: StationPolicy = StationPolicy()


class MassiveTransfusionPack(Value):
    """One cooler of a hospital's massive-transfusion protocol, in units per component."""

    name: Line
    units: dict[Component, Annotated[int, Field(ge=1, le=50)]] = Field(min_length=1)


DEFAULT_PACK = MassiveTransfusionPack(
    name="4:4:1",
    units={Component.RED_CELLS: 4, Component.FRESH_FROZEN_PLASMA: 4, Component.PLATELETS: 1},
)


class Hospital(Value):
    """A hospital and the one station that supplies it.

    Attributes:
        can_thaw: Without it, frozen products are of no use there and are refused with that reason.
        cannot_use: Components that it cannot use for other reasons, refused in the same way.
        pack: What one massive-transfusion pack holds here.
    """

    hospital_id: Identifier
    name_zh: Line
    name_en: Line
    location: Location
    station_id: Identifier
    can_thaw: bool = True
    cannot_use: tuple[Component, ...] = ()
    pack: MassiveTransfusionPack = DEFAULT_PACK


ROAD_FACTOR = 1.4
"""Road over great-circle distance where no route is recorded; mountain roads wind."""

ROAD_SPEED_KMH = 50.0
"""Speed on such a road. Local: record real routes where they are known."""

HANDOVER_S = 900
"""Picking, packing and handing over, added to every journey."""


def estimate_eta_s(origin: Location, destination: Location) -> int:
    """Estimate the journey in whole seconds where no route is recorded."""
    road_km = origin.distance_km(destination) * ROAD_FACTOR
    return round(road_km / ROAD_SPEED_KMH * 3600) + HANDOVER_S
