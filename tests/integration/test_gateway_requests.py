"""Urgent requests over HTTP, on real Kafka and PostgreSQL, with the engine at work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from models.base import derive_id
from tests.support.gateway import (
    RunningGateway,
    add_stock,
    request_body,
    running_engine,
    running_gateway,
)
from tests.support.kafka import read_all, unique, wait_until

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    """One gateway with an engine; every test asks for its own requests."""
    async with running_gateway(endpoints) as gateway, running_engine(gateway):
        await add_stock(gateway.database, station_id="shigatse", units=60)
        yield gateway


async def _open(
    world: RunningGateway, key: str, *, wait_s: int = 10, **changes: object
) -> httpx.Response:
    headers = {"Idempotency-Key": key, "Prefer": f"wait={wait_s}"}
    client = world.client("hospital")
    return await client.post("/v1/requests", json=request_body(**changes), headers=headers)


async def test_the_decision_comes_back_in_the_same_call(world: RunningGateway) -> None:
    key = unique("k")
    answer = await _open(world, key)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert told["request_id"] == derive_id("request", "shigatse-people", key)
    assert answer.headers["location"] == f"/v1/requests/{told['request_id']}"
    assert answer.headers["preference-applied"] == "wait=10"
    assert told["status"] == "reserved"
    (line,) = told["decision"]["lines"]
    assert len(line["reserved"]) == 2
    assert line["reserved"][0]["reason"]["zh"] == "血型相同"
    assert told["waiting_for"]["en"] == "waits to be picked at the station"


async def test_without_waiting_it_is_accepted_once_kafka_has_it(world: RunningGateway) -> None:
    key = unique("k")
    answer = await world.client("hospital").post(
        "/v1/requests", json=request_body(), headers={"Idempotency-Key": key}
    )
    assert answer.status_code == 202
    told = answer.json()
    assert "preference-applied" not in answer.headers
    records = await read_all(world.bootstrap, "blood.requests.v1")
    (record,) = [
        record
        for record in records
        if dict(record.headers).get("ce_id") == told["event_id"].encode()
    ]
    headers = {name: value.decode() for name, value in record.headers}
    assert record.key == b"shigatse"
    assert headers["ce_source"] == told["source"] == "hospital/shigatse-people"
    assert headers["ce_subject"] == told["request_id"]
    assert headers["ce_type"] == "blood.request.opened.v2"


async def test_a_repeat_gives_the_same_decision_and_changes_nothing(world: RunningGateway) -> None:
    key = unique("k")
    first = (await _open(world, key)).json()
    world.clock.move(seconds=1)
    again = await _open(world, key)
    at_once = await _open(world, key, wait_s=0)
    for repeat in (again, at_once):
        assert repeat.status_code == 200
        assert repeat.json()["decision"] == first["decision"]
        assert repeat.json()["event_id"] == first["event_id"]
    rows = await world.database.fetch(
        "SELECT 1 FROM decisions WHERE request_id = $1", first["request_id"]
    )
    assert len(rows) == 1


@pytest.mark.parametrize("wait_s", [0, 5])
async def test_a_key_with_another_body_is_told(world: RunningGateway, wait_s: int) -> None:
    key = unique("k")
    await _open(world, key)
    other = await _open(world, key, wait_s=wait_s, priority="routine")
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_key_reused"


async def test_cancel_gives_back_and_then_nothing_can_change(world: RunningGateway) -> None:
    request_id = (await _open(world, unique("k"))).json()["request_id"]
    client = world.client("hospital")
    headers = {"Idempotency-Key": unique("c"), "Prefer": "wait=10"}
    path = f"/v1/requests/{request_id}/cancel"
    gone = await client.post(path, json={"reason": "moved to Lhasa"}, headers=headers)
    assert gone.status_code == 200
    assert gone.json()["status"] == "cancelled"
    assert gone.json()["decision"]["reasons"][0]["params"]["units_given_back"] == 2
    again = await client.post(path, json={"reason": "moved to Lhasa"}, headers=headers)
    assert again.status_code == 200
    assert again.json()["decision"] == gone.json()["decision"]
    late = await client.patch(
        f"/v1/requests/{request_id}",
        json={"priority": "routine"},
        headers={"Idempotency-Key": unique("c")},
    )
    assert late.status_code == 409
    assert late.json()["code"] == "request_ended"


async def test_amend_decides_again(world: RunningGateway) -> None:
    request_id = (await _open(world, unique("k"))).json()["request_id"]
    answer = await world.client("hospital").patch(
        f"/v1/requests/{request_id}",
        json={"lines": [{"line_no": 1, "component": "red_cells", "quantity": 3}]},
        headers={"Idempotency-Key": unique("c"), "Prefer": "wait=10"},
    )
    assert answer.status_code == 200
    assert answer.json()["decision"]["version"] == 2
    assert len(answer.json()["decision"]["lines"][0]["reserved"]) == 3


async def test_null_takes_a_note_away_and_is_refused_where_a_request_must_have_a_value(
    world: RunningGateway,
) -> None:
    request_id = (await _open(world, unique("k"), note="bed 4")).json()["request_id"]
    client, path = world.client("hospital"), f"/v1/requests/{request_id}"
    headers = {"Idempotency-Key": unique("c"), "Prefer": "wait=10"}
    refused = await client.patch(path, json={"lines": None, "priority": None}, headers=headers)
    assert refused.status_code == 400
    assert [error["field"] for error in refused.json()["errors"]] == ["lines", "priority"]
    assert refused.json()["errors"][0]["rule"] == "不能是 null · cannot be null"
    assert (await client.get(path)).json()["request"]["note"] == "bed 4"
    answer = await client.patch(path, json={"note": None}, headers=headers)
    assert answer.status_code == 200
    assert (await client.get(path)).json()["request"]["note"] == ""


async def test_f13_whoever_tells_the_group_takes_no_antibody_away(world: RunningGateway) -> None:
    known = {"group": "O-", "antibodies": ["D", "E"]}
    request_id = (await _open(world, unique("k"), patient=known)).json()["request_id"]
    answer = await world.client("hospital").patch(
        f"/v1/requests/{request_id}",
        json={"patient": {"group": "O+", "antibodies": ["K"]}},
        headers={"Idempotency-Key": unique("c"), "Prefer": "wait=10"},
    )
    assert answer.status_code == 200
    told = (await world.client("hospital").get(f"/v1/requests/{request_id}")).json()
    patient = told["request"]["patient"]
    assert (patient["group"], patient["antibodies"]) == ("O+", ["D", "E", "K"])


async def test_others_requests_do_not_exist(world: RunningGateway) -> None:
    request_id = (await _open(world, unique("k"))).json()["request_id"]
    stranger = world.client("other_hospital")
    key = {"Idempotency-Key": unique("c")}
    assert (await stranger.get(f"/v1/requests/{request_id}")).status_code == 404
    cancel = await stranger.post(
        f"/v1/requests/{request_id}/cancel", json={"reason": "x"}, headers=key
    )
    assert cancel.status_code == 404
    listed = (await stranger.get("/v1/requests")).json()["requests"]
    assert request_id not in [row["request_id"] for row in listed]
    assert (await world.client("station").get(f"/v1/requests/{request_id}")).status_code == 200
    assert (await world.client("dispatcher").get(f"/v1/requests/{request_id}")).status_code == 200


async def test_a_hospital_asks_for_itself_alone(world: RunningGateway) -> None:
    named = await _open(world, unique("k"), hospital_id="dingri-county")
    assert named.status_code == 403
    dispatcher = world.client("dispatcher")
    headers = {"Idempotency-Key": unique("k")}
    unnamed = await dispatcher.post("/v1/requests", json=request_body(), headers=headers)
    assert (unnamed.status_code, unnamed.json()["code"]) == (400, "hospital_needed")
    unknown = await dispatcher.post(
        "/v1/requests", json=request_body(hospital_id="nowhere"), headers=headers
    )
    assert (unknown.status_code, unknown.json()["code"]) == (422, "hospital_unknown")
    fine = await dispatcher.post(
        "/v1/requests", json=request_body(hospital_id="dingri-county"), headers=headers
    )
    assert fine.status_code == 202
    assert fine.json()["source"] == "hospital/dingri-county"


async def test_what_a_dispatcher_opens_is_recorded_as_the_dispatchers(
    world: RunningGateway,
) -> None:
    dispatcher, key = world.client("dispatcher"), unique("k")
    body = request_body(hospital_id="shigatse-people")
    headers = {"Idempotency-Key": key, "Prefer": "wait=10"}
    chosen = await dispatcher.post(
        "/v1/requests", json={**body, "opened_by": "dispatcher/other"}, headers=headers
    )
    assert (chosen.status_code, chosen.json()["code"]) == (400, "fields_invalid")
    first = await dispatcher.post("/v1/requests", json=body, headers=headers)
    assert first.status_code == 201, first.text
    request_id = first.json()["request_id"]

    world.clock.move(seconds=1)
    repeat = await dispatcher.post("/v1/requests", json=body, headers=headers)
    assert repeat.status_code == 200
    assert repeat.json()["decision"] == first.json()["decision"]
    # The hospital under the same key is another speaker: no repeat, and not taken for one.
    other = await _open(world, key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")

    rows = await world.database.fetch(
        "SELECT actor FROM audit WHERE subject = $1 AND why = 'opened'", request_id
    )
    key_id = (await dispatcher.get("/v1/me")).json()["key_id"]
    assert [row["actor"] for row in rows] == [f"dispatcher/{key_id}"]


async def test_the_timeline_tells_everything(world: RunningGateway) -> None:
    lines = [{"line_no": 1, "component": "platelets", "quantity": 2}]
    told = (await _open(world, unique("k"), lines=lines)).json()
    assert told["status"] == "open"
    assert told["waiting_for"]["code"] == "donors_and_neighbours"
    path = f"/v1/requests/{told['request_id']}"
    client = world.client("hospital")
    # An amendment that cannot be accepted is quarantined and shown.
    await _quarantine(world, told["request_id"])
    page = (await client.get(path)).json()
    assert page["status"] == "open"
    assert page["lines"] == [
        {
            "line_no": 1,
            "component": "platelets",
            "measure": "unit",
            "quantity": 2,
            "uncovered": 2,
            "unconfirmed": 0,
        }
    ]
    assert page["decision"]["lines"][0]["refusals"][-1]["code"] == "stock_short_low_titre"
    kinds = [entry["kind"] for entry in page["timeline"]]
    assert kinds == ["decision", "quarantined"]
    assert page["timeline"][1]["reason"]["zh"].startswith("第 1 行已有 2 袋发出")
    reserved = (await _open(world, unique("k"))).json()["request_id"]
    timeline = (await client.get(f"/v1/requests/{reserved}")).json()["timeline"]
    promises = [entry["promise"] for entry in timeline if entry["kind"] == "promise"]
    assert [promise["unit_status"] for promise in promises] == ["reserved", "reserved"]


async def _quarantine(world: RunningGateway, request_id: str) -> None:
    await world.database.fetch(
        """
        INSERT INTO dead_letters (dead_letter_id, topic, partition, log_offset, reader, headers,
            code, params, quarantined_at)
        VALUES ($1, 'blood.requests.v1', 99, $3, 'xuelian-urgent', $2, 'line_already_issued',
            '{"line_no": 1, "units": 2}', '2025-01-07T03:00:00Z')
        """,
        f"dl-{request_id}",
        [["ce_id", "e"], ["ce_subject", request_id], ["ce_source", "hospital/shigatse-people"]],
        abs(hash(request_id)) % 10**9,
    )


async def test_a_refused_change_is_answered_with_its_reason(world: RunningGateway) -> None:
    told = (await _open(world, unique("k"))).json()
    await world.database.fetch(
        "UPDATE units SET status = 'issued' WHERE unit_id IN "
        "(SELECT unit_id FROM promises WHERE request_id = $1)",
        told["request_id"],
    )
    await world.database.fetch(
        "UPDATE promises SET status = 'issued' WHERE request_id = $1", told["request_id"]
    )
    answer = await world.client("hospital").patch(
        f"/v1/requests/{told['request_id']}",
        json={"lines": [{"line_no": 1, "component": "platelets", "quantity": 1}]},
        headers={"Idempotency-Key": unique("c"), "Prefer": "wait=10"},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "line_already_issued")
    assert "第 1 行已有 2 袋发出" in answer.json()["detail"]


async def test_the_list_is_paged_and_filtered(world: RunningGateway) -> None:
    opened = [
        (await _open(world, unique("p"), priority="routine")).json()["request_id"] for _ in range(3)
    ]
    client = world.client("hospital")
    seen: list[str] = []
    after = ""
    while True:
        params = {"priority": "routine", "status": "reserved", "limit": "2"}
        params |= {"after": after} if after else {}
        page = (await client.get("/v1/requests", params=params)).json()
        seen += [row["request_id"] for row in page["requests"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert set(opened) <= set(seen)
    assert len(seen) == len(set(seen))
    bad = await client.get("/v1/requests", params={"after": "!!"})
    assert (bad.status_code, bad.json()["code"]) == (400, "cursor_invalid")


async def test_many_wait_at_once(world: RunningGateway) -> None:
    answers = await asyncio.gather(*[_open(world, unique("m")) for _ in range(12)])
    assert {answer.status_code for answer in answers} == {201}
    units = [
        unit["unit_id"]
        for answer in answers
        for unit in answer.json()["decision"]["lines"][0]["reserved"]
    ]
    assert len(units) == len(set(units))
    await wait_until(lambda: not world.gateway.wakes._waiters, what="waiters gone")
