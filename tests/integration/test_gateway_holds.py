"""Bags held back by hand over HTTP and on the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from tests.support.commands import Ran, xuelian
from tests.support.gateway import RunningGateway, add_stock, running_engine, running_gateway
from tests.support.kafka import unique

pytestmark = pytest.mark.integration

SIGNED = {"by": "Tsering", "reason": "the bag looks damp"}
HOLDS = "/v1/stations/shigatse/holds"


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway, running_engine(gateway):
        await add_stock(gateway.database, station_id="shigatse", units=20, group="A+")
        yield gateway


def keyed() -> dict[str, str]:
    return {"Idempotency-Key": unique("k"), "Prefer": "wait=10"}


async def find_free(world: RunningGateway) -> str:
    rows = await world.database.fetch(
        "SELECT unit_id FROM units WHERE status = 'available' ORDER BY unit_id LIMIT 1"
    )
    return str(rows[0]["unit_id"])


async def hold(
    world: RunningGateway, unit_id: str, role: str = "dispatcher", **body: object
) -> httpx.Response:
    said = {"unit_id": unit_id, **SIGNED, **body}
    return await world.client(role).post(HOLDS, json=said, headers=keyed())


async def list_holds(world: RunningGateway) -> dict[str, dict[str, str]]:
    answer = await world.client("station").get(HOLDS)
    assert answer.status_code == 200, answer.text
    return {hold["unit_id"]: hold for hold in answer.json()["holds"]}


async def test_a_hold_is_done_seen_and_ended(world: RunningGateway) -> None:
    unit_id = await find_free(world)
    answer = await hold(world, unit_id)
    assert (answer.status_code, answer.json()["status"]) == (200, "done"), answer.text
    seen = (await list_holds(world))[unit_id]
    assert (seen["by"], seen["reason"], seen["until"]) == (*SIGNED.values(), None)
    assert seen["key"].startswith("dispatcher/")
    row = (await world.database.fetch("SELECT donation_id FROM units WHERE unit_id = $1", unit_id))[
        0
    ]
    page = await world.client("dispatcher").get(f"/v1/donations/{row['donation_id']}")
    (bag,) = (unit for unit in page.json()["units"] if unit["unit_id"] == unit_id)
    assert (bag["status"], bag["hold"]["by"]) == ("on_hold", "Tsering")
    stock = (await world.client("station").get("/v1/stations/shigatse/stock")).json()["stock"]
    assert "on_hold" in {place["status"] for place in stock}
    path = f"{HOLDS}/{unit_id}/end"
    ended = await world.client("station").post(path, json=SIGNED, headers=keyed())
    assert (ended.status_code, ended.json()["status"]) == (200, "done"), ended.text
    assert unit_id not in await list_holds(world)


async def test_the_same_words_hold_a_bag_again(world: RunningGateway) -> None:
    """A repeat is told by its key alone."""
    unit_id = await find_free(world)
    for _ in range(2):
        assert (await hold(world, unit_id)).json()["status"] == "done"
        assert unit_id in await list_holds(world)
        path = f"{HOLDS}/{unit_id}/end"
        await world.client("dispatcher").post(path, json=SIGNED, headers=keyed())
        assert unit_id not in await list_holds(world)
    without = await world.client("dispatcher").post(HOLDS, json={"unit_id": unit_id, **SIGNED})
    assert without.json()["code"] == "idempotency_key_missing"


async def test_an_end_that_has_passed_is_refused(world: RunningGateway) -> None:
    unit_id = await find_free(world)
    now = world.clock.now()
    answer = await hold(world, unit_id, until=(now - timedelta(hours=1)).isoformat())
    assert (answer.status_code, answer.json()["code"]) == (422, "hold_over_already")
    later = await hold(world, unit_id, until=(now + timedelta(hours=1)).isoformat())
    assert later.status_code == 200
    assert (await list_holds(world))[unit_id]["until"] is not None


@pytest.mark.parametrize("role", ["hospital", "neighbour", "disaster"])
async def test_it_is_for_dispatchers_and_the_station(world: RunningGateway, role: str) -> None:
    answer = await hold(world, "U1", role)
    assert answer.status_code == 403


async def run(world: RunningGateway, *words: object) -> Ran:
    env = {"XUELIAN_GATEWAY_URL": world.url, "XUELIAN_API_KEY": world.keys["dispatcher"]}
    return await xuelian(*words, env=env)


async def test_the_command_line_holds_and_ends(world: RunningGateway) -> None:
    unit_id = await find_free(world)
    signed = ("--by", "次仁", "--reason", "袋面有渗漏")
    held = await run(world, "hand", "hold", "shigatse", unit_id, *signed)
    assert held.exit_code == 0, held.stderr
    assert "已执行" in held.stdout + held.stderr
    listed = await run(world, "hand", "holds", "shigatse")
    assert unit_id in listed.stdout
    assert "次仁" in listed.stdout
    ended = await run(world, "hand", "end-hold", "shigatse", unit_id, *signed)
    assert ended.exit_code == 0, ended.stderr
    again = await run(world, "hand", "end-hold", "shigatse", unit_id, *signed)
    assert again.exit_code == 1
