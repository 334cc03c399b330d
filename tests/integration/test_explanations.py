"""Why a request got what it got, over HTTP and at the terminal, on a real gateway and engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from tests.support.clinic import Clinic, Clinics, running_clinics
from tests.support.commands import Ran, xuelian
from tests.support.supply import make_donor

pytestmark = pytest.mark.integration

Told = dict[str, Any]


@pytest_asyncio.fixture(scope="module")
async def clinics(endpoints: Endpoints) -> AsyncIterator[Clinics]:
    async with running_clinics(endpoints) as running:
        yield running


async def explain(client: httpx.AsyncClient, told: Told, **params: int) -> Told:
    path = f"/v1/requests/{told['request_id']}/explanation"
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    found: Told = answer.json()
    return found


def codes(told: list[Told]) -> list[str]:
    return [text["code"] for text in told]


def whys(told: Told) -> list[list[str]]:
    return [codes(version["why"]) for version in told["versions"]]


async def open_pair(clinics: Clinics) -> tuple[Clinic, Clinic]:
    """A clinic and its neighbour, seven hours away."""
    beside = await clinics.open()
    clinic = await clinics.open(policy={"neighbours": [beside.name]})
    route = {"from_id": beside.name, "to_id": clinic.name, "eta_s": 7 * 3600}
    answer = await clinic.world.client("dispatcher").put("/v1/routes", json={"routes": [route]})
    assert answer.status_code == 200, answer.text
    await clinic.services.directory.refresh()
    await clinic.world.gateway.directories.refresh()
    return clinic, beside


async def test_a_request_is_explained_from_its_opening_to_its_end(clinics: Clinics) -> None:
    clinic, beside = await open_pair(clinics)
    await beside.lay("A+", "A+", "B+")
    (bag,) = await clinic.lay("A+")
    await clinic.lay("A-", left=30)
    asked = await clinic.ask(quantity=3, need_h=3, group="A+")
    told = await explain(clinic.station, asked)
    assert told["standing"]["code"] == "now_partly_reserved"
    assert "要 3，有 1，缺 2 U" in told["standing"]["zh"]
    (line,) = told["lines"]
    (unit,) = line["units"]
    assert (unit["unit_id"], unit["way"]["code"]) == (bag, "bag_waits_to_leave")
    assert (unit["why"]["code"], unit["station_id"]) == ("identical_group", clinic.name)
    assert unit["why"]["rule"]
    assert "kept_for_rhd_negative" in codes(line["passed_over"])
    asks = told["would_change"][-1]
    assert asks["code"] == "neighbour_would_serve_late"
    assert (asks["params"]["station_id"], asks["params"]["units"]) == (beside.name, 2)
    assert asks["params"]["late_s"] == 4.5 * 3600
    # A hospital is not told what lies at other stations.
    of_hospital = await explain(clinic.hospital, asked)
    assert "neighbour_would_serve_late" not in codes(of_hospital["would_change"])
    assert codes(told["done"]) == [
        "sought_no_donors", "sought_donors_too_late", "sought_not_announced",
    ]  # fmt: skip

    await clinic.pass_time(minutes=2)
    await clinic.scan(asked, "picked", "issued", "departed")
    told = await explain(clinic.station, asked)
    (unit,) = told["lines"][0]["units"]
    assert unit["way"]["code"] == "bag_on_its_way"
    assert unit["arrives_at"] == clinic.after(minutes=30).replace("+00:00", "Z")
    assert codes(told["done"])[-2:] == ["sought_neighbours", "sought_no_offer"]

    await clinic.scan(asked, "received")
    await clinic.pass_time(hours=5)
    told = await explain(clinic.station, asked)
    assert told["standing"]["code"] == "now_partly_fulfilled"
    assert [line["uncovered"] for line in told["lines"]] == [2]
    assert codes(told["would_change"]) == ["asking_again_would_serve"]
    assert codes(told["done"]) == [
        "sought_nobody_was_called", "sought_neighbours", "sought_no_offer",
    ]  # fmt: skip
    assert whys(told)[0] == ["version_opened"]
    assert whys(told)[-1][0] == "needed_by_passed"
    first = await explain(clinic.station, asked, version=1)
    assert (first["version"], first["newest_version"]) == (1, len(told["versions"]))
    assert first["standing"]["zh"].startswith("（第 1 版")


async def test_each_decision_says_why_it_was_made(clinics: Clinics) -> None:
    clinic = await clinics.open()
    lost, other = await clinic.lay("A+", "A+")
    asked = await clinic.ask(quantity=1, group="A+", need_h=6)
    (unit,) = asked["decision"]["lines"][0]["reserved"]
    more = await clinic.amend(asked, priority="routine")
    assert more["decision"]["version"] == 2
    gone = await clinic.scan_one(unit, "discarded", reason="broken")
    assert gone.status_code == 200, gone.text
    told = await explain(clinic.hospital, asked)
    assert whys(told)[:2] == [["version_opened"], ["version_amended"]]
    assert whys(told)[2] == ["version_unit_lost", "unit_lost_discarded"]
    (now,) = told["lines"][0]["units"]
    assert now["unit_id"] in {lost, other} - {unit["unit_id"]}
    assert told["standing"]["code"] == "now_reserved"


async def test_donors_who_were_called_are_told_after_the_end_too(clinics: Clinics) -> None:
    clinic = await clinics.open()
    donor = make_donor("d-1", group="A+").model_dump(mode="json")
    donor = {**donor, "donor_id": f"d-{clinic.name}", "station_id": clinic.name, "staff": True}
    put = await clinic.station.put(f"/v1/stations/{clinic.name}/donors/{donor['donor_id']}",
                                   json=donor)  # fmt: skip
    assert put.status_code == 200, put.text
    asked = await clinic.ask(quantity=2, need_h=9, group="A+")
    await clinic.pass_time(minutes=2)
    assert codes((await explain(clinic.hospital, asked))["done"])[0] == "sought_called"
    await clinic.cancel(asked)
    told = await explain(clinic.hospital, asked)
    assert told["standing"]["code"] == "now_cancelled"
    await clinic.pass_time(minutes=2)
    told = await explain(clinic.hospital, asked)
    assert codes(told["done"])[0] == "sought_called_and_stood_down"


async def test_who_may_not_see_a_request_is_told_nothing_of_it(clinics: Clinics) -> None:
    clinic, stranger = await clinics.open(), await clinics.open()
    asked = await clinic.ask(group="A+")
    path = f"/v1/requests/{asked['request_id']}/explanation"
    answer = await stranger.hospital.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "request_unknown")
    answer = await clinic.hospital.get(path, params={"version": 7})
    assert (answer.status_code, answer.json()["code"]) == (404, "version_unknown")
    assert "第 7 版" in str(answer.json())
    answer = await clinic.hospital.get(path, params={"version": 0})
    assert answer.status_code == 400


async def run(clinics: Clinics, *words: object) -> Ran:
    world = clinics.world
    key = world.keys["dispatcher"]
    env = {"XUELIAN_GATEWAY_URL": world.url, "XUELIAN_API_KEY": key, "COLUMNS": "100"}
    return await xuelian("explain", *words, env=env)


async def test_the_command_prints_one_page(clinics: Clinics) -> None:
    clinic, beside = await open_pair(clinics)
    await beside.lay("A+")
    await clinic.lay("A+")
    asked = await clinic.ask(quantity=2, group="A+")
    ran = await run(clinics, asked["request_id"])
    assert ran.exit_code == 0, ran.stderr
    heads = [line for line in ran.stdout.splitlines() if line[:2] in {f"{n} " for n in range(1, 7)}]
    assert len(heads) == 6
    assert "PARTLY RESERVED" in ran.stdout
    assert "只预留了一部分" in ran.stdout
    assert f"问 {beside.name}" in ran.stdout
    document = (await run(clinics, asked["request_id"], "--version", 1, "--json")).document
    assert (document["version"], document["status"]) == (1, "open")
    unknown = await run(clinics, asked["request_id"], "--version", 9)
    assert unknown.exit_code == 1
    assert "没有第 9 版" in unknown.stderr
