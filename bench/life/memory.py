"""The ports to units, requests and donations, in memory: a fake of ours, for speed.

It checks nothing of a unit's life, on purpose: what keeps the rules must be the services. One
writer; a transaction that fails is undone by going back to the copy from before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bench.life.rows import PromiseRow, RequestRow, State, UnitRow
from models.clearance import UnitFacts
from models.components import Component
from models.errors import InvariantViolation
from models.groups import BloodGroup
from models.testing import LabResult
from models.unit_life import EXPIRING_STATES
from models.units import UnitStatus
from streams.matching.shelf import Cell
from streams.ports.donations import PlacedUnit, Recall, RecalledPlace
from streams.ports.requests import LineState, RequestState, Ruling
from streams.ports.stock import LivePromise, NewUnit, PromisedUnit, Scan, UnitState

_LIVE = frozenset({"held", "issued"})


class MemoryStock:
    """Implements `ports.stock.StockStore`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def list_shelf(
        self, wants: Mapping[Cell, int | None], *, now: datetime
    ) -> list[UnitFacts]:
        return [
            _to_facts(row)
            for row in self._state.units.values()
            if row.status is UnitStatus.AVAILABLE
            and row.unit.expires_at > now
            and _cell_of(row) in wants
        ]

    async def lock_units(self, unit_ids: Sequence[str]) -> dict[str, UnitState]:
        found = (self._state.units.get(unit_id) for unit_id in sorted(set(unit_ids)))
        return {row.unit.unit_id: self._to_state(row) for row in found if row is not None}

    async def lock_donation(self, donation_id: str) -> list[UnitState]:
        rows = self._state.units.values()
        return [self._to_state(row) for row in rows if row.unit.donation_id == donation_id]

    async def find_last_promise(self, unit_id: str) -> LivePromise | None:
        rows = [one for one in self._state.promises.values() if one.unit_id == unit_id]
        return max(rows, key=lambda one: one.live.epoch).live if rows else None

    async def get_promised(self, unit_id: str) -> PromisedUnit:
        for row in self._state.promises.values():
            if row.unit_id == unit_id and row.live.status in _LIVE:
                return PromisedUnit(
                    unit=_to_facts(self._state.units[unit_id]),
                    request_id=row.live.request_id,
                    line_no=row.line_no,
                    transfer_id=row.live.transfer_id,
                    capped=False,  # every patient here has a group
                )
        raise InvariantViolation("unit_without_promise", unit_id=unit_id)

    async def add_units(self, units: Sequence[NewUnit]) -> None:
        for new in units:
            self._state.units[new.unit.unit_id] = UnitRow(
                unit=new.unit,
                status=new.status,
                released_at=new.released_at,
                attested_by=new.attested_by,
                parent_id=new.parent_id,
            )

    async def move_unit(
        self,
        unit_id: str,
        *,
        to: UnitStatus,
        released_at: datetime | None = None,
        station_id: str | None = None,
        source: str | None = None,
        add_out_of_control_s: int = 0,
    ) -> None:
        del station_id, source  # nothing goes to a neighbour here
        row = self._state.units[unit_id]
        self._state.units[unit_id] = replace(
            row,
            status=to,
            released_at=released_at or row.released_at,
            out_of_control_s=row.out_of_control_s + add_out_of_control_s,
        )

    async def add_scan(self, scan: Scan, *, now: datetime) -> None:
        """Kept by nobody: the model knows what it scanned."""

    async def end_promise(self, promise_id: str, *, to: str, now: datetime) -> None:
        del now
        row = self._state.promises[promise_id]
        self._state.promises[promise_id] = replace(row, live=replace(row.live, status=to))

    async def release_held(
        self,
        *,
        request_id: str | None = None,
        transfer_id: str | None = None,
        states: Sequence[UnitStatus],
        caused_by: str,
        now: datetime,
    ) -> list[str]:
        del transfer_id, caused_by
        freed = []
        for row in list(self._state.promises.values()):
            unit = self._state.units[row.unit_id]
            is_held = row.live.status == "held" and row.live.request_id == request_id
            if is_held and unit.status in states:
                await self.end_promise(row.live.promise_id, to="released", now=now)
                await self.move_unit(row.unit_id, to=UnitStatus.AVAILABLE)
                freed.append(row.unit_id)
        return sorted(freed)

    async def lock_expired(self, *, now: datetime) -> list[UnitState]:
        return [
            self._to_state(row)
            for row in self._state.units.values()
            if row.unit.expires_at <= now and row.status in EXPIRING_STATES
        ]

    async def count_stock(self, station_id: str) -> list[tuple[Component, BloodGroup, str, int]]:
        """Nobody asks: shortages are not assessed here."""
        raise NotImplementedError(station_id)

    def _to_state(self, row: UnitRow) -> UnitState:
        live = [
            one.live
            for one in self._state.promises.values()
            if one.unit_id == row.unit.unit_id and one.live.status in _LIVE
        ]
        return UnitState(
            unit_id=row.unit.unit_id,
            station_id=row.unit.station_id,
            donation_id=row.unit.donation_id,
            component=row.unit.component,
            group=row.unit.group,
            volume_ml=row.unit.volume_ml,
            collected_at=row.unit.collected_at,
            expires_at=row.unit.expires_at,
            status=row.status,
            epoch=row.epoch,
            released_at=row.released_at,
            attested_by=row.attested_by,
            out_of_control_s=row.out_of_control_s,
            promise=live[0] if live else None,
        )


class MemoryRequests:
    """Implements `ports.requests.RequestStore`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def list_known(self, request_ids: Sequence[str]) -> frozenset[str]:
        return frozenset(request_ids) & self._state.requests.keys()

    async def lock_requests(self, request_ids: Sequence[str]) -> dict[str, RequestState]:
        found = (self._state.requests.get(request_id) for request_id in request_ids)
        return {row.request.request_id: self._to_state(row) for row in found if row is not None}

    async def list_open_ids(self, station_id: str, *, limit: int) -> list[str]:
        rows = [
            row
            for row in self._state.requests.values()
            if row.status == "open" and row.request.station_id == station_id
        ]
        rows.sort(key=lambda row: (row.request.priority.rank, row.request.needed_by))
        return [row.request.request_id for row in rows[:limit]]

    async def count_capped(
        self, request_id: str, *, hospital_id: str, patient_reference: str | None
    ) -> int:
        """Nobody asks: every patient here has a group."""
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
                row = self._state.units[chosen.unit_id]
                self._state.units[chosen.unit_id] = replace(
                    row, status=UnitStatus.RESERVED, epoch=chosen.epoch
                )
                self._state.promises[chosen.promise_id] = PromiseRow(
                    live=LivePromise(
                        promise_id=chosen.promise_id,
                        epoch=chosen.epoch,
                        status="held",
                        request_id=ruling.request.request_id,
                        transfer_id=None,
                    ),
                    unit_id=chosen.unit_id,
                    line_no=line.line_no,
                    held_at=ruling.decision.decided_at,
                )

    def _to_state(self, row: RequestRow) -> RequestState:
        def count(line_no: int, status: str) -> int:
            return sum(
                one.live.request_id == row.request.request_id
                and one.line_no == line_no
                and one.live.status == status
                for one in self._state.promises.values()
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


class MemoryDonations:
    """Implements `ports.donations.DonationStore`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def list_results(
        self, donation_ids: Collection[str]
    ) -> Mapping[str, Sequence[LabResult]]:
        results = self._state.results
        return {one: results[one] for one in donation_ids if one in results}

    async def find_result(self, result_id: str) -> tuple[str, LabResult] | None:
        for donation_id, results in self._state.results.items():
            for result in results:
                if result.result_id == result_id:
                    return donation_id, result
        return None

    async def add_result(
        self,
        result: LabResult,
        *,
        donation_id: str,
        station_id: str,
        caused_by: str,
        now: datetime,
    ) -> None:
        del station_id, caused_by, now
        known = self._state.results.get(donation_id, ())
        self._state.results[donation_id] = (*known, result)

    async def list_recalled(self, donation_ids: Collection[str]) -> frozenset[str]:
        return frozenset(donation_ids) & frozenset(self._state.recalls.values())

    async def is_recall_known(self, recall_id: str) -> bool:
        return recall_id in self._state.recalls

    async def add_recall(self, recall: Recall, *, now: datetime) -> None:
        del now
        self._state.recalls[recall.recall_id] = recall.donation_id

    async def add_places(self, recall_id: str, places: Sequence[RecalledPlace]) -> None:
        """Kept by nobody: the notices carry the same."""

    async def list_placed(self, donation_id: str) -> list[PlacedUnit]:
        return [
            self._place(row)
            for row in self._state.units.values()
            if row.unit.donation_id == donation_id
        ]

    async def list_in_quarantine(self, donation_ids: Collection[str]) -> frozenset[str]:
        held = {UnitStatus.COLLECTED, UnitStatus.QUARANTINED, UnitStatus.SPLIT}
        return frozenset(
            row.unit.donation_id
            for row in self._state.units.values()
            if row.unit.donation_id in donation_ids
            and row.released_at is None
            and row.status in held
        )

    def _place(self, row: UnitRow) -> PlacedUnit:
        promises = [one for one in self._state.promises.values() if one.unit_id == row.unit.unit_id]
        last = max(promises, key=lambda one: one.live.epoch, default=None)
        request_id = last.live.request_id if last else None
        request = self._state.requests[request_id].request if request_id else None
        return PlacedUnit(
            unit_id=row.unit.unit_id,
            component=row.unit.component,
            group=row.unit.group,
            status=row.status,
            station_id=row.unit.station_id,
            request_id=request_id,
            patient_reference=request.patient.reference if request else None,
            hospital_id=request.hospital_id if request else None,
            supplier_id=request.station_id if request else None,
            to_station_id=None,
            issued_outside=None,
        )


def _to_facts(row: UnitRow) -> UnitFacts:
    return UnitFacts(
        unit_id=row.unit.unit_id,
        station_id=row.unit.station_id,
        component=row.unit.component,
        group=row.unit.group,
        status=row.status,
        collected_at=row.unit.collected_at,
        expires_at=row.unit.expires_at,
        released=row.released_at is not None,
        recalled=row.status is UnitStatus.RECALLED,
        epoch=row.epoch,
        traits=row.unit.traits,
        out_of_control_s=row.out_of_control_s,
    )


def _cell_of(row: UnitRow) -> Cell:
    unit = row.unit
    return Cell(station_id=unit.station_id, component=unit.component, group=unit.group)
