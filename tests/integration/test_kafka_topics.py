"""Topics created and verified, and followed from their end, on a real broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from deploy.local.embedded_services import EmbeddedServices, Endpoints
from models.envelope import Envelope
from models.errors import ConfigurationError, TransientError
from models.topics import TOPICS, TopicName
from streams.kafka.producer import KafkaPublisher
from streams.kafka.topic_admin import apply_topics, check_topics, plan_topics
from streams.kafka.topic_follower import KafkaTail
from tests.support.kafka import (
    create_topic,
    delete_topic,
    make_envelope,
    plain_producer,
    unique,
    wait_until,
)

pytestmark = pytest.mark.integration

TRANSFERS = TopicName.TRANSFERS.value


async def test_apply_creates_once_and_check_agrees(endpoints: Endpoints) -> None:
    await apply_topics(endpoints.kafka_bootstrap, 1)
    again = await apply_topics(endpoints.kafka_bootstrap, 1)
    assert again.created == ()
    names = {topic.name.value for topic in TOPICS}
    letters = {topic.dead_letter(reader) for topic in TOPICS for reader in topic.readers}
    assert set(again.verified) == names | letters
    assert (await check_topics(endpoints.kafka_bootstrap, 1)).verified == again.verified


async def test_a_wrong_topic_is_named_with_what_is_found_and_expected(endpoints: Endpoints) -> None:
    bootstrap = endpoints.kafka_bootstrap
    await apply_topics(bootstrap, 1)
    await delete_topic(bootstrap, TRANSFERS)
    try:
        with pytest.raises(ConfigurationError, match=f"topic_missing.*{TRANSFERS}.*expected=6"):
            await check_topics(bootstrap, 1)
        await create_topic(bootstrap, TRANSFERS, partitions=3)
        with pytest.raises(ConfigurationError, match=f"{TRANSFERS}, found=3, expected=6"):
            await apply_topics(bootstrap, 1)
        await delete_topic(bootstrap, TRANSFERS)
        await create_topic(bootstrap, TRANSFERS, partitions=6)
        with pytest.raises(ConfigurationError, match=f"topic_config_wrong.*{TRANSFERS}"):
            await apply_topics(bootstrap, 1)
    finally:
        await delete_topic(bootstrap, TRANSFERS)
        repaired = await apply_topics(bootstrap, 1)
    assert repaired.created == (TRANSFERS,)


async def test_two_processes_may_apply_at_once(endpoints: Endpoints) -> None:
    bootstrap = endpoints.kafka_bootstrap
    await apply_topics(bootstrap, 1)
    await delete_topic(bootstrap, TRANSFERS)
    reports = await asyncio.gather(*(apply_topics(bootstrap, 1) for _ in range(4)))
    assert [report.created for report in reports].count((TRANSFERS,)) == 1


async def test_replication_asks_for_two_copies_and_is_refused_by_one_broker(
    endpoints: Endpoints,
) -> None:
    assert {plan.config["min.insync.replicas"] for plan in plan_topics(replication=3)} == {"2"}
    assert {plan.config["min.insync.replicas"] for plan in plan_topics(replication=1)} == {"1"}
    await apply_topics(endpoints.kafka_bootstrap, 1)
    with pytest.raises(ConfigurationError, match=r"min\.insync\.replicas, found=1, expected=2"):
        await check_topics(endpoints.kafka_bootstrap, 3)


async def test_kafka_away_is_transient() -> None:
    with pytest.raises(TransientError, match="kafka_away"):
        await check_topics("127.0.0.1:1", 1)


@contextlib.asynccontextmanager
async def following(
    tail: KafkaTail, topics: list[str]
) -> AsyncIterator[list[tuple[str, Envelope]]]:
    seen: list[tuple[str, Envelope]] = []

    async def follow() -> None:
        async for topic, envelope in tail.follow(topics):
            seen.append((topic, envelope))

    task = asyncio.create_task(follow())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_the_tail_starts_at_the_end_and_outlives_an_outage(
    services: EmbeddedServices, endpoints: Endpoints
) -> None:
    bootstrap, topics = endpoints.kafka_bootstrap, [unique("followed"), unique("followed")]
    for topic in topics:
        await create_topic(bootstrap, topic, partitions=3)
    publisher = KafkaPublisher(bootstrap=bootstrap)
    await publisher.publish(topics[0], [make_envelope(1)])
    tail = KafkaTail(bootstrap=bootstrap)
    async with following(tail, topics) as seen:
        await asyncio.wait_for(tail.connected.wait(), 10)
        async with plain_producer(bootstrap) as producer:
            await producer.send_and_wait(topics[0], b"no event of ours")
        for number in range(2, 32):
            envelope = make_envelope(number, key=f"station-{number % 5}")
            await publisher.publish(topics[number % 2], [envelope])
        await wait_until(lambda: len(seen) == 30)
        assert {(topic, envelope.id) for topic, envelope in seen} == {
            (topics[number % 2], f"event-{number}") for number in range(2, 32)
        }
        await publisher.stop()
        await asyncio.to_thread(services.stop_broker, hard=True)
        await asyncio.to_thread(services.start_broker)
        publisher = KafkaPublisher(bootstrap=bootstrap)
        await publisher.publish(topics[1], [make_envelope(99)])
        await wait_until(lambda: seen[-1][1].id == "event-99", within_s=10)
    await publisher.stop()


async def test_a_tail_is_connected_when_all_who_follow_it_are(endpoints: Endpoints) -> None:
    bootstrap, first, second = endpoints.kafka_bootstrap, unique("followed"), unique("followed")
    for topic in (first, second):
        await create_topic(bootstrap, topic, partitions=1)
    tail = KafkaTail(bootstrap=bootstrap)
    async with following(tail, [first]) as seen_first:
        await asyncio.wait_for(tail.connected.wait(), 10)
        async with following(tail, [second]) as seen_second:
            await asyncio.sleep(0)
            assert not tail.connected.is_set()
            await asyncio.wait_for(tail.connected.wait(), 10)
            publisher = KafkaPublisher(bootstrap=bootstrap)
            await publisher.publish(first, [make_envelope(1)])
            await publisher.publish(second, [make_envelope(2)])
            await wait_until(lambda: bool(seen_first and seen_second))
            await publisher.stop()
        assert [topic for topic, _ in seen_first + seen_second] == [first, second]
        assert tail.connected.is_set()
    assert not tail.connected.is_set()
