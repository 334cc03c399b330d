"""Take in a station's stock counts: units are entered or confirmed, differences stay open.

A stock count ends no unit and corrects no label: the station does that by separate events. A unit
that enters as released names who released it, and no count overrides what is known of a donation:
see `stock_entries`.

A count runs one part at a time, inside the savepoint of its record; a part that comes again changes
nothing, so a count that broke off is resumed by sending it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from models.base import derive_id
from models.errors import ContractError
from models.events.stock import CountedUnit, CountPart, StockCounted
from models.units import UnitStatus
from streams.ports import Received, UnitOfWork
from streams.ports.counts import CountHead, Taken
from streams.services.quarantine_release import Releases
from streams.services.stock_entries import ensure_may_enter, to_new
from streams.services.unit_moves import MoveCause, move, name_actor, record_birth


class Counts:
    """Acts on `blood.stock.counted.v1`.

    Args:
        releases: Assesses the results of units that enter quarantine, which may have come before.
    """

    def __init__(self, *, releases: Releases) -> None:
        self._releases = releases

    async def take(self, work: UnitOfWork, record: Received, event: StockCounted) -> None:
        """Take in one part of a stock count.

        Raises:
            ContractError: `count_differs`: another count has its identifier.
            DomainRefusal: What is known of a donation forbids that a unit of it enters like this.
        """
        part = event.part or _only_part(record, event)
        taken = await work.counts.take(
            part,
            event.units,
            station_id=event.station_id,
            counted_at=event.counted_at,
            now=work.context.now,
        )
        if taken is None:
            return
        await self._enter(work, record, event, taken)
        progress = await work.counts.note(part, taken.outcomes)
        head = CountHead(
            station_id=event.station_id,
            counted_at=event.counted_at,
            full=part.full,
            parts=part.parts,
            units=part.units,
        )
        if progress.head != head:
            raise ContractError("count_differs", count_id=part.count_id)
        if progress.parts_taken == part.parts:
            await work.counts.finish(part.count_id, now=work.context.now)

    async def _enter(
        self, work: UnitOfWork, record: Received, event: StockCounted, taken: Taken
    ) -> None:
        actor, _ = name_actor(record, station_id=event.station_id)
        cause = MoveCause(actor=actor, why="counted")
        fresh = [counted for counted in event.units if counted.unit.unit_id in taken.new]
        if fresh:
            told = {counted.unit.donation_id for counted in fresh}
            await work.donations.lock_donations(told, enters=True)
            await ensure_may_enter(work, event, fresh)
            await _add(work, event, fresh, cause)
        waiting = {counted.unit.donation_id for counted in fresh if not counted.is_released}
        # A collected unit that lies on the shelf enters quarantine by that.
        if taken.collected:
            for state in (await work.stock.lock_units(sorted(taken.collected))).values():
                await move(work, state, UnitStatus.QUARANTINED, cause)
                waiting.add(state.donation_id)
        if waiting:
            for donation_id in sorted(await work.donations.list_results(waiting)):
                await self._releases.assess(work, donation_id)


async def _add(
    work: UnitOfWork, event: StockCounted, fresh: Sequence[CountedUnit], cause: MoveCause
) -> None:
    added = [to_new(event, counted) for counted in fresh]
    await work.stock.add_units(added)
    born: dict[tuple[str | None, datetime | None], MoveCause] = {(None, None): cause}
    for new in added:
        word = (new.attested_by, new.released_at)
        if word not in born:
            at = "" if new.released_at is None else new.released_at.isoformat()
            why = f"{cause.why}: released by {new.attested_by} at {at}"
            born[word] = replace(cause, why=why)
        record_birth(work, new.unit.unit_id, new.status, born[word], station_id=event.station_id)


def _only_part(record: Received, event: StockCounted) -> CountPart:
    count_id = derive_id("count", record.envelope.source, record.envelope.id)
    return CountPart(count_id=count_id, part_no=1, parts=1, units=len(event.units))
