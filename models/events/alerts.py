"""Events about disasters: alerts as received, activations as decided."""

from __future__ import annotations

from typing import ClassVar

from models.alerts import Activation, Alert
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
