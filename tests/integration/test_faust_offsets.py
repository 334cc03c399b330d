"""Faust's own offset computation and ours, in the same cases, on a real broker.

Each case acknowledges around one record that stays in flight, lets the worker commit, stops it as
a crash would find it, and starts another. The stock consumer never sees the record again: it is
lost. Ours does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import faust
import pytest
from aiokafka import AIOKafkaProducer
from faust.streams import Stream
from faust.transport.drivers.aiokafka import Transport as StockTransport
from faust.types import TP, EventT, StreamT

from deploy.local.embedded_services import Endpoints
from streams.agents.app import build_app
from streams.kafka.faust_adapter import SafeClient
from streams.settings import Settings
from tests.support.kafka import (
    create_topic,
    plain_producer,
    read_committed,
    read_end,
    unique,
    wait_until,
)

pytestmark = pytest.mark.integration

TWO_COMMITS_S = 1.4
"""Commits come every 0.5 s."""


class Reader:
    """A Faust app that holds every record of one topic until a test acknowledges it."""

    def __init__(self, *, bootstrap: str, group: str, topic: str, state: Path) -> None:
        settings = Settings(kafka_bootstrap=bootstrap, state_dir=state)
        self.held: dict[int, EventT[bytes]] = {}
        self.delivered: list[int] = []
        self._app: faust.App = build_app(settings=settings, app_name=group)

        async def hold(stream: StreamT[bytes]) -> None:
            async for event in cast("Stream[bytes]", stream).noack().events():
                self.held[event.message.offset] = event
                self.delivered.append(event.message.offset)

        source = self._app.topic(topic, key_serializer="raw", value_serializer="raw")
        self._app.agent(source, name="hold")(hold)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Reader]:
        await self._app.start()
        try:
            yield self
        finally:
            await self._app.stop()

    def ack(self, offsets: Iterable[int]) -> None:
        for offset in offsets:
            self.held[offset].ack()


class Case:
    """One topic and one group, read by one worker after the other."""

    def __init__(self, *, bootstrap: str, state: Path) -> None:
        self.bootstrap = bootstrap
        self.topic = unique("offsets")
        self.group = f"{self.topic}-readers"
        self._state = state

    def reader(self) -> Reader:
        return Reader(
            bootstrap=self.bootstrap, group=self.group, topic=self.topic, state=self._state
        )

    async def committed(self) -> int | None:
        return (await read_committed(self.bootstrap, self.group, self.topic)).get(0)

    async def redelivered(self, *, last: int) -> set[int]:
        """What a worker started now gets, up to the last offset of the topic."""
        async with self.reader().running() as reader:
            async with plain_producer(self.bootstrap) as producer:
                await producer.send_and_wait(self.topic, b"end", partition=0)
            await wait_until(lambda: any(offset > last for offset in reader.held))
            return {offset for offset in reader.held if offset <= last}


@pytest.fixture(params=["stock", "ours"])
def is_ours(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param == "stock":
        monkeypatch.setattr("streams.agents.app.SafeTransport", StockTransport)
    return bool(request.param == "ours")


@pytest.fixture
async def case(endpoints: Endpoints, tmp_path: Path) -> Case:
    made = Case(bootstrap=endpoints.kafka_bootstrap, state=tmp_path)
    await create_topic(made.bootstrap, made.topic)
    return made


async def fill(case: Case, count: int) -> None:
    async with plain_producer(case.bootstrap) as producer:
        for number in range(count):
            await producer.send_and_wait(case.topic, b"%d" % number, partition=0)


async def test_the_record_at_the_committed_offset(case: Case, is_ours: bool) -> None:
    """0..4 done and committed; 5 in flight; 6 and 7 done: the next commit must not pass 5."""
    await fill(case, 8)
    async with case.reader().running() as reader:
        await wait_until(lambda: len(reader.held) == 8)
        reader.ack(range(5))
        await asyncio.sleep(TWO_COMMITS_S)
        assert await case.committed() == 5
        reader.ack([6, 7])
        await asyncio.sleep(TWO_COMMITS_S)
        committed = await case.committed()
    redelivered = await case.redelivered(last=7)
    if is_ours:
        assert committed == 5
        assert redelivered == {5, 6, 7}
    else:
        assert committed == 8
        assert redelivered == set(), "the stock consumer is expected to lose record 5"


async def test_the_first_record_of_a_group(case: Case, is_ours: bool) -> None:
    """Nothing was ever committed; 0 in flight; 1 and 2 done: the first commit must not pass 0."""
    await fill(case, 3)
    async with case.reader().running() as reader:
        await wait_until(lambda: len(reader.held) == 3)
        reader.ack([1, 2])
        await asyncio.sleep(TWO_COMMITS_S)
        committed = await case.committed()
    redelivered = await case.redelivered(last=2)
    if is_ours:
        assert committed in {None, 0}
        assert redelivered == {0, 1, 2}
    else:
        assert committed == 3
        assert redelivered == set(), "the stock consumer is expected to lose record 0"


async def test_the_record_behind_a_transaction_marker(case: Case, is_ours: bool) -> None:
    """0 and 1 done, 2 a marker, 3 in flight, 4 done: the gap at 2 must not carry 3 with it."""
    await fill(case, 1)
    producer = AIOKafkaProducer(
        bootstrap_servers=case.bootstrap, transactional_id=unique("offsets-txn")
    )
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(case.topic, b"in a transaction", partition=0)
    finally:
        await producer.stop()
    # The broker writes the marker after it answered the commit.
    async with asyncio.timeout(10):
        while await read_end(case.bootstrap, case.topic) < 3:
            await asyncio.sleep(0.05)
    await fill(case, 2)
    async with case.reader().running() as reader:
        await wait_until(lambda: set(reader.held) == {0, 1, 3, 4})
        reader.ack([0, 1, 4])
        await asyncio.sleep(TWO_COMMITS_S)
        committed = await case.committed()
    redelivered = await case.redelivered(last=4)
    if is_ours:
        assert committed == 3
        assert redelivered == {3, 4}
    else:
        assert committed == 5
        assert redelivered == set(), "the stock consumer is expected to lose record 3"


async def test_a_batch_read_before_a_seek_comes_again_and_once(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fetch is on its way between the threads while the partitions are put back.

    Nothing was ever committed, so they go back to the first record. The batch on its way is from
    before that: handing it out would put later records in front of earlier ones.
    """
    fetch = SafeClient._fetch_records
    overtaken: list[int] = []

    async def fetch_then_rewind(
        self: SafeClient, *args: object, **options: object
    ) -> Mapping[TP, list[object]]:
        batch = await fetch(self, *args, **options)  # type: ignore[arg-type] # handed through
        if batch and not overtaken:
            overtaken.extend(record.offset for records in batch.values() for record in records)
            await self._rewind_all()
        return batch

    monkeypatch.setattr(SafeClient, "_fetch_records", fetch_then_rewind)
    await fill(case, 5)
    async with case.reader().running() as reader:
        await wait_until(lambda: len(reader.held) == 5)
        await asyncio.sleep(0.3)
    assert overtaken
    assert reader.delivered == [0, 1, 2, 3, 4]
