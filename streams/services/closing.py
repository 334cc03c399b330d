"""Differences between a count and our record, closed by the station's own word.

The unit then changes as its own event would change it, under the same rules.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from models.errors import DomainRefusal
from models.events.stock import DifferencesClosed, Resolution, StockChange, StockChanged
from models.units import UnitStatus
from streams.ports import Received, Timer, TimerKind, Transition, UnitOfWork
from streams.ports.counts import Difference
from streams.ports.stock import UnitState
from streams.services.moves import schedule_after_arrival

_FREE = frozenset({UnitStatus.AVAILABLE, UnitStatus.QUARANTINED})

Change = Callable[[UnitOfWork, Received, StockChanged, datetime], Awaitable[None]]
"""Changes one unit as its own event would."""


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
