"""Disaster alerts as they are received, and the activations that they open."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from models.base import LARGEST, Identifier, Instant, Line, Value
from models.components import Component
from models.facilities import MOST_KM, Location
from models.hazards import Hazard

MOST_EXPOSED = 2_000_000_000
"""The most people in one exposure row: more than any country has."""

MOST_CASUALTIES = 10_000_000
"""The most of one disaster: ten times the worst on record; a larger number is a typing error."""


class AlertKind(StrEnum):
    ALERT = "alert"
    UPDATE = "update"
    CANCEL = "cancel"


class AlertStatus(StrEnum):
    """Only an actual alert moves blood; an exercise opens a marked activation and calls nobody."""

    ACTUAL = "actual"
    EXERCISE = "exercise"
    TEST = "test"


class Exposure(Value):
    """People who felt an intensity: one row of a PAGER revision."""

    mmi: int = Field(ge=1, le=12)
    population: int = Field(ge=0, le=MOST_EXPOSED)


class Casualties(Value):
    """Counts as reported; zero is a report, None is no report.

    Older events carry a zero where nothing was reported. Zero injured beside some dead is therefore
    read as unknown (`known_injured`), and no plan is built on it.
    """

    dead: int | None = Field(default=None, ge=0, le=MOST_CASUALTIES)
    injured: int | None = Field(default=None, ge=0, le=MOST_CASUALTIES)

    @property
    def known_injured(self) -> int | None:
        return None if self.injured == 0 and self.dead else self.injured


class Alert(Value):
    """One message about one disaster.

    Attributes:
        event_key: The disaster; revisions of it share the key and are ordered by `revision`.
        revision: Grows with each message of the issuer; an older one changes nothing.
        casualties: As reported by authorities, or None; then exposures are used.
        confirmed_by: The dispatcher who confirmed the alert although its time is doubtful.
    """

    alert_id: Identifier
    event_key: Identifier
    revision: int = Field(ge=1, le=LARGEST)
    kind: AlertKind = AlertKind.ALERT
    status: AlertStatus = AlertStatus.ACTUAL
    hazard: Hazard = "earthquake"
    headline: Line = ""
    source: Line = Field(min_length=1)
    sent_at: Instant
    occurred_at: Instant
    location: Location
    depth_km: float | None = Field(default=None, ge=0, le=800)
    magnitude: float | None = Field(default=None, ge=0, le=10)
    country: Identifier = "CN"
    exposures: tuple[Exposure, ...] = Field(default=(), max_length=100)
    casualties: Casualties | None = None
    confirmed_by: Line = ""


class ActivationStatus(StrEnum):
    """open -> stood_down. A later revision reopens a stood-down activation."""

    OPEN = "open"
    STOOD_DOWN = "stood_down"


class Need(Value):
    """Units that a disaster is expected to need of one component.

    Attributes:
        basis: `reported` (casualty counts), `estimated` (exposures and a fatality model) or
            `magnitude` (nothing else was known: rough).
    """

    component: Component
    units: int = Field(ge=0, le=LARGEST)
    basis: Identifier


class Activation(Value):
    """One station's part in one disaster.

    Attributes:
        lead: True for the nearest station, which plans for the whole need; the others support it.
        needs: The whole estimated need of the disaster, per component.
        donors_wanted: Whole-blood donations this station is asked for, whether or not it has the
            donors; over all stations, what their stock leaves open of the need.
        donors_callable: Its donors who may be called now, or were called for this disaster; None in
            events that were written before the field existed.
        donors_missing: Donations wanted of the station that none of its donors can cover.
        ends_at: When an exercise ends by itself; None for an actual disaster.
    """

    activation_id: Identifier
    event_key: Identifier
    station_id: Identifier
    revision: int = Field(ge=1, le=LARGEST)
    status: ActivationStatus
    exercise: bool = False
    lead: bool
    distance_km: float = Field(ge=0, le=MOST_KM)
    needs: tuple[Need, ...] = ()
    donors_wanted: int = Field(default=0, ge=0, le=LARGEST)
    donors_callable: int | None = Field(default=None, ge=0, le=LARGEST)
    donors_missing: int = Field(default=0, ge=0, le=LARGEST)
    ends_at: Instant | None = None
    decided_at: Instant
