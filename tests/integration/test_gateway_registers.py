"""Registers over HTTP: read back, changed knowingly, and obeyed by the next decision."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.errors import DomainRefusal
from models.rules.rulebook import PACKAGED
from streams.store.directory import PgDirectory
from tests.support.engine import Engine, build_engine
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.world import PEOPLES, SHIGATSE, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

HOSPITAL: dict[str, Any] = {
    "hospital_id": "gar-county",
    "name_zh": "噶尔县人民医院",
    "name_en": "Gar County Hospital",
    "location": {"lat": 32.5, "lon": 80.1},
    "station_id": "shigatse",
}
PATH = "/v1/hospitals/gar-county"


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway:
        yield gateway


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


async def test_f29_what_a_change_leaves_out_stays_as_it_was(world: RunningGateway) -> None:
    client = world.client("dispatcher")
    first = {**HOSPITAL, "can_thaw": True, "cannot_use": ["platelets"]}
    assert (await client.put(PATH, json=first)).json()["hospital"]["can_thaw"] is True
    renamed = await client.put(PATH, json={**HOSPITAL, "name_zh": "新名"})
    told = renamed.json()["hospital"]
    assert (told["name_zh"], told["can_thaw"], told["cannot_use"]) == ("新名", True, ["platelets"])
    stated = await client.put(PATH, json={**HOSPITAL, "can_thaw": False})
    assert stated.json()["hospital"]["can_thaw"] is False


async def test_f29_who_does_not_say_that_it_can_thaw_cannot(world: RunningGateway) -> None:
    client = world.client("dispatcher")
    told = await client.put("/v1/hospitals/zanda", json={**HOSPITAL, "hospital_id": "zanda"})
    assert told.json()["hospital"]["can_thaw"] is False


async def test_f29_a_station_keeps_what_a_change_does_not_name(world: RunningGateway) -> None:
    client = world.client("dispatcher")
    record = {
        "station_id": "ngari",
        "name_zh": "阿里",
        "name_en": "Ngari",
        "location": {"lat": 32.5, "lon": 80.1},
    }
    policy = {"neighbours": ["lhasa"], "low_titre_a_plasma": True}
    await client.put("/v1/stations/ngari", json={**record, "policy": policy})
    told = await client.put("/v1/stations/ngari", json={**record, "policy": {"neighbours": []}})
    assert told.json()["station"]["policy"]["low_titre_a_plasma"] is True
    assert told.json()["station"]["policy"]["neighbours"] == []


async def test_f31_what_is_registered_can_be_read_back(world: RunningGateway) -> None:
    client = world.client("dispatcher")
    put = await client.put(PATH, json=HOSPITAL)
    read = await client.get(PATH)
    assert read.json()["hospital"] == put.json()["hospital"]
    assert read.headers["etag"] == put.headers["etag"] == f'"{put.json()["version"]}"'
    assert read.json()["changed_by"].startswith("dispatcher/")
    stations = (await client.get("/v1/stations")).json()["stations"]
    assert {"shigatse", "lhasa"} <= {station["station"]["station_id"] for station in stations}
    hospitals = (await client.get("/v1/hospitals")).json()["hospitals"]
    assert "gar-county" in {hospital["hospital"]["hospital_id"] for hospital in hospitals}
    route = {"from_id": "shigatse", "to_id": "gar-county", "eta_s": 600}
    proven = {"from_id": "lhasa", "to_id": "gar-county", "eta_s": 900, "proven_box": True}
    await client.put("/v1/routes", json={"routes": [route, proven]})
    routes = (await client.get("/v1/routes")).json()["routes"]
    # No box is taken to be proven that nobody said was.
    assert {**route, "proven_box": False} in routes
    assert proven in routes
    unknown = await client.get("/v1/hospitals/zz-nowhere")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "facility_not_registered")


async def test_f31_others_read_name_and_place_alone(world: RunningGateway) -> None:
    neighbour = world.client("neighbour")
    told = (await neighbour.get("/v1/stations/shigatse")).json()
    assert set(told["station"]) == {"station_id", "name_zh", "name_en", "location"}
    own = (await neighbour.get("/v1/stations/lhasa")).json()
    assert "policy" in own["station"]


async def test_f31_a_change_of_an_older_version_is_refused(world: RunningGateway) -> None:
    client = world.client("dispatcher")
    version = (await client.put(PATH, json=HOSPITAL)).json()["version"]
    head = {"If-Match": f'"{version}"'}
    assert (await client.put(PATH, json=HOSPITAL, headers=head)).status_code == 200
    stale = await client.put(PATH, json={**HOSPITAL, "name_zh": "旧"}, headers=head)
    assert (stale.status_code, stale.json()["code"]) == (409, "record_changed")
    assert (await client.get(PATH)).json()["hospital"]["name_zh"] == HOSPITAL["name_zh"]


async def test_f31_every_change_of_a_register_is_in_the_audit(world: RunningGateway) -> None:
    client, path = world.client("dispatcher"), "/v1/hospitals/purang"
    record = {**HOSPITAL, "hospital_id": "purang"}
    await client.put(path, json=record)
    await client.put(path, json={**record, "can_thaw": True, "name_zh": "普兰"})
    await client.put(path, json=record | {"name_zh": "普兰"})
    for eta_s in (500, 500, 700):
        route = {"from_id": "lhasa", "to_id": "purang", "eta_s": eta_s}
        await client.put("/v1/routes", json={"routes": [route]})
    rows = await world.database.fetch(
        "SELECT subject_kind, from_state, to_state, why, actor FROM audit "
        "WHERE subject IN ('purang', 'lhasa>purang') ORDER BY audit_id"
    )
    assert {row["actor"].partition("/")[0] for row in rows} == {"dispatcher"}
    first, *others = [tuple(row.values())[:4] for row in rows]
    assert first[:3] == ("hospital", "", "version 1")
    assert "can_thaw=false" in first[3]
    # The third says nothing new: a version is counted, and nothing is told.
    assert others == [
        ("hospital", "version 1", "version 2", "changed can_thaw=true name_zh"),
        ("route", "", "500 s", "registered"),
        ("route", "500 s", "700 s", "changed"),
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name_zh": ""}, "name_zh"),
        ({"name_en": "  "}, "name_en"),
        ({"location": {"lat": 0, "lon": 0}}, "location"),
    ],
)
async def test_f33_a_record_that_nobody_could_read_is_refused(
    world: RunningGateway, changes: dict[str, Any], field: str
) -> None:
    client = world.client("dispatcher")
    for path, record in (
        ("/v1/hospitals/zz", {**HOSPITAL, "hospital_id": "zz"}),
        (
            "/v1/stations/zz",
            {"station_id": "zz", "name_zh": "站", "name_en": "s", "location": {"lat": 1, "lon": 1}},
        ),
    ):
        answer = await client.put(path, json={**record, **changes})
        assert answer.status_code == 400, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_f33_a_journey_between_unknown_places_is_refused(world: RunningGateway) -> None:
    route = {"from_id": "shigatse", "to_id": "zz-nowhere", "eta_s": 600}
    answer = await world.client("dispatcher").put("/v1/routes", json={"routes": [route]})
    assert (answer.status_code, answer.json()["code"]) == (422, "facility_unknown")


async def test_f30_the_next_decision_follows_what_was_confirmed(engine: Engine) -> None:
    """Changed by another process, whose directory this one has not read yet."""
    ffp = Component.FRESH_FROZEN_PLASMA
    elsewhere = PgDirectory(engine.database, PACKAGED)
    await elsewhere.put_hospital(PEOPLES.but(can_thaw=True))
    await engine.services.directory.refresh()
    await engine.feed(counted([build_unit("A+", component=ffp), build_unit("A+", component=ffp)]))
    first = build_request(group="A+", component=ffp, quantity=1)
    await engine.feed(opened(first))
    assert await engine.status_of(first.request_id) == "reserved"

    await elsewhere.put_hospital(PEOPLES.but(can_thaw=False))
    second = build_request(group="A+", component=ffp, quantity=1)
    await engine.feed(opened(second))

    assert await engine.status_of(second.request_id) == "refused"


async def test_a_moved_hospital_is_told_which_requests_stay_with_the_old_station(
    world: RunningGateway,
) -> None:
    hospital = {**HOSPITAL, "hospital_id": "moving-county"}
    path = "/v1/hospitals/moving-county"
    client = world.client("dispatcher")
    assert (await client.put(path, json=hospital)).json()["notes"] == []
    await world.database.fetch(
        "INSERT INTO requests (request_id, hospital_id, station_id, priority, needed_by, status,"
        " waiting_for, version, body, patient_group, patient_plasma_group,"
        " patient_platelet_group, patient_whole_blood_group, patient_has_anti_d,"
        " patient_is_asian_del, patient_has_consented, opened_at, decided_at) "
        "SELECT 'moving-' || status, 'moving-county', 'shigatse', 'urgent', $1, status,"
        " CASE WHEN status = 'cancelled' THEN '' ELSE 'picking' END, 1, '{}',"
        " 'unknown', 'unknown', 'unknown', 'unknown', false, false, false, $1, $1 "
        "FROM unnest(ARRAY['open', 'reserved', 'cancelled']) AS status",
        world.clock.now(),
    )

    told = (await client.put(path, json={**hospital, "station_id": "lhasa"})).json()

    (note,) = told["notes"]
    assert note["code"] == "open_requests_stay"
    assert note["params"] == {"station_id": "shigatse", "requests": 2}


NGARI: dict[str, Any] = {
    "station_id": "ngari-2",
    "name_zh": "阿里",
    "name_en": "Ngari",
    "location": {"lat": 32.5, "lon": 80.1},
}


@pytest.mark.parametrize(
    ("path", "record"),
    [
        ("/v1/hospitals/gone", {**HOSPITAL, "hospital_id": "gone"}),
        ("/v1/stations/gone", {**NGARI, "station_id": "gone"}),
    ],
)
async def test_a_change_of_a_record_that_is_not_there_makes_none(
    world: RunningGateway, path: str, record: dict[str, Any]
) -> None:
    client = world.client("dispatcher")
    refused = await client.put(path, json=record, headers={"If-Match": '"3"'})
    assert (refused.status_code, refused.json()["code"]) == (409, "record_changed")
    assert (await client.get(path)).status_code == 404
    made = await client.put(path, json=record, headers={"If-Match": '"0"'})
    assert (made.status_code, made.json()["version"]) == (200, 1)
    again = await client.put(path, json=record, headers={"If-Match": '"0"'})
    assert (again.status_code, again.json()["code"]) == (409, "record_changed")


async def test_of_spellings_that_come_at_once_one_is_registered(engine: Engine) -> None:
    directory = engine.services.directory
    names = ("HQ1", "hq1", "Hq1")
    hospitals = [PEOPLES.but(hospital_id=name) for name in names]
    stations = [SHIGATSE.but(station_id=name) for name in names]
    ended = await asyncio.gather(
        *(directory.put_hospital(hospital, based_on=0) for hospital in hospitals),
        *(directory.put_station(station, based_on=0) for station in stations),
        return_exceptions=True,
    )
    for three in (ended[:3], ended[3:]):
        refused = [outcome for outcome in three if isinstance(outcome, DomainRefusal)]
        assert [refusal.code for refusal in refused] == ["facility_other_spelling"] * 2
        assert {refusal.params["known"] for refusal in refused} < set(names)
    rows = await engine.fetch("SELECT 1 FROM hospitals WHERE lower(hospital_id) = 'hq1'")
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"daily_demand": {"red_cells": -1}}, "daily_demand.red_cells", "最小 0"),
        ({"daily_demand": {"red_cells": 1e308}}, "daily_demand.red_cells", "最大 100000"),
        ({"policy": {"thresholds": {"red_below_d": 50}}}, "policy.thresholds", "红 ≤ 橙 ≤ 黄"),
        ({"policy": {"neighbours": ["ngari-2"]}}, "policy.neighbours", "自己的邻站"),
    ],
)
async def test_a_station_that_cannot_be_meant_is_refused(
    world: RunningGateway, changes: dict[str, Any], field: str, told: str
) -> None:
    refused = await world.client("dispatcher").put(
        "/v1/stations/ngari-2", json={**NGARI, **changes}
    )
    assert refused.status_code in {400, 422}
    (error,) = refused.json()["errors"]
    assert error["field"] == field
    assert told in error["rule"]


@pytest.mark.parametrize(
    ("routes", "told"),
    [
        ([("shigatse", "shigatse", 60)], "起点和终点都是 shigatse"),
        ([("shigatse", "lhasa", 60), ("shigatse", "lhasa", 90)], "写了两个时间"),
        ([("shigatse", "lhasa", 0)], "最小 1"),
    ],
)
async def test_journeys_that_cannot_be_are_refused(
    world: RunningGateway, routes: list[tuple[str, str, int]], told: str
) -> None:
    body = [
        {"from_id": from_id, "to_id": other, "eta_s": eta_s} for from_id, other, eta_s in routes
    ]
    refused = await world.client("dispatcher").put("/v1/routes", json={"routes": body})
    assert refused.status_code in {400, 422}
    assert told in refused.json()["errors"][0]["rule"]
