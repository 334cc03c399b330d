"""Worker `kill -9` twenty times during 5,000 requests with 10 % duplicates, and rebalances.

Every fourth kill also brings a second worker up or takes it away, so partitions move while
records are in flight. The independent checker tells whether anything was lost or done twice.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from deploy.local.local_system import LocalSystem
from streams.settings import Settings
from tests.support import chaos
from tests.support.services import new_state_folder

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(420)]

REQUESTS = 5000
KILLS = 20


async def test_nothing_is_lost_or_done_twice(tmp_path: Path) -> None:
    settings = Settings(state_dir=new_state_folder(), gateway_port=0)
    system = LocalSystem(settings, processes=("urgent", "supply"))
    await asyncio.to_thread(system.start)
    try:
        at = system.endpoints
        await chaos.lay_out(at.postgres_dsn, units=400)
        sent = chaos.SentLog(tmp_path / "sent.jsonl")
        envelopes = chaos.build_envelopes(REQUESTS, prefix="kill")
        async with asyncio.TaskGroup() as group:
            group.create_task(chaos.send_all(at.kafka_bootstrap, envelopes, sent, rate_hz=150))
            await asyncio.to_thread(_kill_again_and_again, system)
        await chaos.wait_until_taken(at.postgres_dsn, REQUESTS, limit_s=90)
        report = await chaos.judge(at.kafka_bootstrap, at.postgres_dsn, sent)
        assert not chaos.failures(report)
        assert report.read["requests"] == REQUESTS
    finally:
        await asyncio.to_thread(system.stop)
        await asyncio.to_thread(_remove, settings.state_dir)


def _kill_again_and_again(system: LocalSystem) -> None:
    for number in range(KILLS):
        time.sleep(0.4)
        system.kill("urgent")
        if number % 8 == 3:
            system.add("urgent-2")
        if number % 8 == 7:
            system.kill("urgent-2")
        system.restart("urgent")


def _remove(folder: Path) -> None:
    from deploy.local.embedded_services import EmbeddedServices  # noqa: PLC0415

    EmbeddedServices(folder).destroy()
