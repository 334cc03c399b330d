"""A count goes on after its gateway and its worker were killed in the middle of it."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.imports import HEAD, build_rows
from deploy.local.local_system import LocalSystem
from models.topics import PARTITIONS, TopicName
from streams.settings import Settings
from tests.support.commands import xuelian
from tests.support.kafka import read_all
from tests.support.services import new_state_folder
from tests.support.world import SHIGATSE

pytestmark = pytest.mark.chaos

UNITS = 60_000
PARTS = 120


async def _count(dsn: str, query: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


async def _wait_for_records(bootstrap: str) -> None:
    """Wait until the first parts are in the log: the gateway is in the middle of its file."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        places = [TopicPartition(TopicName.STOCK, number) for number in range(PARTITIONS)]
        async with asyncio.timeout(60):
            while not sum((await consumer.end_offsets(places)).values()):
                await asyncio.sleep(0.005)
    finally:
        await consumer.stop()


async def _wait_for_parts(dsn: str, wanted: int) -> None:
    async with asyncio.timeout(60):
        while await _count(dsn, "SELECT count(*) FROM reconciliation_parts") < wanted:
            await asyncio.sleep(0.01)


async def test_a_count_that_was_cut_off_by_a_kill_is_resumed(tmp_path: Path) -> None:
    settings = Settings(state_dir=new_state_folder(), gateway_port=0, log_level="warning")
    now = datetime.now(UTC)
    file = tmp_path / "stock.csv"
    file.write_text("\n".join([HEAD, *build_rows(UNITS, now=now)]), encoding="utf-8")
    earlier = (now - timedelta(minutes=5)).timestamp()
    os.utime(file, (earlier, earlier))
    local = await asyncio.to_thread(LocalSystem(settings).start)
    try:
        key = await asyncio.to_thread(local.create_key, "dispatcher")
        env = {**local.env, "XUELIAN_API_KEY": key}
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"{local.endpoints.gateway_url}/v1/stations/{SHIGATSE.station_id}"
            body = SHIGATSE.model_dump(mode="json")
            (await client.put(url, json=body, headers=headers)).raise_for_status()
        await asyncio.sleep(1.1)  # a worker looks for unknown names at most once a second
        dsn = local.endpoints.postgres_dsn
        word = ("--released-by", "质管科", "--released-at", (now - timedelta(days=1)).isoformat())
        words = ("stock", "import", "shigatse", file, "--full", "--yes", "--json", *word)
        cut_off = asyncio.create_task(xuelian(*words, env=env))
        await _wait_for_records(local.endpoints.kafka_bootstrap)
        await asyncio.to_thread(local.kill, "gateway")
        await _wait_for_parts(dsn, 1)
        await asyncio.to_thread(local.kill, "supply")
        assert (await cut_off).exit_code == 3
        taken = await _count(dsn, "SELECT count(*) FROM units")
        assert 0 < taken < UNITS
        assert len(await read_all(local.endpoints.kafka_bootstrap, "blood.stock.v1")) < PARTS
        assert not await _count(dsn, "SELECT count(*) FROM reconciliation_differences")
        await asyncio.to_thread(local.restart, "gateway")
        await asyncio.to_thread(local.restart, "supply")

        resumed = await xuelian(*words, env=env)

        assert resumed.exit_code == 0, resumed.stderr
        assert resumed.document["status"] == "imported"
        assert resumed.document["count"]["outcomes"] == {"new": UNITS}
        assert resumed.document["count"]["open_differences"] == {}
        assert await _count(dsn, "SELECT count(*) FROM units WHERE status = 'available'") == UNITS
        assert await _count(dsn, "SELECT count(*) FROM audit WHERE why LIKE 'counted: %'") == UNITS
        assert await _count(dsn, "SELECT count(*) FROM reconciliations") == 1
        assert not await _count(dsn, "SELECT count(*) FROM dead_letters")
    finally:
        await asyncio.to_thread(local.stop)
