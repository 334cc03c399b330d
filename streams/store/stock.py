"""Units and promises of one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from models.clearance import UnitFacts
from models.components import Component
from models.groups import BloodGroup
from models.requests import Priority
from models.unit_states import EXPIRING_STATES, PICKABLE_STATES
from models.units import Unit, UnitStatus, UnitTraits
from streams.matching.available_units import Cell
from streams.matching.hand_given import HandGiven
from streams.ports.stock import (
    NO_CHANGES,
    FoundUnit,
    GivingBack,
    LivePromise,
    MoveChanges,
    NewUnit,
    TakeableUnit,
    UnitHold,
    UnitScan,
    UnitState,
)
from streams.ports.unit_of_work import Transition
from streams.store.audit import RecordTransition
from streams.store.locks import PgLocks
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    import asyncpg

    from streams.store.database import Connection

_QUERIES = load_queries("stock")


class PgStock:
    def __init__(self, connection: Connection, record: RecordTransition, locks: PgLocks) -> None:
        self._connection = connection
        self._record = record
        self._locks = locks

    async def list_shelf(
        self, wants: Mapping[Cell, int | None], *, now: datetime
    ) -> list[UnitFacts]:
        rows = _QUERIES.list_shelf(self._connection, **_list_places(wants), now=now)
        return [UnitFacts.of_row(row) async for row in rows]

    async def lock_units(self, unit_ids: Sequence[str]) -> dict[str, UnitState]:
        wanted = list(unit_ids)
        found = _QUERIES.lock_units(self._connection, unit_ids=wanted, locked=self._locks.names)
        rows = [row async for row in found]
        if len(rows) < len(set(wanted)):
            others = _QUERIES.list_unit_stations(self._connection, unit_ids=wanted)
            self._locks.ensure([row["station_id"] async for row in others])
        promises = {}
        async for row in _QUERIES.list_live_promises(self._connection, unit_ids=wanted):
            # Of a transfer both stations: its end is written at the one that receives.
            self._locks.ensure([row["to_station_id"]] if row["to_station_id"] else [])
            promises[row["unit_id"]] = _to_promise(row)
        return {row["unit_id"]: _to_state(row, promises.get(row["unit_id"])) for row in rows}

    async def find_unit(self, unit_id: str) -> FoundUnit | None:
        row = await _QUERIES.find_unit(self._connection, unit_id=unit_id)
        if row is None:
            return None
        return FoundUnit(
            unit=UnitFacts.of_row(row),
            request_id=row["request_id"],
            line_no=row["line_no"],
            transfer_id=row["transfer_id"],
            priority=Priority(row["priority"]) if row["priority"] else None,
        )

    async def list_given_by_hand(self, request_id: str) -> list[HandGiven]:
        rows = _QUERIES.list_given_by_hand(self._connection, request_id=request_id)
        return [_to_given(row) async for row in rows]

    async def lock_donation(self, donation_id: str) -> list[UnitState]:
        rows = _QUERIES.list_units_of_donation(self._connection, donation_id=donation_id)
        return list((await self.lock_units([row["unit_id"] async for row in rows])).values())

    async def find_last_promise(self, unit_id: str) -> LivePromise | None:
        row = await _QUERIES.find_last_promise(self._connection, unit_id=unit_id)
        return None if row is None else _to_promise(row)

    async def list_sent(self, request_id: str) -> list[tuple[UnitFacts, int | None]]:
        rows = _QUERIES.list_sent(self._connection, request_id=request_id)
        return [(UnitFacts.of_row(row), row["line_no"]) async for row in rows]

    async def add_units(self, units: Sequence[NewUnit]) -> None:
        # Few combinations of traits stand in many units.
        traits = {
            kind: kind.model_dump(mode="json", exclude_defaults=True)
            for kind in {new.unit.traits for new in units}
        }
        payload = [
            {
                "unit_id": new.unit.unit_id,
                "donation_id": new.unit.donation_id,
                "station_id": new.unit.station_id,
                "component": new.unit.component,
                "blood_group": new.unit.group,
                "volume_ml": new.unit.volume_ml,
                "collected_at": new.unit.collected_at,
                "expires_at": new.unit.expires_at,
                "made_until": _made_until(new.unit),
                "traits": traits[new.unit.traits],
                "low_titre": new.unit.traits.low_titre,
                "status": new.status,
                "source": new.source,
                "released_at": new.released_at,
                "attested_by": new.attested_by,
                "parent_id": new.parent_id,
            }
            for new in units
        ]
        await _QUERIES.add_units(self._connection, payload=payload)

    async def move_unit(
        self,
        unit_id: str,
        *,
        to: UnitStatus,
        changes: MoveChanges = NO_CHANGES,
    ) -> None:
        await _QUERIES.move_unit(
            self._connection,
            unit_id=unit_id,
            status=to,
            released_at=changes.released_at,
            station_id=changes.station_id,
            source=changes.source,
            add_out_of_control_s=changes.add_out_of_control_s,
        )

    async def note_thawing(
        self, unit_id: str, *, thawed_at: datetime, made_until: datetime
    ) -> None:
        await _QUERIES.note_thawing(
            self._connection,
            unit_id=unit_id,
            thawed=UnitTraits(thawed_at=thawed_at).model_dump(mode="json", include={"thawed_at"}),
            made_until=made_until,
        )

    async def add_hold(self, hold: UnitHold) -> None:
        await _QUERIES.add_hold(self._connection, **asdict(hold))

    async def find_hold(self, unit_id: str) -> UnitHold | None:
        row = await _QUERIES.find_hold(self._connection, unit_id=unit_id)
        return None if row is None else UnitHold(**row)

    async def end_hold(self, unit_id: str, *, by: str, why: str, now: datetime) -> None:
        await _QUERIES.end_hold(self._connection, unit_id=unit_id, by=by, why=why, now=now)

    async def add_scan(self, scan: UnitScan, *, now: datetime) -> None:
        await _QUERIES.add_scan(self._connection, **asdict(scan), now=now)

    async def end_promise(self, promise_id: str, *, to: str, now: datetime) -> None:
        await _QUERIES.end_promise(self._connection, promise_id=promise_id, status=to, now=now)

    async def release_held(self, which: GivingBack, *, now: datetime) -> dict[str, str]:
        rows = _QUERIES.release_held(
            self._connection,
            request_id=which.request_id,
            transfer_id=which.transfer_id,
            states=list(which.states),
            may_have_left=which.may_have_left,
            unit_ids=None if which.unit_ids is None else list(which.unit_ids),
            now=now,
        )
        freed: dict[str, str] = {}
        async for row in rows:
            freed[row["unit_id"]] = row["station_id"]
            self._record(
                Transition(
                    subject_kind="unit",
                    subject=row["unit_id"],
                    station_id=row["station_id"],
                    from_state=row["was"],
                    to_state="available",
                    why=which.why or f"given_back {which.request_id or which.transfer_id}",
                )
            )
        return freed

    async def list_promised(
        self, wants: Mapping[Cell, int | None], *, now: datetime
    ) -> list[TakeableUnit]:
        rows = _QUERIES.list_promised(self._connection, **_list_places(wants), now=now)
        return [
            TakeableUnit(
                unit=UnitFacts.of_row(row),
                request_id=row["request_id"],
                priority=Priority(row["priority"]),
            )
            async for row in rows
        ]

    async def take_back(
        self, unit_ids: Sequence[str], *, why: str, now: datetime
    ) -> dict[str, str]:
        taken: dict[str, str] = {}
        async for row in _QUERIES.take_back(self._connection, unit_ids=list(unit_ids), now=now):
            taken[row["unit_id"]] = row["request_id"]
            self._record(
                Transition(
                    subject_kind="unit",
                    subject=row["unit_id"],
                    station_id=row["station_id"],
                    from_state="reserved",
                    to_state="available",
                    why=why,
                )
            )
        return taken

    async def lock_expired(self, *, now: datetime) -> list[UnitState]:
        rows = _QUERIES.list_expired(self._connection, now=now)
        unit_ids = [row["unit_id"] async for row in rows]
        states = await self.lock_units(unit_ids)
        return [state for state in states.values() if state.status in EXPIRING_STATES]

    async def list_held_past(self, *, now: datetime) -> list[str]:
        rows = _QUERIES.list_held_past(self._connection, now=now)
        return [row["request_id"] async for row in rows]

    async def lock_held_past(self, request_id: str, *, now: datetime) -> list[UnitState]:
        rows = _QUERIES.list_units_held_past(self._connection, request_id=request_id, now=now)
        unit_ids = [row["unit_id"] async for row in rows]
        states = await self.lock_units(unit_ids)
        return [
            state
            for state in states.values()
            if state.status in PICKABLE_STATES and state.promise is not None
        ]

    async def count_stock(self, station_id: str) -> list[tuple[Component, BloodGroup, str, int]]:
        rows = _QUERIES.count_stock(self._connection, station_id=station_id)
        return [
            (
                Component(row["component"]),
                BloodGroup(row["blood_group"]),
                row["status"],
                row["units"],
            )
            async for row in rows
        ]


def _made_until(unit: Unit) -> datetime | None:
    """Return the end that how a unit was made sets to its life; None if its label decides."""
    return unit.usable_until if unit.usable_until < unit.expires_at else None


def _to_promise(row: asyncpg.Record) -> LivePromise:
    return LivePromise(
        promise_id=row["promise_id"],
        epoch=row["epoch"],
        status=row["status"],
        request_id=row["request_id"],
        transfer_id=row["transfer_id"],
        line_no=row["line_no"],
        capped=row["capped"],
    )


def _to_state(row: asyncpg.Record, promise: LivePromise | None) -> UnitState:
    return UnitState.of_row(
        row,
        donation_id=row["donation_id"],
        usable_until=row["usable_until"],
        released_at=row["released_at"],
        attested_by=row["attested_by"],
        handed_over=row["handed_over"],
        promise=promise,
    )


def _list_places(wants: Mapping[Cell, int | None]) -> dict[str, list[Any]]:
    """Return places and the units to read of each, an array per column."""
    return {
        "stations": [cell.station_id for cell in wants],
        "components": [cell.component for cell in wants],
        "groups": [cell.group for cell in wants],
        "limits": list(wants.values()),
    }


def _to_given(row: asyncpg.Record) -> HandGiven:
    params = row["reason"]["params"]
    return HandGiven(
        line_no=row["line_no"],
        unit=replace(UnitFacts.of_row(row), status=UnitStatus.AVAILABLE),
        actor=params["key"],
        by=params["by"],
        reason=params["reason"],
    )
