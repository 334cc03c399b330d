"""Measures the records in Kafka that no worker has acknowledged, for status pages and alarms.

Owns short-lived clients, one pair per call; joins no group and commits nothing. Safe for concurrent
tasks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from models.errors import TransientError
from models.topics import TOPICS, AppName
from streams.ports import Unread

_TIMEOUT_S = 10.0
_PAUSE_S = 0.1

READ_BY: Mapping[str, Sequence[str]] = {
    reader.value: [topic.name.value for topic in TOPICS if reader in topic.readers]
    for reader in AppName
}
"""Consumer group to the topics that it reads."""


async def measure_unread(
    bootstrap: str,
    *,
    read_by: Mapping[str, Sequence[str]] = READ_BY,
    timeout_s: float = _TIMEOUT_S,
) -> tuple[Unread, ...]:
    """Count per group and topic the unacknowledged records, and find when the oldest was written.

    Records that are being decided at this moment count too: a group acknowledges twice a second.

    Args:
        bootstrap: Comma-separated host:port of the brokers.
        read_by: Consumer group to its topics.
        timeout_s: Seconds to take at most.

    Raises:
        TransientError: `kafka_away`: the records cannot be counted now.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="xuelian-unread")
    # One record of each partition is wanted, without a poll that waits at the end of another.
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        client_id="xuelian-unread",
        group_id=None,
        enable_auto_commit=False,
        fetch_max_wait_ms=10,
        max_partition_fetch_bytes=1024,
    )
    try:
        async with asyncio.timeout(timeout_s):
            await admin.start()
            await consumer.start()
            places = await _list_places(
                admin, {topic for topics in read_by.values() for topic in topics}
            )
            first = await consumer.beginning_offsets(places)
            end = await consumer.end_offsets(places)
            found: list[Unread] = []
            for group, topics in read_by.items():
                own = [place for place in places if place.topic in topics]
                committed = await _list_committed(admin, group, own)
                # A group that has never acknowledged begins with the oldest record still kept.
                begin = {place: max(first[place], committed.get(place, 0)) for place in own}
                waiting = {place: begin[place] for place in own if begin[place] < end[place]}
                written = await _list_moments(consumer, waiting)
                for topic in topics:
                    lag = [end[place] - waiting[place] for place in waiting if place.topic == topic]
                    moments = [at for place, at in written.items() if place.topic == topic]
                    since = min(moments, default=None)
                    found.append(Unread(reader=group, topic=topic, records=sum(lag), since=since))
            return tuple(found)
    except (KafkaError, OSError, TimeoutError) as error:
        cause = type(error).__name__
        raise TransientError("kafka_away", bootstrap=bootstrap, cause=cause) from error
    finally:
        await consumer.stop()
        await admin.close()


async def _list_places(admin: AIOKafkaAdminClient, topics: Collection[str]) -> list[TopicPartition]:
    return [
        TopicPartition(topic["topic"], partition["partition"])
        for topic in await admin.describe_topics(sorted(topics))
        for partition in topic["partitions"]
    ]


async def _list_committed(
    admin: AIOKafkaAdminClient, group: str, places: list[TopicPartition]
) -> dict[TopicPartition, int]:
    while True:
        try:
            found = await admin.list_consumer_group_offsets(group, partitions=places)
        except GroupCoordinatorNotAvailableError:
            # The first question about any group makes the broker set up its store of offsets.
            await asyncio.sleep(_PAUSE_S)
        else:
            return {place: committed.offset for place, committed in found.items()}


async def _list_moments(
    consumer: AIOKafkaConsumer, waiting: Mapping[TopicPartition, int]
) -> dict[TopicPartition, datetime]:
    """Return when the record at each place was written."""
    if not waiting:
        return {}
    consumer.assign(list(waiting))
    for place, offset in waiting.items():
        consumer.seek(place, offset)
    records = [await consumer.getone(place) for place in waiting]
    return {
        place: datetime.fromtimestamp(record.timestamp / 1000, tz=UTC)
        for place, record in zip(waiting, records, strict=True)
    }
