"""Bags given and taken back by hand over HTTP and on the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from tests.support.commands import Ran, xuelian
from tests.support.gateway import (
    RunningGateway,
    add_stock,
    request_body,
    running_engine,
    running_gateway,
)
from tests.support.kafka import unique

pytestmark = pytest.mark.integration

SIGNED = {"by": "Tsering", "reason": "the child needs the freshest cells"}


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway, running_engine(gateway):
        await add_stock(gateway.database, station_id="shigatse", units=20, group="A+")
        await add_stock(gateway.database, station_id="shigatse", units=5, group="B+")
        yield gateway


def keyed() -> dict[str, str]:
    return {"Idempotency-Key": unique("k"), "Prefer": "wait=10"}


async def ask(world: RunningGateway) -> tuple[str, list[str]]:
    """A request of one bag; its id, and what is reserved for it."""
    lines = [{"line_no": 1, "component": "red_cells", "quantity": 1}]
    body = request_body(patient={"group": "A+"}, lines=lines)
    answer = await world.client("hospital").post("/v1/requests", json=body, headers=keyed())
    assert answer.status_code == 201, answer.text
    return answer.json()["request_id"], reserved(answer.json())


def reserved(told: dict[str, Any]) -> list[str]:
    return [unit["unit_id"] for line in told["decision"]["lines"] for unit in line["reserved"]]


async def find_free(world: RunningGateway, group: str) -> str:
    rows = await world.database.fetch(
        "SELECT unit_id FROM units WHERE status = 'available' AND blood_group = $1 LIMIT 1", group
    )
    return str(rows[0]["unit_id"])


async def give(
    world: RunningGateway, request_id: str, role: str = "dispatcher", **body: object
) -> httpx.Response:
    path = f"/v1/requests/{request_id}/bags"
    body = {"line_no": 1, **SIGNED, **body}
    return await world.client(role).post(path, json=body, headers=keyed())


async def test_the_answer_is_the_decision_that_follows(world: RunningGateway) -> None:
    request_id, (held,) = await ask(world)
    free = await find_free(world, "A+")
    answer = await give(world, request_id, unit_id=free, instead_of=held)
    assert answer.status_code == 200, answer.text
    assert reserved(answer.json()) == [free]
    ((line,),) = (answer.json()["decision"]["lines"],)
    (unit,) = line["reserved"]
    assert "Tsering" in unit["reason"]["zh"]
    assert answer.json()["source"].startswith("dispatcher/")
    shown = await world.client("hospital").get(f"/v1/requests/{request_id}")
    assert "Tsering" in shown.text, "the hospital sees who gave it"


async def test_every_reason_of_the_kernel_is_told(world: RunningGateway) -> None:
    request_id, (held,) = await ask(world)
    wrong = await find_free(world, "B+")
    answer = await give(world, request_id, unit_id=wrong, instead_of=held)
    assert answer.status_code == 422
    assert answer.json()["code"] == "bag_not_cleared"
    assert "血型不在允许之列" in answer.json()["detail"]


async def test_a_line_that_needs_no_more_says_so(world: RunningGateway) -> None:
    request_id, _ = await ask(world)
    answer = await give(world, request_id, unit_id=await find_free(world, "A+"))
    assert (answer.status_code, answer.json()["code"]) == (422, "line_needs_no_more")


async def test_a_bag_is_taken_back(world: RunningGateway) -> None:
    request_id, (held,) = await ask(world)
    path = f"/v1/requests/{request_id}/bags/{held}/take-back"
    answer = await world.client("dispatcher").post(path, json=SIGNED, headers=keyed())
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "reserved"
    (other,) = reserved(answer.json())
    assert other != held
    assert "bag_taken_back" in [reason["code"] for reason in answer.json()["decision"]["reasons"]]


@pytest.mark.parametrize("role", ["hospital", "station", "neighbour", "disaster"])
async def test_it_is_a_dispatchers_alone(world: RunningGateway, role: str) -> None:
    request_id, (held,) = await ask(world)
    answer = await give(world, request_id, role, unit_id=held)
    assert answer.status_code == 403


@pytest.mark.parametrize("missing", ["by", "reason", "unit_id", "line_no"])
async def test_nothing_is_done_without_a_name_and_a_reason(
    world: RunningGateway, missing: str
) -> None:
    request_id, (held,) = await ask(world)
    body = {"line_no": 1, "unit_id": held, **SIGNED}
    del body[missing]
    path = f"/v1/requests/{request_id}/bags"
    answer = await world.client("dispatcher").post(path, json=body, headers=keyed())
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [missing]


async def run(world: RunningGateway, *words: object) -> Ran:
    env = {"XUELIAN_GATEWAY_URL": world.url, "XUELIAN_API_KEY": world.keys["dispatcher"]}
    return await xuelian(*words, env=env)


async def test_the_command_line_gives_and_takes_back(world: RunningGateway) -> None:
    request_id, (held,) = await ask(world)
    free = await find_free(world, "A+")
    signed = ("--by", "次仁", "--reason", "患儿须最新鲜的血", "--wait", "10")
    given = await run(world, "hand", "give", request_id, free, "--instead-of", held, *signed)
    assert given.exit_code == 0, given.stderr
    assert "次仁" in given.stdout
    back = await run(world, "hand", "take-back", request_id, free, *signed, "--json")
    assert back.exit_code == 0, back.stderr
    assert free not in reserved(back.document)
    refused = await run(world, "hand", "take-back", request_id, free, *signed)
    assert refused.exit_code == 1
    assert free in refused.stdout + refused.stderr
