"""Close differences between a stock count and our record, as the station resolves them.

The unit then changes as its own event would change it, under the same rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from models.errors import DomainRefusal
from models.events.stock import DifferencesClosed, Resolution, StockChange, StockChanged
from models.units import UnitStatus
from streams.ports import Received, UnitOfWork
from streams.ports.counts import ISSUED_OUTSIDE, Difference
from streams.ports.stock import UnitState
from streams.services.unit_moves import MoveCause, name_actor, relocate

_FREE = frozenset({UnitStatus.AVAILABLE, UnitStatus.QUARANTINED})
_RELEASED = frozenset({UnitStatus.AVAILABLE, UnitStatus.ON_HOLD, UnitStatus.RETURNED})
"""States of a unit that can have been given out by hand: it was released and not promised."""

Change = Callable[[UnitOfWork, Received, StockChanged], Awaitable[None]]
"""Changes one unit as its own event would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceClosure:
    """Differences being closed in one transaction, by one event of the station.

    Attributes:
        change: Changes one unit as its own event would.
    """

    work: UnitOfWork
    record: Received
    event: DifferencesClosed
    change: Change

    async def close(self) -> None:
        """Resolve the difference of every unit that the station names: all of them, or none.

        Raises:
            DomainRefusal: A difference is not open, or the unit's state does not allow it.
        """
        event = self.event
        unit_ids = sorted(set(event.unit_ids))
        states = await self.work.stock.lock_units(unit_ids)
        found = await self.work.counts.lock_open(event.count_id, unit_ids)
        closed: dict[str, list[str]] = defaultdict(list)
        for unit_id in unit_ids:
            difference, state = found.get(unit_id), states.get(unit_id)
            if difference is None or state is None:
                raise DomainRefusal("difference_not_open", count_id=event.count_id, unit_id=unit_id)
            closed[await self._resolve(difference, state)].append(unit_id)
        for resolution, resolved in closed.items():
            await self.work.counts.close(
                event.count_id,
                resolved,
                resolution=resolution,
                reason=event.reason,
                by=self.record.envelope.source,
                now=self.work.context.now,
            )

    async def _resolve(self, difference: Difference, state: UnitState) -> str:
        """Do what the station resolved for one unit; return how its difference is closed."""
        resolution = self.event.resolution
        match resolution:
            case Resolution.RECORD_STANDS:
                pass
            case Resolution.DISCARDED:
                await self._change(state, StockChange.DISCARDED)
            case Resolution.ISSUED if state.promise is not None:
                await self._change(state, StockChange.ISSUED, epoch=state.promise.epoch)
            case Resolution.ISSUED:
                # Nobody here knows where it went: its life ends, and a recall names the reason.
                self._ensure(state, allowed=state.status in _RELEASED)
                told = f"{ISSUED_OUTSIDE}: {self.event.reason}"
                await self._change(state, StockChange.DISCARDED, reason=told)
                return ISSUED_OUTSIDE
            case Resolution.MOVED_HERE:
                is_free = state.promise is None and state.status in _FREE
                self._ensure(state, allowed=difference.kind == "moved" and is_free)
                await self._bring_here(state)
        return resolution

    async def _change(
        self,
        state: UnitState,
        change: StockChange,
        *,
        epoch: int | None = None,
        reason: str | None = None,
    ) -> None:
        changed = StockChanged(
            station_id=self.event.station_id,
            unit_id=state.unit_id,
            change=change,
            happened_at=self.event.closed_at,
            epoch=epoch,
            reason=reason or self.event.reason,
        )
        await self.change(self.work, self.record, changed)

    def _ensure(self, state: UnitState, *, allowed: bool) -> None:
        if not allowed:
            raise DomainRefusal(
                "resolution_forbidden",
                unit_id=state.unit_id,
                status=state.status,
                resolution=self.event.resolution,
            )

    async def _bring_here(self, state: UnitState) -> None:
        event = self.event
        actor, _ = name_actor(self.record, station_id=event.station_id)
        cause = MoveCause(actor=actor, why=f"{event.resolution}: {event.reason}")
        await relocate(self.work, state, cause, station_id=event.station_id)
