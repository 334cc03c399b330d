"""The schema of a scenario's TOML files, table by table; a misspelt field is refused. Pure."""

from __future__ import annotations

from pydantic import Field

from models.alerts import AlertKind, Casualties, Exposure
from models.base import Identifier, Instant, Line, Value
from models.components import Component
from models.facilities import Hospital, Location, Station
from models.groups import Abo, BloodGroup

Share = float
"""Of a whole, 0 to 1."""


class DisasterEvent(Value):
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
    """How the day is compressed into about a minute.

    Attributes:
        speed: Simulated seconds per real second.
        lead_s: Real seconds from the start of the system to the earthquake.
        settle_s: Real seconds to wait at the end for errands that are under way.
    """

    source: str
    synthetic: bool
    speed: float = Field(gt=0)
    lead_s: float = Field(gt=0)
    requests_until_h: float = Field(gt=0)
    ends_after_h: float = Field(gt=0)
    settle_s: float = Field(ge=0)


class Goals(Value):
    """What the day is measured by.

    Attributes:
        with_nothing_percent: Requests that may end without a bag, of those sent.
    """

    source: str
    with_nothing_percent: float = Field(ge=0, le=100)


class HindsightPlan(Value):
    """How the day is held beside its optimum.

    Attributes:
        grace_s: For so long after its needed-by time a request is still served.
        share: Of the optimum, at least.
    """

    source: str
    grace_s: int = Field(ge=0)
    share: Share


class DemoStation(Value):
    """A station, with the short names that the tables show, Chinese first."""

    station: Station
    short: tuple[Line, Line]


class DemoHospital(Value):
    """A hospital, with fields that only the demo needs."""

    hospital: Hospital
    short: tuple[Line, Line]
    altitude_m: int
    patients_share: Share


class Road(Value):
    """A road in both directions; the travel time is an estimate."""

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
    """The stock: RhD+ totals per station and component, rare units listed one by one."""

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
    """How a kind of donor answers; the rest, neither accepted nor declined, do not answer."""

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
    """A message about the disaster; its revision number is its place in the file."""

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
    """Who the patients are.

    Attributes:
        typed_after_min: Between these minutes after the request a hospital tells a group that was
            not known at first.
    """

    unknown_group: Share
    typed_after_min: tuple[float, float]
    female: Share
    child: Share
    rhd_negative: Share
    life_threatening: Share
    urgent: Share


class SpecialCases(Value):
    """How many requests of each kind must occur, independent of chance."""

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
