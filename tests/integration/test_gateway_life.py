"""Results, splitting, scans, recall and look-back over HTTP, decided by the engine behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from models.laboratory import LabTest
from tests.support.gateway import (
    RunningGateway,
    request_body,
    running_engine,
    running_gateway,
    unit_row,
)
from tests.support.kafka import unique
from tests.support.laboratory import build_result, list_clear

pytestmark = pytest.mark.integration

STOCK = "/v1/stations/shigatse/stock"


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway, running_engine(gateway):
        yield gateway


async def see(client: httpx.AsyncClient, donation_id: str, unit_id: str, status: str) -> Any:  # noqa: ANN401 - any JSON
    """Wait until the unit is in a state; the donation as it is told then."""
    seen: dict[str, Any] = {}

    async def is_so() -> bool:
        answer = await client.get(f"/v1/donations/{donation_id}")
        if answer.status_code == 200:
            seen.update(answer.json())
        return any(
            unit["unit_id"] == unit_id and unit["status"] == status
            for unit in seen.get("units", ())
        )

    for _ in range(100):
        if await is_so():
            return seen
        await asyncio.sleep(0.05)
    pytest.fail(f"{unit_id} is not {status}: {seen}")


def as_json(results: list[Any]) -> dict[str, Any]:
    return {"results": [result.model_dump(mode="json", exclude_none=True) for result in results]}


async def test_from_count_to_look_back(world: RunningGateway) -> None:
    station, ward = world.client("station"), world.client("hospital")
    row = {**unit_row(77, group="B-"), "released": False}
    row = {name: value for name, value in row.items() if not name.startswith("released_")}
    unit_id, donation_id = row["unit_id"], row["donation_id"]
    counted = await station.post(STOCK, json={"units": [row]})
    assert counted.status_code == 202, counted.text
    seen = await see(station, donation_id, unit_id, "quarantined")
    assert [reason["code"] for reason in seen["units"][0]["results_against"]] == [
        "test_missing"
    ] * 9
    told = await station.post(
        f"/v1/stations/shigatse/donations/{donation_id}/results",
        json=as_json(list_clear("B-")),
    )
    assert (told.status_code, len(told.json()["event_ids"])) == (202, 7)
    await see(station, donation_id, unit_id, "available")
    lines = [{"line_no": 1, "component": "red_cells", "quantity": 1}]
    asked = await ward.post(
        "/v1/requests",
        json=request_body(patient={"group": "B-", "reference": "bed-7"}, lines=lines),
        headers={"Idempotency-Key": unique("k"), "Prefer": "wait=10"},
    )
    assert asked.status_code == 201, asked.text
    epoch = asked.json()["decision"]["lines"][0]["reserved"][0]["epoch"]
    for change, status in (("picked", "picked"), ("issued", "issued"), ("departed", "in_transit")):
        body = {"unit_id": unit_id, "change": change, "epoch": epoch, "done_by": "store"}
        assert (await station.post(f"{STOCK}/changes", json=body)).status_code == 202
        await see(station, donation_id, unit_id, status)
    for change in ("received", "transfused"):
        body = {"unit_id": unit_id, "change": change, "epoch": epoch}
        path = "/v1/hospitals/shigatse-people/stock/changes"
        assert (await ward.post(path, json=body)).status_code == 202
        await see(station, donation_id, unit_id, change)
    recalled = await world.client("dispatcher").post(
        f"/v1/stations/shigatse/donations/{donation_id}/recall",
        json={"reason": "post-donation information", "recalled_by": "quality"},
    )
    assert recalled.status_code == 202, recalled.text
    await wait_until_recalled(station, donation_id)
    seen = (await station.get(f"/v1/donations/{donation_id}")).json()
    (recipient,) = seen["recipients"]
    assert (recipient["patient_reference"], recipient["hospital_id"]) == (
        "bed-7",
        "shigatse-people",
    )
    assert recipient["request_id"] == asked.json()["request_id"]
    assert [scan["change"] for scan in seen["scans"]] == [
        "picked",
        "issued",
        "departed",
        "received",
        "transfused",
    ]
    assert seen["recalls"][0]["units"][0]["is_frozen"] is False


async def wait_until_recalled(client: httpx.AsyncClient, donation_id: str) -> None:
    for _ in range(100):
        if (await client.get(f"/v1/donations/{donation_id}")).json()["recalls"]:
            return
        await asyncio.sleep(0.05)
    pytest.fail("not recalled")


async def test_released_stock_needs_a_name_and_a_time(world: RunningGateway) -> None:
    station = world.client("station")
    row = {name: value for name, value in unit_row(78).items() if not name.startswith("released_")}
    refused = await station.post(STOCK, json={"units": [row]})
    assert (refused.status_code, refused.json()["code"]) == (400, "rows_invalid")
    assert refused.json()["errors"][0]["field"] == "row 1, released_by"
    assert "released_by" in refused.json()["errors"][0]["rule"]
    half = await station.post(STOCK, json={"units": [row], "released_by": "quality"})
    assert half.json()["errors"][0]["field"] == "released_at"
    whole = {"released_by": "quality", "released_at": "2025-01-06T01:00:00Z", "units": [row]}
    assert (await station.post(STOCK, json=whole)).status_code == 202
    seen = await see(station, row["donation_id"], row["unit_id"], "available")
    assert seen["units"][0]["attested_by"] == "quality"


async def test_c34_a_nucleic_acid_test_of_one_virus_releases_nothing(
    world: RunningGateway,
) -> None:
    station = world.client("station")
    row = {**unit_row(79), "released": False}
    row = {name: value for name, value in row.items() if not name.startswith("released_")}
    assert (await station.post(STOCK, json={"units": [row]})).status_code == 202
    await see(station, row["donation_id"], row["unit_id"], "quarantined")
    path = f"/v1/stations/shigatse/donations/{row['donation_id']}/results"
    results = list_clear(row["group"], without=[LabTest.NAT])
    results.append(build_result(LabTest.NAT, method="PCR HBV"))
    assert (await station.post(path, json=as_json(results))).status_code == 202
    for _ in range(100):
        seen = await see(station, row["donation_id"], row["unit_id"], "quarantined")
        against = seen["units"][0]["results_against"]
        if len(against) == 2:
            break
        await asyncio.sleep(0.05)
    assert [(reason["code"], reason["params"]["test"]) for reason in against] == [
        ("nat_marker_missing", "nat_hcv"),
        ("nat_marker_missing", "nat_hiv"),
    ]
    rest = [build_result(test) for test in (LabTest.NAT_HCV, LabTest.NAT_HIV)]
    assert (await station.post(path, json=as_json(rest))).status_code == 202
    await see(station, row["donation_id"], row["unit_id"], "available")


async def test_who_may_say_and_see_what(world: RunningGateway) -> None:
    results = as_json([build_result(LabTest.NAT)])
    path = "/v1/stations/shigatse/donations/d-x/results"
    for role in ("hospital", "neighbour", "dispatcher"):
        answer = await world.client(role).post(path, json=results)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_not_allowed"), role
    other = await world.client("station").post(path.replace("shigatse", "lhasa"), json=results)
    assert (other.status_code, other.json()["code"]) == (403, "facility_not_yours")
    body = {"unit_id": "U1", "change": "received", "epoch": 1}
    for role, hospital in (("other_hospital", "shigatse-people"), ("station", "shigatse-people")):
        answer = await world.client(role).post(f"/v1/hospitals/{hospital}/stock/changes", json=body)
        assert answer.status_code == 403, role
    assert (await world.client("hospital").get("/v1/donations/d-x")).status_code == 403
    unknown = await world.client("station").get("/v1/donations/d-nowhere")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "donation_unknown")
