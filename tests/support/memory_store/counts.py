"""The port to stock counts, in memory: it divides counted units into new and known units.

Every count of the drive has one part and does not contradict our record; the differences of real
counts are computed in the database schema and tested there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from models.errors import InvariantViolation
from models.events.stock import CountedUnit, CountPart
from models.units import UnitStatus
from streams.ports.counts import CountHead, CountProgress, Taken
from tests.support.memory_store.rows import State


class MemoryCounts:
    """Implements what `services.counts` uses of `ports.counts.CountStore`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._head: CountHead | None = None

    async def take(
        self,
        part: CountPart,
        units: Sequence[CountedUnit],
        *,
        station_id: str,
        counted_at: datetime,
        now: datetime,
    ) -> Taken:
        del now
        self._head = CountHead(
            station_id=station_id,
            counted_at=counted_at,
            full=part.full,
            parts=part.parts,
            units=part.units,
        )
        known = self._state.units
        new = frozenset(
            counted.unit.unit_id for counted in units if counted.unit.unit_id not in known
        )
        collected = frozenset(
            counted.unit.unit_id
            for counted in units
            if counted.unit.unit_id in known
            and known[counted.unit.unit_id].status is UnitStatus.COLLECTED
        )
        for counted in units:
            row = known.get(counted.unit.unit_id)
            if row is not None and row.doubted_at is not None and row.doubted_at <= counted_at:
                known[counted.unit.unit_id] = replace(row, doubted_at=None)
        outcomes = {"new": len(new), "confirmed": len(units) - len(new)}
        return Taken(outcomes=outcomes, new=new, collected=collected)

    async def note(self, part: CountPart, outcomes: Mapping[str, int]) -> CountProgress:
        del outcomes
        if self._head is None:
            raise InvariantViolation("count_missing", count_id=part.count_id)
        return CountProgress(head=self._head, parts_taken=1)

    async def finish(self, count_id: str, *, now: datetime) -> int:
        """End the count; no unit is missing, since no count of the drive is full."""
        del count_id, now
        return 0
