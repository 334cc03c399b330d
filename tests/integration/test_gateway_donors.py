"""The register of donors over HTTP and by command: read back, and changed knowingly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from tests.support.commands import Ran, xuelian
from tests.support.gateway import RunningGateway, running_gateway

pytestmark = pytest.mark.integration

DONORS = "/v1/stations/shigatse/donors"
DEFERRED = "2025-06-01T00:00:00Z"
FULL: dict[str, Any] = {
    "donor_id": "D-1",
    "name": "甲",
    "contact": "139-1",
    "group": "O-",
    "sex": "male",
    "born_on": "1990-02-28",
    "weight_kg": 70.0,
    "staff": True,
    "repeat_without_reaction": True,
    "last_platelets_on": "2024-12-20",
    "deferred_until": DEFERRED,
    "consented_at": "2024-01-01T00:00:00Z",
}
HEAD = "donor_id,name,contact,group,sex,born_on,weight_kg"
ROW = "D-1,甲,139-1,O-,male,1990-02-28,71"
CSV = {"Content-Type": "text/csv"}


@pytest_asyncio.fixture
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway:
        answer = await gateway.client("station").post(DONORS, json={"donors": [FULL]})
        assert answer.status_code == 200, answer.text
        yield gateway


async def read(world: RunningGateway, donor_id: str = "D-1") -> dict[str, Any]:
    answer = await world.client("station").get(f"{DONORS}/{donor_id}")
    assert answer.status_code == 200, answer.text
    donor: dict[str, Any] = answer.json()["donor"]
    return donor


async def test_f31_a_donor_is_read_back_by_their_own_station_alone(world: RunningGateway) -> None:
    told = await read(world)
    assert {name: told[name] for name in FULL} == FULL
    listed = (await world.client("station").get(DONORS)).json()
    assert ([donor["donor"]["donor_id"] for donor in listed["donors"]], listed["after"]) == (
        ["D-1"],
        None,
    )
    unknown = await world.client("station").get(f"{DONORS}/D-9")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "donor_not_registered")
    for role in ("neighbour", "dispatcher", "hospital"):
        refused = await world.client(role).get(f"{DONORS}/D-1")
        assert refused.status_code == 403, role
        assert "139-1" not in refused.text
    reads = await world.database.fetch(
        "SELECT actor FROM audit WHERE subject = 'D-1' AND why = 'contact_read'"
    )
    assert {row["actor"] for row in reads} == {"station/shigatse"}


async def test_f31_a_register_is_read_in_parts(world: RunningGateway) -> None:
    client = world.client("station")
    more = [{**FULL, "donor_id": f"D-{at}", "contact": f"139-{at}"} for at in (2, 3)]
    await client.post(DONORS, json={"donors": more})
    first = (await client.get(DONORS, params={"limit": 2})).json()
    rest = (await client.get(DONORS, params={"limit": 2, "after": first["after"]})).json()
    found = [donor["donor"]["donor_id"] for donor in (*first["donors"], *rest["donors"])]
    assert (found, rest["after"]) == (["D-1", "D-2", "D-3"], None)


async def test_f29_a_file_without_a_column_ends_no_deferral(world: RunningGateway) -> None:
    client = world.client("station")
    content = f"{HEAD}\n{ROW}\n".encode()
    assert (await client.post(DONORS, content=content, headers=CSV)).status_code == 200
    assert await read(world) == {**(await read(world)), **FULL, "weight_kg": 71.0}
    named = {name: FULL[name] for name in HEAD.split(",")}
    assert (await client.post(DONORS, json={"donors": [named]})).status_code == 200
    told = await read(world)
    assert (told["deferred_until"], told["staff"]) == (DEFERRED, True)


async def test_f29_an_empty_cell_or_null_says_that_there_is_none(world: RunningGateway) -> None:
    client = world.client("station")
    content = f"{HEAD},deferred_until,consented_at,last_platelets_on\n{ROW},,,\n".encode()
    assert (await client.post(DONORS, content=content, headers=CSV)).status_code == 200
    told = await read(world)
    assert (told["deferred_until"], told["consented_at"]) == (None, None)
    assert told["last_platelets_on"] == "2024-12-20", "a donation is never forgotten"
    await client.post(DONORS, json={"donors": [FULL]})
    await client.post(DONORS, json={"donors": [{**FULL, "deferred_until": None}]})
    assert (await read(world))["deferred_until"] is None


async def test_f31_one_donor_is_changed_from_the_version_that_was_read(
    world: RunningGateway,
) -> None:
    client, path = world.client("station"), f"{DONORS}/D-1"
    version = (await client.get(path)).headers["etag"]
    changed = await client.put(path, json={"weight_kg": 72}, headers={"If-Match": version})
    assert changed.status_code == 200, changed.text
    assert changed.headers["etag"] != version
    assert (await read(world)) == {**(await read(world)), **FULL, "weight_kg": 72.0}
    stale = await client.put(path, json={"weight_kg": 80}, headers={"If-Match": version})
    assert (stale.status_code, stale.json()["code"]) == (409, "record_changed")
    wrong = await client.put(path, json={"group": "Q"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "rows_invalid")
    renamed = await client.put(path, json={"donor_id": "D-2"})
    assert (renamed.status_code, renamed.json()["code"]) == (400, "id_differs")
    assert (await read(world))["weight_kg"] == 72.0
    other = await world.client("neighbour").put(path, json={"weight_kg": 80})
    assert other.status_code == 403


async def command(world: RunningGateway, *words: object) -> Ran:
    env = {"XUELIAN_GATEWAY_URL": world.url, "XUELIAN_API_KEY": world.keys["station"]}
    return await xuelian(*words, env=env)


async def test_f31_the_register_by_command(world: RunningGateway, tmp_path: Path) -> None:
    file = tmp_path / "donors.csv"
    file.write_text(f"{HEAD}\nD-2,乙,139-2,A+,female,1991-03-01,60\n", encoding="utf-8")
    imported = await command(world, "donor", "import", "shigatse", file)
    assert imported.exit_code == 0, imported.stderr
    assert "✓ 已导入 · imported: 1" in imported.stdout
    words = ("donor", "set", "shigatse", "D-2", "--consented-at", "2024-05-01T00:00:00+08:00")
    done = await command(world, *words, "--deferred-until", DEFERRED)
    assert done.exit_code == 0, done.stderr
    shown = await command(world, "donor", "show", "shigatse", "D-2", "--json")
    assert json.loads(shown.stdout)["donor"]["deferred_until"] == DEFERRED
    ended = await command(world, "donor", "set", "shigatse", "D-2", "--deferred-until", "none")
    assert ended.exit_code == 0, ended.stderr
    told = await read(world, "D-2")
    assert (told["deferred_until"], told["consented_at"]) == (None, "2024-04-30T16:00:00Z")
    listed = await command(world, "donor", "list", "shigatse")
    assert "D-1" in listed.stdout
    assert "D-2" in listed.stdout
    day = await command(
        world, "donor", "set", "shigatse", "D-2",
        "--deferred-until", "2027-03-01", "--consented-at", "2024-05-02", "--sex", "男",
    )  # fmt: skip
    assert day.exit_code == 0, day.stderr
    told = await read(world, "D-2")
    assert told["deferred_until"] == "2027-03-01T16:00:00Z"
    assert (told["consented_at"], told["sex"]) == ("2024-05-01T16:00:00Z", "male")
    as_read = await command(world, "donor", "show", "shigatse", "D-2")
    assert "暂缓至 · deferred_until: 2027-03-01 24:00 北京时间" in as_read.stdout
    assert "性别 · sex: 男 · male" in as_read.stdout
    assert "+00:00" not in as_read.stdout
    assert "Z\n" not in as_read.stdout
    wrong = await command(world, "donor", "set", "shigatse", "D-2", "--weight-kg", "900")
    assert wrong.exit_code == 1
    assert "内容有 1 处不合规" in wrong.stderr
    assert "weight_kg（体重（公斤））" in wrong.stderr
    assert "row" not in wrong.stderr
    missing = await command(world, "donor", "show", "shigatse", "D-7")
    assert missing.exit_code == 1
    assert "本站没有登记献血者 D-7" in missing.stderr
