"""Port to requests, their lines, promises and decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from models.clearance import Cleared
from models.components import Component
from models.decisions import Decision, Reason
from models.doses import OrderMeasure, sum_content
from models.patient_records import PatientRecord
from models.requests import Priority, RequestLine, RequestStatus, UrgentRequest
from streams.matching.hand_given import NO_HAND_WORK, HandWork
from streams.ports.clearances import ensure_cleared
from streams.ports.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRequest:
    """A new request.

    Attributes:
        request: What is asked, with its packs as lines.
        context: Of its own record; a batch decides many.
        digest: Of that record, by which a caller knows the answer as its own.
    """

    request: UrgentRequest
    context: Context
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromisedBag:
    """A bag under a promise that is `held`, `issued` or `received`."""

    component: Component
    volume_ml: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineState:
    """A line as it stands.

    Attributes:
        uncovered: What is still missing, in the line's measure.
        unconfirmed: What is asked back, in the line's measure.
        bags: The bags that are promised to it, on the shelf, on the way and there.
    """

    line_no: int
    uncovered: int
    unconfirmed: int = 0
    bags: tuple[PromisedBag, ...] = ()

    @property
    def held(self) -> int:
        """Return the bags that are held on the shelf."""
        return self._count("held")

    @property
    def issued(self) -> int:
        """Return the bags that have left."""
        return self._count("issued")

    @property
    def received(self) -> int:
        """Return the bags that have arrived."""
        return self._count("received")

    def _count(self, status: str) -> int:
        return sum(bag.status == status for bag in self.bags)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestState:
    """A request as it stands, locked for this transaction."""

    request: UrgentRequest
    status: RequestStatus
    waiting_for: str
    version: int
    lines: tuple[LineState, ...]
    opened_at: datetime

    @property
    def held(self) -> int:
        return sum(line.held for line in self.lines)

    @property
    def issued(self) -> int:
        return sum(line.issued for line in self.lines)

    @property
    def received(self) -> int:
        return sum(line.received for line in self.lines)

    @property
    def uncovered(self) -> int:
        """Return what is still missing, in ordering units."""
        return self._sum_units({line.line_no: line.uncovered for line in self.lines})

    @property
    def unconfirmed(self) -> int:
        """Return what is asked back, in ordering units."""
        return self._sum_units({line.line_no: line.unconfirmed for line in self.lines})

    def _sum_units(self, amounts: Mapping[int, int]) -> int:
        return sum(line.to_units(amounts.get(line.line_no, 0)) for line in self.request.lines)

    @property
    def is_asked_back(self) -> bool:
        """Return whether a part of it waits for a word, or for its turn."""
        return any(line.unconfirmed for line in self.lines)

    def find_covered(self, line: RequestLine, measure: OrderMeasure | None = None) -> int:
        """Return what the bags of a line hold, in hundredths of a measure, or else of its own."""
        return sum_content(self._list_bags(line), measure or line.measure)

    def _list_bags(self, line: RequestLine) -> list[PromisedBag]:
        return [bag for state in self.lines if state.line_no == line.line_no for bag in state.bags]

    def map_covered(self, measure: OrderMeasure | None = None) -> dict[int, int]:
        """Return `find_covered` of every line, by its number."""
        return {line.line_no: self.find_covered(line, measure) for line in self.request.lines}

    def list_owed(self) -> list[tuple[RequestLine, int]]:
        """List the lines that their bags do not cover, each with what is owed, in its measure."""
        owed = ((line, line.find_owed(self._list_bags(line))) for line in self.request.lines)
        return [(line, amount) for line, amount in owed if amount]

    @property
    def is_whole(self) -> bool:
        """Return whether the bags of every line hold what was asked."""
        return all(self.find_covered(line) >= line.wanted for line in self.request.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOrders:
    """How many past orders of a hospital asked for so much of a component."""

    component: Component
    measure: OrderMeasure
    quantity: int
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPatient:
    """What is on record of the patient of a request.

    Attributes:
        record: What is remembered; None if nothing is.
        others: At most five of the hospital's other open requests for the patient and component.
    """

    record: PatientRecord | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientWrite:
    """A patient's record that a decision followed.

    Attributes:
        record: As it is from now on, with the version that was read.
        changes: The fields that changed, in order; none if it was only read.
    """

    record: PatientRecord
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A decision to write, with the request as it stands after it.

    Attributes:
        cleared: Clearance of each unit that the decision reserves, in the decision's order.
        status: Status of the request from now on.
        from_status: Status before, for the audit; empty for a new request.
        context: Who asked, when and by which event; of a batch, each request has its own.
        why: Short machine word for the audit.
        directory_version: Version of the directory that it follows; None if it follows none.
        patient: The patient's record that it follows; None if nothing is remembered.
    """

    request: UrgentRequest
    decision: Decision
    cleared: tuple[Cleared, ...]
    status: RequestStatus
    from_status: str
    opened_at: datetime
    context: Context
    why: str
    directory_version: int | None = None
    patient: PatientWrite | None = None

    def __post_init__(self) -> None:
        ensure_cleared(self.decision, self.cleared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What leads to another decision on a request.

    Attributes:
        why: Short machine word for the audit.
        news: Reasons for deciding again, put before the other reasons.
        asked_digest: Of the record that asks for it, if one does.
        patient: The patient's record that the request follows.
        hand: What a dispatcher decided for it.
    """

    why: str
    news: tuple[Reason, ...] = ()
    asked_digest: str | None = None
    patient: PatientWrite | None = None
    hand: HandWork = NO_HAND_WORK


class RequestStore(Protocol):
    async def list_known(self, request_ids: Sequence[str]) -> frozenset[str]:
        """Return the requests that exist already."""
        ...

    async def lock_requests(self, request_ids: Sequence[str]) -> dict[str, RequestState]:
        """Lock requests in id order and return their state; unknown ids are missing."""
        ...

    async def read_requests(self, request_ids: Sequence[str]) -> list[RequestState]:
        """Return requests as they stand, by id, without locking them; unknown ids are missing."""
        ...

    async def count_orders(
        self, hospital_id: str, *, priority: Priority, since: datetime, besides: str
    ) -> list[PastOrders]:
        """Count what a hospital ordered, by quantity; lines of an order for one component add up.

        Orders that were cancelled or refused do not count.

        Args:
            hospital_id: The hospital.
            priority: Of its orders.
            since: Only orders opened from then on.
            besides: The order that is judged; it does not count.
        """
        ...

    async def find_last_decision(self, request_id: str) -> Decision | None:
        """Return the newest decision on a request, or None if it has none."""
        ...

    async def list_servable(
        self, station_id: str, *, after: str | None, limit: int, now: datetime
    ) -> list[str]:
        """List open requests that free units may serve or help, or whose decision named a remedy.

        A free unit at the station may serve or help if it is of a component that the request lacks,
        or of a component of the same use. A remedy may hold no longer.

        Life-threatening requests come first, then the order is by needed-by time, then by id.

        Args:
            station_id: The supplying station.
            after: Only requests that follow this request in that order; None for all.
            limit: Most requests to list.
            now: Units that have expired by then are not free.
        """
        ...

    async def list_waiting_stations(self, *, now: datetime) -> list[str]:
        """List the stations at which a request as in `list_servable` waits."""
        ...

    async def list_patients(self, requests: Sequence[UrgentRequest]) -> Mapping[str, SeenPatient]:
        """Map each request to what is on record of its patient.

        Args:
            requests: 1..n, each with the patient's reference.

        Returns:
            A request of whose patient nothing is on record is missing.
        """
        ...

    async def find_patient(self, hospital_id: str, reference: str) -> PatientRecord | None:
        """Return what is remembered of a patient, or None if nothing is."""
        ...

    async def list_of_patient(self, hospital_id: str, reference: str) -> list[str]:
        """List the open requests of a patient, by id."""
        ...

    async def write_patient(
        self, written: PatientWrite, *, station_id: str, why: str, now: datetime
    ) -> None:
        """Write a record that changed, and the audit of it.

        Args:
            written: The record.
            station_id: The station in whose audit it stands.
            why: Short machine word for the audit.
            now: Aware UTC instant.

        Raises:
            TransientError: The record changed since it was read.
        """
        ...

    async def count_capped(
        self, request_id: str, *, hospital_id: str, patient_reference: str | None
    ) -> int:
        """Count unconfirmed O RhD- red cells promised to a patient so far.

        Counts over all the hospital's requests with this reference, and over this request itself,
        since a patient without a reference is known by nothing else.
        """
        ...

    async def write(self, rulings: Sequence[Ruling]) -> None:
        """Write decisions: requests, lines, promises, units, the audit of each.

        Raises:
            TransientError: A unit, a request or the directory changed since it was read; decide
                again.
        """
        ...
