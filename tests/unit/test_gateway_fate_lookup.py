"""Looks for repeats: many in one query, and never a hold-up while PostgreSQL is away or hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import pytest

from gateway.intake import waiting_calls
from gateway.intake.waiting_calls import FateLookup
from gateway.metrics import GatewayMetrics
from models.errors import TransientError
from streams.store.read_models.pages import EventFate, EventName, PgPages

KNOWN = EventFate(
    digest="d",
    taken_at=datetime(2025, 1, 7, tzinfo=UTC),
    code=None,
    params=None,
    status="open",
    decision=None,
)


@dataclass
class Reading:
    """Knows the events whose id starts with `old`."""

    mood: str = "fine"
    batches: list[int] = field(default_factory=list)

    async def list_fates(self, names: Sequence[EventName]) -> dict[EventName, EventFate]:
        self.batches.append(len(names))
        await asyncio.sleep(0)
        if self.mood == "hangs":
            await asyncio.Event().wait()
        if self.mood == "away":
            raise TransientError("postgres_away")
        if self.mood == "broken":
            raise RuntimeError("a bug")
        return {name: KNOWN for name in names if name.event_id.startswith("old")}


@dataclass
class World:
    reading: Reading = field(default_factory=Reading)
    now: float = 100.0

    def __post_init__(self) -> None:
        self.looking = FateLookup(
            pages=cast("PgPages", self.reading),
            metrics=GatewayMetrics(),
            monotonic=lambda: self.now,
        )

    async def find(self, event_id: str) -> EventFate | None:
        name = EventName(reader="r", source="s", event_id=event_id, request_id="q")
        async with asyncio.timeout(2):
            return await self.looking.ask(name)


@asynccontextmanager
async def running(world: World) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(world.looking.run())
        yield
        task.cancel()


async def test_many_are_asked_at_once() -> None:
    world = World()
    async with running(world):
        found = await asyncio.gather(
            *[world.find(f"{'old' if n % 2 else 'new'}{n}") for n in range(40)]
        )
    assert found == [KNOWN if n % 2 else None for n in range(40)]
    assert len(world.reading.batches) <= 2
    assert sum(world.reading.batches) == 40


@pytest.mark.parametrize("mood", ["away", "hangs"])
async def test_nobody_waits_for_postgres(mood: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_calls, "LOOK_LIMIT_S", 0.05)
    world = World(reading=Reading(mood=mood))
    async with running(world):
        assert await asyncio.gather(*[world.find(f"old{n}") for n in range(5)]) == [None] * 5
        asked = len(world.reading.batches)
        assert await world.find("old") is None
        assert len(world.reading.batches) == asked, "it is left alone for a while"
        world.reading.mood = "fine"
        world.now += waiting_calls.PAUSE_S
        assert await world.find("old") == KNOWN


async def test_a_bug_is_raised_and_hangs_nobody() -> None:
    world = World(reading=Reading(mood="broken"))
    asking = asyncio.ensure_future(world.find("old"))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="a bug"):
        await world.looking.run()
    assert await asking is None
    assert await world.find("old") is None


async def test_one_that_hung_up_is_no_trouble() -> None:
    world = World()
    async with running(world):
        gone = asyncio.ensure_future(world.find("old1"))
        await asyncio.sleep(0)
        gone.cancel()
        assert await world.find("old2") == KNOWN
