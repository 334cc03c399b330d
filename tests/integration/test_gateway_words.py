"""Refusals that name the next step, the engine's word for every act, and what goes on now."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from models.errors import TransientError
from streams.clock import ScaledClock, SystemClock
from tests.support.commands import Ran, xuelian
from tests.support.gateway import (
    RunningGateway,
    add_stock,
    request_body,
    running_engine,
    running_gateway,
)
from tests.support.kafka import unique
from tests.support.world import NOW

pytestmark = pytest.mark.integration

CHANGES = "/v1/stations/shigatse/stock/changes"


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway, running_engine(gateway):
        yield gateway


async def ask(client: httpx.AsyncClient, **changes: object) -> httpx.Response:
    headers = {"Idempotency-Key": unique("words"), "Prefer": "wait=8"}
    return await client.post("/v1/requests", json=request_body(**changes), headers=headers)


async def reserve_one(world: RunningGateway, group: str) -> tuple[str, str]:
    """A bag of the shelf for one request: the bag and the request."""
    await add_stock(world.database, station_id="shigatse", units=1, group=group)
    lines = [{"line_no": 1, "component": "red_cells", "quantity": 1}]
    answer = await ask(world.client("hospital"), patient={"group": group}, lines=lines)
    assert answer.json()["status"] == "reserved", answer.text
    held = answer.json()["decision"]["lines"][0]["reserved"][0]
    return held["unit_id"], answer.json()["request_id"]


async def command(world: RunningGateway, *words: object, role: str = "dispatcher") -> Ran:
    env = {
        "XUELIAN_GATEWAY_URL": world.url,
        "XUELIAN_API_KEY": world.keys[role],
        # The command's clock goes with the gateway's.
        "XUELIAN_CLOCK": str(ScaledClock(start=NOW, real_start=SystemClock().now(), speed=1.0)),
    }
    return await xuelian(*words, env=env)


async def test_f16_a_step_that_the_engine_refuses_gets_no_tick(world: RunningGateway) -> None:
    unit_id, _ = await reserve_one(world, "B+")
    words = ("stock", "change", "shigatse", unit_id, "picked", "--epoch", "9")
    refused = await command(world, *words, role="station")
    assert refused.exit_code == 1
    assert "✓" not in refused.stdout
    assert "预留序号 9 已失效" in refused.stderr
    done = await command(world, *words[:-1], "1", role="station")
    assert done.exit_code == 0, done.stderr
    assert "✓ 已执行" in done.stdout


async def test_f16_the_api_waits_for_the_engine_where_it_is_asked_to(world: RunningGateway) -> None:
    unit_id, _ = await reserve_one(world, "AB+")
    client = world.client("station")
    body = {"unit_id": unit_id, "change": "picked", "epoch": 9}
    refused = await client.post(CHANGES, json=body, headers={"Prefer": "wait=8"})
    assert (refused.status_code, refused.json()["code"]) == (422, "epoch_stale")
    picked = {**body, "epoch": 1}
    done = await client.post(CHANGES, json=picked, headers={"Prefer": "wait=8"})
    assert (done.status_code, done.json()["status"]) == (200, "done")
    assert done.headers["Preference-Applied"] == "wait=8"


async def test_f17_a_step_without_its_epoch_is_told_it(world: RunningGateway) -> None:
    unit_id, request_id = await reserve_one(world, "AB-")
    refused = await command(world, "stock", "change", "shigatse", unit_id, "issued", role="station")
    assert refused.exit_code == 1
    assert "--epoch 1" in refused.stderr
    assert request_id in refused.stderr
    other = {"unit_id": unit_id, "change": "received"}
    path = "/v1/hospitals/dingri-county/stock/changes"
    told = await world.client("other_hospital").post(path, json=other)
    assert (told.status_code, told.json()["code"]) == (400, "fields_invalid")
    assert "要写预留序号" in told.json()["errors"][0]["rule"]
    assert request_id not in told.text, "another hospital's request"


async def test_f66_what_goes_on_is_told_worst_first(world: RunningGateway) -> None:
    hospital = world.client("hospital")
    wanted = {"patient": {"group": "B-"}, "needed_by": "2025-01-07T20:00:00Z"}
    routine = (await ask(hospital, **wanted, priority="routine")).json()["request_id"]
    dying = (await ask(hospital, **wanted, priority="life_threatening")).json()["request_id"]
    found = (await world.client("dispatcher").get("/v1/overview")).json()
    waiting = [row["request_id"] for row in found["requests"]]
    assert waiting.index(dying) < waiting.index(routine)
    worst = found["requests"][waiting.index(dying)]
    assert (worst["hospital_id"], worst["patient_group"]) == ("shigatse-people", "B-")
    missing = {
        "line_no": 1, "component": "red_cells", "measure": "unit", "quantity": 2, "missing": 2,
    }  # fmt: skip
    assert worst["lines"] == [missing]
    assert found["dead_letters"] is not None
    other = (await world.client("other_hospital").get("/v1/overview")).json()
    assert other["requests"] == []
    assert other["dead_letters"] is None
    shown = await command(world, "status")
    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout.index(dying) < shown.stdout.index(routine)
    assert "危及生命" in shown.stdout


async def test_f66_the_list_tells_what_is_asked_and_missing(world: RunningGateway) -> None:
    wanted = {"patient": {"group": "O-"}, "needed_by": "2025-01-07T20:00:00Z"}
    request_id = (await ask(world.client("hospital"), **wanted)).json()["request_id"]
    rows = (await world.client("dispatcher").get("/v1/requests?status=open")).json()["requests"]
    row = next(row for row in rows if row["request_id"] == request_id)
    assert row["patient_group"] == "O-"
    assert row["lines"][0]["missing"] == 2
    listed = await command(world, "request", "list", "--status", "open")
    assert request_id in listed.stdout
    for words in (("transfers", "list"), ("activations", "list"), ("call-outs", "list", "lhasa")):
        assert (await command(world, *words)).exit_code == 0, words


async def test_f66_the_root_points_on(world: RunningGateway) -> None:
    answer = await world.client().get("/")
    assert (answer.status_code, answer.json()["overview"]) == (200, "/v1/overview")


async def test_f69_a_request_tells_whose_it_is_first(world: RunningGateway) -> None:
    _, request_id = await reserve_one(world, "A-")
    shown = await command(world, "request", "show", request_id)
    head = shown.stdout.splitlines()[:3]
    text = "\n".join(head)
    for told in ("shigatse-people", "A-", "紧急", "2025-01-07 14:00 北京时间"):
        assert told in text


@pytest.mark.parametrize(("content", "path"), [("手术室", "/v1/requests"), ("某人", CHANGES)])
async def test_f75_another_encoding_is_named(
    world: RunningGateway, content: str, path: str
) -> None:
    body = json.dumps({"note": content}, ensure_ascii=False).encode("gb18030")
    headers = {"Idempotency-Key": unique("gb"), "Content-Type": "application/json"}
    answer = await world.client("dispatcher").post(path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "body_not_utf8")
    assert "请用 UTF-8 发送" in answer.json()["detail"]


async def test_f74_the_command_line_reads_chinese_names(world: RunningGateway) -> None:
    await add_stock(world.database, station_id="shigatse", units=1, group="O+")
    asked = await command(
        world, "request", "new", "--hospital", "shigatse-people", "--group", "O型RhD阳性",
        "-n", "悬浮红细胞=1", "--within", "24", "--json",
    )  # fmt: skip
    assert asked.exit_code == 0, asked.stdout
    line = asked.document["decision"]["lines"][0] if "decision" in asked.document else {}
    assert line.get("component") == "red_cells"


@pytest.mark.parametrize(
    ("given", "code"), [({"component": "悬浮红细胞"}, "red_cells"), ({"quantity": 101}, "1 到 100")]
)
async def test_f72_the_gateway_tells_the_next_step(
    world: RunningGateway, given: dict[str, Any], code: str
) -> None:
    line = {"line_no": 1, "component": "red_cells", "quantity": 1, **given}
    answer = await ask(world.client("hospital"), lines=[line])
    (error,) = answer.json()["errors"]
    assert code in error["rule"] + error["what_to_do"]
    assert "Input should" not in answer.text


async def test_f74_a_group_is_answered_with_its_code(world: RunningGateway) -> None:
    answer = await ask(world.client("hospital"), patient={"group": "A型RhD阳性"})
    assert "请写 A+" in answer.json()["errors"][0]["what_to_do"]


async def test_f63_a_hospital_that_is_not_registered_names_the_next_step(
    world: RunningGateway,
) -> None:
    answer = await ask(world.client("dispatcher"), hospital_id="nowhere")
    assert "PUT /v1/hospitals/nowhere" in answer.json()["detail"]
    assert "xuelian init" in answer.json()["detail"]


async def test_f80_the_key_is_told_for_every_answer_that_is_no_confirmation() -> None:
    env = {"XUELIAN_GATEWAY_URL": "http://127.0.0.1:9", "XUELIAN_API_KEY": "xl_a_b"}
    ran = await xuelian(
        "request", "new", "--hospital", "h", "--group", "A+", "-n", "red_cells=1", env=env
    )
    assert ran.exit_code == 3
    assert "--idempotency-key cli-" in ran.stderr


async def test_c35_an_unknown_antigen_is_refused_and_a_rare_one_is_named(
    world: RunningGateway,
) -> None:
    words = ("request", "new", "--hospital", "shigatse-people", "--group", "A+", "--wait", "8")
    wrong = await command(world, *words, "-n", "red_cells=1", "--antibody", "Jkz")
    assert wrong.exit_code != 0
    assert "不是词表里的红细胞抗原" in wrong.stderr
    assert "Jka" in wrong.stderr
    rare = await command(world, *words, "-n", "red_cells=1", "--antibody", "抗-Vel")
    assert rare.exit_code == 0, rare.stderr
    assert "抗原 Vel 不在通常定型的名单" in rare.stdout
    usual = await ask(world.client("hospital"), patient={"group": "A+", "antibodies": ["E", "D"]})
    assert "warnings" not in usual.json()


async def test_c45_anti_d_in_any_words_is_anti_d(world: RunningGateway) -> None:
    client = world.client("hospital")
    for written in ("RhD", "antiD", "d", "抗-D", "RH1"):
        told = await ask(client, patient={"group": "O-", "antibodies": [written]})
        assert told.is_success, told.text
        found = (await client.get(f"/v1/requests/{told.json()['request_id']}")).json()
        assert found["request"]["patient"]["antibodies"] == ["D"], written
    answer = await ask(client, patient={"group": "O-", "antibodies": ["CD"]})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (400, "patient.antibodies.0")
    assert "一项写一个抗原" in error["rule"]


async def test_the_words_of_people_are_answered_over_http(world: RunningGateway) -> None:
    client = world.client("hospital")
    lacks = (await ask(client, patient={"group": "A型", "sex": "女"})).json()["errors"]
    assert "缺 RhD：写成 A+" in lacks[0]["what_to_do"]
    assert "“女”请写 female" in lacks[1]["what_to_do"]
    ran = await command(world, "request", "new", "-n", "red_cells=1", "--group", "A型")
    assert "--hospital" in ran.stderr
    words = ("request", "new", "--hospital", "shigatse-people", "-n", "red_cells=1")
    ran = await command(world, *words, "--group", "A型")
    assert "“A型”缺 RhD" in ran.stderr


async def test_the_command_that_is_told_repeats_the_request(world: RunningGateway) -> None:
    asked = ("request", "new", "--hospital", "shigatse-people", "--group", "A+")
    words = (
        *asked, "-n", "red_cells=1", "--wait", "8", "--json", "--idempotency-key", unique("again"),
    )  # fmt: skip
    needed_by = (NOW + timedelta(hours=3)).isoformat()
    first = await command(world, *words, "--needed-by", needed_by)
    again = await command(world, *words, "--needed-by", needed_by)
    assert again.exit_code == 0, again.stderr
    assert first.document["request_id"] == again.document["request_id"]


async def test_f80_the_key_is_told_for_a_503_too(world: RunningGateway) -> None:
    publisher = world.gateway.submissions._publisher

    class Away:
        async def publish(self, *_: object) -> None:
            raise TransientError("kafka_away")

    world.gateway.submissions._publisher = Away()
    try:
        ran = await command(
            world, "request", "new", "--hospital", "shigatse-people", "--group", "A+",
            "-n", "red_cells=1",
        )  # fmt: skip
    finally:
        world.gateway.submissions._publisher = publisher
    assert ran.exit_code == 3
    assert "--idempotency-key cli-" in ran.stderr
