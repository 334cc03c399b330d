"""The stage that all actors share: the scenario, the simulated clock, their clients, the board.

Owns nothing of the system; holds the addresses at which clients reach it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from demo.clock import DrillClock
from demo.day_record import Board
from demo.donor_reserve import DemoDonor
from demo.http_clients import DemoClient, RefusedAnswer, SentLog
from demo.kafka_clients import HospitalProducer
from demo.scenario import Scenario
from models.events.stock import CountedUnit

KeyName = tuple[str, str]
"""Scope and facility; the facility is empty for dispatchers and disaster feeds."""


@dataclass(kw_only=True)
class DrillStage:
    """Everything that actors need.

    Attributes:
        doors: One client of the gateway per key.
        curtain: Set when the day is over; actors begin nothing new then.
        busy: Number of errands under way that the day waits for, such as a unit on the road.
    """

    scenario: Scenario
    clock: DrillClock
    gateway_url: str
    kafka_bootstrap: str
    doors: Mapping[KeyName, DemoClient]
    publisher: HospitalProducer
    sent: SentLog
    board: Board
    refused: RefusedAnswer
    donors: Mapping[str, DemoDonor]
    stock: Sequence[CountedUnit]
    curtain: asyncio.Event = field(default_factory=asyncio.Event)
    busy: int = 0

    def door(self, scope: str, facility_id: str = "") -> DemoClient:
        return self.doors[scope, facility_id]

    async def sleep_until(self, instant: datetime) -> None:
        """Sleep to a simulated instant; returns at once if it has passed."""
        await asyncio.sleep(self.clock.real_s_until(instant))

    async def sleep(self, seconds: float) -> None:
        """Sleep so many simulated seconds."""
        await self.sleep_until(self.clock.now() + timedelta(seconds=seconds))

    async def sleep_or_curtain(self, seconds: float) -> bool:
        """Sleep so many simulated seconds; return False if the day ended meanwhile."""
        real_s = seconds / self.clock.speed
        try:
            await asyncio.wait_for(self.curtain.wait(), real_s)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def open_doors(
    *, url: str, keys: Mapping[KeyName, str], refused: RefusedAnswer
) -> AsyncIterator[Mapping[KeyName, DemoClient]]:
    """Open one client per key; close them all when the block ends."""
    async with AsyncExitStack() as stack:
        doors = {}
        for name, key in keys.items():
            doors[name] = await stack.enter_async_context(
                DemoClient(url=url, key=key, refused=refused)
            )
        yield doors
