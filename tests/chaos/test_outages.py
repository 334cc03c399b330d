"""PostgreSQL away for 20 s, Kafka away for 20 s, under a steady stream of requests over HTTP.

Every request is sent until it is accepted, always with the same Idempotency-Key, as a hospital's
client would. In the end the independent checker must find each one exactly once.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from pydantic import PostgresDsn

from deploy.local.embedded_services import EmbeddedServices
from deploy.local.local_system import LocalSystem
from models.base import derive_id
from models.components import Component
from models.events.requests import RequestOpened
from streams.settings import Settings
from tests.support import chaos
from tests.support.services import build_services
from tests.support.world import PEOPLES

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

AWAY_S = 20.0
RATE_HZ = 10.0


@dataclass(kw_only=True)
class Stream:
    """A steady stream of requests, and every answer it got.

    Attributes:
        answers: (perf_counter second of the answer, HTTP status, problem code).
    """

    url: str
    key: str
    sent: chaos.SentLog
    answers: list[tuple[float, int, str]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    retry_after: set[str] = field(default_factory=set)
    slowest_s: float = 0.0
    confirmed: int = 0

    async def run(self, *, prefix: str, seconds: float) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        connector = aiohttp.TCPConnector(limit=1000, keepalive_timeout=2)
        async with (
            aiohttp.ClientSession(headers=headers, connector=connector) as client,
            asyncio.TaskGroup() as group,
        ):
            for number in range(round(seconds * RATE_HZ)):
                group.create_task(self._send(client, f"{prefix}-{number}"))
                await asyncio.sleep(1 / RATE_HZ)

    async def _send(self, client: aiohttp.ClientSession, key: str) -> None:
        body = {
            "hospital_id": PEOPLES.hospital_id,
            "patient": {"group": "A+"},
            "priority": "urgent",
            "needed_by": (datetime.now(UTC) + timedelta(hours=5)).isoformat(),
            "lines": [{"line_no": 1, "component": Component.RED_CELLS.value, "quantity": 1}],
        }
        while True:
            start = time.perf_counter()
            answer = await client.post(
                f"{self.url}/v1/requests", json=body, headers={"Idempotency-Key": key}
            )
            told = await answer.json(content_type=None)
            self.slowest_s = max(self.slowest_s, time.perf_counter() - start)
            code = "" if answer.status < 400 else str(told["code"])
            self.answers.append((time.perf_counter(), answer.status, code))
            if answer.status < 400:
                self.confirmed += 1
                self._note(key, body)
                return
            self.problems.append(told)
            self.retry_after.add(answer.headers.get("Retry-After", ""))
            await asyncio.sleep(float(answer.headers["Retry-After"]))

    def _note(self, key: str, body: dict[str, Any]) -> None:
        request_id = derive_id("request", PEOPLES.hospital_id, key)
        row = {
            "event_id": f"http-{key}",
            "source": f"hospital/{PEOPLES.hospital_id}",
            "type": RequestOpened.TYPE,
            "key": PEOPLES.station_id,
            "subject": request_id,
            "sent_at": datetime.now(UTC).isoformat(),
            "accepted": True,
            "body": {"request": {**body, "request_id": request_id}},
        }
        with self.sent.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def statuses_between(self, start: float, end: float) -> Counter[int]:
        return Counter(status for at, status, _ in self.answers if start <= at <= end)


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[tuple[EmbeddedServices, LocalSystem, Stream]]:
    services = build_services()
    system: LocalSystem | None = None
    try:
        endpoints = await asyncio.to_thread(services.up)
        settings = Settings(
            state_dir=tmp_path / "state",
            gateway_port=0,
            kafka_bootstrap=endpoints.kafka_bootstrap,
            postgres_dsn=PostgresDsn(endpoints.postgres_dsn),
        )
        system = LocalSystem(settings)
        await asyncio.to_thread(system.start)
        await chaos.lay_out(endpoints.postgres_dsn, units=2000)
        key = await asyncio.to_thread(system.create_key, "dispatcher")
        stream = Stream(
            url=system.endpoints.gateway_url, key=key, sent=chaos.SentLog(tmp_path / "sent.jsonl")
        )
        yield services, system, stream
    finally:
        if system is not None:
            await asyncio.to_thread(system.stop)
        await asyncio.to_thread(services.destroy)


async def take_away(stop: Callable[[], None], start: Callable[[], None]) -> tuple[float, float]:
    """Take a server away for a while; return between which instants it was surely gone."""
    await asyncio.to_thread(stop)
    gone_at = time.perf_counter()
    await asyncio.sleep(AWAY_S)
    back_from = time.perf_counter()
    await asyncio.to_thread(start)
    return gone_at, back_from


async def ready_reasons(url: str) -> tuple[int, str]:
    async with httpx.AsyncClient(timeout=10) as client:
        answer = await client.get(f"{url}/readyz")
        return answer.status_code, answer.text


async def wait_ready(system: LocalSystem) -> None:
    await asyncio.to_thread(system.wait_ready)


async def test_postgres_away_keeps_answering_and_loses_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as (services, system, stream):
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(stream.run(prefix="pg", seconds=AWAY_S + 12))
            await asyncio.sleep(4)
            asking = group.create_task(_ask_later(system.endpoints.gateway_url))
            urgent = system.endpoints.probes["urgent"]
            working = group.create_task(_ask_later(urgent))
            gone_at, back_from = await take_away(
                lambda: services.stop_postgres(hard=True), services.start_postgres
            )
        assert sending.done()
        assert set(stream.statuses_between(gone_at, back_from)) == {202}
        for status, reasons in (asking.result(), working.result()):
            assert status == 503
            assert "postgres" in reasons
        dsn, bootstrap = system.endpoints.postgres_dsn, system.endpoints.kafka_bootstrap
        await chaos.wait_until_taken(dsn, stream.confirmed, limit_s=60)
        await wait_ready(system)
        report = await chaos.judge(bootstrap, dsn, stream.sent)
        assert not chaos.failures(report)
        assert report.read["requests"] == stream.confirmed


async def _ask_later(url: str) -> tuple[int, str]:
    await asyncio.sleep(AWAY_S * 0.6)
    return await ready_reasons(url)


async def test_kafka_away_is_said_clearly_and_nothing_is_half_done(tmp_path: Path) -> None:
    async with running(tmp_path) as (services, system, stream):
        async with asyncio.TaskGroup() as group:
            group.create_task(stream.run(prefix="kafka", seconds=AWAY_S + 12))
            await asyncio.sleep(4)
            asking = group.create_task(_ask_later(system.endpoints.gateway_url))
            gone_at, back_from = await take_away(
                lambda: services.stop_broker(hard=True), services.start_broker
            )
        # The first answers in the outage may be to requests that Kafka kept just before.
        assert set(stream.statuses_between(gone_at + 1, back_from)) == {503}
        assert all(stream.retry_after), "a 503 without Retry-After"
        assert stream.slowest_s < 6, stream.slowest_s
        told = stream.problems[0]
        assert "Idempotency-Key" in json.dumps(told, ensure_ascii=False)
        status, reasons = asking.result()
        assert status == 503
        assert "kafka" in reasons
        dsn, bootstrap = system.endpoints.postgres_dsn, system.endpoints.kafka_bootstrap
        await chaos.wait_until_taken(dsn, stream.confirmed, limit_s=60)
        await wait_ready(system)
        report = await chaos.judge(bootstrap, dsn, stream.sent)
        assert not chaos.failures(report)
        assert report.read["requests"] == stream.confirmed
