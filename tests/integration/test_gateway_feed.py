"""The feed by number, what is no longer kept, and clients that go away: on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import orjson
import pytest
import pytest_asyncio
import structlog
from httpx_sse import ServerSentEvent, aconnect_sse

from deploy.local.embedded_services import Endpoints
from tests.support.gateway import RunningGateway, read_events, running_gateway
from tests.support.kafka import wait_until

pytestmark = pytest.mark.integration

FIRST_TX, LAST_TX = 815, 1024
PER_TX = 3

_FILL = """
INSERT INTO outbox (
    tx, shard, topic, key, sequence, event_id, event_type, source, subject, body, made_at,
    published_at
)
SELECT
    (n / $3)::text::xid8, 0, 'blood.shortages.v1', 'nagqu', n, 'e' || n,
    'blood.shortage.cleared.v1', 'xuelian', 's' || n,
    convert_to(repeat(' ', 2000) || '{}', 'UTF8'), now(), now()
FROM generate_series($1::int * $3, $2::int * $3 + $3 - 1) AS n
"""


@pytest_asyncio.fixture
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    """A gateway whose feed spans transactions of three and of four digits, over several pages."""
    async with running_gateway(endpoints) as gateway:
        # Rows are readable once their transaction lies behind the server's own count.
        async with gateway.database.connection() as connection:
            while await connection.fetchval("SELECT pg_current_xact_id()::text::int") <= LAST_TX:
                pass
        await gateway.database.fetch(_FILL, FIRST_TX, LAST_TX, PER_TX)
        yield gateway


def subjects(events: list[ServerSentEvent]) -> list[str]:
    return [orjson.loads(event.data)["subject"] for event in events]


async def test_f26_every_event_comes_once_and_in_the_order_of_numbers(
    world: RunningGateway,
) -> None:
    everything = [f"s{n}" for n in range(FIRST_TX * PER_TX, (LAST_TX + 1) * PER_TX)]
    client = world.client("dispatcher")
    events = await read_events(client, len(everything), last_event_id="0-0", within_s=20)
    assert subjects(events) == everything
    # From a place of three digits on, over the power of ten.
    middle = next(n for n, event in enumerate(events) if event.id.startswith("990-"))
    rest = everything[middle + 1 :]
    again = await read_events(client, len(rest), last_event_id=events[middle].id, within_s=20)
    assert subjects(again) == rest


async def first_event(world: RunningGateway, position: str) -> ServerSentEvent:
    (event,) = await read_events(world.client("dispatcher"), 1, last_event_id=position)
    return event


async def test_f27_a_position_that_is_no_longer_kept_is_told(world: RunningGateway) -> None:
    events = await read_events(world.client("dispatcher"), 9, last_event_id="0-0")
    old, last_gone = events[3].id, events[7].id
    await world.database.fetch(
        "DELETE FROM outbox WHERE row_id <= $1", int(last_gone.split("-")[1])
    )
    told = await first_event(world, old)
    assert told.event == "reset"
    body = orjson.loads(told.data)
    assert body["reason"]["code"] == "feed_position_not_kept"
    assert (body["asked"], body["kept_from"]) == (old, last_gone)
    assert "重新读取" in body["reason"]["zh"]
    # What follows the reset is what is kept, whole; and who goes on behind it is told nothing more.
    reset, following = await read_events(world.client("dispatcher"), 2, last_event_id=old)
    assert (reset.event, following.id) == ("reset", events[8].id)
    assert (await first_event(world, last_gone)).id == events[8].id
    # Who asks for whatever there is has missed nothing.
    assert (await first_event(world, "0-0")).id == events[8].id


async def test_f27_a_position_of_a_database_that_was_restored_is_told(
    world: RunningGateway,
) -> None:
    (event,) = await read_events(world.client("dispatcher"), 1, last_event_id="0-0")
    tx, row = event.id.split("-")
    for position in ("99999999-12345", f"{int(tx) + 1}-{row}", f"{LAST_TX}-{10**9}"):
        told = await first_event(world, position)
        assert told.event == "reset"
        body = orjson.loads(told.data)
        assert body["reason"]["code"] == "feed_position_unknown"
        assert body["kept_from"] == told.id
    # The end itself is no gap.
    assert await world.gateway.feed.find_gap(await world.gateway.feed.find_end()) is None


async def test_f27_retention_by_the_timer_moves_what_is_kept(world: RunningGateway) -> None:
    (event,) = await read_events(world.client("dispatcher"), 1, last_event_id="0-0")
    await world.database.fetch("DELETE FROM outbox WHERE published_at < now() - interval '7 days'")
    assert (await first_event(world, event.id)).event != "reset"
    await world.database.fetch("DELETE FROM outbox WHERE published_at < now()")
    assert (await first_event(world, event.id)).event == "reset"


async def test_f28_a_client_that_goes_away_is_no_fault(world: RunningGateway) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            async with aconnect_sse(
                world.client("dispatcher"),
                "GET",
                "/v1/events",
                headers={"Last-Event-ID": "0-0"},
            ) as source:
                read = 0
                async for chunk in source.response.aiter_bytes():
                    read += len(chunk)
                    if read > 3000:
                        break
        streams = world.gateway.metrics.streams
        await wait_until(lambda: streams._value.get() == 0, what="streams closed")
        await asyncio.sleep(0.2)
    assert not [line for line in logs if line["log_level"] == "error"]


async def test_f24_a_gateway_that_lost_a_part_is_not_ready_and_ends(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.runtime.REFRESH_S", 0.1)
    async with running_gateway(endpoints) as gateway:
        client = gateway.client("hospital")
        assert (await client.get("/readyz")).status_code == 200
        # What is no outage and no refusal is a bug, and ends the task that reads the directory.
        await gateway.database.fetch("ALTER TABLE stations RENAME TO stations_gone")
        with pytest.raises(httpx.TransportError):
            await ask_until_it_is_gone(client)
        assert gateway.gateway.ended == "directory"


async def ask_until_it_is_gone(client: httpx.AsyncClient) -> None:
    """Ask until nobody listens any more; what answers until then is never ready without a part."""
    async with asyncio.timeout(15):
        while True:
            await client.get("/readyz")
            await asyncio.sleep(0.01)


async def test_f24_readyz_asks_the_gateway_itself(endpoints: Endpoints) -> None:
    async with running_gateway(endpoints) as gateway:
        await gateway.gateway.parts.publisher.stop()
        ready = await gateway.client("hospital").get("/readyz")
        assert ready.status_code == 503
        (check,) = [check for check in ready.json()["checks"] if not check["ok"]]
        assert check["name"] == "gateway"
        assert "停止" in check["reason"]["zh"]
