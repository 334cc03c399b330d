"""The relay between an outbox in memory and a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import pytest
from aiokafka import ConsumerRecord

from deploy.local.embedded_services import EmbeddedServices, Endpoints
from models.envelope import Envelope
from models.errors import TransientError
from streams.kafka.producer import KafkaPublisher
from streams.relay.outbox import CLAIM_ROWS, OutboxRelay
from streams.relay.timer_runner import LOOK_EVERY_S, TimerRunner, TimersFired
from tests.support.kafka import AT, create_topic, make_envelope, read_all, unique, wait_until
from tests.support.outbox import FakeOutbox

pytestmark = pytest.mark.integration


class Bench:
    def __init__(self, *, bootstrap: str, poll_s: float = 60.0) -> None:
        self.outbox = FakeOutbox()
        self.publisher = KafkaPublisher(bootstrap=bootstrap, timeout_s=1.5)
        self.reports: list[str | None] = []
        self.relay = OutboxRelay(
            outbox=self.outbox,
            publisher=self.publisher,
            report=lambda _, reason: self.reports.append(reason),
            poll_s=poll_s,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.publisher.start()
        stop = asyncio.Event()
        task = asyncio.create_task(self.relay.run(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, 5)
            await self.publisher.stop()

    def commit(self, topic: str, envelopes: Sequence[Envelope]) -> None:
        self.relay.wake(self.outbox.commit(topic, envelopes))

    async def drained(self, *, within_s: float = 20.0) -> None:
        await wait_until(lambda: not self.outbox.pending, within_s=within_s, what="outbox empty")


@pytest.fixture
async def topic(endpoints: Endpoints) -> str:
    name = unique("relayed")
    await create_topic(endpoints.kafka_bootstrap, name, partitions=6)
    return name


def in_order(records: Sequence[ConsumerRecord]) -> dict[bytes, list[int]]:
    """Event numbers by key, first appearances only: what a reader that deduplicates sees."""
    seen: dict[bytes, list[int]] = {}
    for record in records:
        number = int(dict(record.headers)["ce_id"].decode().removeprefix("event-"))
        numbers = seen.setdefault(record.key, [])
        if number not in numbers:
            numbers.append(number)
    return seen


def numbered(start: int, count: int, *, keys: int = 12) -> list[Envelope]:
    return [make_envelope(n, key=f"station-{n % keys}") for n in range(start, start + count)]


async def test_each_key_keeps_its_order_under_many_small_commits(
    endpoints: Endpoints, topic: str
) -> None:
    bench = Bench(bootstrap=endpoints.kafka_bootstrap)
    async with bench.running():
        for start in range(0, 1000, 5):
            bench.commit(topic, numbered(start, 5))
            await asyncio.sleep(0.001)
        bench.commit(topic, numbered(1000, 2 * CLAIM_ROWS + 10, keys=1))
        await bench.drained()
    records = await read_all(endpoints.kafka_bootstrap, topic)
    assert len(records) == 1000 + 2 * CLAIM_ROWS + 10, "published twice without any failure"
    for key, numbers in in_order(records).items():
        assert numbers == sorted(numbers), key


async def test_a_commit_leaves_without_waiting_for_a_poll(endpoints: Endpoints, topic: str) -> None:
    bench = Bench(bootstrap=endpoints.kafka_bootstrap)
    async with bench.running():
        bench.commit(topic, numbered(0, 1))
        await bench.drained()
        took_s: list[float] = []
        for number in range(1, 30):
            began = time.perf_counter()
            bench.commit(topic, numbered(number, 1))
            while bench.outbox.pending:
                await asyncio.sleep(0)
            took_s.append(time.perf_counter() - began)
    assert sorted(took_s)[len(took_s) // 2] < 0.05


async def test_what_was_committed_last_leaves_before_the_process(
    endpoints: Endpoints, topic: str
) -> None:
    """A worker that is stopped is the last to know of its last decision."""
    bench = Bench(bootstrap=endpoints.kafka_bootstrap)
    stop = asyncio.Event()
    await bench.publisher.start()
    try:
        relaying = asyncio.create_task(bench.relay.run(stop))
        await asyncio.sleep(0.1)
        stop.set()
        bench.commit(topic, numbered(0, 3))
        await asyncio.wait_for(relaying, 5)
    finally:
        await bench.publisher.stop()
    assert not bench.outbox.pending


async def test_what_cannot_leave_in_time_stays(endpoints: Endpoints, topic: str) -> None:
    bench = Bench(bootstrap=endpoints.kafka_bootstrap)
    async with bench.running():
        bench.outbox.away = True
        bench.commit(topic, numbered(0, 3))
    assert bench.outbox.pending == 3


async def test_rows_that_nobody_woke_are_found_by_the_poll(
    endpoints: Endpoints, topic: str
) -> None:
    bench = Bench(bootstrap=endpoints.kafka_bootstrap, poll_s=0.1)
    async with bench.running():
        bench.outbox.commit(topic, numbered(0, 3))
        await bench.drained(within_s=3)


async def test_an_outage_of_kafka_delays_but_never_loses_or_reorders(
    services: EmbeddedServices, endpoints: Endpoints, topic: str
) -> None:
    bench = Bench(bootstrap=endpoints.kafka_bootstrap)
    async with bench.running():
        bench.commit(topic, numbered(0, 60))
        await bench.drained()
        await asyncio.to_thread(services.stop_broker, hard=True)
        try:
            for start in range(60, 120, 10):
                bench.commit(topic, numbered(start, 10))
                await asyncio.sleep(0.1)
            await wait_until(lambda: bench.reports, what="said why it is not ready")
            assert bench.outbox.pending == 60
        finally:
            await asyncio.to_thread(services.start_broker)
        bench.commit(topic, numbered(120, 10))
        await bench.drained(within_s=15)
        assert bench.reports[-1] is None
    seen = in_order(await read_all(endpoints.kafka_bootstrap, topic))
    assert seen == {f"station-{place}".encode(): list(range(place, 130, 12)) for place in range(12)}


async def test_postgres_away_is_waited_out(endpoints: Endpoints, topic: str) -> None:
    bench = Bench(bootstrap=endpoints.kafka_bootstrap)
    async with bench.running():
        bench.outbox.away = True
        bench.commit(topic, numbered(0, 3))
        await wait_until(lambda: "postgres_away" in bench.reports)
        bench.outbox.away = False
        await bench.drained(within_s=5)
        await wait_until(lambda: bench.reports[-1] is None)


class DrillClock:
    """Runs 60 times as fast as the wall."""

    SPEED = 60.0

    def __init__(self) -> None:
        self._began = time.monotonic()

    def now(self) -> datetime:
        return AT + timedelta(seconds=(time.monotonic() - self._began) * self.SPEED)

    def real_s_until(self, instant: datetime) -> float:
        return max(0.0, (instant - self.now()).total_seconds() / self.SPEED)


async def test_timers_fire_when_due_and_wake_their_shards() -> None:
    clock = DrillClock()
    due = [AT + timedelta(seconds=6 * n) for n in range(1, 6)]  # 0.1 s apart on the wall
    late_s: list[float] = []
    failures = [TransientError("postgres_away")]
    reports: list[str | None] = []
    bench = Bench(bootstrap="127.0.0.1:1")

    async def fire() -> TimersFired:
        if len(late_s) == 2 and failures:
            raise failures.pop()
        if due and due[0] <= clock.now():
            late_s.append(-(due.pop(0) - clock.now()).total_seconds() / clock.SPEED)
            return TimersFired(count=1, shards=frozenset({3}), next_due_at=None)
        return TimersFired(count=0, shards=frozenset(), next_due_at=due[0] if due else None)

    runner = TimerRunner(
        fire=fire,
        clock=clock,
        relay=bench.relay,
        report=lambda _, reason: reports.append(reason),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(runner.run(stop))
    await wait_until(lambda: not due, within_s=5)
    stop.set()
    await asyncio.wait_for(task, 1)
    assert reports == ["postgres_away", None]
    assert bench.relay._woken == {3}
    assert max(late_s) < LOOK_EVERY_S + 0.1
    assert late_s[0] < 0.05, "fired by the look-round, not by the due instant"
