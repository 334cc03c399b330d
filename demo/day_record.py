"""The board of the running day, which the terminal table and the report read.

Fed by the events that the system publishes and by the actors; decides nothing.

Concurrency: one event loop; plain attributes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from demo.event_lines import StoryMoment, Storyteller
from models.alerts import Activation
from models.components import Component
from models.decisions import Decision, Outcome
from models.donors import CallOutStatus
from models.events.alerts import ActivationOpened, ActivationRevised, ActivationStoodDown
from models.events.base import EventData
from models.events.donors import CallOutClosed, CallOutIssued
from models.events.requests import RequestDecided
from models.events.shortages import (
    OfferDeclined,
    ShortageChanged,
    ShortageCleared,
    ShortageDeclared,
    TransferAgreed,
    TransferCompleted,
)
from models.groups import BloodGroup
from models.shortages import Shortage, ShortageLevel, ShortageStatus, Transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The latency of a request, from its sending to the receipt of its decision, real ms.

    Attributes:
        way: `http` (one call with `Prefer: wait`) or `kafka` (own producer, own consumer).
    """

    at: datetime
    ms: float
    way: str
    priority: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StockSample:
    """Available bags of one station at one simulated instant; the groups are of red cells.

    Attributes:
        cells: Ordering units per component and group.
    """

    at: datetime
    station_id: str
    by_group: dict[str, int]
    by_component: dict[str, int]
    cells: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The donation of a called donor."""

    station_id: str
    staff: bool
    volume_ml: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookBack:
    """A donation as the gateway returns it after its recall.

    Attributes:
        units: Unit id to its status.
        requests: Requests whose patients received blood of the donor.
    """

    donation_id: str
    recalled_at: datetime
    units: Mapping[str, str]
    requests: tuple[str, ...]


@dataclass(kw_only=True)
class RequestView:
    """A request according to its newest decision."""

    hospital_id: str
    outcome: Outcome
    waiting_for: str
    decided_at: datetime


@dataclass(kw_only=True)
class Board:
    """Everything that was observed.

    Attributes:
        storyteller: Makes the lines of the story from events.
        sent: Requests that hospitals sent, repeats not counted.
        quarantined: Quarantined requests by reason; `quarantined_others` all other messages.
        calls: Call-out id to (station id, status).
        received: Unit id to the hospital that received it.
        donated: Unit id to its donation.
        transfused: Units that a ward scanned at the bed.
        shared: Unit id to (giving station, receiving station), once arrived.
        arrived: Unit id to when it arrived from a neighbour.
        decisions: Request id to every decision on it, in order.
    """

    storyteller: Storyteller
    sent: int = 0
    repeats: int = 0
    bad: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    quarantined_others: Counter[str] = field(default_factory=Counter)
    requests: dict[str, RequestView] = field(default_factory=dict)
    latencies: list[Latency] = field(default_factory=list)
    calls: dict[str, tuple[str, CallOutStatus]] = field(default_factory=dict)
    called_donors: set[str] = field(default_factory=set)
    activations: dict[str, Activation] = field(default_factory=dict)
    activation_steps: list[Activation] = field(default_factory=list)
    shortages: dict[str, Shortage] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    offers: int = 0
    declined: int = 0
    stock: list[StockSample] = field(default_factory=list)
    received: dict[str, str] = field(default_factory=dict)
    donated: dict[str, Given] = field(default_factory=dict)
    transfused: set[str] = field(default_factory=set)
    failed_tests: int = 0
    shared: dict[str, tuple[str, str]] = field(default_factory=dict)
    arrived: dict[str, datetime] = field(default_factory=dict)
    decisions: dict[str, list[Decision]] = field(default_factory=dict)
    moments: list[StoryMoment] = field(default_factory=list)
    look_back: LookBack | None = None

    def note(self, at: datetime, kind: str, zh: str, en: str) -> None:
        """Add a line to the story."""
        self.moments.append(StoryMoment(at=at, kind=kind, zh=zh, en=en))

    def see(self, event: EventData, at: datetime) -> None:
        """Take in a published event."""
        match event:
            case RequestDecided(decision=decision):
                self._see_decision(decision)
            case (
                ActivationOpened(activation=activation)
                | ActivationRevised(activation=activation)
                | ActivationStoodDown(activation=activation)
            ):
                self.activations[activation.station_id] = activation
                self.activation_steps.append(activation)
            case CallOutIssued() | CallOutClosed():
                self._see_calls(event)
            case _:
                self._see_supply(event)
        moment = self.storyteller.find_moment(event, at)
        if moment is not None:
            self.moments.append(moment)

    def _see_decision(self, decision: Decision) -> None:
        self.decisions.setdefault(decision.request_id, []).append(decision)
        self.requests[decision.request_id] = RequestView(
            hospital_id=decision.hospital_id,
            outcome=decision.outcome,
            waiting_for=decision.waiting_for,
            decided_at=decision.decided_at,
        )

    def _see_calls(self, event: CallOutIssued | CallOutClosed) -> None:
        if isinstance(event, CallOutClosed):
            for call_out_id in event.call_out_ids:
                self.calls[call_out_id] = (event.station_id, event.status)
            return
        for call in event.calls:
            self.calls.setdefault(call.call_out_id, (event.station_id, CallOutStatus.CALLED))
            self.called_donors.add(call.donor_id)

    def _see_supply(self, event: EventData) -> None:
        match event:
            case (
                ShortageDeclared(shortage=shortage)
                | ShortageChanged(shortage=shortage)
                | ShortageCleared(shortage=shortage)
            ):
                self.shortages[shortage.shortage_id] = shortage
            case OfferDeclined():
                self.declined += 1
            case TransferAgreed(transfer=transfer) | TransferCompleted(transfer=transfer):
                self.transfers[transfer.transfer_id] = transfer
            case _:
                pass

    def see_answer(self, call_out_id: str, station_id: str, answer: str) -> None:
        """Take in a donor's answer that the gateway accepted."""
        self.calls[call_out_id] = (station_id, CallOutStatus(answer))

    def settle_calls(self, station_id: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the observed calls of a station by the system's own list."""
        kept = set()
        for row in rows:
            self.calls[row["call_out_id"]] = (station_id, CallOutStatus(row["status"]))
            self.called_donors.add(row["donor_id"])
            if row["unit_id"]:
                kept.add(row["unit_id"])
        self.donated = {
            unit_id: given
            for unit_id, given in self.donated.items()
            if given.station_id != station_id or unit_id in kept
        }

    def see_quarantined(self, code: str, *, is_request: bool) -> None:
        """Take in a dead letter."""
        (self.quarantined if is_request else self.quarantined_others)[code] += 1

    def count_requests(self) -> Counter[str]:
        """Count requests by outcome; requests without a decision yet count as `deciding`."""
        counts = Counter(str(view.outcome) for view in self.requests.values())
        counts["deciding"] = max(0, self.sent - len(self.requests))
        return counts

    def count_calls(self) -> dict[str, Counter[str]]:
        """Count call-outs by status, per station."""
        counts: dict[str, Counter[str]] = {}
        for station_id, status in self.calls.values():
            counts.setdefault(station_id, Counter())[str(status)] += 1
        return counts

    def list_open_shortages(self) -> list[Shortage]:
        """List the open shortages, the worst first."""
        open_ones = [
            shortage
            for shortage in self.shortages.values()
            if shortage.status is ShortageStatus.OPEN
        ]
        return sorted(
            open_ones, key=lambda shortage: (-shortage.level.severity, -shortage.units_missing)
        )

    def find_worst(self, station_id: str) -> ShortageLevel:
        """Return the worst open colour of a station."""
        levels = [
            shortage.level
            for shortage in self.list_open_shortages()
            if shortage.station_id == station_id
        ]
        return max(levels, key=lambda level: level.severity, default=ShortageLevel.GREEN)

    def find_shelf(self, station_id: str) -> StockSample | None:
        """Return the newest sample of a station's shelf."""
        return next(
            (sample for sample in reversed(self.stock) if sample.station_id == station_id), None
        )

    def count_free(
        self, station_id: str, component: Component, group: BloodGroup, at: datetime
    ) -> int:
        """Return the units of a place that lay free at an instant, by the last sample before it."""
        samples = (
            sample
            for sample in reversed(self.stock)
            if sample.station_id == station_id and sample.at <= at
        )
        sample = next(samples, None)
        return 0 if sample is None else sample.cells.get((component, group), 0)

    def list_ms(self, way: str = "") -> list[float]:
        """List real milliseconds from request to decision, of one way or of all."""
        return [latency.ms for latency in self.latencies if not way or latency.way == way]


def percentile(values: list[float], share: float) -> float:
    """Return the nearest-rank percentile; 0 for no values."""
    if not values:
        return 0.0
    ranked = sorted(values)
    rank = -(-share * len(ranked) // 1)
    return ranked[min(len(ranked), max(1, int(rank))) - 1]
