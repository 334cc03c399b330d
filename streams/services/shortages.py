"""Assess what a station lacks, tell its neighbours, and call donors for patients who wait now.

Runs inside a transaction, under the lock of the station: two assessments of one station never
overlap. The assessment reads what PostgreSQL holds, not what an event said.
"""

from __future__ import annotations

from models.events.shortages import ShortageChanged, ShortageCleared, ShortageDeclared
from models.shortages import Shortage, ShortageStatus
from streams.matching.shortage import (
    ShortageChange,
    ShortageStep,
    decide_shortage,
    estimate_burn,
)
from streams.ports import DirectorySource, Timer, Transition, UnitOfWork
from streams.services.donor_call_outs import CallOuts
from streams.services.shortage_timing import assess_later, find_station
from streams.services.station_lookup import get_own_station
from streams.services.stock_levels import count_places

_EVENTS = {
    ShortageStep.DECLARED: ShortageDeclared,
    ShortageStep.CHANGED: ShortageChanged,
    ShortageStep.CLEARED: ShortageCleared,
}


class ShortageService:
    """Declares, changes and clears the shortages of a station.

    Args:
        directories: The stations, their demand and policies.
        call_outs: Calls donors for what patients wait for now.
    """

    def __init__(self, *, directories: DirectorySource, call_outs: CallOuts) -> None:
        self._directories = directories
        self._call_outs = call_outs

    async def assess(self, work: UnitOfWork, station_id: str) -> None:
        """Assess every component and group of a station. Doing it again at once changes nothing."""
        station = await get_own_station(self._directories, station_id)
        await work.lock_stations(station_id)
        shortages = await work.exchange.lock_open_shortages(station_id)
        current = {(shortage.component, shortage.group): shortage for shortage in shortages}
        waiting: list[str] = []
        is_surging = False
        led = [
            state
            for state in await work.disasters.list_open_activations(station_id)
            if state.activation.lead
        ]
        for count in await count_places(
            work.exchange, station, also=current, led=led, now=work.context.now, rules=work.rules
        ):
            before = current.get((count.component, count.group))
            change = decide_shortage(
                count, station=station, current=before, now=work.context.now, rules=work.rules
            )
            if change is not None:
                await _write(work, change, before)
            after = change.shortage if change else before
            is_surging |= _is_short(after) and bool(
                estimate_burn(
                    count, station=station, is_short=True, rules=work.rules.shortages
                ).surges
            )
            # Donors are called for patients who wait; when none waits any more they stand down.
            if after and (after.uncovered_units or (before and before.uncovered_units)):
                waiting.append(after.shortage_id)
        if is_surging:
            assess_later(work, station_id)
        if waiting:
            await self._call_outs.pursue_all(work, station_id, waiting)

    async def fire(self, work: UnitOfWork, timer: Timer) -> None:
        station_id = find_station(timer.subject)
        # This assessment also answers every timer due until now: a backlog is one assessment.
        await work.timers.drop_due(timer.kind, station_id, now=work.context.now)
        await self.assess(work, station_id)


def _is_short(shortage: Shortage | None) -> bool:
    return shortage is not None and shortage.status is ShortageStatus.OPEN


async def _write(work: UnitOfWork, change: ShortageChange, before: Shortage | None) -> None:
    shortage = change.shortage
    await work.exchange.write_shortage(shortage)
    work.record(
        Transition(
            subject_kind="shortage",
            subject=shortage.shortage_id,
            station_id=shortage.station_id,
            from_state=before.level if before else "",
            to_state=shortage.level,
            why=(
                f"{change.step} missing={shortage.units_missing} waiting={shortage.uncovered_units}"
            ),
        )
    )
    work.emit(_EVENTS[change.step](shortage=shortage), station_id=shortage.station_id)
