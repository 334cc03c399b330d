"""The outbox on real PostgreSQL: one relay at a time on a shard, whatever becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.embedded_services import Endpoints
from streams.ports import SHARDS
from streams.store.outbox import PgOutbox
from tests.support.engine import Engine, build_engine
from tests.support.world import build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

ALL = range(SHARDS)


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        await built.feed(counted(build_unit("A+") for _ in range(3)))
        async with PgOutbox(built.database, built.clock).claim(ALL, limit=100):
            pass
        yield built


async def ask(engine: Engine) -> None:
    await engine.feed(opened(build_request(group="A+", quantity=1)))


async def waiting(outbox: PgOutbox) -> int:
    async with asyncio.timeout(5), outbox.claim(ALL, limit=100) as rows:
        return len(rows)


async def test_a_second_relay_waits_and_finds_nothing_twice(engine: Engine) -> None:
    first, second = (PgOutbox(engine.database, engine.clock) for _ in range(2))
    await ask(engine)
    async with first.claim(ALL, limit=100) as rows:
        other = asyncio.create_task(waiting(second))
        await asyncio.sleep(0.2)
        assert not other.done(), "two relays hold one shard"
        assert len(rows) == 1
    assert await other == 0


async def test_a_publication_that_fails_marks_nothing_and_frees_the_shards(engine: Engine) -> None:
    outbox = PgOutbox(engine.database, engine.clock)
    await ask(engine)
    with pytest.raises(RuntimeError, match="no broker"):
        async with outbox.claim(ALL, limit=100):
            raise RuntimeError("no broker")
    assert await waiting(outbox) == 1
    assert await waiting(outbox) == 0


async def test_a_relay_that_is_cancelled_frees_the_shards(engine: Engine) -> None:
    outbox = PgOutbox(engine.database, engine.clock)
    await ask(engine)
    holding = asyncio.Event()

    async def hold() -> None:
        async with outbox.claim(ALL, limit=100):
            holding.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await holding.wait()
    task.cancel()
    await asyncio.wait([task])
    assert await waiting(outbox) == 1


async def test_a_relay_cancelled_while_it_waits_for_a_shard_leaves_no_lock(engine: Engine) -> None:
    outbox = PgOutbox(engine.database, engine.clock)
    await ask(engine)
    async with outbox.claim([SHARDS - 1], limit=100):
        # Takes the shards before the last, and waits for that one.
        blocked = asyncio.create_task(waiting(outbox))
        await asyncio.sleep(0.2)
        blocked.cancel()
        await asyncio.wait([blocked])
        async with asyncio.timeout(5), outbox.claim(range(SHARDS - 1), limit=100):
            pass
