"""Events about disasters: alerts as received, activations as decided."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from models.alerts import Activation, Alert
from models.base import LARGEST, Identifier, Instant
from models.decisions import Reason
from models.events.base import EventData


class AlertReceived(EventData):
    """A disaster feed or a person reports, updates or cancels a disaster."""

    TYPE: ClassVar[str] = "blood.alert.received.v1"
    KEY: ClassVar[str] = "alert.event_key"
    SUBJECT: ClassVar[str] = "alert.event_key"
    alert: Alert


class AlertUnanswered(EventData):
    """An alert led to nothing, or waits for a dispatcher's confirmation; the reasons say why.

    Attributes:
        held: True while it waits: nothing was done, and a later alert of any revision is acted on.
            False where no station answers it.
    """

    TYPE: ClassVar[str] = "blood.alert.unanswered.v1"
    KEY: ClassVar[str] = "event_key"
    SUBJECT: ClassVar[str] = "event_key"
    alert_id: Identifier
    event_key: Identifier
    revision: int = Field(ge=1, le=LARGEST)
    exercise: bool = False
    held: bool
    reasons: tuple[Reason, ...] = Field(min_length=1)
    told_at: Instant


class _ActivationEvent(EventData):
    KEY: ClassVar[str] = "activation.station_id"
    SUBJECT: ClassVar[str] = "activation.activation_id"
    activation: Activation


class ActivationOpened(_ActivationEvent):
    """A station takes part in answering a disaster."""

    TYPE: ClassVar[str] = "blood.activation.opened.v1"


class ActivationRevised(_ActivationEvent):
    """A later revision changed what is needed."""

    TYPE: ClassVar[str] = "blood.activation.revised.v1"


class ActivationStoodDown(_ActivationEvent):
    """The disaster was cancelled or its need is met."""

    TYPE: ClassVar[str] = "blood.activation.stood-down.v1"


class DonorsMissing(EventData):
    """Donations that no donor of a station can cover in a disaster: a higher level must be asked.

    Attributes:
        wanted: Donations wanted of the station.
        callable: Its donors who may be called, or were called for this disaster.
        missing: Donations that none of them covers; zero when all are covered again.
    """

    TYPE: ClassVar[str] = "blood.activation.donors-missing.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "activation_id"
    activation_id: Identifier
    event_key: Identifier
    station_id: Identifier
    exercise: bool = False
    wanted: int = Field(ge=0, le=LARGEST)
    callable: int = Field(ge=0, le=LARGEST)
    missing: int = Field(ge=0, le=LARGEST)
    told_at: Instant
