"""Identifiers, moments, JSON and keys as callers write them, over HTTP and with the engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from tests.support.gateway import RunningGateway, request_body, running_engine, running_gateway
from tests.support.kafka import unique
from tests.support.laboratory import NEEDED, list_clear
from tests.support.world import NOW

pytestmark = pytest.mark.integration

STOCK = "/v1/stations/shigatse/stock"
DONORS = "/v1/stations/shigatse/donors"
HEAD = "unit_id,donation_id,component,group,volume_ml,collected_at,expires_at,status"
CSV = {"Content-Type": "text/csv"}
WORD = {"released_by": "质管科", "released_at": "2025-01-06T18:00:00+08:00"}
SPAN = "2025-01-02T09:00:00+08:00,2025-02-05T23:59:59+08:00"


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway, running_engine(gateway):
        yield gateway


async def count(world: RunningGateway, *rows: str) -> tuple[int, dict[str, Any]]:
    content = "\n".join([HEAD, *rows]).encode()
    answer = await world.client("station").post(STOCK, content=content, headers=CSV, params=WORD)
    return answer.status_code, answer.json()


def row(unit_id: str, donation_id: str, status: str = "在库") -> str:
    return f"{unit_id},{donation_id},red_cells,A+,200,{SPAN},{status}"


async def see(world: RunningGateway, donation_id: str, **expected: str) -> dict[str, Any]:
    """Wait until the units of a donation stand so; the donation as it is told then."""
    client = world.client("station")
    told: dict[str, Any] = {}
    for _ in range(120):
        answer = await client.get(f"/v1/donations/{donation_id}")
        told = answer.json()
        if answer.status_code == 200:
            seen = {unit["unit_id"]: unit["status"] for unit in told["units"]}
            if seen == {name.replace("_", "-"): status for name, status in expected.items()}:
                return told
        await asyncio.sleep(0.05)
    pytest.fail(f"{donation_id}: {told}")


def codes(told: dict[str, Any]) -> list[str]:
    return [error["what_to_do"] for error in told["errors"]]


async def test_f38_digits_with_a_decimal_point_are_no_donation(world: RunningGateway) -> None:
    status, told = await count(world, row("6543295791947-RC", "6543295791947.0"))
    assert status == 400
    assert told["errors"][0]["field"] == "row 2, donation_id “6543295791947.0”"
    assert "文本" in codes(told)[0]
    station = world.client("station")
    assert (await station.get("/v1/donations/6543295791947.0")).status_code == 400
    change = {"unit_id": "6543295791947.0", "change": "discarded", "reason": "broken"}
    refused = await station.post(f"{STOCK}/changes", json=change)
    assert refused.status_code == 400
    assert "小数点" in codes(refused.json())[0]


async def test_f40_one_bag_in_two_cases_is_one_bag(world: RunningGateway) -> None:
    status, told = await count(
        world, row("G123425000401-RC", "G123425000401"), row("g123425000401-rc", "g123425000401")
    )
    assert status == 400
    assert "只差大小写" in codes(told)[0]
    assert (await count(world, row("g123425000401-rc", "g123425000401")))[0] == 202
    seen = await see(world, "g123425000401", **{"G123425000401-RC": "available"})
    assert seen["donation_id"] == "G123425000401"
    assert (await count(world, row("G123425000401-RC", "G123425000401")))[0] in {200, 202}
    recall = await world.client("station").post(
        "/v1/stations/shigatse/donations/g123425000401/recall",
        json={"reason": "x", "recalled_by": "y"},
    )
    assert recall.status_code == 202
    await see(world, "G123425000401", **{"G123425000401-RC": "recalled"})


async def test_f39_lost_zeros_make_no_second_bag_of_one_on_record(world: RunningGateway) -> None:
    assert (await count(world, row("0543226000001", "0543226000001")))[0] == 202
    await see(world, "0543226000001", **{"0543226000001": "available"})
    status, told = await count(world, row("543226000001", "0543226000001"))
    assert (status, told["code"]) == (422, "units_refused")
    assert "0543226000001" in codes(told)[0]
    status, told = await count(world, row("543226000001-RC", "543226000001"))
    assert (status, told["code"]) == (422, "units_refused")


async def test_lost_zeros_before_letters_make_no_second_bag(world: RunningGateway) -> None:
    assert (await count(world, row("0C5F9A-RC", "0C5F9A")))[0] == 202
    await see(world, "0C5F9A", **{"0C5F9A-RC": "available"})
    for unit_id, donation_id in (("c5f9a-rc", "0C5F9A"), ("C5F9A-PLT", "C5F9A")):
        status, told = await count(world, row(unit_id, donation_id))
        assert (status, told["code"]) == (422, "units_refused")
        assert "0C5F9A" in codes(told)[0]


async def test_donors_whose_numbers_differ_in_zeros_are_told(world: RunningGateway) -> None:
    head = "donor_id,name,contact,group,sex,born_on,weight_kg"
    rows = ["0c77,甲甲,771,O+,male,1990-02-28,70", "c77,乙乙,772,O+,male,1991-02-28,70"]
    answer = await world.client("station").post(
        DONORS, content="\n".join([head, *rows]).encode(), headers=CSV
    )
    assert answer.status_code == 200, answer.text
    (warning,) = answer.json()["warnings"]
    assert (warning["code"], warning["donor_ids"]) == ("donor_spelled_otherwise", ["0c77", "c77"])


async def test_f40_a_station_in_another_case_is_no_second_station(world: RunningGateway) -> None:
    body = {
        "station_id": "Shigatse",
        "name_zh": "示例",
        "name_en": "Example",
        "location": {"lat": 29.3, "lon": 88.9},
    }
    refused = await world.client("dispatcher").put("/v1/stations/Shigatse", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "facility_other_spelling")


async def test_f46_f47_f50_the_register_of_donors(world: RunningGateway) -> None:
    station = world.client("station")
    head = "donor_id,name,contact,group,sex,born_on,weight_kg,last_whole_blood_on,deferred_until"
    good = f"{head}\nD-1,甲,1,O+,male,1990/2/28,70,2024年6月5日,2025-02-01\n"
    answer = await station.post(DONORS, content=good.encode(), headers=CSV)
    assert answer.status_code == 200, answer.text
    base = {
        "donor_id": "D-2",
        "name": "乙",
        "contact": "2",
        "group": "O+",
        "sex": "male",
        "born_on": "1990-02-28",
        "weight_kg": 70,
    }
    later = (NOW + timedelta(days=400)).date().isoformat()
    for wrong in (
        {"deferred_until": 20271231},
        {"deferred_until": "20271231"},
        {"born_on": 636163200},
        {"born_on": later},
        {"born_on": "1850-01-01"},
        {"last_whole_blood_on": later},
        {"last_platelets_on": "1989-12-31"},
        {"consented_at": f"{later}T00:00:00Z"},
    ):
        refused = await station.post(DONORS, json={"donors": [{**base, **wrong}]})
        assert refused.status_code == 400, wrong
        (error,) = refused.json()["errors"]
        assert error["field"].startswith(f"row 1, {next(iter(wrong))}")
    assert (await station.post(DONORS, json={"donors": [base]})).status_code == 200


async def test_f47_f50_no_moment_comes_in_that_cannot_be(world: RunningGateway) -> None:
    station, hospital = world.client("station"), world.client("hospital")
    ahead = (NOW + timedelta(hours=2)).isoformat()
    donation = "/v1/stations/shigatse/donations/D9"
    recall = {"reason": "x", "recalled_by": "y"}
    made = [{"unit_id": "x-1", "component": "red_cells", "volume_ml": 200}]
    change = {"unit_id": "x", "change": "discarded", "reason": "broken"}
    result = list_clear("A+")[0].model_dump(mode="json", exclude_none=True)
    for path, body in (
        (f"{donation}/recall", {**recall, "recalled_at": ahead}),
        (f"{donation}/recall", {**recall, "recalled_at": 1736213400}),
        (f"{donation}/recall", {**recall, "recalled_at": "1736213400"}),
        (f"{donation}/recall", {**recall, "recalled_at": "1970-01-01T00:00:00Z"}),
        (f"{donation}/split", {"unit_id": "x", "split_at": ahead, "components": made}),
        (f"{donation}/results", {"results": [{**result, "performed_at": ahead}]}),
        (f"{STOCK}/changes", {**change, "happened_at": ahead}),
    ):
        refused = await station.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (400, "fields_invalid"), body
    for needed_by in ((NOW + timedelta(days=400)).isoformat(), 1736229600, "20250107"):
        refused = await hospital.post(
            "/v1/requests",
            json=request_body(needed_by=needed_by),
            headers={"Idempotency-Key": unique("k")},
        )
        assert (refused.status_code, refused.json()["code"]) == (400, "fields_invalid"), needed_by
        assert [error["field"] for error in refused.json()["errors"]] == [
            "request.needed_by" if "T" in str(needed_by) else "needed_by"
        ]


async def test_f48_results_from_before_the_collection_release_nothing(
    world: RunningGateway,
) -> None:
    assert (await count(world, row("F48-RC", "F48", "待检")))[0] == 202
    await see(world, "F48", **{"F48-RC": "quarantined"})
    early = [
        result.but(performed_at=NOW - timedelta(days=800)).model_dump(
            mode="json", exclude_none=True
        )
        for result in list_clear("A+")
    ]
    path = "/v1/stations/shigatse/donations/F48/results"
    told = await world.client("station").post(path, json={"results": early})
    assert told.status_code == 202
    for _ in range(100):
        seen = await see(world, "F48", **{"F48-RC": "quarantined"})
        if len(seen["results"]) == len(early):
            break
        await asyncio.sleep(0.05)
    against = seen["units"][0]["results_against"]
    # One nucleic-acid result is the test of each of its three viruses.
    assert [(reason["code"], reason["params"]["test"]) for reason in against] == [
        ("test_before_collection", test) for test in NEEDED
    ]
    own = [result.model_dump(mode="json", exclude_none=True) for result in list_clear("A+")]
    assert (await world.client("station").post(path, json={"results": own})).status_code == 202
    await see(world, "F48", **{"F48-RC": "available"})


async def test_f53_a_field_that_stands_twice_is_refused(world: RunningGateway) -> None:
    hospital, station = world.client("hospital"), world.client("station")
    asked = json.dumps(request_body())
    for raw, field in (
        (asked.replace('"group": "A+"', '"group": "O-", "group": "A+"'), "group"),
        (asked.replace('"quantity": 2', '"quantity": 1, "quantity": 3'), "quantity"),
    ):
        headers = {"Idempotency-Key": unique("k"), "Content-Type": "application/json"}
        refused = await hospital.post("/v1/requests", content=raw, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (400, "field_twice")
        assert refused.json()["errors"][0]["field"] == field
    as_json = {"Content-Type": "application/json"}
    recall = '{"reason": "a", "reason": "b", "recalled_by": "c"}'
    unit = '{"units": [{"unit_id": "x", "unit_id": "y"}]}'
    donor = '{"donors": [{"donor_id": "x", "group": "O-", "group": "A+"}]}'
    for path, raw in (
        ("/v1/stations/shigatse/donations/D9/recall", recall),
        (STOCK, unit),
        (f"{STOCK}/preview", unit),
        (DONORS, donor),
    ):
        refused = await station.post(path, content=raw, headers=as_json)
        assert (refused.status_code, refused.json()["code"]) == (400, "field_twice"), path
    nan = '{"station_id":"x","name_zh":"x","name_en":"x","location":{"lat":NaN,"lon":1}}'
    refused = await world.client("dispatcher").put("/v1/stations/x", content=nan, headers=as_json)
    assert refused.status_code == 400


@pytest.mark.parametrize("wait", ["wait=10", "wait=0"])
async def test_f54_of_four_bodies_under_one_key_one_is_answered(
    world: RunningGateway, wait: str
) -> None:
    key = unique("k")

    async def ask(quantity: int) -> tuple[int, str]:
        lines = [{"line_no": 1, "component": "red_cells", "quantity": quantity}]
        answer = await world.client("hospital").post(
            "/v1/requests",
            json=request_body(lines=lines),
            headers={"Idempotency-Key": key, "Prefer": wait},
        )
        return answer.status_code, answer.json().get("code", "")

    answers = await asyncio.gather(*map(ask, (1, 2, 3, 4)))
    refused = [answer for answer in answers if answer == (422, "idempotency_key_reused")]
    assert len(refused) == 3, answers
    assert min(answers)[0] in {201, 202}
