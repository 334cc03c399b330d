"""Real workers in processes of their own: killed, stopped, broken; on a real broker."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.embedded_services import EmbeddedServices, Endpoints
from models.topics import PARTITIONS, TopicName
from streams.kafka.topic_admin import apply_topics
from tests.support.kafka import (
    make_envelope,
    plain_producer,
    read_committed,
    read_end,
    send_all,
    unique,
    wait_until,
)

pytestmark = pytest.mark.integration

TOPIC = TopicName.ANSWERS.value
ROOT = Path(__file__).parents[2]


@dataclass
class Group:
    """One consumer group and the journal that its workers share."""

    bootstrap: str
    name: str
    folder: Path

    @property
    def journal_path(self) -> Path:
        return self.folder / "journal"

    def journal(self) -> list[tuple[int, int, str]]:
        if not self.journal_path.exists():
            return []
        lines = self.journal_path.read_text().splitlines()
        fields = (line.split(" ", 2) for line in lines if line.count(" ") == 2)
        return [(int(partition), int(offset), event_id) for partition, offset, event_id in fields]

    def handled(self) -> set[str]:
        return {event_id for _, _, event_id in self.journal()}

    @asynccontextmanager
    async def worker(
        self, *, delay_s: float = 0.0, break_on: str = "-"
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A worker that has its partitions; killed at the end if it still runs."""
        with (self.folder / "stderr").open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.support.worker_process", self.bootstrap, self.name),
                *(str(self.journal_path), str(self.folder), str(delay_s), break_on),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
            )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                while (line := await process.stdout.readline()) != b"ready\n":
                    assert line, (self.folder / "stderr").read_text()[-3000:]
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def assert_nothing_unhandled_is_committed(self) -> None:
        committed = await read_committed(self.bootstrap, self.name, TOPIC)
        done = {(partition, offset) for partition, offset, _ in self.journal()}
        for partition, offset in committed.items():
            missing = [at for at in range(offset) if (partition, at) not in done]
            assert not missing, f"partition {partition} committed {offset} past {missing}"


@pytest.fixture
async def group(endpoints: Endpoints, tmp_path: Path) -> Group:
    await apply_topics(endpoints.kafka_bootstrap, 1)
    return Group(bootstrap=endpoints.kafka_bootstrap, name=unique("workers"), folder=tmp_path)


async def send(group: Group, prefix: str, count: int) -> set[str]:
    events = [
        make_envelope(n, event_id=f"{prefix}-{n}", key=f"station-{n % 24}") for n in range(count)
    ]
    async with plain_producer(group.bootstrap) as producer:
        await send_all(producer, TOPIC, events, partition=None)
    return {event.id for event in events}


async def test_a_worker_killed_in_the_middle_loses_nothing(group: Group) -> None:
    async with group.worker(delay_s=0.02) as first, group.worker(delay_s=0.02) as second:
        sent = await send(group, group.name, 1000)
        await wait_until(lambda: len(sent & group.handled()) > 200, what="a fifth handled")
        first.send_signal(signal.SIGKILL)
        await first.wait()
        assert not sent <= group.handled(), "killed too late to prove anything"
        await group.assert_nothing_unhandled_is_committed()
        await wait_until(lambda: sent <= group.handled(), within_s=40, what="all handled")
        await group.assert_nothing_unhandled_is_committed()
        ends = {n: await read_end(group.bootstrap, TOPIC, partition=n) for n in range(PARTITIONS)}
        expected = {n: end for n, end in ends.items() if end}
        # What the first handled but never committed comes to the second once more.
        async with asyncio.timeout(30):
            while await read_committed(group.bootstrap, group.name, TOPIC) != expected:
                await asyncio.sleep(0.2)
        second.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(second.wait(), 15) == 0
    assert await read_committed(group.bootstrap, group.name, TOPIC) == expected
    await group.assert_nothing_unhandled_is_committed()


async def test_rebalances_in_the_middle_lose_nothing(group: Group) -> None:
    async with group.worker(delay_s=0.02) as first:
        sent = await send(group, group.name, 600)
        await wait_until(lambda: len(sent & group.handled()) > 50, what="some handled")
        async with group.worker(delay_s=0.02) as second:
            await wait_until(lambda: len(sent & group.handled()) > 250, what="more handled")
            second.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(second.wait(), 15) == 0
            await group.assert_nothing_unhandled_is_committed()
        await wait_until(lambda: sent <= group.handled(), within_s=20, what="all handled")
        first.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(first.wait(), 15) == 0
    await group.assert_nothing_unhandled_is_committed()


async def test_a_worker_outlives_an_outage_of_kafka(
    group: Group, services: EmbeddedServices
) -> None:
    async with group.worker(delay_s=0.01) as process:
        before = await send(group, f"{group.name}-before", 100)
        await wait_until(lambda: len(before & group.handled()) > 30, what="some handled")
        await asyncio.to_thread(services.stop_broker, hard=True)
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.to_thread(services.start_broker)
        after = await send(group, f"{group.name}-after", 50)
        await wait_until(lambda: before | after <= group.handled(), what="all handled")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0
    await group.assert_nothing_unhandled_is_committed()


async def test_a_bug_ends_the_process_and_the_record_stays_open(group: Group) -> None:
    broken = f"{group.name}-7"
    async with group.worker(break_on=broken) as process:
        await send(group, group.name, 20)
        assert await asyncio.wait_for(process.wait(), 20) not in {0, -signal.SIGKILL}
    assert broken not in group.handled()
    told = (group.folder / "stderr").read_text()
    assert "record_broke_handler" in told
    assert f"event_id={broken}" in told
    assert "ZeroDivisionError" in told
    await group.assert_nothing_unhandled_is_committed()
    # The repaired worker gets it.
    async with group.worker():
        await wait_until(lambda: broken in group.handled(), what="the open record handled")


async def test_the_compiled_streams_are_demanded() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from streams.agents.app import ensure_compiled; ensure_compiled()",
        cwd=ROOT,
        env={**os.environ, "NO_CYTHON": "1"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    assert process.returncode == 1
    assert b"ConfigurationError: faust_not_compiled" in told
