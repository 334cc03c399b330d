"""What is asked is a dose: over HTTP and on Kafka, with the engine at work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from deploy.local.embedded_services import Endpoints
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


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway, running_engine(gateway):
        yield gateway


async def ask(
    world: RunningGateway, line: Mapping[str, Any], *, group: str, **changes: object
) -> dict[str, Any]:
    body = request_body(patient={"group": group}, lines=[{"line_no": 1, **line}], **changes)
    headers = {"Idempotency-Key": unique("dose"), "Prefer": "wait=10"}
    answer = await world.client("hospital").post("/v1/requests", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def volumes(line: Mapping[str, Any]) -> list[int]:
    return [unit["volume_ml"] for unit in line["reserved"]]


async def test_f07_units_are_asked_and_the_answer_tells_volumes(world: RunningGateway) -> None:
    await add_stock(world.database, station_id="shigatse", units=4, group="B+", volume_ml=300)
    told = await ask(world, {"component": "red_cells", "quantity": 4}, group="B+")
    (line,) = told["decision"]["lines"]
    assert told["status"] == "reserved"
    assert volumes(line) == [300, 300, 300]
    assert (line["measure"], line["covered_hundredths"]) == ("unit", 450)
    assert line["amounts"]["zh"] == "要 4 U；已承诺的血袋共 4.5 U，尚缺 0 U"
    assert "4 U asked" in line["amounts"]["en"]


async def test_f07_millilitres_and_bags_are_asked_by_name(world: RunningGateway) -> None:
    ffp = "fresh_frozen_plasma"
    await add_stock(
        world.database, station_id="shigatse", units=5, group="B-", component=ffp, volume_ml=200
    )
    line = {"component": ffp, "measure": "ml", "quantity": 350}
    (in_ml,) = (await ask(world, line, group="B-"))["decision"]["lines"]
    assert (volumes(in_ml), in_ml["uncovered"]) == ([200, 200], 0)
    line = {"component": ffp, "measure": "bag", "quantity": 3}
    (in_bags,) = (await ask(world, line, group="B-"))["decision"]["lines"]
    assert volumes(in_bags) == [200, 200, 200]
    assert in_bags["amounts"]["params"]["counted"] == "bag"


async def test_f07_a_line_is_asked_for_a_weight(world: RunningGateway) -> None:
    cryo = "cryoprecipitate"
    await add_stock(
        world.database, station_id="shigatse", units=10, group="O-", component=cryo, volume_ml=25
    )
    told = await ask(world, {"component": cryo, "for_weight_kg": 60}, group="O-")
    (line,) = told["decision"]["lines"]
    assert (line["requested"], volumes(line)) == (9, [25] * 9)
    answer = await _post(world, {"line_no": 1, "component": "red_cells", "for_weight_kg": 60})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (400, "lines.0.for_weight_kg")
    assert "quantity" in error["rule"]


async def test_what_waits_is_summed_in_ordering_units(world: RunningGateway) -> None:
    """600 ml of plasma are 6 U, beside 2 U of red cells; nobody adds millilitres to units."""
    lines = [
        {"component": "fresh_frozen_plasma", "measure": "ml", "quantity": 600},
        {"component": "red_cells", "quantity": 2},
    ]
    body = request_body(
        patient={"group": "AB-"},
        lines=[{"line_no": number, **line} for number, line in enumerate(lines, 1)],
    )
    headers = {"Idempotency-Key": unique("dose"), "Prefer": "wait=10"}
    answer = await world.client("hospital").post("/v1/requests", json=body, headers=headers)
    request_id = answer.json()["request_id"]
    listed = await world.client("dispatcher").get("/v1/overdue")
    (row,) = (row for row in listed.json()["overdue"] if row["request_id"] == request_id)
    assert (row["mark"], row["units"]) == ("waiting", 8)


async def test_f73_the_limit_is_that_of_the_measure(world: RunningGateway) -> None:
    line = {"line_no": 1, "component": "red_cells", "quantity": 101}
    answer = await _post(world, line)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (400, "lines.0.quantity")
    assert error["rule"].startswith("1 到 100，计 U")
    assert (await _post(world, {**line, "quantity": 20_001, "measure": "ml"})).status_code == 400


async def _post(world: RunningGateway, line: object) -> httpx.Response:
    headers = {"Idempotency-Key": unique("limit")}
    body = request_body(lines=[line])
    return await world.client("hospital").post("/v1/requests", json=body, headers=headers)


async def test_f65_a_second_pack_is_added_to_the_open_request(world: RunningGateway) -> None:
    told = await ask(world, {"component": "red_cells", "quantity": 1}, group="AB+")
    answer = await world.client("hospital").patch(
        f"/v1/requests/{told['request_id']}",
        json={"massive_transfusion_packs": 1},
        headers={"Idempotency-Key": unique("pack"), "Prefer": "wait=10"},
    )
    assert answer.status_code == 200, answer.text
    lines = answer.json()["decision"]["lines"]
    assert [(line["component"], line["requested"]) for line in lines] == [
        ("red_cells", 1),
        ("fresh_frozen_plasma", 4),
        ("platelets", 1),
        ("red_cells", 4),
    ]


async def test_a_request_of_the_first_version_counts_bags(world: RunningGateway) -> None:
    """Hospitals that write to Kafka as before get as many bags as before."""
    await add_stock(world.database, station_id="shigatse", units=2, group="AB-", volume_ml=400)
    request_id = unique("old")
    request = {
        **request_body(patient={"group": "AB-"}),
        "request_id": request_id,
        "hospital_id": "shigatse-people",
        "station_id": "shigatse",
    }
    headers = {
        "ce_specversion": "1.0",
        "ce_id": request_id,
        "ce_type": "blood.request.opened.v1",
        "ce_source": "hospital/shigatse-people",
        "ce_subject": request_id,
        "ce_time": NOW.isoformat(),
        "content-type": "application/json",
    }
    producer = AIOKafkaProducer(bootstrap_servers=world.bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(
            "blood.requests.v1",
            key=b"shigatse",
            value=orjson.dumps({"request": request}),
            headers=[(name, text.encode()) for name, text in headers.items()],
        )
    finally:
        await producer.stop()

    decided = "SELECT 1 FROM requests WHERE request_id = $1"
    async with asyncio.timeout(20):
        while not await world.database.fetch(decided, request_id):
            await asyncio.sleep(0.05)
    answer = await world.client("hospital").get(f"/v1/requests/{request_id}")
    (line,) = answer.json()["decision"]["lines"]
    assert (line["measure"], line["requested"], volumes(line)) == ("bag", 2, [400, 400])


@pytest.mark.parametrize(("station", "ml", "days"), [("amdo", 400, 6.0), ("biru", 100, 1.5)])
async def test_f08_days_of_supply_count_units(
    world: RunningGateway, station: str, ml: int, days: float
) -> None:
    """30 bags of 400 ml are 60 U, 30 of 100 ml are 15 U; 10 U are issued a day."""
    record = {
        "station_id": station,
        "name_zh": "血站",
        "name_en": station,
        "location": {"lat": 30.0, "lon": 90.0},
        "daily_demand": {"red_cells": 10},
    }
    put = await world.client("dispatcher").put(f"/v1/stations/{station}", json=record)
    assert put.status_code in {200, 201}, put.text
    await add_stock(world.database, station_id=station, units=30, group="A+", volume_ml=ml)
    stock = (await world.client("dispatcher").get(f"/v1/stations/{station}/stock")).json()
    (place,) = stock["stock"]
    assert (place["bags"], place["units"], place["counted"]) == (30, 30 * ml / 200, "U")
    assert stock["days_of_supply"] == {"red_cells": days}
