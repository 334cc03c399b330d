"""Kafka or PostgreSQL away: what the gateway answers, and that it recovers by itself.

On services of their own, because they take them away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import orjson
import pytest
import pytest_asyncio
from httpx_sse import aconnect_sse

from deploy.local.embedded_services import EmbeddedServices
from models.rules.rulebook import PACKAGED
from streams.store.migrate import migrate
from tests.integration.test_gateway_events import commit, decided
from tests.support.gateway import RunningGateway, request_body, running_gateway_on
from tests.support.kafka import read_all, unique
from tests.support.services import build_services

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def own_services() -> Iterator[EmbeddedServices]:
    running = build_services()
    try:
        running.up()
        yield running
    finally:
        running.destroy()


@pytest_asyncio.fixture(scope="module")
async def world(own_services: EmbeddedServices) -> AsyncIterator[RunningGateway]:
    endpoints = own_services.get_endpoints()
    await asyncio.to_thread(migrate, endpoints.postgres_dsn, PACKAGED)
    async with running_gateway_on(endpoints, dsn=endpoints.postgres_dsn) as gateway:
        for role in gateway.keys:
            assert (await gateway.client(role).get("/v1/me")).status_code == 200
        yield gateway


async def _wait_ready(world: RunningGateway) -> None:
    async with asyncio.timeout(20):
        while (await world.client().get("/readyz")).status_code != 200:
            await asyncio.sleep(0.1)


async def test_postgres_away(own_services: EmbeddedServices, world: RunningGateway) -> None:
    hospital = world.client("hospital")
    known = await hospital.post(
        "/v1/requests", json=request_body(), headers={"Idempotency-Key": unique("k")}
    )
    assert known.status_code == 202
    async with aconnect_sse(hospital, "GET", "/v1/events") as source:
        lines = source.response.aiter_lines()
        await anext(lines)
        await asyncio.sleep(0.2)  # it has found where the feed ends
        await asyncio.to_thread(own_services.stop_postgres)
        try:
            await _check_without_postgres(world)
        finally:
            await asyncio.to_thread(own_services.start_postgres)
        await _wait_ready(world)
        await commit(world, decided("after-the-outage"))
        async with asyncio.timeout(10):
            async for line in lines:
                if line.startswith("data:"):
                    break
        assert orjson.loads(line[5:])["subject"] == "after-the-outage"


async def _check_without_postgres(world: RunningGateway) -> None:
    hospital = world.client("hospital")
    # A minute later every key is due for a look that cannot be had.
    for known in world.gateway.authenticator._known.values():
        known.look_again_at = 0
    ids = []
    for _ in range(20):
        began = time.perf_counter()
        answer = await hospital.post(
            "/v1/requests", json=request_body(), headers={"Idempotency-Key": unique("k")}
        )
        assert answer.status_code == 202, answer.text
        assert time.perf_counter() - began < 1.5
        ids.append(answer.json()["event_id"])
    waited = await hospital.post(
        "/v1/requests",
        json=request_body(),
        headers={"Idempotency-Key": unique("k"), "Prefer": "wait=1"},
    )
    assert waited.status_code == 202
    cancel = await hospital.post(
        f"/v1/requests/{waited.json()['request_id']}/cancel",
        json={"reason": "x"},
        headers={"Idempotency-Key": unique("c")},
    )
    assert cancel.status_code == 202
    records = await read_all(world.bootstrap, "blood.requests.v1")
    assert set(ids) <= {dict(record.headers)["ce_id"].decode() for record in records}
    ready = await world.client().get("/readyz")
    assert ready.status_code == 503
    checks = {check["name"]: check for check in ready.json()["checks"]}
    assert checks["kafka"]["ok"]
    assert checks["postgres"]["reason"]["en"] == "PostgreSQL does not answer"
    listed = await hospital.get("/v1/requests")
    assert (listed.status_code, listed.json()["code"]) == (503, "postgres_away")
    assert int(listed.headers["retry-after"]) > 0
    assert "127.0.0.1" not in listed.text
    stranger = await world.client(key="xl_never_seen").get("/v1/me")
    assert stranger.status_code == 503
    assert (await world.client().get("/healthz")).status_code == 200


async def test_kafka_away(own_services: EmbeddedServices, world: RunningGateway) -> None:
    hospital = world.client("hospital")
    key = unique("k")
    await asyncio.to_thread(own_services.stop_broker)
    try:
        for wait in ({}, {"Prefer": "wait=5"}):
            began = time.perf_counter()
            answer = await hospital.post(
                "/v1/requests", json=request_body(), headers={"Idempotency-Key": key, **wait}
            )
            assert time.perf_counter() - began < 4
            assert (answer.status_code, answer.json()["code"]) == (503, "kafka_away")
            assert int(answer.headers["retry-after"]) > 0
            assert "send again with the same Idempotency-Key" in answer.json()["detail"]
        status = await hospital.get("/v1/requests")
        assert status.status_code == 200
        ready = await world.client().get("/readyz")
        assert ready.status_code == 503
        assert not ready.json()["checks"][0]["ok"]
    finally:
        await asyncio.to_thread(own_services.start_broker)
    await _wait_ready(world)
    again = await hospital.post(
        "/v1/requests", json=request_body(), headers={"Idempotency-Key": key}
    )
    assert again.status_code == 202
    assert not world.gateway.wakes._waiters
