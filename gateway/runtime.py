"""The gateway at work: its parts joined, and the tasks that live as long as the app.

Concurrency: one event loop. Four tasks run beside the requests: two follow the log to wake
waiters, one looks for repeats, one keeps the directory current. If one dies of a bug the process
reports itself as not alive.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog
from starlette.requests import Request

from gateway.accepted import Accepted
from gateway.auth import Authenticator
from gateway.counting import KeptReads
from gateway.labels import LabelBooks
from gateway.looking import Looking
from gateway.metrics import GatewayMetrics
from gateway.parts import GatewayParts
from gateway.station_words import StationWords
from gateway.submitting import Submitter
from gateway.waiting import FOLLOWED_TOGETHER, Wakes, follow
from models.errors import TransientError
from streams.store.donation_reading import PgDonationReading
from streams.store.donors import PgDonors
from streams.store.feed import PgFeed
from streams.store.figures import PgFigures
from streams.store.keys import PgKeys
from streams.store.reading import PgReading
from streams.store.reconciling import PgReconciling
from streams.store.scans import PgScans
from streams.store.unit_of_work import PgBegin

log = structlog.get_logger(__name__)

REFRESH_S = 5.0
"""How old the directory may be: a hospital that changed its station is known within this time."""


class Gateway:
    """Everything that the routes use."""

    def __init__(self, parts: GatewayParts) -> None:
        self.parts = parts
        self.clock = parts.clock
        self.directories = parts.directories
        self.metrics = GatewayMetrics()
        self.wakes = Wakes()
        self.reading = PgReading(parts.database, parts.clock)
        self.donations = PgDonationReading(parts.database)
        self.feed = PgFeed(parts.database)
        self.donors = PgDonors(parts.database, parts.clock)
        self.scans = PgScans(parts.database)
        self.labels = LabelBooks(parts.settings.labels_dir)
        self.station_words = StationWords(parts.settings.columns_dir)
        self.reconciling = PgReconciling(parts.database)
        self.figures = PgFigures(parts.database)
        self.begin = PgBegin(parts.database)
        self.kept_reads = KeptReads(monotonic=parts.monotonic)
        self.accepted = Accepted(monotonic=parts.monotonic)
        self.authenticator = Authenticator(
            keys=PgKeys(parts.database, parts.clock), monotonic=parts.monotonic
        )
        self.looking = Looking(
            reading=self.reading, metrics=self.metrics, monotonic=parts.monotonic
        )
        self.submitter = Submitter(
            publisher=parts.publisher,
            looking=self.looking,
            wakes=self.wakes,
            metrics=self.metrics,
            monotonic=parts.monotonic,
        )
        self.alive = True

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run the tasks; they and the publisher end with the block."""
        await self.parts.publisher.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    *(
                        tasks.create_task(self._live(follow(self.parts.tail, topics, self.wakes)))
                        for topics in FOLLOWED_TOGETHER
                    ),
                    tasks.create_task(self._live(self.looking.run())),
                    tasks.create_task(self._live(self._keep_directory_current())),
                ]
                try:
                    yield
                finally:
                    self.wakes.close()
                    for task in running:
                        task.cancel()
        finally:
            await self.parts.publisher.stop()

    async def _live(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self.alive = False
            log.error("gateway_task_died", trace="".join(traceback.format_exception(error)))  # noqa: TRY400 - without local variables
            raise

    async def _keep_directory_current(self) -> None:
        while True:
            try:
                await self.directories.refresh()
            except TransientError as error:
                log.warning("directory_not_refreshed", error=str(error))
            await asyncio.sleep(REFRESH_S)


def get_gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway
