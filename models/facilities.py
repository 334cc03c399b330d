"""Stations that hold blood, hospitals that ask for it, and where they are."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Annotated

from pydantic import AfterValidator, Field

from models.base import Identifier, Line, Value
from models.components import Component
from models.rules.types.packs import PACKS, PackRule
from models.rules.types.policies import POLICY_DEFAULTS, JourneyRule

EARTH_RADIUS_KM = 6371.0088

MOST_KM = 20_100.0
"""The longest distance: no two places on Earth lie further apart."""

_MOST_DAYS = 365.0
"""The highest threshold: no blood on a shelf lasts longer, so no colour begins above it."""


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

    Source: models/rules/data/policies.toml.
    """

    yellow_below_d: float = Field(
        default=POLICY_DEFAULTS.thresholds.yellow_below_d, gt=0, le=_MOST_DAYS
    )
    orange_below_d: float = Field(
        default=POLICY_DEFAULTS.thresholds.orange_below_d, gt=0, le=_MOST_DAYS
    )
    red_below_d: float = Field(default=POLICY_DEFAULTS.thresholds.red_below_d, gt=0, le=_MOST_DAYS)


class StationPolicy(Value):
    """What a station decides for itself.

    Attributes:
        low_titre_a_plasma: Low-titre A plasma may go to AB and to unknown patients.
        thresholds: The colours of shortage.
        activation_radius_km: An earthquake within this distance opens an activation.
        neighbours: Stations that it helps and that help it, nearest agreement first; it is enough
            that one of the two names the other.
        acceptance_rate: Share of called reserve donors expected to accept, before any is learnt.
        staff_acceptance_rate: The same for the station's own staff, who answer far better.
        show_up_rate: Share of those who accepted that come.
        no_show_grace_s: Seconds after the promised arrival when a donor counts as a no-show.
    """

    low_titre_a_plasma: bool = POLICY_DEFAULTS.low_titre_a.allowed
    thresholds: ShortageThresholds = ShortageThresholds()
    activation_radius_km: float = Field(
        default=POLICY_DEFAULTS.activation.radius_km, gt=0, le=MOST_KM
    )
    neighbours: tuple[Identifier, ...] = Field(default=(), max_length=1000)
    acceptance_rate: float = Field(default=POLICY_DEFAULTS.reserve.acceptance_rate, gt=0, le=1)
    staff_acceptance_rate: float = Field(
        default=POLICY_DEFAULTS.reserve.staff_acceptance_rate, gt=0, le=1
    )
    show_up_rate: float = Field(default=POLICY_DEFAULTS.reserve.show_up_rate, gt=0, le=1)
    no_show_grace_s: int = Field(default=POLICY_DEFAULTS.no_show.grace_s, ge=60, le=604_800)


def _keep_millionths(units: float) -> float:
    return round(units, 6)


UnitsADay = Annotated[float, Field(ge=0, le=100_000), AfterValidator(_keep_millionths)]
"""Units a day: at most what all of China issues; less than a unit in a thousand years is none."""

DailyDemand = Annotated[dict[Component, UnitsADay], Field(default_factory=dict)]
"""Ordering units a day that a station usually issues, per component, all groups together: U of red
cells and plasma, doses of platelets by apheresis (`models.doses`)."""


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
    """One cooler of a hospital's massive-transfusion protocol, in ordering units.

    4:4:1 is 4 U of red cells, 4 U of plasma and one dose of platelets (`models.doses`).
    """

    name: Line
    units: dict[Component, Annotated[int, Field(ge=1, le=50)]] = Field(min_length=1)


def _build_pack(name: str, rule: PackRule) -> MassiveTransfusionPack:
    return MassiveTransfusionPack(name=name, units=rule.units)


DEFAULT_PACK = _build_pack("4:4:1", PACKS.pack_4_4_1)
"""The pack of a hospital whose record names none."""


class Hospital(Value):
    """A hospital and the one station that supplies it.

    Attributes:
        can_thaw: Whether it can thaw frozen products; without it they are refused with that
            reason. A hospital that does not state it cannot.
        cannot_use: Components that it cannot use for other reasons, refused in the same way.
        pack: What one massive-transfusion pack holds here.
    """

    hospital_id: Identifier
    name_zh: Line
    name_en: Line
    location: Location
    station_id: Identifier
    can_thaw: bool = False
    cannot_use: tuple[Component, ...] = ()
    pack: MassiveTransfusionPack = DEFAULT_PACK


def estimate_eta_s(origin: Location, destination: Location, rule: JourneyRule) -> int:
    """Estimate the journey in whole seconds where no route is recorded."""
    road_km = origin.distance_km(destination) * rule.road_factor
    return round(road_km / rule.road_speed_kmh * 3600) + rule.handover_s
