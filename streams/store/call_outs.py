"""Donors and calls of one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING

from models.donors import CallOut, CallOutStatus, CallPurpose, Donor
from streams.matching.donor_eligibility import DonorRecord
from streams.matching.donor_waves import CallState
from streams.ports.call_outs import CallStop, ReserveCall
from streams.ports.unit_of_work import Transition
from streams.store.audit import RecordTransition
from streams.store.locks import PgLocks
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    import asyncpg

    from streams.store.database import Connection, PooledConnection

_QUERIES = load_queries("call_outs")

_LIVE = frozenset({CallOutStatus.CALLED, CallOutStatus.ACCEPTED, CallOutStatus.ARRIVED})


async def list_reserve(
    connection: Connection | PooledConnection, station_id: str
) -> list[DonorRecord]:
    """List every donor of a station with what is known of them."""
    rows = _QUERIES.list_reserve(connection, station_id=station_id)
    return [_to_record(row, on_live_call=row["on_live_call"]) async for row in rows]


class PgReserve:
    """Implements `ports.call_outs.ReserveStore`."""

    def __init__(self, connection: Connection, record: RecordTransition, locks: PgLocks) -> None:
        self._connection = connection
        self._record = record
        self._locks = locks

    async def list_calls(
        self,
        station_id: str,
        *,
        cause_ids: Collection[str] = (),
        since: datetime | None = None,
    ) -> list[ReserveCall]:
        rows = _QUERIES.list_calls(
            self._connection, station_id=station_id, cause_ids=list(cause_ids), since=since
        )
        return [_to_call(row) async for row in rows]

    async def list_reserve(self, station_id: str) -> list[DonorRecord]:
        return await list_reserve(self._connection, station_id)

    async def find_call(self, call_out_id: str) -> ReserveCall | None:
        row = await _QUERIES.find_call(self._connection, call_out_id=call_out_id)
        return None if row is None else _to_call(row)

    async def add_calls(self, calls: Sequence[CallOut], *, purpose: CallPurpose) -> None:
        payload = [call.model_dump(mode="json") for call in calls]
        called = {call.donor_id: call for call in calls}
        # Another number of the same person may be called by another station at this moment.
        twins = _QUERIES.list_twin_stations(self._connection, donor_ids=sorted(called))
        self._locks.ensure([row["station_id"] async for row in twins])
        async for row in _QUERIES.add_calls(self._connection, payload=payload, purpose=purpose):
            call = called[row["donor_id"]]
            self._audit(
                row,
                change=("called", row["called_before"], row["called"]),
                why=f"called {call.call_out_id}",
            )

    async def set_calls(
        self,
        call_out_ids: Collection[str],
        *,
        to: CallOutStatus,
        answered_at: datetime | None = None,
        ended_at: datetime | None = None,
        unit_id: str | None = None,
    ) -> None:
        await _QUERIES.set_calls(
            self._connection,
            call_out_ids=list(call_out_ids),
            status=to,
            answered_at=answered_at,
            ended_at=ended_at,
            unit_id=unit_id,
        )

    async def list_stopped(self, station_id: str) -> frozenset[str]:
        rows = _QUERIES.list_stopped(self._connection, station_id=station_id)
        return frozenset([row["cause_id"] async for row in rows])

    async def add_stop(self, stop: CallStop) -> None:
        await _QUERIES.add_stop(self._connection, **asdict(stop))

    async def end_stop(self, cause_id: str, *, by: str, why: str, now: datetime) -> None:
        await _QUERIES.end_stop(self._connection, cause_id=cause_id, by=by, why=why, now=now)

    async def count_acceptance(self, donor_id: str) -> None:
        row = await _QUERIES.count_acceptance(self._connection, donor_id=donor_id)
        if row is not None:
            change = ("accepted", row["accepted_before"], row["accepted"])
            self._audit(row, change=change, why="accepted")

    async def set_whole_blood_day(self, donor_id: str, day: date) -> None:
        row = await _QUERIES.set_whole_blood_day(self._connection, donor_id=donor_id, day=day)
        if row is not None:
            change = ("last_whole_blood_on", row["day_before"], day)
            self._audit(row, change=change, why="donated")

    async def set_platelets_day(self, donor_id: str, day: date) -> None:
        row = await _QUERIES.set_platelets_day(self._connection, donor_id=donor_id, day=day)
        if row is not None:
            change = ("last_platelets_on", row["day_before"], day)
            self._audit(row, change=change, why="donated")

    def _audit(
        self,
        row: asyncpg.Record,
        *,
        change: tuple[str, object, object],
        why: str,
    ) -> None:
        """Record that one thing known of a donor changed."""
        name, before, after = change
        self._record(
            Transition(
                subject_kind="donor",
                subject=row["donor_id"],
                station_id=row["station_id"],
                from_state=f"{name}={'none' if before is None else before}",
                to_state=f"{name}={after}",
                why=why,
            )
        )


def _to_record(row: asyncpg.Record, *, on_live_call: bool) -> DonorRecord:
    return DonorRecord(
        donor=Donor.model_validate(row["body"]),
        last_whole_blood_on=_latest(row["last_whole_blood_on"], row.get("other_whole_blood_on")),
        called=row["called"],
        accepted=row["accepted"],
        on_live_call=on_live_call or row.get("other_on_live_call", False),
        contact_key=row["contact_key"],
        person_key=row["person_key"],
        deferred_as_other_until=row.get("deferred_as_other_until"),
        group_disputed=row.get("group_disputed", False),
    )


def _latest(*days: date | None) -> date | None:
    return max((day for day in days if day is not None), default=None)


def _to_call(row: asyncpg.Record) -> ReserveCall:
    status = CallOutStatus(row["status"])
    return ReserveCall(
        call_out=CallOut(
            call_out_id=row["call_out_id"],
            donor_id=row["donor_id"],
            station_id=row["station_id"],
            cause_id=row["cause_id"],
            wave=row["wave"],
            called_at=row["called_at"],
        ),
        state=CallState(
            record=_to_record(row, on_live_call=status in _LIVE),
            status=status,
            called_at=row["called_at"],
        ),
        unit_status=row["unit_status"],
    )
