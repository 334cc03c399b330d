"""Laboratory results and recalls of one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from models.groups import BloodGroup
from models.laboratory import LabResult, StationResult
from streams.ports.donations import Destination, KnownDonations, Recall, RecalledPlace, Spellings
from streams.ports.locks import NEW_BAGS, LocksMissingError
from streams.store.locks import PgLocks
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    import asyncpg

    from streams.store.database import Connection

_QUERIES = load_queries("donations")


class PgDonationRecords:
    """What is on record of donations, for who only reads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find_known(self, donations: Mapping[str, str]) -> KnownDonations:
        donation_ids = {*donations.values()}
        return KnownDonations(
            spellings=await self._list_spellings(unit_ids=donations, donation_ids=donation_ids),
            recalled=await self.list_recalled(donation_ids),
            in_quarantine=await self._list_in_quarantine(donation_ids),
            results=await self.list_results(donation_ids),
        )

    async def list_results(
        self, donation_ids: Collection[str]
    ) -> Mapping[str, Sequence[StationResult]]:
        found: dict[str, list[StationResult]] = defaultdict(list)
        rows = _QUERIES.list_results(self._connection, donation_ids=sorted(donation_ids))
        async for row in rows:
            found[row["donation_id"]].append(_to_result(row))
        return found

    async def list_says(self, donation_id: str) -> Mapping[str, frozenset[str]]:
        rows = _QUERIES.list_says(self._connection, donation_id=donation_id)
        return {row["unit_id"]: frozenset(row["stations"]) async for row in rows}

    async def list_stations(self, donation_id: str) -> frozenset[str]:
        rows = _QUERIES.list_stations(self._connection, donation_id=donation_id)
        return frozenset([row["station_id"] async for row in rows])

    async def find_registered_group(self, donation_id: str) -> BloodGroup | None:
        row = await _QUERIES.find_registered_group(self._connection, donation_id=donation_id)
        return None if row is None else BloodGroup(row["blood_group"])

    async def list_recalled(self, donation_ids: Collection[str]) -> frozenset[str]:
        rows = _QUERIES.list_recalled(self._connection, donation_ids=sorted(donation_ids))
        return frozenset([row["donation_id"] async for row in rows])

    async def _list_spellings(
        self, *, unit_ids: Collection[str], donation_ids: Collection[str]
    ) -> Spellings:
        found: dict[str, dict[str, str]] = {"unit": {}, "donation": {}}
        rows = _QUERIES.list_spellings(
            self._connection, unit_ids=sorted(unit_ids), donation_ids=sorted(set(donation_ids))
        )
        async for row in rows:
            found[row["what"]][row["written"]] = row["known"]
        return Spellings(units=found["unit"], donations=found["donation"])

    async def _list_in_quarantine(self, donation_ids: Collection[str]) -> frozenset[str]:
        rows = _QUERIES.list_in_quarantine(self._connection, donation_ids=sorted(donation_ids))
        return frozenset([row["donation_id"] async for row in rows])


class PgDonations(PgDonationRecords):
    """Implements `ports.donations.DonationStore`."""

    def __init__(self, connection: Connection, locks: PgLocks) -> None:
        super().__init__(connection)
        self._locks = locks

    async def lock_donations(self, donation_ids: Collection[str], *, enters: bool) -> None:
        wanted = set(donation_ids)
        found = _QUERIES.list_donation_stations(self._connection, donation_ids=sorted(wanted))
        rows = [row async for row in found]
        self._locks.ensure({row["station_id"] for row in rows})
        is_known = wanted == {row["donation_id"] for row in rows}
        # Nothing written under it depends on when it was taken, so it need not come first.
        if (enters or not is_known) and not await self._locks.try_lock([NEW_BAGS]):
            raise LocksMissingError([NEW_BAGS])

    async def find_result(self, result_id: str) -> tuple[str, StationResult] | None:
        row = await _QUERIES.find_result(self._connection, result_id=result_id)
        return None if row is None else (row["donation_id"], _to_result(row))

    async def add_result(
        self,
        result: LabResult,
        *,
        donation_id: str,
        station_id: str,
        caused_by: str,
        now: datetime,
    ) -> None:
        await _QUERIES.add_result(
            self._connection,
            **{name: value for name, value in dict(result).items() if name != "group"},
            blood_group=result.group,
            donation_id=donation_id,
            station_id=station_id,
            caused_by=caused_by,
            now=now,
        )

    async def is_recall_known(self, recall_id: str) -> bool:
        return await _QUERIES.find_recall(self._connection, recall_id=recall_id) is not None

    async def add_recall(self, recall: Recall, *, now: datetime) -> None:
        await _QUERIES.add_recall(
            self._connection,
            recall_id=recall.recall_id,
            donation_id=recall.donation_id,
            station_id=recall.station_id,
            reason=recall.reason,
            recalled_by=recall.recalled_by,
            caused_by=recall.caused_by,
            recalled_at=recall.recalled_at,
            now=now,
        )

    async def add_places(self, recall_id: str, places: Sequence[RecalledPlace]) -> None:
        payload = [
            {
                "unit_id": place.unit.unit_id,
                "was": place.unit.was,
                "holder_kind": place.holder_kind,
                "holder_id": place.holder_id,
                "request_id": place.unit.request_id,
                "is_frozen": place.is_frozen,
            }
            for place in places
        ]
        await _QUERIES.add_places(self._connection, recall_id=recall_id, payload=payload)

    async def list_destinations(self, donation_id: str) -> Mapping[str, Destination]:
        rows = _QUERIES.list_destinations(self._connection, donation_id=donation_id)
        return {
            row["unit_id"]: Destination(
                request_id=row["request_id"],
                patient_reference=row["patient_reference"] or None,
                hospital_id=row["hospital_id"],
                supplier_id=row["supplier_id"],
                to_station_id=row["to_station_id"],
                issued_outside=row["issued_outside"],
            )
            async for row in rows
        }

    async def list_waiting_of_donors(self, station_id: str) -> list[str]:
        rows = _QUERIES.list_waiting_of_donors(self._connection, station_id=station_id)
        return [row["donation_id"] async for row in rows]


def _to_result(row: asyncpg.Record) -> StationResult:
    result = LabResult(
        result_id=row["result_id"],
        test=row["test"],
        outcome=row["outcome"],
        group=row["blood_group"],
        method=row["method"],
        run_id=row["run_id"],
        performed_at=row["performed_at"],
        performed_by=row["performed_by"],
        supersedes=row["supersedes"],
        note=row["note"],
    )
    return StationResult(station_id=row["station_id"], result=result)
