"""The figures on which people are alarmed, kept current for `/metrics`.

Concurrency: one task measures; a scrape reads what was measured last, and how old it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from gateway.consumer_lag import UnreadLook
from gateway.metrics import VitalMetrics
from models.errors import TransientError
from models.requests import Priority
from models.shortages import ShortageLevel
from streams.store.read_models.vitals import MARKS, PgVitals, Vitals

log = structlog.get_logger(__name__)

EVERY_S = 15.0
"""The usual scrape interval of Prometheus. Each round runs nine small SQL statements."""


class VitalSigns:
    """Measures the figures every `EVERY_S`.

    Args:
        vitals: Reads the figures that PostgreSQL holds.
        unread: Reads from Kafka how many records no worker has acknowledged.
        metrics: Receives the figures.
        monotonic: Real seconds, for the age of the figures.
    """

    def __init__(
        self,
        *,
        vitals: PgVitals,
        unread: UnreadLook,
        metrics: VitalMetrics,
        monotonic: Callable[[], float],
    ) -> None:
        self._vitals = vitals
        self._unread = unread
        self._metrics = metrics
        self._monotonic = monotonic
        self._measured_at = monotonic()
        metrics.age.set_function(lambda: self._monotonic() - self._measured_at)

    async def run(self) -> None:
        """Measure until cancelled; while PostgreSQL is away the age of the figures grows."""
        while True:
            await self.measure()
            await asyncio.sleep(EVERY_S)

    async def measure(self) -> None:
        await asyncio.gather(self._measure_unread(), self._measure_stored())

    async def _measure_unread(self) -> None:
        found = await self._unread.look()
        gauges = self._metrics.unread_records, self._metrics.unread_oldest
        for gauge in gauges:
            gauge.clear()
        for row in found or ():
            self._metrics.unread_records.labels(row.reader, row.topic).set(row.records)
            self._metrics.unread_oldest.labels(row.reader, row.topic).set(self._unread.age_s(row))

    async def _measure_stored(self) -> None:
        try:
            vitals = await self._vitals.measure()
        except TransientError as error:
            log.warning("vitals_not_measured", error=str(error))
            return
        self._show(vitals)
        self._measured_at = self._monotonic()

    def _show(self, vitals: Vitals) -> None:
        metrics = self._metrics
        # Every closed label has a series, also at 0: an alarm cannot compare with a missing series.
        for priority in Priority:
            requests, age_s = vitals.open_requests.get(priority, (0, 0.0))
            metrics.open_requests.labels(priority).set(requests)
            metrics.oldest_request.labels(priority).set(age_s)
        for mark in MARKS:
            metrics.overdue.labels(mark).set(vitals.overdue.get(mark, 0))
        for level in ShortageLevel:
            metrics.shortages.labels(level).set(vitals.shortages.get(level, 0))
        kept, waiting = vitals.life_threatening_letters
        metrics.grave_letters.set(kept)
        metrics.grave_letters_waiting.set(waiting)
        metrics.outbox_rows.set(vitals.outbox_rows)
        metrics.outbox_oldest.set(vitals.outbox_oldest_s)
        metrics.timers_late.set(vitals.timers_late_s)
        # A series whose rows are gone must not keep its last value.
        for gauge in (metrics.letters, metrics.calls, metrics.stock_units, metrics.stock_days):
            gauge.clear()
        for (reader, code), letters in vitals.letters.items():
            metrics.letters.labels(reader, code).set(letters)
        for (station_id, status), calls in vitals.calls.items():
            metrics.calls.labels(station_id, status).set(calls)
        for (station_id, component), (units, days) in vitals.stock.items():
            metrics.stock_units.labels(station_id, component).set(units)
            if days is not None:
                metrics.stock_days.labels(station_id, component).set(days)
