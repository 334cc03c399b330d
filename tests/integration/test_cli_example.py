"""`xuelian init` on an empty system, on its own example, and on a system that is in use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from streams.clock import ScaledClock, SystemClock
from tests.support.commands import Ran, xuelian
from tests.support.gateway import RunningGateway, running_engine, running_gateway
from tests.support.world import NOW

pytestmark = pytest.mark.integration

REQUEST = ("request", "new", "--hospital", "dingri-county", "--group", "A+", "-n", "red_cells=2")


@dataclass
class Place:
    world: RunningGateway
    state_dir: Path

    async def run(self, *words: object) -> Ran:
        env = {
            "XUELIAN_GATEWAY_URL": self.world.url,
            "XUELIAN_API_KEY": self.world.keys["dispatcher"],
            "XUELIAN_POSTGRES_DSN": self.world.dsn,
            "XUELIAN_KAFKA_BOOTSTRAP": self.world.bootstrap,
            "XUELIAN_STATE_DIR": str(self.state_dir),
            "XUELIAN_CLOCK": str(
                ScaledClock(start=NOW, real_start=SystemClock().now(), speed=0.001)
            ),
        }
        return await xuelian(*words, env=env)

    async def ask(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return (await self.world.client("dispatcher").get(path)).json()

    async def put(self, path: str, body: object) -> None:
        answer = await self.world.client("dispatcher").put(path, json=body)
        assert answer.status_code == 200, answer.text

    async def forget_all(self) -> None:
        for statement in ("DELETE FROM hospitals", "DELETE FROM routes", "DELETE FROM stations"):
            await self.world.database.fetch(statement)
        await self.world.gateway.directories.refresh()

    async def see(self) -> Any:  # noqa: ANN401 - JSON
        """Everything that `init` may write."""
        paths = ("/v1/stations", "/v1/hospitals", "/v1/routes")
        units = await self.world.database.fetch("SELECT unit_id FROM units ORDER BY unit_id")
        keys = await self.world.database.fetch("SELECT key_id FROM api_keys ORDER BY key_id")
        return [*[await self.ask(path) for path in paths], units, keys]

    async def expect_refusal(self, *told: str) -> None:
        before = await self.see()
        ran = await self.run("init", "--json")
        assert ran.exit_code == 1, ran.stdout
        assert '"example_in_use"' in ran.stdout + ran.stderr
        for text in told:
            assert text in ran.stdout + ran.stderr
        assert "XUELIAN_STATE_DIR" in ran.stdout + ran.stderr
        assert await self.see() == before


@pytest_asyncio.fixture
async def place(endpoints: Endpoints, tmp_path: Path) -> AsyncIterator[Place]:
    async with running_gateway(endpoints) as world, running_engine(world):
        yield Place(world, tmp_path)


async def test_registered_facilities_are_not_overwritten_and_get_no_bags(place: Place) -> None:
    stations = (await place.ask("/v1/stations"))["stations"]
    name = next(
        station["station"]["name_zh"]
        for station in stations
        if station["station"]["station_id"] == "shigatse"
    )
    await place.expect_refusal("shigatse", name, "dingri-county")


async def test_the_example_may_be_made_twice_and_used_between(place: Place) -> None:
    await place.forget_all()
    made = await place.run("init", "--json")
    assert made.exit_code == 0, made.stderr
    assert made.document["units"] == 49
    asked = await place.run(*REQUEST)
    assert asked.exit_code == 0, asked.stderr
    before = await place.see()
    again = await place.run("init")
    assert again.exit_code == 0, again.stderr
    assert await place.see() == before
    assert "不只是示例" in again.stdout

    # One of its names becomes somebody's own.
    await place.put(
        "/v1/hospitals/dingri-county",
        {
            "hospital_id": "dingri-county",
            "name_zh": "定日县人民医院",
            "name_en": "Dingri",
            "location": {"lat": 28.661, "lon": 87.126},
            "station_id": "shigatse",
            "can_thaw": True,
        },
    )
    await place.expect_refusal("dingri-county 定日县人民医院")


async def test_blood_and_requests_of_others_are_seen(place: Place) -> None:
    await place.forget_all()
    assert (await place.run("init")).exit_code == 0
    bag = {
        "unit_id": "W1",
        "donation_id": "D1",
        "component": "red_cells",
        "group": "A+",
        "volume_ml": 200,
        "collected_at": (NOW - timedelta(days=2)).isoformat(),
        "expires_at": (NOW + timedelta(days=30)).isoformat(),
        "released": False,
    }
    sent = await place.world.client("dispatcher").post(
        "/v1/stations/shigatse/stock", json={"units": [bag]}
    )
    assert sent.status_code < 300, sent.text
    while not await place.world.database.fetch("SELECT 1 FROM units WHERE unit_id = 'W1'"):
        pass
    await place.expect_refusal("shigatse: 1 袋")


async def test_a_request_of_another_hospital_is_seen(place: Place) -> None:
    await place.forget_all()
    assert (await place.run("init")).exit_code == 0
    await place.put(
        "/v1/hospitals/lhatse",
        {
            "hospital_id": "lhatse",
            "name_zh": "拉孜县医院",
            "name_en": "Lhatse",
            "location": {"lat": 29.08, "lon": 87.63},
            "station_id": "shigatse",
        },
    )
    assert (await place.run("init")).exit_code == 0, "registered, and nothing more"
    words = ["lhatse" if word == "dingri-county" else word for word in REQUEST]
    assert (await place.run(*words)).exit_code == 0
    await place.expect_refusal("lhatse: 有申请")
