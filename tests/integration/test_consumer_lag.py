"""What no worker has acknowledged is counted on real Kafka, with the moment of the oldest."""

from __future__ import annotations

import time

import pytest
from aiokafka import TopicPartition

from deploy.local.embedded_services import Endpoints
from models.errors import TransientError
from models.topics import TOPICS
from streams.kafka.consumer_lag import READ_BY, measure_unread
from streams.kafka.topic_admin import apply_topics
from streams.ports import Unread
from tests.support.kafka import acknowledge, create_topic, plain_producer, unique

pytestmark = pytest.mark.integration

OLD_MS = 1_736_214_600_000


async def test_what_waits_is_counted_over_all_partitions(endpoints: Endpoints) -> None:
    bootstrap = endpoints.kafka_bootstrap
    group, topic = unique("group"), unique("unread")
    await create_topic(bootstrap, topic, partitions=3)
    async with plain_producer(bootstrap) as producer:
        for partition, late_ms in ((0, 60_000), (0, 61_000), (2, 0)):
            await producer.send_and_wait(
                topic, b"{}", partition=partition, timestamp_ms=OLD_MS + late_ms
            )

    async def measure() -> Unread:
        (found,) = await measure_unread(bootstrap, read_by={group: [topic]})
        return found

    # Nobody of the group has ever read: all that is kept waits.
    never = await measure()
    assert (never.reader, never.topic, never.records) == (group, topic, 3)
    assert never.since is not None
    assert never.since.timestamp() * 1000 == OLD_MS
    await acknowledge(bootstrap, group, {TopicPartition(topic, 2): 1})
    some = await measure()
    assert some.records == 2
    assert some.since is not None
    assert some.since.timestamp() * 1000 == OLD_MS + 60_000
    await acknowledge(bootstrap, group, {TopicPartition(topic, 0): 2})
    done = await measure()
    assert (done.records, done.since) == (0, None)


async def test_every_topic_that_a_worker_reads_is_looked_at(endpoints: Endpoints) -> None:
    await apply_topics(endpoints.kafka_bootstrap, 1)
    found = await measure_unread(endpoints.kafka_bootstrap)
    expected = [(reader, topic.name) for topic in TOPICS for reader in topic.readers]
    assert sorted((lag.reader, lag.topic) for lag in found) == sorted(expected)
    assert {(group, topic) for group, topics in READ_BY.items() for topic in topics} == {
        (reader.value, name.value) for reader, name in expected
    }


async def test_it_is_not_guessed_while_kafka_is_away() -> None:
    began = time.monotonic()
    with pytest.raises(TransientError, match="kafka_away"):
        await measure_unread("127.0.0.1:9", timeout_s=1.0)
    assert time.monotonic() - began < 5
