"""A station's counts: what they name is taken in or confirmed, what they deny stays open.

A count releases nothing, ends nothing and corrects no label: those are acts of the station, each
with its own word. A unit that our record has in quarantine stays there, whatever a count says.

Runs one part at a time, inside the savepoint of its record; a part that comes again changes
nothing, so a count that broke off is resumed by sending it again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from models.base import derive_id
from models.errors import ContractError, DomainRefusal
from models.events.stock import (
    CountPart,
    DifferencesClosed,
    Resolution,
    StockChange,
    StockChanged,
    StockCounted,
)
from models.units import UnitStatus
from streams.ports import Received, Timer, TimerKind, Transition, UnitOfWork
from streams.ports.counts import CountHead, Difference
from streams.ports.stock import UnitState

_FREE = frozenset({UnitStatus.AVAILABLE, UnitStatus.QUARANTINED})

Change = Callable[[UnitOfWork, Received, StockChanged, datetime], Awaitable[None]]
"""Changes one unit as its own event would."""


async def take_count(
    work: UnitOfWork, record: Received, event: StockCounted, now: datetime
) -> None:
    """Take one part of a count in.

    Raises:
        ContractError: `count_differs`: another count has its identifier.
    """
    part = event.part or _only_part(record, event)
    outcomes = await work.counts.take(
        part,
        event.units,
        station_id=event.station_id,
        counted_at=event.counted_at,
        caused_by=record.envelope.id,
        now=now,
    )
    if outcomes is None:
        return
    progress = await work.counts.note(part, outcomes)
    head = CountHead(
        station_id=event.station_id,
        counted_at=event.counted_at,
        full=part.full,
        parts=part.parts,
        units=part.units,
    )
    if progress.head != head:
        raise ContractError("count_differs", count_id=part.count_id)
    if outcomes.get("new"):
        schedule_after_arrival(work, event.station_id, now)
    if progress.parts_taken == part.parts:
        await work.counts.finish(part.count_id, now=now)


def _only_part(record: Received, event: StockCounted) -> CountPart:
    count_id = derive_id("count", record.envelope.source, record.envelope.id)
    return CountPart(count_id=count_id, part_no=1, parts=1, units=len(event.units))


def schedule_after_arrival(work: UnitOfWork, station_id: str, now: datetime) -> None:
    """New blood first goes to those who wait, then the shortages are looked at again."""
    for kind in (TimerKind.REMATCH, TimerKind.SHORTAGE_ASSESSMENT):
        work.schedule(Timer(kind=kind, subject=station_id, due_at=now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """Differences being closed in one transaction, under one word of the station.

    Attributes:
        change: Changes one unit as its own event would.
    """

    work: UnitOfWork
    record: Received
    event: DifferencesClosed
    now: datetime
    change: Change

    async def close(self) -> None:
        """Do what the station says of every unit that it names: all of them, or none.

        Raises:
            DomainRefusal: A difference is not open, or the unit's state does not allow it.
        """
        event = self.event
        unit_ids = sorted(set(event.unit_ids))
        states = await self.work.stock.lock_units(unit_ids)
        found = await self.work.counts.lock_open(event.count_id, unit_ids)
        for unit_id in unit_ids:
            difference, state = found.get(unit_id), states.get(unit_id)
            if difference is None or state is None:
                raise DomainRefusal("difference_not_open", count_id=event.count_id, unit_id=unit_id)
            await self._resolve(difference, state)
        await self.work.counts.close(
            event.count_id,
            unit_ids,
            resolution=event.resolution,
            reason=event.reason,
            by=self.record.envelope.source,
            now=self.now,
        )

    async def _resolve(self, difference: Difference, state: UnitState) -> None:
        match self.event.resolution:
            case Resolution.RECORD_STANDS:
                return
            case Resolution.DISCARDED:
                await self._change(state, StockChange.DISCARDED)
            case Resolution.ISSUED if state.promise is not None:
                await self._change(state, StockChange.ISSUED, epoch=state.promise.epoch)
            case Resolution.ISSUED:
                is_here = state.station_id == self.event.station_id
                self._ensure(state, allowed=is_here and state.status is UnitStatus.AVAILABLE)
                await self._move(state, UnitStatus.ISSUED)
            case Resolution.MOVED_HERE:
                is_free = state.promise is None and state.status in _FREE
                self._ensure(state, allowed=difference.kind == "moved" and is_free)
                await self._move(state, state.status)
                schedule_after_arrival(self.work, self.event.station_id, self.now)

    async def _change(
        self, state: UnitState, change: StockChange, *, epoch: int | None = None
    ) -> None:
        changed = StockChanged(
            station_id=self.event.station_id,
            unit_id=state.unit_id,
            change=change,
            happened_at=self.event.closed_at,
            epoch=epoch,
            reason=self.event.reason or f"count {self.event.count_id}",
        )
        await self.change(self.work, self.record, changed, self.now)

    def _ensure(self, state: UnitState, *, allowed: bool) -> None:
        if not allowed:
            raise DomainRefusal(
                "resolution_forbidden",
                unit_id=state.unit_id,
                status=state.status,
                resolution=self.event.resolution,
            )

    async def _move(self, state: UnitState, to: UnitStatus) -> None:
        event = self.event
        await self.work.stock.move_unit(state.unit_id, to=to, station_id=event.station_id)
        self.work.record(
            Transition(
                subject_kind="unit",
                subject=state.unit_id,
                station_id=event.station_id,
                from_state=state.status,
                to_state=to,
                why=f"{event.resolution}: {event.reason or event.count_id}",
                caused_by=self.record.envelope.id,
                at=self.now,
            )
        )
        for station_id in sorted({event.station_id, state.station_id}):
            kind = TimerKind.SHORTAGE_ASSESSMENT
            self.work.schedule(Timer(kind=kind, subject=station_id, due_at=self.now))
