"""The port to units, in memory: a fake, for speed.

It deliberately checks nothing of a unit's life: the services must keep the rules. There is one
writer; a failed transaction is undone by a return to the copy from before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from models.clearance import UnitFacts
from models.components import Component
from models.groups import BloodGroup
from models.requests import Priority
from models.unit_states import EXPIRING_STATES, PICKABLE_STATES, SENT_STATES
from models.units import UnitStatus
from streams.matching.available_units import Cell
from streams.matching.choice_order import place_of
from streams.matching.hand_given import HandGiven
from streams.ports import Transition
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
from tests.support.memory_store.rows import PromiseRow, State, UnitRow

LIVE = frozenset({"held", "issued"})
U = TypeVar("U", bound=UnitFacts)


class MemoryStock:
    """Implements `ports.stock.StockStore`."""

    def __init__(self, state: State, record: Callable[[Transition], None]) -> None:
        self._state = state
        self._record = record

    async def list_shelf(
        self, wants: Mapping[Cell, int | None], *, now: datetime
    ) -> list[UnitFacts]:
        places: dict[Cell, list[UnitFacts]] = defaultdict(list)
        for row in self._state.units.values():
            if row.status is UnitStatus.AVAILABLE and row.unit.usable_until > now:
                places[_cell_of(row)].append(to_unit(UnitFacts, row))
        return [
            unit
            for cell, most in wants.items()
            for unit in sorted(places[cell], key=place_of)[:most]
        ]

    async def lock_units(self, unit_ids: Sequence[str]) -> dict[str, UnitState]:
        found = (self._state.units.get(unit_id) for unit_id in sorted(set(unit_ids)))
        return {row.unit.unit_id: self._to_state(row) for row in found if row is not None}

    async def find_unit(self, unit_id: str) -> FoundUnit | None:
        row = self._state.units.get(unit_id)
        if row is None:
            return None
        for promise in self._state.promises.values():
            if promise.unit_id == unit_id and promise.live.status in LIVE:
                request = self._state.requests.get(promise.live.request_id or "")
                return FoundUnit(
                    unit=to_unit(UnitFacts, row),
                    request_id=promise.live.request_id,
                    line_no=promise.live.line_no,
                    transfer_id=promise.live.transfer_id,
                    priority=request.request.priority if request else None,
                )
        return FoundUnit(unit=to_unit(UnitFacts, row))

    async def list_given_by_hand(self, request_id: str) -> list[HandGiven]:
        return [
            HandGiven(
                line_no=promise.live.line_no or 0,
                unit=replace(to_unit(UnitFacts, row), status=UnitStatus.AVAILABLE),
                actor=str(promise.reason.params["key"]),
                by=str(promise.reason.params["by"]),
                reason=str(promise.reason.params["reason"]),
            )
            for promise in self._state.promises.values()
            if promise.live.request_id == request_id
            and promise.live.status == "held"
            and (row := self._state.units[promise.unit_id]).status is UnitStatus.RESERVED
            and promise.reason is not None
            and promise.reason.code.startswith("given_by_hand")
        ]

    async def lock_donation(self, donation_id: str) -> list[UnitState]:
        rows = self._state.units.values()
        return [self._to_state(row) for row in rows if row.unit.donation_id == donation_id]

    async def find_last_promise(self, unit_id: str) -> LivePromise | None:
        rows = [row for row in self._state.promises.values() if row.unit_id == unit_id]
        return max(rows, key=lambda row: row.live.epoch).live if rows else None

    async def list_sent(self, request_id: str) -> list[tuple[UnitFacts, int | None]]:
        return [
            (to_unit(UnitFacts, unit), row.live.line_no)
            for row in self._state.promises.values()
            if row.live.request_id == request_id
            and row.live.status in {"issued", "received"}
            and (unit := self._state.units[row.unit_id]).status in SENT_STATES
        ]

    async def add_units(self, units: Sequence[NewUnit]) -> None:
        for new in units:
            self._state.units[new.unit.unit_id] = UnitRow(
                unit=new.unit,
                had_by=(new.unit.station_id,),
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
        changes: MoveChanges = NO_CHANGES,
    ) -> None:
        # Where a unit came from (`changes.source`) is not read here.
        station_id = changes.station_id
        row = self._state.units[unit_id]
        self._state.units[unit_id] = replace(
            row,
            unit=row.unit.but(station_id=station_id) if station_id else row.unit,
            had_by=(*row.had_by, station_id) if station_id else row.had_by,
            status=to,
            released_at=changes.released_at or row.released_at,
            out_of_control_s=row.out_of_control_s + changes.add_out_of_control_s,
            handed_over=row.handed_over or to is UnitStatus.RECEIVED,
            doubted_at=None,
        )

    async def note_thawing(
        self, unit_id: str, *, thawed_at: datetime, made_until: datetime
    ) -> None:
        del made_until  # it follows from the hour
        row = self._state.units[unit_id]
        if row.unit.traits.thawed_at is None:
            traits = row.unit.traits.but(thawed_at=thawed_at)
            self._state.units[unit_id] = replace(row, unit=row.unit.but(traits=traits))

    async def add_hold(self, hold: UnitHold) -> None:
        self._state.holds[hold.unit_id] = hold

    async def find_hold(self, unit_id: str) -> UnitHold | None:
        return self._state.holds.get(unit_id)

    async def end_hold(self, unit_id: str, *, by: str, why: str, now: datetime) -> None:
        del by, why, now  # who ended it is kept by PostgreSQL alone
        self._state.holds.pop(unit_id, None)

    async def add_scan(self, scan: UnitScan, *, now: datetime) -> None:
        """Do nothing: the model keeps its own scans."""

    async def end_promise(self, promise_id: str, *, to: str, now: datetime) -> None:
        del now
        row = self._state.promises[promise_id]
        self._state.promises[promise_id] = replace(row, live=replace(row.live, status=to))

    async def release_held(self, which: GivingBack, *, now: datetime) -> dict[str, str]:
        freed: dict[str, str] = {}
        for row in list(self._state.promises.values()):
            unit, live = self._state.units[row.unit_id], row.live
            is_theirs = (live.request_id, live.transfer_id) == (which.request_id, which.transfer_id)
            is_theirs &= which.unit_ids is None or row.unit_id in which.unit_ids
            if is_theirs and live.status == "held" and unit.status in which.states:
                await self.end_promise(live.promise_id, to="released", now=now)
                self._free(row.unit_id, doubted_at=now if which.may_have_left else unit.doubted_at)
                self._record_back(unit, why=which.why or "given_back")
                freed[row.unit_id] = unit.unit.station_id
        return freed

    async def list_promised(
        self, wants: Mapping[Cell, int | None], *, now: datetime
    ) -> list[TakeableUnit]:
        found = self._list_takeable(now)
        return [
            takeable
            for cell, most in wants.items()
            for takeable in [unit for unit in found if Cell.of(unit.unit) == cell][:most]
        ]

    def _list_takeable(self, now: datetime) -> list[TakeableUnit]:
        found = [
            TakeableUnit(
                unit=to_unit(UnitFacts, unit),
                request_id=request_id,
                priority=request.request.priority,
            )
            for row in self._state.promises.values()
            if (request_id := row.live.request_id) is not None
            and row.live.status == "held"
            and (unit := self._state.units[row.unit_id]).status is UnitStatus.RESERVED
            and (request := self._state.requests[request_id]).request.priority
            is not Priority.LIFE_THREATENING
            and unit.unit.expires_at > now
        ]
        return sorted(
            found, key=lambda one: (one.priority is not Priority.ROUTINE, place_of(one.unit))
        )

    async def take_back(
        self, unit_ids: Sequence[str], *, why: str, now: datetime
    ) -> dict[str, str]:
        taken: dict[str, str] = {}
        for row in list(self._state.promises.values()):
            unit = self._state.units[row.unit_id]
            if (
                row.unit_id in unit_ids
                and row.live.status == "held"
                and row.live.request_id is not None
                and unit.status is UnitStatus.RESERVED
            ):
                await self.end_promise(row.live.promise_id, to="released", now=now)
                self._free(row.unit_id, doubted_at=unit.doubted_at)
                self._record_back(unit, why=why)
                taken[row.unit_id] = row.live.request_id
        return taken

    async def lock_expired(self, *, now: datetime) -> list[UnitState]:
        return [
            self._to_state(row)
            for row in self._state.units.values()
            if row.unit.usable_until <= now and row.status in EXPIRING_STATES
        ]

    async def list_held_past(self, *, now: datetime) -> list[str]:
        found = {row.live.request_id for row in self._list_held_past(now)}
        return sorted(request_id for request_id in found if request_id is not None)

    async def lock_held_past(self, request_id: str, *, now: datetime) -> list[UnitState]:
        return [
            self._to_state(self._state.units[row.unit_id])
            for row in self._list_held_past(now)
            if row.live.request_id == request_id
        ]

    def _list_held_past(self, now: datetime) -> list[PromiseRow]:
        return [
            row
            for row in self._state.promises.values()
            if row.live.status == "held"
            and row.hold_until is not None
            and row.hold_until <= now
            and self._state.units[row.unit_id].status in PICKABLE_STATES
        ]

    async def count_stock(self, station_id: str) -> list[tuple[Component, BloodGroup, str, int]]:
        """Refuse: shortages are not assessed here."""
        raise NotImplementedError(station_id)

    def reserve(self, promise: PromiseRow, *, why: str) -> None:
        """Write a promise and the new state of its unit, as the guarded statements do."""
        row = self._state.units[promise.unit_id]
        self._state.units[promise.unit_id] = replace(
            row, status=UnitStatus.RESERVED, epoch=promise.live.epoch
        )
        self._state.promises[promise.live.promise_id] = promise
        self._record(
            Transition(
                subject_kind="unit",
                subject=promise.unit_id,
                station_id=row.unit.station_id,
                from_state=row.status,
                to_state=UnitStatus.RESERVED,
                why=why,
            )
        )

    def _free(self, unit_id: str, *, doubted_at: datetime | None) -> None:
        row = self._state.units[unit_id]
        self._state.units[unit_id] = replace(
            row, status=UnitStatus.AVAILABLE, doubted_at=doubted_at
        )

    def _record_back(self, unit: UnitRow, *, why: str) -> None:
        self._record(
            Transition(
                subject_kind="unit",
                subject=unit.unit.unit_id,
                station_id=unit.unit.station_id,
                from_state=unit.status,
                to_state=UnitStatus.AVAILABLE,
                why=why,
            )
        )

    def _to_state(self, row: UnitRow) -> UnitState:
        live = [
            promise.live
            for promise in self._state.promises.values()
            if promise.unit_id == row.unit.unit_id and promise.live.status in LIVE
        ]
        return to_unit(
            UnitState,
            row,
            donation_id=row.unit.donation_id,
            usable_until=row.unit.usable_until,
            released_at=row.released_at,
            attested_by=row.attested_by,
            handed_over=row.status is UnitStatus.RETURNED and row.handed_over,
            promise=live[0] if live else None,
        )


def to_unit(kind: type[U], row: UnitRow, **beside: Any) -> U:  # noqa: ANN401 - of any kind
    return kind(
        unit_id=row.unit.unit_id,
        station_id=row.unit.station_id,
        component=row.unit.component,
        group=row.unit.group,
        volume_ml=row.unit.volume_ml,
        status=row.status,
        collected_at=row.unit.collected_at,
        expires_at=row.unit.expires_at,
        released=row.released_at is not None,
        recalled=row.status is UnitStatus.RECALLED,
        epoch=row.epoch,
        traits=row.unit.traits,
        out_of_control_s=row.out_of_control_s,
        may_have_left=row.doubted_at is not None,
        **beside,
    )


def _cell_of(row: UnitRow) -> Cell:
    unit = row.unit
    return Cell(station_id=unit.station_id, component=unit.component, group=unit.group)
