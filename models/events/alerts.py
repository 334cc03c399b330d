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
    alert: Alert

    @property
    def key(self) -> str:
        return self.alert.event_key

    @property
    def subject(self) -> str:
        return self.alert.event_key


class AlertUnanswered(EventData):
    """An alert led to nothing, or waits for a dispatcher's confirmation; the reasons say why.

    Attributes:
        held: True while it waits: nothing was done, and a later alert of any revision is acted on.
            False where no station answers it.
    """

    TYPE: ClassVar[str] = "blood.alert.unanswered.v1"
    alert_id: Identifier
    event_key: Identifier
    revision: int = Field(ge=1, le=LARGEST)
    exercise: bool = False
    held: bool
    reasons: tuple[Reason, ...] = Field(min_length=1)
    told_at: Instant

    @property
    def key(self) -> str:
        return self.event_key

    @property
    def subject(self) -> str:
        return self.event_key


class _ActivationEvent(EventData):
    activation: Activation

    @property
    def key(self) -> str:
        return self.activation.station_id

    @property
    def subject(self) -> str:
        return self.activation.activation_id


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
    activation_id: Identifier
    event_key: Identifier
    station_id: Identifier
    exercise: bool = False
    wanted: int = Field(ge=0, le=LARGEST)
    callable: int = Field(ge=0, le=LARGEST)
    missing: int = Field(ge=0, le=LARGEST)
    told_at: Instant

    @property
    def key(self) -> str:
        return self.station_id

    @property
    def subject(self) -> str:
        return self.activation_id
