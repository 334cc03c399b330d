"""List the locks that a transaction begins with, as records and timers name them.

Only what stands in them is read. What else a use case comes to (the station that has a unit now,
the far end of a transfer) its transaction asks for, and is begun again with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from models.directory import Directory
from models.events import EventData
from models.events.alerts import AlertReceived
from models.events.donations import DonationRecalled, DonationSplit, DonationTested
from models.events.donors import CallOutAnswered
from models.events.hand_work import (
    CallsResumed,
    CallsStoodDown,
    HoldEnded,
    HoldPlaced,
    TransferStoodDown,
)
from models.events.shortages import OfferMade
from models.events.stock import DifferencesClosed, StockChanged, StockCounted
from streams.matching.alert_doubts import list_in_reach
from streams.ports import Received, Record, Timer, TimerKind
from streams.ports.locks import name_disaster
from streams.services.shortage_timing import find_station


def _list_of_station(event: Any, directory: Directory) -> list[str]:  # noqa: ANN401 - any of them
    del directory
    return [event.station_id]


def _list_of_offer(event: OfferMade, directory: Directory) -> list[str]:
    del directory
    return [event.offer.from_station_id, event.offer.to_station_id]


def _list_of_ends(event: TransferStoodDown, directory: Directory) -> list[str]:
    del directory
    return [event.from_station_id, event.to_station_id]


def _list_of_alert(event: AlertReceived, directory: Directory) -> list[str]:
    alert = event.alert
    near = list_in_reach(alert.location, directory.stations.values())
    return [name_disaster(alert.event_key), *(station.station_id for station in near)]


LOCKS_OF_EVENTS: Mapping[type[EventData], Callable[[Any, Directory], list[str]]] = {
    StockCounted: _list_of_station,
    StockChanged: _list_of_station,
    HoldPlaced: _list_of_station,
    HoldEnded: _list_of_station,
    DifferencesClosed: _list_of_station,
    DonationTested: _list_of_station,
    DonationSplit: _list_of_station,
    DonationRecalled: _list_of_station,
    CallOutAnswered: _list_of_station,
    CallsStoodDown: _list_of_station,
    CallsResumed: _list_of_station,
    OfferMade: _list_of_offer,
    TransferStoodDown: _list_of_ends,
    AlertReceived: _list_of_alert,
}
"""Each event of the topics that the supply side reads."""

_OF_STATION = frozenset(
    {TimerKind.SHORTAGE_ASSESSMENT, TimerKind.REMATCH, TimerKind.DONORS_CHANGED}
)
"""Timers whose subject begins with a station. The others name a request, a call, a cause, or
nothing: where those are, the transaction looks first."""


def list_record_locks(records: Iterable[Record], directory: Directory) -> frozenset[str]:
    """List the locks of all records of a batch; one that is not for its topic has none."""
    return frozenset(
        name
        for record in records
        if isinstance(record, Received) and type(record.event) in LOCKS_OF_EVENTS
        for name in LOCKS_OF_EVENTS[type(record.event)](record.event, directory)
    )


def list_timer_locks(timer: Timer) -> frozenset[str]:
    """List the locks that a timer's subject names."""
    return frozenset({find_station(timer.subject)} if timer.kind in _OF_STATION else ())
