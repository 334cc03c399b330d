"""Calls of donors and transfers that a person stands down, over HTTP and on the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from models.topics import TopicName
from tests.support.commands import xuelian
from tests.support.gateway import RunningGateway, running_engine, running_gateway
from tests.support.kafka import unique

pytestmark = pytest.mark.integration

SIGNED = {"by": "Tsering", "reason": "there is blood enough"}


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    topics = (TopicName.ANSWERS, TopicName.OFFERS)
    async with running_gateway(endpoints) as gateway, running_engine(gateway, topics):
        yield gateway


def keyed() -> dict[str, str]:
    return {"Idempotency-Key": unique("k"), "Prefer": "wait=10"}


async def open_shortage(world: RunningGateway) -> str:
    """A shortage that stands, as an assessment would leave it; its number."""
    shortage_id = unique("s")
    await world.database.fetch(
        "INSERT INTO shortages (shortage_id, station_id, component, blood_group, level, status, "
        "units_missing, donor_groups, version, body, opened_at, assessed_at) "
        "SELECT $1::text, 'shigatse', 'red_cells', g, 'red', 'open', 2, "
        "ARRAY[g]::blood_group[], 1, "
        "jsonb_build_object('shortage_id', $1::text, 'station_id', 'shigatse', 'component', "
        "'red_cells', 'group', g, 'level', 'red', 'status', 'open', 'units_missing', 2, "
        "'uncovered_units', 2, 'donor_groups', jsonb_build_array(g), 'version', 1, "
        "'assessed_at', $2::timestamptz), $2, $2 FROM unnest(ARRAY['AB+']) AS g "
        "RETURNING 1",
        shortage_id,
        world.clock.now(),
    )
    return shortage_id


async def test_calls_are_stood_down_seen_and_resumed(world: RunningGateway) -> None:
    cause_id = await open_shortage(world)
    path = f"/v1/stations/shigatse/calls/{cause_id}"
    client = world.client("dispatcher")
    stopped = await client.post(f"{path}/stand-down", json=SIGNED, headers=keyed())
    assert (stopped.status_code, stopped.json()["status"]) == (200, "done"), stopped.text
    listed = await world.client("station").get("/v1/stations/shigatse/call-outs")
    (stop,) = listed.json()["stood_down"]
    assert (stop["cause_id"], stop["by"], stop["reason"]) == (cause_id, *SIGNED.values())
    again = await client.post(f"{path}/stand-down", json=SIGNED, headers=keyed())
    assert (again.status_code, again.json()["code"]) == (422, "calls_stopped_already")
    env = {"XUELIAN_GATEWAY_URL": world.url, "XUELIAN_API_KEY": world.keys["dispatcher"]}
    signed = ("--by", "次仁", "--reason", "又有伤员送到")
    ran = await xuelian("hand", "resume", "shigatse", cause_id, *signed, env=env)
    assert ran.exit_code == 0, ran.stderr
    listed = await world.client("station").get("/v1/stations/shigatse/call-outs")
    assert listed.json()["stood_down"] == []
    await world.database.fetch("UPDATE shortages SET status = 'cleared' RETURNING 1")


async def test_an_unknown_cause_and_transfer_are_not_found(world: RunningGateway) -> None:
    client = world.client("dispatcher")
    path = "/v1/stations/shigatse/calls/nothing/stand-down"
    unknown = await client.post(path, json=SIGNED, headers=keyed())
    assert (unknown.status_code, unknown.json()["code"]) == (404, "call_cause_unknown")
    path = "/v1/transfers/nothing/stand-down"
    unknown = await client.post(path, json=SIGNED, headers=keyed())
    assert (unknown.status_code, unknown.json()["code"]) == (404, "transfer_unknown")


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("hospital", "/v1/stations/shigatse/calls/c/stand-down"),
        ("neighbour", "/v1/stations/shigatse/calls/c/stand-down"),
        ("station", "/v1/stations/lhasa/calls/c/stand-down"),
        ("station", "/v1/transfers/t/stand-down"),
        ("neighbour", "/v1/transfers/t/stand-down"),
    ],
)
async def test_nobody_else_stands_anything_down(
    world: RunningGateway, role: str, path: str
) -> None:
    answer = await world.client(role).post(path, json=SIGNED, headers=keyed())
    assert answer.status_code == 403
