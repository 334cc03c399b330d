"""The running gateway: its joined parts, and the tasks that live as long as the app.

Concurrency: one event loop. Five tasks run beside the requests: two follow the log to wake
waiters, one looks for repeats, one keeps the directory current, one measures for `/metrics`. They
live as long as the process: if a task ends, by a bug or by itself, the gateway logs it and reports
not ready, and its server ends, so that the supervisor starts the process again.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

from gateway.auth import Authenticator
from gateway.consumer_lag import UnreadLook
from gateway.files.count_files import KeptReads
from gateway.files.station_files import StationFiles
from gateway.files.station_words import parse_own_words
from gateway.gateway_parts import GatewayParts
from gateway.intake.acceptance import Submissions
from gateway.intake.accepted_requests import Accepted
from gateway.intake.waiting_calls import FOLLOWED_TOGETHER, FateLookup, Wakes, follow
from gateway.labels.label_file import parse_label_book
from gateway.metrics import GatewayMetrics
from gateway.vitals import VitalSigns
from models.errors import TransientError
from streams.clock import SystemClock
from streams.store.api_keys import PgKeys
from streams.store.donors import PgDonors
from streams.store.read_models.counts import PgCountComparison
from streams.store.read_models.donations import PgDonationPages
from streams.store.read_models.feed import PgFeed
from streams.store.read_models.figures import PgFigures
from streams.store.read_models.free_stock import PgFreeStock
from streams.store.read_models.hand_work import PgHandWork
from streams.store.read_models.pages import PgPages
from streams.store.read_models.scans import PgScans
from streams.store.read_models.vitals import PgVitals
from streams.store.unit_of_work import PgBegin

log = structlog.get_logger(__name__)

REFRESH_S = 5.0
"""How old the directory may be: a hospital that changed its station is known within this time."""


class Gateway:
    """Everything that the routes use."""

    def __init__(self, parts: GatewayParts) -> None:
        self.parts = parts
        self.clock = parts.clock
        self.rules = parts.rules
        self.directories = parts.directories
        self.metrics = GatewayMetrics()
        self.wakes = Wakes()
        self.pages = PgPages(parts.database, parts.clock)
        self.donations = PgDonationPages(parts.database)
        self.feed = PgFeed(parts.database)
        self.donors = PgDonors(parts.database, parts.clock)
        self.scans = PgScans(parts.database)
        self.hand_work = PgHandWork(parts.database)
        self.labels = StationFiles(
            parts.settings.labels_dir, parse_label_book, code="labels_invalid"
        )
        self.station_words = StationFiles(
            parts.settings.columns_dir, parse_own_words, code="columns_invalid"
        )
        self.count_comparison = PgCountComparison(parts.database)
        self.figures = PgFigures(parts.database)
        self.free_stock = PgFreeStock(parts.database)
        self.vitals = PgVitals(parts.database, parts.clock)
        self.unread = UnreadLook(
            parts.measure_unread, wall=SystemClock(), monotonic=parts.monotonic
        )
        self.vital_signs = VitalSigns(
            vitals=self.vitals,
            unread=self.unread,
            metrics=self.metrics.vitals,
            monotonic=parts.monotonic,
        )
        self.begin = PgBegin(parts.database, parts.rules)
        self.kept_reads = KeptReads(monotonic=parts.monotonic)
        self.accepted = Accepted(monotonic=parts.monotonic)
        self.authenticator = Authenticator(
            keys=PgKeys(parts.database, parts.clock), monotonic=parts.monotonic
        )
        self.fate_lookup = FateLookup(
            pages=self.pages, metrics=self.metrics, monotonic=parts.monotonic
        )
        self.submissions = Submissions(
            publisher=parts.publisher,
            lookup=self.fate_lookup,
            wakes=self.wakes,
            metrics=self.metrics,
            clock=parts.clock,
            monotonic=parts.monotonic,
        )
        self.ended: str | None = None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run the tasks and the publisher; both end with the block."""
        await self.parts.publisher.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    *(
                        tasks.create_task(
                            self._live("tail", follow(self.parts.tail, topics, self.wakes))
                        )
                        for topics in FOLLOWED_TOGETHER
                    ),
                    tasks.create_task(self._live("lookups", self.fate_lookup.run())),
                    tasks.create_task(self._live("directory", self._keep_directory_current())),
                    tasks.create_task(self._live("vitals", self.vital_signs.run())),
                ]
                try:
                    yield
                finally:
                    self.wakes.close()
                    for task in running:
                        task.cancel()
        finally:
            await self.parts.publisher.stop()

    @property
    def alive(self) -> bool:
        """Return whether every task that it needs still runs; once false, it stays false."""
        return self.ended is None

    async def _live(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a task that must not end; if it ends, `alive` is false and the server stops.

        The fault is not raised into the task group, which would cancel the application from inside:
        it would close its publisher and still answer calls.
        """
        try:
            await work
        except Exception as error:  # noqa: BLE001 - any fault is logged and ends the process
            log.error("gateway_task_died", task=name, trace=_trace_of(error))  # noqa: TRY400 - without local variables
        else:
            log.error("gateway_task_ended", task=name)
        self.ended = name
        self.wakes.close()

    async def _keep_directory_current(self) -> None:
        was_away = False
        while True:
            try:
                await self.directories.refresh()
            except TransientError as error:
                was_away = True
                log.warning("directory_not_refreshed", error=str(error))
            else:
                if was_away:
                    was_away = False
                    log.info("directory_refreshed_again")
            await asyncio.sleep(REFRESH_S)


def _trace_of(error: Exception) -> str:
    return "".join(traceback.format_exception(error))
