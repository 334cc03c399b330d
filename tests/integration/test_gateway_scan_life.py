"""A unit's whole life by its barcodes, at two stations and a hospital, judged by the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from models.errors import InvariantViolation
from models.topics import TopicName
from streams.composition import Services
from tests.support.commands import xuelian
from tests.support.gateway import (
    RunningGateway,
    request_body,
    running_engine,
    running_gateway,
)
from tests.support.kafka import read_all, unique
from tests.support.labels import read_example
from tests.support.scanning import (
    add_bag,
    barcodes,
    find_status,
    reserve,
    scan,
    scans_of,
    unit_id,
    wait_for_status,
)
from tests.support.supply_engine import build_offer, offered

pytestmark = pytest.mark.integration

WARD_ID = "shigatse-people"
Asked = dict[str, Any]
WARD: Asked = {"role": "hospital", "place": f"hospitals/{WARD_ID}", "wait_s": 10}
COUNTY: Asked = {"role": "other_hospital", "place": "hospitals/dingri-county", "wait_s": 10}
HERE: Asked = {"wait_s": 10}
LHASA: Asked = {"role": "dispatcher", "place": "stations/lhasa", "wait_s": 10}

Engine = tuple[RunningGateway, Services]


@pytest_asyncio.fixture(scope="module")
async def engine(
    endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engine]:
    folder = tmp_path_factory.mktemp("labels")
    for station in ("shigatse", "lhasa"):
        text = read_example().replace('station_id = "shigatse"', f'station_id = "{station}"')
        (folder / f"{station}.toml").write_text(text, encoding="utf-8")
    async with (
        running_gateway(endpoints, labels_dir=folder) as gateway,
        running_engine(gateway) as services,
    ):
        yield gateway, services


async def do(world: RunningGateway, action: str, number: int, *, group: str, **asked: Any) -> None:  # noqa: ANN401 - words of `scan`
    """Scan one bag; the engine must have acted on it."""
    answer = await scan(world, action, barcodes(number, group=group), **asked)
    assert answer.status_code == 202, f"{action}: {answer.text}"
    told = answer.json()
    assert (told["accepted"], told["awaited"]) == (1, 0)
    assert told["bags"][0]["engine"] == "done", told


def codes_of(answer: httpx.Response) -> str:
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "scans_refused"
    return " ".join(error["what_to_do"] for error in answer.json()["errors"])


async def list_scans(world: RunningGateway, number: int) -> list[tuple[Any, ...]]:
    rows = await world.database.fetch(
        "SELECT change, actor, facility_id, epoch, out_of_control_s FROM unit_scans "
        "WHERE unit_id = $1 ORDER BY scan_no",
        unit_id(number),
    )
    return [tuple(row) for row in rows]


async def agree_transfer(world: RunningGateway, services: Services, *, group: str) -> None:
    """Lhasa offers what Shigatse lacks, and the engine promises it."""
    await fire(world, services, "shortage_assessment")
    (row,) = await world.database.fetch(
        "SELECT shortage_id FROM shortages WHERE blood_group = $1", group
    )
    offer = build_offer(
        row["shortage_id"], quantity=1, group=group, below_floor=True, confirmed_by="Dawa"
    )
    await services.handlers[TopicName.OFFERS]([offered(offer)])


async def fire(world: RunningGateway, services: Services, kind: str) -> None:
    """Fire all timers of a kind at once, and no other."""
    rows = await world.database.fetch(
        "UPDATE timers SET due_at = '2000-01-01T00:00:00Z' WHERE kind = $1 RETURNING 1", kind
    )
    for _ in rows:
        await services.timers.fire_one()


async def test_from_a_neighbours_shelf_to_a_patient(engine: Engine) -> None:
    world, services = engine
    await add_bag(world, 1, group="B-", station="lhasa")
    lines = [{"line_no": 1, "component": "red_cells", "quantity": 1}]
    asked = await world.client("hospital").post(
        "/v1/requests",
        json=request_body(patient={"group": "B-"}, lines=lines),
        headers={"Idempotency-Key": unique("k"), "Prefer": "wait=10"},
    )
    request_id = asked.json()["request_id"]
    assert asked.json()["status"] == "open", asked.text
    await agree_transfer(world, services, group="B-")
    bag: Asked = {"number": 1, "group": "B-"}
    early = await scan(world, "receive", barcodes(1, group="B-"), **HERE)
    assert "须为 issued（发出）、in_transit（在途）" in codes_of(early)
    world.clock.move(seconds=1)
    for action in ("pick", "issue", "depart"):
        await do(world, action, **bag, **LHASA)
    at_giver = await scan(world, "receive", barcodes(1, group="B-"), **LHASA)
    assert "应由 shigatse 接收" in codes_of(at_giver)
    at_ward = await scan(world, "receive", barcodes(1, group="B-"), **WARD)
    assert "没有发给 shigatse-people" in codes_of(at_ward)
    await do(world, "receive", **bag, **HERE)
    (row,) = await world.database.fetch(
        "SELECT station_id, status, source FROM units WHERE unit_id = $1", unit_id(1)
    )
    assert tuple(row) == ("shigatse", "available", "neighbour")
    await fire(world, services, "rematch")
    for action in ("pick", "issue", "depart"):
        await do(world, action, **bag, **HERE, request_id=request_id, done_by="store")
    for action in ("receive", "transfuse"):
        await do(world, action, **bag, **WARD, request_id=request_id, done_by="ward 3")
    assert await find_status(world, 1) == "transfused"
    station, lhasa, ward = ("station", "shigatse"), ("station", "lhasa"), ("hospital", WARD_ID)
    assert await list_scans(world, 1) == [
        ("picked", *lhasa, 1, None),
        ("issued", *lhasa, 1, None),
        ("departed", *lhasa, 1, None),
        ("received", *station, 1, None),
        ("picked", *station, 2, None),
        ("issued", *station, 2, None),
        ("departed", *station, 2, None),
        ("received", *ward, 2, None),
        ("transfused", *ward, 2, None),
    ]
    again = await scan(world, "transfuse", barcodes(1, group="B-"), **WARD)
    assert "现为 transfused" in codes_of(again)


async def test_back_to_the_shelf_within_the_limit_and_not_beyond(engine: Engine) -> None:
    world, _ = engine
    for number in (11, 12):
        await add_bag(world, number, group="AB+")
    await reserve(world, units=2, group="AB+")
    for number in (11, 12):
        await do(world, "issue", number, group="AB+", **HERE)
    # Refused at the door: the hospital never received them.
    bare = await scan(world, "return", barcodes(11, group="AB+"), **WARD)
    assert (bare.status_code, bare.json()["code"]) == (400, "fields_invalid")
    errors = {error["field"]: error["what_to_do"] for error in bare.json()["errors"]}
    assert set(errors) == {"reason", "out_of_control_s"}
    assert "--out-of-control-min" in errors["out_of_control_s"]
    for number, out_of_control_s in ((11, 600), (12, 1860)):
        fields: Asked = {"reason": "unused", "out_of_control_s": out_of_control_s}
        await do(world, "return", number, group="AB+", **WARD, **fields)
    lines = [*barcodes(11, group="AB+"), "", *barcodes(12, group="AB+")]
    answer = await scan(world, "restock", lines, **HERE)
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert [bag["engine"] for bag in told["bags"]] == ["done", "refused"]
    reason = told["bags"][1]["reason"]
    assert reason["code"] == "out_of_control_too_long"
    assert (reason["params"]["out_of_control_s"], reason["params"]["limit_s"]) == (1860, 1800)
    assert [await find_status(world, number) for number in (11, 12)] == ["available", "returned"]
    assert (await list_scans(world, 12))[-1] == ("returned", "hospital", WARD_ID, 1, 1860)
    await do(world, "discard", 12, group="AB+", **HERE, reason="out of control")
    # Bound to nobody again, and promised anew under a new epoch.
    await reserve(world, units=1, group="AB+")
    await do(world, "issue", 11, group="AB+", **HERE)
    assert (await list_scans(world, 11))[-1][3] == 2


async def test_c31_what_a_hospital_received_is_not_stocked_again(engine: Engine) -> None:
    world, _ = engine
    await add_bag(world, 68, group="B+")
    await reserve(world, units=1, group="B+")
    await do(world, "issue", 68, group="B+", **HERE)
    await do(world, "receive", 68, group="B+", **WARD)
    fields: Asked = {"reason": "unused", "out_of_control_s": 600}
    await do(world, "return", 68, group="B+", **WARD, **fields)
    answer = await scan(world, "restock", barcodes(68, group="B+"), **HERE)
    told = codes_of(answer)
    assert "发出的血不收回入库（returns.handed_over@" in told
    assert "issued blood is not taken back into stock" in told
    assert await find_status(world, 68) == "returned"
    # Nor by hand, around the services.
    with pytest.raises(InvariantViolation, match="units_handed_over_ck"):
        await world.database.fetch(
            "UPDATE units SET status = 'available' WHERE unit_id = $1", unit_id(68)
        )
    await do(world, "discard", 68, group="B+", **HERE, reason="issued blood")


async def test_what_the_engine_refuses_is_told(engine: Engine) -> None:
    """After the reservation the road is closed: the kernel lets the bag leave no more."""
    world, services = engine
    await add_bag(world, 21, group="A-")
    await reserve(world, units=1, group="A-", role="other_hospital")
    days_40 = 40 * 24 * 3600
    await services.directory.put_routes({("shigatse", "dingri-county"): days_40})
    await services.directory.refresh()
    lines, moment = barcodes(21, group="A-"), "2025-01-07T01:00:00Z"
    key = unique("k")
    first = await scan(world, "issue", lines, key=key, scanned_at=moment)
    # The engine may have been quicker than the look for repeats: then its word is told already.
    assert first.status_code in {202, 422}, first.text
    if first.status_code == 202:
        (bag,) = first.json()["bags"]
        assert (bag["outcome"], bag["engine"]) == ("accepted", "awaited")
        assert first.json()["awaited"] == 1
    waited = await scan(world, "issue", lines, key=key, scanned_at=moment, wait_s=10)
    assert "送达前过期" in codes_of(waited)
    again = await scan(world, "issue", lines, key=key, scanned_at=moment)
    assert again.json()["errors"] == waited.json()["errors"]
    assert await find_status(world, 21) == "reserved"
    rows = await world.database.fetch(
        "SELECT code, params, headers FROM dead_letters WHERE convert_from(body, 'UTF8') LIKE $1",
        f"%{unit_id(21)}%",
    )
    assert [row["code"] for row in rows] == ["unit_not_cleared"]
    assert rows[0]["params"]["codes"] == "expires_before_arrival transit_too_long"
    event_id = dict(rows[0]["headers"])["ce_id"]
    assert await list_letters(world, event_id) == ["unit_not_cleared"]


async def list_letters(world: RunningGateway, event_id: str) -> list[str]:
    """Codes under which an event is on its dead letter topic, once it is there."""
    async with asyncio.timeout(15):
        while True:
            records = await read_all(world.bootstrap, "blood.stock.v1.xuelian-supply.dlq")
            letters = [orjson.loads(record.value) for record in records]
            found = [
                letter["code"] for letter in letters if ["ce_id", event_id] in letter["headers"]
            ]
            if found:
                return found
            await asyncio.sleep(0.1)


async def test_a_recalled_bag_that_was_transfused_is_kept(engine: Engine) -> None:
    world, _ = engine
    await add_bag(world, 51, group="B+")
    await reserve(world, units=1, group="B+")
    await do(world, "issue", 51, group="B+", **HERE)
    await do(world, "receive", 51, group="B+", **WARD)
    recalled = await world.client("station").post(
        "/v1/stations/shigatse/donations/G123425000051/recall",
        json={"reason": "post-donation information", "recalled_by": "quality"},
    )
    assert recalled.status_code == 202, recalled.text
    await wait_for_status(world, 51, "recalled")
    lines = barcodes(51, group="B+")
    answer = await scan(world, "transfuse", lines, **WARD, done_by="ward 3")
    assert "现为 recalled" in codes_of(answer)
    rows = await world.database.fetch(
        "SELECT code, convert_from(body, 'UTF8')::jsonb ->> 'done_by' AS done_by "
        "FROM dead_letters WHERE convert_from(body, 'UTF8')::jsonb ->> 'unit_id' = $1",
        unit_id(51),
    )
    assert [tuple(row) for row in rows] == [("unit_state_forbids", "ward 3")]
    # Meant to be done: the engine refuses and keeps that too.
    before = len(await world.database.fetch("SELECT 1 FROM dead_letters"))
    world.clock.move(seconds=1)
    again = await scan(world, "issue", lines, **HERE)
    assert "现为 recalled" in codes_of(again)
    assert len(await world.database.fetch("SELECT 1 FROM dead_letters")) == before + 1


async def test_a_hospital_scans_its_own_and_only_its_own_steps(engine: Engine) -> None:
    world, _ = engine
    await add_bag(world, 31, group="O-")
    await reserve(world, units=1, group="O-")
    lines = barcodes(31, group="O-")
    forbidden = await scan(world, "pick", lines, **WARD)
    assert (forbidden.status_code, forbidden.json()["code"]) == (422, "scan_action_forbidden")
    assert "receive, transfuse, return, discard" in forbidden.json()["detail"]
    elsewhere = codes_of(await scan(world, "pick", lines, **LHASA))
    assert "在 shigatse，不在 lhasa" in elsewhere
    assert "is at shigatse, not at lhasa" in elsewhere
    await do(world, "issue", 31, group="O-", **HERE)
    # Another's bag, its label misread too: nothing of the record is told.
    other = await scan(world, "receive", barcodes(31, group="O+"), **COUNTY)
    assert "没有发给 dingri-county" in codes_of(other)
    assert "O-" not in other.text
    for role, place in (("hospital", "dingri-county"), ("station", WARD_ID)):
        body = {"action": "receive", "barcodes": lines}
        answer = await world.client(role).post(scans_of(f"hospitals/{place}"), json=body)
        assert answer.status_code == 403, role
    mislabelled = await scan(world, "receive", barcodes(31, group="O+"), **WARD)
    assert "标签与记录不符" in codes_of(mislabelled)
    await do(world, "receive", 31, group="O-", **WARD)


async def test_the_command_line_at_a_hospital(engine: Engine) -> None:
    world, _ = engine
    await add_bag(world, 41, group="AB-")
    await reserve(world, units=1, group="AB-")
    lines = barcodes(41, group="AB-")
    await do(world, "issue", 41, group="AB-", **HERE)
    env = {"XUELIAN_GATEWAY_URL": world.url, "XUELIAN_API_KEY": world.keys["hospital"]}
    both = await xuelian(
        "scan", "receive", "-s", "shigatse", "--hospital", WARD_ID, *lines, env=env
    )
    assert both.exit_code == 2
    back = ("--reason", "unused", "--by", "ward 3")
    bare = await xuelian("scan", "return", "--hospital", WARD_ID, *back, *lines, env=env)
    assert bare.exit_code == 1
    assert "out_of_control_s" in bare.stderr
    minutes = ("--out-of-control-min", "9.99")
    done = await xuelian("scan", "return", "--hospital", WARD_ID, *back, *minutes, *lines, env=env)
    assert done.exit_code == 0, done.stderr
    assert (await list_scans(world, 41))[-1] == ("returned", "hospital", WARD_ID, 1, 600)
    env = {**env, "XUELIAN_API_KEY": world.keys["station"]}
    async with world.database.transaction() as held:
        # The engine cannot act before the answer is read.
        await held.execute("SELECT FROM units WHERE unit_id = $1 FOR UPDATE", unit_id(41))
        kept = await xuelian("scan", "restock", "-s", "shigatse", "--wait", "0", *lines, env=env)
    assert kept.exit_code == 0, kept.stderr
    assert "尚未判断" in kept.stdout
    await wait_for_status(world, 41, "available")
    await reserve(world, units=1, group="AB-")
    await do(world, "issue", 41, group="AB-", **HERE)
    env = {**env, "XUELIAN_API_KEY": world.keys["hospital"]}
    got = await xuelian("scan", "receive", "--hospital", WARD_ID, *lines, env=env)
    assert got.exit_code == 0, got.stderr
    assert "已记录 · recorded" in got.stdout
