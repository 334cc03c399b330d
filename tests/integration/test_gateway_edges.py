"""The gateway without an engine: keys, faults, headers, sizes, health."""

from __future__ import annotations

import asyncio
import importlib
import json
import pkgutil
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi.routing import APIRoute

import gateway.http.routes
from deploy.local.embedded_services import Endpoints
from gateway.http.routes import (
    alerts,
    donors,
    events,
    facilities,
    health,
    requests,
    shortages,
    status,
    stock,
)
from models.access import KeyScope
from tests.support.gateway import ROLES, RunningGateway, request_body, running_gateway
from tests.support.kafka import unique
from tests.support.routes import list_scopes

pytestmark = pytest.mark.integration

PARTS = (requests, status, stock, donors, alerts, shortages, facilities, events, health)
ROUTES = [
    (method, route.path)
    for part in PARTS
    for route in part.router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]


EVERY_ROUTE = [
    route
    for found in pkgutil.iter_modules(gateway.http.routes.__path__)
    for route in importlib.import_module(f"gateway.http.routes.{found.name}").router.routes
    if isinstance(route, APIRoute)
]


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway:
        yield gateway


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["code"] == code
    assert told["status"] == status
    assert told["type"] == f"urn:xuelian:problem:{code}"
    assert " · " in told["title"]
    assert " · " in told["detail"]


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if "/v1/" in route[1]])
async def test_every_route_needs_a_key(world: RunningGateway, method: str, path: str) -> None:
    answer = await world.client().request(method, path)
    assert_problem(answer, 401, "api_key_missing")
    assert answer.headers["www-authenticate"].startswith("Bearer")


OWN = {"station": "shigatse", "neighbour": "lhasa", "hospital": "shigatse-people"}
OTHERS = {"station_id": "lhasa", "hospital_id": "dingri-county"}
READ_BY_ALL = {
    "/v1/stations/{station_id}": {"station", "neighbour", "hospital"},
    "/v1/hospitals/{hospital_id}": {"station", "neighbour", "hospital"},
}
"""What another's key may read of a facility: its name and place."""

FACILITY_ROUTES = [
    (method, route)
    for route in EVERY_ROUTE
    if set(re.findall(r"{(\w+)}", route.path)) & OTHERS.keys()
    for method in sorted(route.methods or ())
]


async def find_example(world: RunningGateway, method: str, path: str) -> dict[str, Any]:
    """The first example of a call's body in the OpenAPI document, as httpx takes it."""
    document = (await world.client().get("/openapi.json")).json()
    content = document["paths"][path][method.lower()].get("requestBody", {}).get("content", {})
    found = content.get("application/json", {})
    examples = [example["value"] for example in found.get("examples", {}).values()]
    examples += [found["example"]] if "example" in found else []
    return {"json": examples[0]} if examples else {}


@pytest.mark.parametrize(
    ("method", "route"), FACILITY_ROUTES, ids=lambda one: getattr(one, "path", one)
)
async def test_f34_no_key_speaks_for_another_facility(
    world: RunningGateway, method: str, route: APIRoute
) -> None:
    """Every route that names a facility, with every key that may use it: its own, and another's.

    The body is the example of the documentation, so that nothing but the authority can be wrong.
    """
    path = re.sub(r"{(?!station_id|hospital_id)\w+}", "x", route.path)
    body = await find_example(world, method, route.path)
    for role, own in OWN.items():
        if KeyScope(role) not in list_scopes(route):
            continue
        named = {"station_id": own, "hospital_id": own}
        client = world.client(role)
        answer = await client.request(method, path.format(**named), **body)
        assert "facility_not_yours" not in answer.text, (role, answer.text)
        for other in ("lhasa", "shigatse", "dingri-county"):
            if other == own:
                continue
            answer = await client.request(
                method, path.format(station_id=other, hospital_id=other), **body
            )
            if method == "GET" and role in READ_BY_ALL.get(route.path, ()):
                assert answer.status_code in {200, 404}
            else:
                assert_problem(answer, 403, "facility_not_yours")


KEYED = [
    (method, route)
    for route in EVERY_ROUTE
    if "/v1/" in route.path and route.path != "/v1/events"
    for method in sorted(route.methods or ())
]
"""Every call that needs a key, but for the stream, which does not end."""


@pytest.mark.parametrize(("method", "route"), KEYED, ids=lambda one: getattr(one, "path", one))
async def test_scopes(world: RunningGateway, method: str, route: APIRoute) -> None:
    """Who may not is told so before anything else is looked at; who may gets past that.

    Which scopes those are, `docs/api.md` says; a test holds it against the routes.
    """
    path = re.sub(r"{\w+}", "x", route.path)
    body = await find_example(world, method, route.path)
    for role in world.keys:
        answer = await world.client(role).request(method, path, **body)
        may = ROLES[role][0] in list_scopes(route)
        assert ("scope_not_allowed" not in answer.text) is may, (role, answer.text)
        if not may:
            assert_problem(answer, 403, "scope_not_allowed")


async def test_wrong_and_revoked_keys(world: RunningGateway) -> None:
    key = world.keys["hospital"]
    for wrong in (key + "x", "xl_nobody_secret", "Basic", key.replace("xl_", "xx_")):
        assert_problem(await world.client(key=wrong).get("/v1/me"), 401, "api_key_invalid")
    issued = await world.key_store.create(
        scope=KeyScope.HOSPITAL, facility_id="dingri-county", label="gone"
    )
    client = world.client(key=issued.text)
    assert (await client.get("/v1/me")).json()["facility_id"] == "dingri-county"
    await world.key_store.revoke(issued.key_id)
    for known in world.gateway.authenticator._known.values():
        known.look_again_at = 0  # as after a minute
    assert_problem(await client.get("/v1/me"), 401, "api_key_invalid")
    assert (await world.client("hospital").get("/v1/me")).status_code == 200


async def test_the_secret_is_kept_nowhere(world: RunningGateway) -> None:
    secrets = {text.split("_", 2)[2] for text in world.keys.values()}
    rows = await world.database.fetch("SELECT * FROM api_keys")
    assert len(rows) >= len(secrets)
    assert not any(secret in str(dict(row)) for row in rows for secret in secrets)


async def test_many_first_calls_verify_once(world: RunningGateway) -> None:
    issued = await world.key_store.create(
        scope=KeyScope.DISPATCHER, facility_id=None, label="burst"
    )
    client = world.client(key=issued.text)
    answers = await asyncio.gather(*[client.get("/v1/me") for _ in range(30)])
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("route", EVERY_ROUTE, ids=lambda route: f"{route.methods} {route.path}")
async def test_a_parameter_that_stands_twice_is_refused(
    world: RunningGateway, route: APIRoute
) -> None:
    """On every route: also one that takes no such parameter, or has it written in two ways."""
    role = next(role for role in world.keys if ROLES[role][0] in list_scopes(route))
    path = re.sub(r"{\w+}", "x", route.path)
    (method,) = sorted(route.methods or [])
    answer = await world.client(role).request(
        method, f"{path}?limit=5&station_id=shigatse&station%5Fid=lhasa"
    )
    assert_problem(answer, 400, "parameter_twice")
    assert "station_id" in answer.json()["detail"]
    assert [error["field"] for error in answer.json()["errors"]] == ["station_id"]
    same = await world.client(role).request(method, f"{path}?limit=5&limit=5")
    assert_problem(same, 400, "parameter_twice")


@pytest.mark.parametrize(
    "call",
    [
        "GET /v1/requests?status=open&status=reserved",
        "GET /v1/stations/shigatse/call-outs?status=called&status=accepted",
        "GET /v1/alerts?outcome=held&outcome=answered",
        "POST /v1/stations/shigatse/stock/preview?map=x%3Dunit_id&map=y%3Dgroup&ignore=a&ignore=b",
    ],
)
async def test_a_parameter_that_takes_several_values_stands_as_often(
    world: RunningGateway, call: str
) -> None:
    method, path = call.split()
    client = world.client("disaster" if "alerts" in path else "station")
    body: dict[str, Any] = {"units": []}
    answer = await client.request(method, path, json=body)
    assert "parameter_twice" not in answer.text
    assert answer.status_code == 200 or method == "POST", answer.text
    twice = await client.request(method, f"{path}&limit=1&limit=2", json=body)
    assert_problem(twice, 400, "parameter_twice")


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ([("Idempotency-Key", "a"), ("Idempotency-Key", "b")], "Idempotency-Key"),
        ([("If-Match", "1"), ("if-match", "2")], "If-Match"),
        ([("Last-Event-ID", "1-1"), ("Last-Event-ID", "2-2")], "Last-Event-ID"),
        ([("Authorization", "Bearer xl_other_one")], "Authorization"),
        ([("Content-Type", "text/csv"), ("Content-Type", "application/json")], "Content-Type"),
        ([("Prefer", "wait=1"), ("Prefer", "wait=20")], "Prefer"),
        ([("Prefer", "wait=1, wait=20")], "Prefer"),
    ],
)
async def test_a_header_that_stands_twice_is_refused(
    world: RunningGateway, headers: list[tuple[str, str]], named: str
) -> None:
    own = [("Authorization", f"Bearer {world.keys['hospital']}")]
    if named != "Idempotency-Key":
        own.append(("Idempotency-Key", unique("k")))
    answer = await world.client().post(
        "/v1/requests", content=json.dumps(request_body()), headers=[*own, *headers]
    )
    assert_problem(answer, 400, "header_twice")
    assert [error["field"] for error in answer.json()["errors"]] == [named]
    assert named in answer.json()["detail"]


async def test_several_preferences_may_stand(world: RunningGateway) -> None:
    own = [("Idempotency-Key", unique("k")), ("Prefer", "respond-async"), ("Prefer", "wait=0")]
    answer = await world.client("hospital").post("/v1/requests", json=request_body(), headers=own)
    assert answer.status_code == 202, answer.text


async def test_idempotency_key_is_needed_and_of_its_form(world: RunningGateway) -> None:
    client = world.client("hospital")
    missing = await client.post("/v1/requests", json=request_body())
    assert_problem(missing, 400, "idempotency_key_missing")
    assert missing.json()["errors"][0]["field"] == "Idempotency-Key"
    for bad in ("has space", "-x", "x" * 65, ""):
        answer = await client.post(
            "/v1/requests", json=request_body(), headers={"Idempotency-Key": bad}
        )
        assert_problem(answer, 400, "idempotency_key_invalid")


@pytest.mark.parametrize("prefer", ["wait=31", "wait=-1", "wait=x", "wait"])
async def test_prefer_is_of_its_form(world: RunningGateway, prefer: str) -> None:
    answer = await world.client("hospital").post(
        "/v1/requests",
        json=request_body(),
        headers={"Idempotency-Key": unique("k"), "Prefer": prefer},
    )
    assert_problem(answer, 400, "prefer_invalid")


async def test_everything_wrong_is_told_at_once(world: RunningGateway) -> None:
    body = request_body(
        priority="now",
        needed_by="2025-01-07T06:00:00",
        lines=[{"line_no": 1, "component": "red_cells", "quantity": 0, "colour": "red"}],
        station_id="lhasa",
    )
    client = world.client("hospital")
    headers = {"Idempotency-Key": unique("k")}
    chosen = await client.post("/v1/requests", json=body, headers=headers)
    assert_problem(chosen, 400, "fields_invalid")
    assert [error["field"] for error in chosen.json()["errors"]] == ["station_id"]
    del body["station_id"]
    answer = await client.post("/v1/requests", json=body, headers=headers)
    assert_problem(answer, 400, "fields_invalid")
    fields = {error["field"]: error for error in answer.json()["errors"]}
    assert set(fields) == {"priority", "needed_by", "lines.0.quantity", "lines.0.colour"}
    assert "时区" in fields["needed_by"]["what_to_do"]
    assert fields["lines.0.colour"]["what_to_do"].endswith("check its spelling")


@pytest.mark.parametrize(("content", "code"), [(b"{", "body_not_json"), (b"[]", "fields_invalid")])
async def test_what_is_no_object(world: RunningGateway, content: bytes, code: str) -> None:
    headers = {"Idempotency-Key": unique("k"), "Content-Type": "application/json"}
    answer = await world.client("hospital").post("/v1/requests", content=content, headers=headers)
    assert_problem(answer, 400, code)
    framework = await world.client("disaster").post(
        "/v1/alerts", content=b"{", headers={"Content-Type": "application/json"}
    )
    assert_problem(framework, 400, "body_not_json")


async def test_the_frameworks_own_faults_are_problems_too(world: RunningGateway) -> None:
    client = world.client("hospital")
    assert_problem(await client.get("/v1/nothing"), 404, "path_unknown")
    assert_problem(await client.delete("/v1/requests"), 405, "method_not_allowed")
    assert_problem(await world.client().get("/nothing"), 404, "path_unknown")
    answer = await client.get("/v1/requests", params={"limit": "many"})
    assert_problem(answer, 400, "fields_invalid")
    assert answer.json()["errors"][0]["field"] == "query.limit"


async def test_a_body_over_the_limit(world: RunningGateway) -> None:
    client = world.client("hospital")
    headers = {"Idempotency-Key": unique("k"), "Content-Type": "application/json"}
    declared = await client.post("/v1/requests", content=b" " * 1_000_001, headers=headers)
    assert_problem(declared, 413, "record_too_large")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 50_000

    counted = await client.post("/v1/requests", content=chunks(), headers=headers)
    assert_problem(counted, 413, "record_too_large")
    framework = await world.client("dispatcher").put(
        "/v1/routes", content=chunks(), headers={"Content-Type": "application/json"}
    )
    assert_problem(framework, 413, "record_too_large")


async def test_health_and_metrics(world: RunningGateway) -> None:
    client = world.client()
    assert (await client.get("/healthz")).json() == {"status": "alive"}
    ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert [check["name"] for check in ready.json()["checks"]] == ["kafka", "postgres", "gateway"]
    page = (await client.get("/metrics")).text
    assert 'xuelian_http_answers_total{method="GET",route="/readyz",status="200"}' in page


async def test_an_unforeseen_fault_tells_nothing(
    world: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(world.gateway.pages, "list_shortages", broken)
    answer = await world.client("station").get("/v1/shortages")
    assert_problem(answer, 500, "internal_error")
    assert "secret" not in answer.text


async def test_a_request_is_found_before_the_engine_has_it(world: RunningGateway) -> None:
    client = world.client("hospital")
    answer = await client.post(
        "/v1/requests", json=request_body(), headers={"Idempotency-Key": unique("k")}
    )
    path = answer.headers["location"]
    status = await client.get(path)
    assert status.status_code == 200
    assert status.json()["status"] == "accepted"
    assert status.json()["waiting_for"]["code"] == "being_taken_in"
    assert (await world.client("other_hospital").get(path)).status_code == 404
    cancel = await client.post(
        f"{path}/cancel", json={"reason": "x"}, headers={"Idempotency-Key": unique("c")}
    )
    assert cancel.status_code == 202
    began = asyncio.get_running_loop().time()
    waited = await client.post(
        "/v1/requests",
        json=request_body(),
        headers={"Idempotency-Key": unique("k"), "Prefer": "wait=1"},
    )
    assert waited.status_code == 202
    assert "preference-applied" not in waited.headers
    assert 0.9 < asyncio.get_running_loop().time() - began < 2
