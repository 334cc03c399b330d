"""Worker `kill -9` twelve times during 2,400 requests with 10 % duplicates, and rebalances.

Each kill comes as soon as the worker decides the first of two hundred requests that are on their
way. Every third also brings a second worker up or takes it away, so partitions move while records
are in flight. The independent checker tells whether anything was lost or done twice.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from deploy.local.local_system import LocalSystem
from models.envelope import Envelope
from streams.settings import Settings
from tests.support import chaos
from tests.support.services import new_state_folder

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(420)]

REQUESTS = 2400
KILLS = 12
RATE_HZ = 600


async def test_nothing_is_lost_or_done_twice(tmp_path: Path) -> None:
    settings = Settings(state_dir=new_state_folder(), gateway_port=0)
    system = LocalSystem(settings, processes=("urgent", "supply"))
    await asyncio.to_thread(system.start)
    try:
        at = system.endpoints
        await chaos.lay_out(at.postgres_dsn, units=400)
        sent = chaos.SentLog(tmp_path / "sent.jsonl")
        envelopes = chaos.build_envelopes(REQUESTS, prefix="kill")
        for number, some in enumerate(_part(envelopes)):
            async with asyncio.TaskGroup() as group:
                group.create_task(chaos.send_all(at.kafka_bootstrap, some, sent, rate_hz=RATE_HZ))
                await _kill_in_the_middle(system, number, last=some[-1].subject)
        await chaos.wait_until_taken(at.postgres_dsn, REQUESTS, limit_s=180)
        report = await chaos.judge(at.kafka_bootstrap, at.postgres_dsn, sent)
        assert not chaos.failures(report)
        assert report.read["requests"] == REQUESTS
    finally:
        await asyncio.to_thread(system.stop)
        await asyncio.to_thread(_remove, settings.state_dir)


def _part(envelopes: list[Envelope]) -> list[list[Envelope]]:
    """Part the requests into as many shares as there are kills."""
    size = -(-len(envelopes) // KILLS)
    return [envelopes[start : start + size] for start in range(0, len(envelopes), size)]


async def _kill_in_the_middle(system: LocalSystem, number: int, *, last: str) -> None:
    """Kill the worker once it decides some of a share, and start it again."""
    connection = await asyncpg.connect(system.endpoints.postgres_dsn)
    try:
        before = await _count(connection)
        async with asyncio.timeout(60):
            while await _count(connection) <= before:
                await asyncio.sleep(0.01)
        await asyncio.to_thread(system.kill, "urgent")
        found = await connection.fetchval("SELECT 1 FROM requests WHERE request_id = $1", last)
        assert found is None, "killed too late to prove anything"
    finally:
        await connection.close()
    if number % 6 == 2:
        await asyncio.to_thread(system.add, "urgent-2")
    if number % 6 == 5:
        await asyncio.to_thread(system.kill, "urgent-2")
    await asyncio.to_thread(system.restart, "urgent")


async def _count(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM requests"))


def _remove(folder: Path) -> None:
    from deploy.local.embedded_services import EmbeddedServices  # noqa: PLC0415

    EmbeddedServices(folder).destroy()
