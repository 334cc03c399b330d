"""Events about hospital requests and the decisions on them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from models.base import Line
from models.decisions import Decision
from models.events.base import EventData
from models.patient_records import PatientChange
from models.requests import Amendment, Cancellation, UrgentRequest


class RequestOpened(EventData):
    """A hospital asks for blood.

    Attributes:
        opened_by: Who said so, where it was not the hospital, such as `dispatcher/<key>`.
    """

    TYPE: ClassVar[str] = "blood.request.opened.v2"
    KEY: ClassVar[str] = "request.station_id"
    SUBJECT: ClassVar[str] = "request.request_id"
    request: UrgentRequest
    opened_by: Line | None = Field(default=None, min_length=1)


class RequestAmended(EventData):
    """A hospital changes what it asked for; its body holds what was stated and nothing else."""

    TYPE: ClassVar[str] = "blood.request.amended.v2"
    KEY: ClassVar[str] = "amendment.station_id"
    SUBJECT: ClassVar[str] = "amendment.request_id"
    amendment: Amendment

    def to_body(self) -> bytes:
        """Return the JSON body: what is left out stays as it was, null takes a value away."""
        return self.model_dump_json(exclude_unset=True).encode()


class RequestCancelled(EventData):
    """A hospital no longer needs what it asked for."""

    TYPE: ClassVar[str] = "blood.request.cancelled.v1"
    KEY: ClassVar[str] = "cancellation.station_id"
    SUBJECT: ClassVar[str] = "cancellation.request_id"
    cancellation: Cancellation


class PatientChanged(EventData):
    """A hospital or its laboratory tells something of a patient, or corrects what was told."""

    TYPE: ClassVar[str] = "blood.patient.changed.v1"
    KEY: ClassVar[str] = "change.station_id"
    SUBJECT: ClassVar[str] = "change.reference"
    change: PatientChange


class RequestDecided(EventData):
    """What was decided on a request.

    Attributes:
        asked_digest: SHA-256 (hex) of the body of the event that was decided on, so that a waiting
            caller knows whether it was its own; None where no event of a hospital led to it.
    """

    TYPE: ClassVar[str] = "blood.request.decided.v1"
    KEY: ClassVar[str] = "decision.station_id"
    SUBJECT: ClassVar[str] = "decision.request_id"
    decision: Decision
    asked_digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
