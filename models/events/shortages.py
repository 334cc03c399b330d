"""Events between stations: shortages, offers, transfers."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from models.base import Identifier, Instant, Line
from models.decisions import Reason
from models.events.base import EventData
from models.shortages import Offer, Shortage, Transfer


class _ShortageEvent(EventData):
    KEY: ClassVar[str] = "shortage.station_id"
    SUBJECT: ClassVar[str] = "shortage.shortage_id"
    shortage: Shortage


class ShortageDeclared(_ShortageEvent):
    """A station lacks blood; neighbours are asked."""

    TYPE: ClassVar[str] = "blood.shortage.declared.v1"


class ShortageChanged(_ShortageEvent):
    """The level or the missing units changed."""

    TYPE: ClassVar[str] = "blood.shortage.changed.v1"


class ShortageCleared(_ShortageEvent):
    """Nothing is missing any more."""

    TYPE: ClassVar[str] = "blood.shortage.cleared.v1"


class OfferMade(EventData):
    """A neighbour offers units for a shortage."""

    TYPE: ClassVar[str] = "blood.offer.made.v1"
    KEY: ClassVar[str] = "offer.to_station_id"
    SUBJECT: ClassVar[str] = "offer.offer_id"
    offer: Offer


class OfferDeclined(EventData):
    """An offer was not taken, with the reason."""

    TYPE: ClassVar[str] = "blood.offer.declined.v1"
    KEY: ClassVar[str] = "to_station_id"
    SUBJECT: ClassVar[str] = "offer_id"
    offer_id: Identifier
    shortage_id: Identifier
    from_station_id: Identifier
    to_station_id: Identifier
    reasons: tuple[Reason, ...] = Field(min_length=1)
    declined_at: Instant


class _TransferEvent(EventData):
    KEY: ClassVar[str] = "transfer.to_station_id"
    SUBJECT: ClassVar[str] = "transfer.transfer_id"
    transfer: Transfer


class TransferAgreed(_TransferEvent):
    """An offer was accepted: these units are reserved for the station in need."""

    TYPE: ClassVar[str] = "blood.transfer.agreed.v1"


class TransferCompleted(_TransferEvent):
    """Every unit of the transfer arrived, was lost on the way, or stays where it was.

    Attributes:
        by: The person who stood it down, and why; None where nobody did.
    """

    TYPE: ClassVar[str] = "blood.transfer.completed.v1"
    by: Line | None = None
    reason: Line | None = None
