"""The dispatcher's screen: follows the whole event stream and reads every shelf at intervals.

Feeds the board; changes nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter

from demo.actor_context import DrillStage
from demo.day_record import StockSample
from demo.feed import follow_events
from demo.kafka_clients import TopicFollower
from models.topics import TOPICS, AppName, TopicName

_SHELF_EVERY_REAL_S = 0.7


class Observer:
    """Reads what a dispatcher may see.

    Args:
        stage: Shared by all actors.
    """

    def __init__(self, stage: DrillStage) -> None:
        self._stage = stage
        self._door = stage.door("dispatcher")
        self._dead_letters = TopicFollower(
            bootstrap=stage.kafka_bootstrap, client_id="demo-dead-letters"
        )
        self.connected = asyncio.Event()

    async def ready(self) -> None:
        await self.connected.wait()
        await self._dead_letters.connected.wait()

    async def watch_events(self) -> None:
        """Take in the event stream until cancelled."""
        async for seen in follow_events(self._door, connected=self.connected):
            self._stage.board.see(seen.event, seen.at)

    async def watch_dead_letters(self) -> None:
        """Count the quarantined messages, by reason, until cancelled."""
        names = [topic.dead_letter(reader) for topic in TOPICS for reader in topic.readers]
        async for name, envelope in self._dead_letters.follow(names):
            told = json.loads(envelope.data)
            self._stage.board.see_quarantined(
                told["code"],
                is_request=name.startswith(f"{TopicName.REQUESTS}.{AppName.URGENT}"),
            )

    async def watch_shelves(self) -> None:
        """Read every station's shelf until cancelled; the interval is in real seconds."""
        while True:
            for station in self._stage.scenario.stations:
                await self._look(station.station_id)
            await asyncio.sleep(_SHELF_EVERY_REAL_S)

    async def read_calls(self) -> None:
        """Read the outcome of every call from the system's own list, not from the answers sent."""
        for station in self._stage.scenario.stations:
            path = f"/v1/stations/{station.station_id}/call-outs?limit=1000"
            answer = await self._door.call("GET", path)
            self._stage.board.settle_calls(station.station_id, answer.body["call_outs"])

    async def _look(self, station_id: str) -> None:
        answer = await self._door.call("GET", f"/v1/stations/{station_id}/stock")
        if not answer.is_accepted:
            return
        available = [row for row in answer.body["stock"] if row["status"] == "available"]
        groups: Counter[str] = Counter()
        components: Counter[str] = Counter()
        for row in available:
            components[row["component"]] += row["bags"]
            if row["component"] == "red_cells":
                groups[row["group"]] += row["bags"]
        self._stage.board.stock.append(
            StockSample(
                at=self._stage.clock.now(),
                station_id=station_id,
                by_group=dict(groups),
                by_component=dict(components),
                cells={(row["component"], row["group"]): int(row["units"]) for row in available},
            )
        )
