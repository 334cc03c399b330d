"""Record once a day what every place of every station holds, for the safe-stock rate.

The timer sets itself again for the next day's hour. A day that has its record keeps it: a worker
that starts again adds nothing, and a worker that was away at the hour records when it is back.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from models.figures import StockDay
from models.texts.instants import BEIJING
from streams.ports import DirectorySource, Timer, UnitOfWork
from streams.services.stock_levels import measure_places

RECORD_AT = time(8)
"""Beijing time: before the day's issues and after the night's."""


class StockDayService:
    def __init__(self, *, directories: DirectorySource) -> None:
        self._directories = directories

    async def fire(self, work: UnitOfWork, timer: Timer) -> None:
        """Record the day of every station that has no record of it yet, and set the next timer."""
        stations = (await self._directories.refresh()).stations
        await work.lock_stations(*stations)
        for station_id, station in sorted(stations.items()):
            measured = await measure_places(
                work.exchange, station, now=work.context.now, rules=work.rules
            )
            day = work.context.now.astimezone(BEIJING).date()
            await work.counts.add_stock_days(
                [
                    StockDay(
                        station_id=station_id,
                        day=day,
                        component=count.component,
                        group=count.group,
                        available=count.available,
                        burn_per_d=measure.burn_per_d,
                        days_of_supply=measure.days_of_supply,
                        uncovered=count.uncovered,
                        level=measure.level,
                    )
                    for count, measure in measured
                ],
                now=work.context.now,
            )
        work.schedule(
            Timer(kind=timer.kind, subject=timer.subject, due_at=find_next(work.context.now))
        )


def find_next(now: datetime) -> datetime:
    """Return the next instant at which a day is recorded, strictly after now."""
    today = now.astimezone(BEIJING)
    at = datetime.combine(today.date(), RECORD_AT, tzinfo=BEIJING)
    return (at if at > today else at + timedelta(days=1)).astimezone(UTC)
