"""The port to requests, in memory: it writes rulings as they come and reserves their units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from models.decisions import Decision
from models.requests import UrgentRequest
from streams.ports.requests import LineState, RequestState, Ruling
from streams.ports.stock import LivePromise
from tests.support.memory_store.rows import PromiseRow, RequestRow, State
from tests.support.memory_store.stock import MemoryStock


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

    async def list_same_patient(
        self, requests: Sequence[UrgentRequest]
    ) -> Mapping[str, tuple[str, ...]]:
        """Return nothing: no patient has two requests here."""
        del requests
        return {}

    async def count_capped(
        self, request_id: str, *, hospital_id: str, patient_reference: str | None
    ) -> int:
        """Refuse: every patient here has a known group, so no cap applies."""
        raise NotImplementedError(request_id, hospital_id, patient_reference)

    async def write(self, rulings: Sequence[Ruling]) -> None:
        for ruling in rulings:
            decision = ruling.decision
            known = self._state.requests.get(ruling.request.request_id)
            uncovered = {line.line_no: line.uncovered for line in decision.lines}
            kept = dict.fromkeys(known.uncovered, 0) if known else {}
            self._state.requests[ruling.request.request_id] = RequestRow(
                request=ruling.request,
                status=ruling.status,
                waiting_for=decision.waiting_for,
                version=decision.version,
                opened_at=ruling.opened_at,
                uncovered={**kept, **uncovered},
            )
            self._promise(ruling)

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
                    ),
                    unit_id=chosen.unit_id,
                    line_no=line.line_no,
                )
                self._stock.reserve(promise, why=ruling.request.request_id)

    def _to_state(self, row: RequestRow) -> RequestState:
        def count(line_no: int, status: str) -> int:
            return sum(
                promise.live.request_id == row.request.request_id
                and promise.line_no == line_no
                and promise.live.status == status
                for promise in self._state.promises.values()
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
                    held=count(line_no, "held"),
                    issued=count(line_no, "issued"),
                    received=count(line_no, "received"),
                )
                for line_no, uncovered in sorted(row.uncovered.items())
            ),
        )
