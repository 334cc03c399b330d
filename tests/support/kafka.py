"""Builders and probes for tests that speak Kafka: events, topics, what was committed, waiting."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from models.envelope import Envelope

AT = datetime(2025, 1, 7, 1, 5, 16, tzinfo=UTC)
_numbers = itertools.count(1)


def unique(prefix: str) -> str:
    """A name that no other test of this process uses."""
    return f"{prefix}-{next(_numbers)}"


def answer_body(number: int = 1, *, reason: str = "") -> bytes:
    """The body of a valid `blood.callout.answered.v1`."""
    return (
        f'{{"call_out_id":"call-{number}","donor_id":"donor-{number}","station_id":"nagqu",'
        f'"answer":"declined","answered_at":"2025-01-07T01:20:00Z","reason":"{reason}"}}'
    ).encode()


def make_envelope(
    number: int = 1,
    *,
    event_id: str | None = None,
    event_type: str = "blood.callout.answered.v1",
    key: str = "nagqu",
    data: bytes | None = None,
) -> Envelope:
    return Envelope(
        id=event_id or f"event-{number}",
        type=event_type,
        source="test/notifier",
        subject=f"call-{number}",
        time=AT,
        key=key,
        data=answer_body(number) if data is None else data,
    )


async def wait_until(
    condition: Callable[[], object], *, within_s: float = 20.0, what: str = "condition"
) -> None:
    """Look every 10 ms until it holds; fail loudly when it does not in time."""
    try:
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what} did not hold within {within_s} s") from None


async def create_topic(bootstrap: str, name: str, *, partitions: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        response = await admin.create_topics(
            [NewTopic(name=name, num_partitions=partitions, replication_factor=1)]
        )
        assert [error[1] for error in response.topic_errors] == [0], response
        async with asyncio.timeout(10):
            while name not in await admin.list_topics():
                await asyncio.sleep(0.02)
    finally:
        await admin.close()


async def delete_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([name])
        async with asyncio.timeout(10):
            while name in await admin.list_topics():
                await asyncio.sleep(0.02)
    finally:
        await admin.close()


@asynccontextmanager
async def plain_producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=0
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def send_all(
    producer: AIOKafkaProducer, topic: str, envelopes: Sequence[Envelope], *, partition: int | None
) -> None:
    pending = [
        await producer.send(
            topic,
            value=envelope.data,
            key=envelope.key.encode(),
            headers=envelope.to_headers(),
            partition=partition,
        )
        for envelope in envelopes
    ]
    await asyncio.gather(*pending)


async def read_all(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    """Every record of a topic, each partition in its order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    try:
        # Partition ids are asked of the broker: the client knows only topics it was told of.
        found = await consumer._client._wait_on_metadata(topic)
        partitions = [TopicPartition(topic, number) for number in sorted(found)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        records: list[ConsumerRecord] = []
        async with asyncio.timeout(20):
            while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
                for some in (await consumer.getmany(timeout_ms=200)).values():
                    records += some
        # Which partition answers first is chance.
        return sorted(records, key=lambda record: record.partition)
    finally:
        await consumer.stop()


async def read_end(bootstrap: str, topic: str, *, partition: int = 0) -> int:
    """The offset that the next record of a partition will get."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    try:
        await consumer._client._wait_on_metadata(topic)
        place = TopicPartition(topic, partition)
        return int((await consumer.end_offsets([place]))[place])
    finally:
        await consumer.stop()


async def acknowledge(bootstrap: str, group: str, offsets: dict[TopicPartition, int]) -> None:
    """Commit as a group, without reading."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign(list(offsets))
        await consumer.commit(offsets)
    finally:
        await consumer.stop()


async def read_committed(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    """Committed offsets of a group by partition; partitions without one are left out."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {tp.partition: found.offset for tp, found in offsets.items() if tp.topic == topic}


def ids_of(records: Collection[ConsumerRecord]) -> list[str]:
    return [dict(record.headers)["ce_id"].decode() for record in records]
