"""Events about hospital requests and the decisions on them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from models.base import Line
from models.decisions import Decision
from models.events.base import EventData
from models.requests import Amendment, Cancellation, UrgentRequest


class RequestOpened(EventData):
    """A hospital asks for blood.

    Attributes:
        opened_by: Who said so, where it was not the hospital, such as `dispatcher/<key>`.
    """

    TYPE: ClassVar[str] = "blood.request.opened.v1"
    request: UrgentRequest
    opened_by: Line | None = Field(default=None, min_length=1)

    @property
    def key(self) -> str:
        return self.request.station_id

    @property
    def subject(self) -> str:
        return self.request.request_id


class RequestAmended(EventData):
    """A hospital changes what it asked for; its body holds what was stated and nothing else."""

    TYPE: ClassVar[str] = "blood.request.amended.v1"
    amendment: Amendment

    @property
    def key(self) -> str:
        return self.amendment.station_id

    @property
    def subject(self) -> str:
        return self.amendment.request_id

    def to_body(self) -> bytes:
        """Return the JSON body: what is left out stays as it was, null takes a value away."""
        return self.model_dump_json(exclude_unset=True).encode()


class RequestCancelled(EventData):
    """A hospital no longer needs what it asked for."""

    TYPE: ClassVar[str] = "blood.request.cancelled.v1"
    cancellation: Cancellation

    @property
    def key(self) -> str:
        return self.cancellation.station_id

    @property
    def subject(self) -> str:
        return self.cancellation.request_id


class RequestDecided(EventData):
    """What was decided on a request.

    Attributes:
        asked_digest: SHA-256 (hex) of the body of the event that was decided on, so that a waiting
            caller knows whether it was its own; None where no event of a hospital led to it.
    """

    TYPE: ClassVar[str] = "blood.request.decided.v1"
    decision: Decision
    asked_digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")

    @property
    def key(self) -> str:
        return self.decision.station_id

    @property
    def subject(self) -> str:
        return self.decision.request_id
