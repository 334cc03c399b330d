"""The port to donations, in memory: results and recalls, which only grow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from models.groups import BloodGroup
from models.laboratory import LabResult, StationResult
from models.units import UnitStatus
from streams.ports.donations import Destination, KnownDonations, Recall, RecalledPlace, Spellings
from tests.support.memory_store.rows import State


class MemoryDonations:
    """Implements `ports.donations.DonationStore`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def lock_donations(self, donation_ids: Collection[str], *, enters: bool) -> None:
        """Do nothing: there is one writer."""

    async def list_results(
        self, donation_ids: Collection[str]
    ) -> Mapping[str, Sequence[StationResult]]:
        results = self._state.results
        return {
            donation_id: results[donation_id]
            for donation_id in donation_ids
            if donation_id in results
        }

    async def list_says(self, donation_id: str) -> Mapping[str, frozenset[str]]:
        rows = self._state.units
        return {
            unit_id: frozenset(row.had_by).union(
                rows[row.parent_id].had_by if row.parent_id in rows else ()
            )
            for unit_id, row in rows.items()
            if row.unit.donation_id == donation_id
        }

    async def list_stations(self, donation_id: str) -> frozenset[str]:
        units = [row for row in self._state.units.values() if row.unit.donation_id == donation_id]
        return frozenset(place for row in units for place in (row.had_by[0], row.unit.station_id))

    async def find_result(self, result_id: str) -> tuple[str, StationResult] | None:
        for donation_id, results in self._state.results.items():
            for station_result in results:
                if station_result.result.result_id == result_id:
                    return donation_id, station_result
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
        del caused_by, now
        known = self._state.results.get(donation_id, ())
        told = StationResult(station_id=station_id, result=result)
        self._state.results[donation_id] = (*known, told)

    async def list_recalled(self, donation_ids: Collection[str]) -> frozenset[str]:
        return frozenset(donation_ids) & frozenset(self._state.recalls.values())

    async def is_recall_known(self, recall_id: str) -> bool:
        return recall_id in self._state.recalls

    async def add_recall(self, recall: Recall, *, now: datetime) -> None:
        del now
        self._state.recalls[recall.recall_id] = recall.donation_id

    async def add_places(self, recall_id: str, places: Sequence[RecalledPlace]) -> None:
        """Do nothing: the notices carry the same places."""

    async def list_destinations(self, donation_id: str) -> Mapping[str, Destination]:
        return {
            unit_id: self._find_destination(unit_id)
            for unit_id, row in self._state.units.items()
            if row.unit.donation_id == donation_id
        }

    async def find_registered_group(self, donation_id: str) -> BloodGroup | None:
        """Return None: there is no register of donors in memory."""
        del donation_id
        return None

    async def list_waiting_of_donors(self, station_id: str) -> list[str]:
        del station_id
        return []

    async def find_known(self, donations: Mapping[str, str]) -> KnownDonations:
        """Return no other spellings: the driver's identifiers never differ in zeros alone."""
        donation_ids = {*donations.values()}
        return KnownDonations(
            spellings=Spellings(),
            recalled=await self.list_recalled(donation_ids),
            in_quarantine=self._list_in_quarantine(donation_ids),
            results=await self.list_results(donation_ids),
        )

    def _list_in_quarantine(self, donation_ids: Collection[str]) -> frozenset[str]:
        held = {UnitStatus.COLLECTED, UnitStatus.QUARANTINED, UnitStatus.SPLIT}
        return frozenset(
            row.unit.donation_id
            for row in self._state.units.values()
            if row.unit.donation_id in donation_ids
            and row.released_at is None
            and row.status in held
        )

    def _find_destination(self, unit_id: str) -> Destination:
        promises = [
            promise for promise in self._state.promises.values() if promise.unit_id == unit_id
        ]
        last = max(promises, key=lambda promise: promise.live.epoch, default=None)
        request_id = last.live.request_id if last else None
        request = self._state.requests[request_id].request if request_id else None
        transfer_id = last.live.transfer_id if last else None
        transfer = self._state.transfers[transfer_id] if transfer_id else None
        return Destination(
            request_id=request_id,
            patient_reference=request.patient.reference if request else None,
            hospital_id=request.hospital_id if request else None,
            supplier_id=request.station_id if request else None,
            to_station_id=transfer.to_station_id if transfer else None,
        )
