"""The port to requests, in memory: it writes rulings as they come and reserves their units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from models.components import Component
from models.decisions import Decision
from models.doses import OrderMeasure
from models.errors import TransientError
from models.patient_records import PatientRecord, name_patient
from models.requests import (
    TERMINAL_REQUEST_STATUSES,
    Priority,
    RequestStatus,
    UrgentRequest,
)
from streams.ports.requests import (
    LineState,
    PastOrders,
    PatientWrite,
    PromisedBag,
    RequestState,
    Ruling,
    SeenPatient,
)
from streams.ports.stock import LivePromise
from tests.support.memory_store.rows import PromiseRow, RequestRow, State
from tests.support.memory_store.stock import MemoryStock

_LIVE = frozenset({"held", "issued", "received"})


class MemoryRequests:
    """Implements `ports.requests.RequestStore`."""

    def __init__(self, state: State, stock: MemoryStock) -> None:
        self._state = state
        self._stock = stock

    async def list_known(self, request_ids: Sequence[str]) -> frozenset[str]:
        return frozenset(request_ids) & self._state.requests.keys()

    async def lock_requests(self, request_ids: Sequence[str]) -> dict[str, RequestState]:
        found = (self._state.requests.get(request_id) for request_id in request_ids)
        return {row.request.request_id: self._to_state(row) for row in found if row is not None}

    async def read_requests(self, request_ids: Sequence[str]) -> list[RequestState]:
        found = await self.lock_requests(sorted(set(request_ids)))
        return list(found.values())

    async def count_orders(
        self, hospital_id: str, *, priority: Priority, since: datetime, besides: str
    ) -> list[PastOrders]:
        """Count as the port says."""
        counted: Counter[tuple[Component, OrderMeasure, int]] = Counter()
        for row in self._state.requests.values():
            request = row.request
            is_theirs = (request.hospital_id, request.priority) == (hospital_id, priority)
            is_over = row.status in {RequestStatus.CANCELLED, RequestStatus.REFUSED}
            if not is_theirs or is_over or row.opened_at < since or request.request_id == besides:
                continue
            asked: Counter[tuple[Component, OrderMeasure]] = Counter()
            for line in request.lines:
                asked[line.component, line.measure] += line.quantity
            counted.update((*kind, quantity) for kind, quantity in asked.items())
        return [
            PastOrders(component=component, measure=measure, quantity=quantity, orders=orders)
            for (component, measure, quantity), orders in sorted(counted.items())
        ]

    async def find_last_decision(self, request_id: str) -> Decision | None:
        """Return None: the earlier decision is not needed here."""
        del request_id
        return None

    async def list_servable(
        self, station_id: str, *, after: str | None, limit: int, now: datetime
    ) -> list[str]:
        """List all waiting requests, also where no unit is free and deciding changes nothing."""
        del now
        waiting = [
            (row.request.priority.rank, row.request.needed_by, row.request.request_id)
            for row in self._state.requests.values()
            if row.status == "open" and row.request.station_id == station_id
        ]
        last = next((place for place in waiting if place[-1] == after), None)
        return [place[-1] for place in sorted(waiting) if last is None or place > last][:limit]

    async def list_waiting_stations(self, *, now: datetime) -> list[str]:
        """Refuse: no sweep runs here."""
        raise NotImplementedError(now)

    async def list_patients(self, requests: Sequence[UrgentRequest]) -> Mapping[str, SeenPatient]:
        """Return the records alone: nothing here is told of duplicate orders."""
        found = {
            request.request_id: self._state.patients.get(
                name_patient(request.hospital_id, request.patient.reference or "")
            )
            for request in requests
        }
        return {
            request_id: SeenPatient(record=record)
            for request_id, record in found.items()
            if record is not None
        }

    async def find_patient(self, hospital_id: str, reference: str) -> PatientRecord | None:
        return self._state.patients.get(name_patient(hospital_id, reference))

    async def list_of_patient(self, hospital_id: str, reference: str) -> list[str]:
        key = name_patient(hospital_id, reference)
        return sorted(
            row.request.request_id
            for row in self._state.requests.values()
            if row.status not in TERMINAL_REQUEST_STATUSES
            and name_patient(row.request.hospital_id, row.request.patient.reference or "") == key
        )

    async def write_patient(
        self, written: PatientWrite, *, station_id: str, why: str, now: datetime
    ) -> None:
        del station_id, why, now
        record = written.record
        before = self._state.patients.get(record.key)
        if (before.version if before else 0) != record.version:
            raise TransientError("postgres_contended", detail="patient")
        if written.changes:
            self._state.patients[record.key] = record.but(version=record.version + 1)

    async def count_capped(
        self, request_id: str, *, hospital_id: str, patient_reference: str | None
    ) -> int:
        """Count as the port says."""
        requests = self._state.requests
        reference = (patient_reference or "").lower()

        def is_theirs(row: RequestRow) -> bool:
            request = row.request
            theirs = request.hospital_id == hospital_id and bool(reference)
            return theirs and (request.patient.reference or "").lower() == reference

        return sum(
            row.live.capped
            and row.live.request_id is not None
            and row.live.status in {"held", "issued", "received"}
            and (row.live.request_id == request_id or is_theirs(requests[row.live.request_id]))
            for row in self._state.promises.values()
        )

    async def write(self, rulings: Sequence[Ruling]) -> None:
        for ruling in rulings:
            decision = ruling.decision
            known = self._state.requests.get(ruling.request.request_id)
            uncovered = {line.line_no: line.uncovered for line in decision.lines}
            unconfirmed = {line.line_no: line.unconfirmed for line in decision.lines}
            kept = dict.fromkeys(known.uncovered, 0) if known else {}
            self._state.requests[ruling.request.request_id] = RequestRow(
                request=ruling.request,
                status=ruling.status,
                waiting_for=decision.waiting_for,
                version=decision.version,
                opened_at=ruling.opened_at,
                uncovered={**kept, **uncovered},
                unconfirmed={**kept, **unconfirmed},
                deferred={line.line_no: line.deferred_units for line in decision.lines},
            )
            self._promise(ruling)
        last = {
            ruling.patient.record.key: ruling.patient
            for ruling in rulings
            if ruling.patient is not None
        }
        for written in last.values():
            now = rulings[0].decision.decided_at
            await self.write_patient(written, station_id="", why="", now=now)

    def _promise(self, ruling: Ruling) -> None:
        for line in ruling.decision.lines:
            for chosen in line.reserved:
                promise = PromiseRow(
                    live=LivePromise(
                        promise_id=chosen.promise_id,
                        epoch=chosen.epoch,
                        status="held",
                        request_id=ruling.request.request_id,
                        transfer_id=None,
                        line_no=line.line_no,
                        capped=chosen.capped,
                    ),
                    unit_id=chosen.unit_id,
                    hold_until=chosen.leaves_by,
                    reason=chosen.reason,
                )
                self._stock.reserve(promise, why=ruling.request.request_id)

    def _to_state(self, row: RequestRow) -> RequestState:
        def list_bags(line_no: int) -> Iterator[PromisedBag]:
            for promise in self._state.promises.values():
                is_ours = promise.live.request_id == row.request.request_id
                if is_ours and promise.live.line_no == line_no and promise.live.status in _LIVE:
                    unit = self._state.units[promise.unit_id].unit
                    yield PromisedBag(
                        component=unit.component,
                        volume_ml=unit.volume_ml,
                        status=promise.live.status,
                    )

        return RequestState(
            request=row.request,
            status=row.status,
            waiting_for=row.waiting_for,
            version=row.version,
            opened_at=row.opened_at,
            lines=tuple(
                LineState(
                    line_no=line_no,
                    uncovered=uncovered,
                    unconfirmed=row.unconfirmed[line_no],
                    bags=tuple(list_bags(line_no)),
                )
                for line_no, uncovered in sorted(row.uncovered.items())
            ),
        )
