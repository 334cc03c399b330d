"""Port to alerts and activations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from models.alerts import Activation, Alert
from models.decisions import Reason


class AlertOutcome(StrEnum):
    """What was done with an alert that was taken in."""

    ANSWERED = "answered"
    SUPERSEDED = "superseded"
    UNANSWERED = "unanswered"
    """No station takes part; the alert is still the newest of its disaster."""
    HELD = "held"
    """It waits for a dispatcher and counts as not sent: nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationState:
    """An activation as it stands, and when it was first opened."""

    activation: Activation
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAlert:
    """An alert and the source that sent it, such as `feed/<key>`; empty for an old alert."""

    alert: Alert
    told_by: str


class DisasterStore(Protocol):
    async def lock_event(self, event_key: str) -> None:
        """Return when no other transaction works on this disaster, or for the stations in it.

        Raises:
            LocksMissingError: The transaction began without these locks.
        """
        ...

    async def find_newest_alert(self, event_key: str) -> ToldAlert | None:
        """Return the alert with the highest revision that was not held, or None."""
        ...

    async def list_alerts(self, event_key: str, *, before_revision: int) -> list[Alert]:
        """List the alerts below a revision that were not held, in order."""
        ...

    async def add_alert(self, alert: Alert, *, told_by: str, now: datetime) -> bool:
        """Keep an alert; write nothing and return False if its id is known already."""
        ...

    async def settle_alert(
        self, alert_id: str, outcome: AlertOutcome, reasons: Sequence[Reason]
    ) -> None:
        """Keep what was done with an alert of this transaction, and why."""
        ...

    async def list_open_event_keys(self, station_id: str) -> list[str]:
        """List the disasters, no exercises, in which a station takes part now."""
        ...

    async def list_activations(self, event_key: str) -> list[ActivationState]: ...

    async def find_activation(self, activation_id: str) -> ActivationState | None: ...

    async def list_open_activations(self, station_id: str) -> list[ActivationState]:
        """List the station's open activations that are no exercise, the newest first."""
        ...

    async def write_activation(self, activation: Activation) -> None:
        """Write an activation as it stands from now on; its opening time stays."""
        ...

    async def count_red_cells(
        self, station_ids: Collection[str], *, event_key: str, since: datetime, now: datetime
    ) -> Mapping[str, int]:
        """Count, per station, the red cells that served the disaster or can serve it.

        Args:
            station_ids: Stations; a station without red cells may be missing from the answer.
            event_key: Units given for this disaster's own calls are left out.
            since: Units promised to patients from this instant on are counted too.
            now: Expired units are left out.
        """
        ...
