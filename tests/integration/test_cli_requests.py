"""`xuelian request amend` and the hour of thawing, on a real gateway and engine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from streams.clock import ScaledClock, SystemClock
from tests.support.commands import Ran, xuelian
from tests.support.gateway import (
    RunningGateway,
    add_stock,
    running_engine,
    running_gateway,
)
from tests.support.world import NOW

pytestmark = pytest.mark.integration

ASK = ("--hospital", "shigatse-people", "-n", "red_cells=1", "--within", "6", "--wait", "10")
WAIT = ("--wait", "10", "--json")


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway, running_engine(gateway):
        await add_stock(gateway.database, station_id="shigatse", units=9, group="A+")
        yield gateway


async def run(world: RunningGateway, *words: object, key: str = "dispatcher") -> Ran:
    env = {
        "XUELIAN_GATEWAY_URL": world.url,
        "XUELIAN_API_KEY": world.keys[key],
        # The command's clock goes with the gateway's.
        "XUELIAN_CLOCK": str(ScaledClock(start=NOW, real_start=SystemClock().now(), speed=1.0)),
    }
    return await xuelian(*words, env=env)


async def ask(world: RunningGateway, *words: str) -> str:
    asked = await run(world, "request", "new", *ASK, "--json", *words)
    assert asked.exit_code == 0, asked.stderr
    return str(asked.document["request_id"])


async def amend(world: RunningGateway, request_id: str, *words: object) -> dict[str, Any]:
    ran = await run(world, "request", "amend", request_id, *words, *WAIT)
    assert ran.exit_code == 0, ran.stderr
    answer: dict[str, Any] = ran.document
    return answer


def groups(answer: dict[str, Any]) -> list[str]:
    return [unit["group"] for line in answer["decision"]["lines"] for unit in line["reserved"]]


async def test_a_patient_is_typed_and_more_is_asked_for(world: RunningGateway) -> None:
    request_id = await ask(world)
    typed = await amend(world, request_id, "--group", "A+", "--basis", "two_samples")
    assert (typed["status"], groups(typed)) == ("reserved", ["A+"])
    assert [reason["code"] for reason in typed["decision"]["lines"][0]["issue"]] == [
        "issue_electronic"
    ]
    more = await amend(world, request_id, "-n", "red_cells=2", "--note", "手术室 2")
    assert (more["status"], groups(more)) == ("reserved", ["A+", "A+"])
    shown = (await run(world, "request", "show", request_id, "--json")).document["request"]
    assert (shown["note"], shown["patient"]["group_basis"]) == ("手术室 2", "two_samples")


async def test_a_clinician_releases_and_takes_it_back(
    world: RunningGateway, tmp_path: Path
) -> None:
    danger = ("--priority", "life_threatening")
    request_id = await ask(world, "--group", "A+", "--antibody", "E", *danger)
    release = ("--clinician", "Dr Tashi", "--release-reason", "大出血", "--passes", "antibodies")
    released = await amend(world, request_id, *release)
    (unit,) = released["decision"]["lines"][0]["reserved"]
    assert unit["emergency_release"]
    file = tmp_path / "changes.json"
    file.write_text(json.dumps({"emergency_release": None}))
    back = await amend(world, request_id, "--file", file)
    assert groups(back) == []


async def test_an_amendment_that_is_refused_tells_why(world: RunningGateway) -> None:
    ran = await run(world, "request", "amend", "nobody-asked", "--group", "A+", *WAIT)
    assert ran.exit_code == 1
    assert "nobody-asked" in ran.stdout + ran.stderr


async def test_the_hour_of_thawing_is_told_with_a_step(world: RunningGateway) -> None:
    plasma = "fresh_frozen_plasma"
    await world.database.fetch(
        "INSERT INTO units (unit_id, donation_id, station_id, component, blood_group, volume_ml, "
        "collected_at, expires_at, status, source, released_at, attested_by) "
        "SELECT 'FFP-1', 'FFP-1', station_id, $1, blood_group, 200, collected_at, "
        "collected_at + interval '300 days', 'available', 'stock', released_at, 'test' "
        "FROM units LIMIT 1",
        plasma,
    )
    asked = await run(
        world, "request", "new", "--hospital", "shigatse-people", "-n", f"{plasma}=1",
        "--group", "A+", "--within", "6", *WAIT,
    )  # fmt: skip
    (unit,) = asked.document["decision"]["lines"][0]["reserved"]
    (held,) = await world.database.fetch("SELECT held_at FROM promises WHERE unit_id = 'FFP-1'")
    step = ("stock", "change", "shigatse", "FFP-1", "picked", "--epoch", unit["epoch"])
    thawed = ("--thawed-at", held["held_at"].isoformat(), "--json")
    ran = await run(world, *step, *thawed, key="station")
    assert ran.exit_code == 0, ran.stderr
    (row,) = await world.database.fetch("SELECT usable_until FROM units WHERE unit_id = 'FFP-1'")
    assert row["usable_until"] == held["held_at"] + timedelta(hours=24)


async def test_a_quantity_is_asked_back_and_confirmed(world: RunningGateway) -> None:
    asked = await run(
        world, "request", "new", "--hospital", "shigatse-people", "-n", "red_cells=25",
        "--group", "B+", "--within", "6", "--wait", "10",
    )  # fmt: skip
    assert "要 25 单位" in asked.stdout
    assert "xuelian request confirm" in asked.stdout
    request_id = await ask(world, "--group", "B+")
    confirmed = await run(world, "request", "confirm", request_id, "--by", "扎西医生", *WAIT)
    assert confirmed.exit_code == 0, confirmed.stderr
    reason = confirmed.document["decision"]["reasons"][0]
    assert (reason["code"], reason["params"]) == ("quantity_confirmed", {"by": "扎西医生"})
    shown = (await run(world, "request", "show", request_id, "--json")).document["request"]
    assert shown["quantity_confirmed_by"] == "扎西医生"
