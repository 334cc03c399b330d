"""Events about hospital requests and the decisions on them."""

from __future__ import annotations

from typing import ClassVar

from models.decisions import Decision
from models.events.base import EventData
from models.requests import Amendment, Cancellation, UrgentRequest


class RequestOpened(EventData):
    """A hospital asks for blood."""

    TYPE: ClassVar[str] = "blood.request.opened.v1"
    request: UrgentRequest

    @property
    def key(self) -> str:
        return self.request.station_id

    @property
    def subject(self) -> str:
        return self.request.request_id


class RequestAmended(EventData):
    """A hospital changes what it asked for."""

    TYPE: ClassVar[str] = "blood.request.amended.v1"
    amendment: Amendment

    @property
    def key(self) -> str:
        return self.amendment.station_id

    @property
    def subject(self) -> str:
        return self.amendment.request_id


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
    """What was decided on a request."""

    TYPE: ClassVar[str] = "blood.request.decided.v1"
    decision: Decision

    @property
    def key(self) -> str:
        return self.decision.station_id

    @property
    def subject(self) -> str:
        return self.decision.request_id
