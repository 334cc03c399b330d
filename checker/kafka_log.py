"""The raw log: every record of every `blood.*` topic, dead letters too, as it lies on Kafka.

Reads from the first offset that is kept to the end as it is when the reading starts. Joins no
consumer group and commits nothing, so it does not disturb other consumers. A record that cannot be
read is kept as it is; this module judges nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code

TOPIC_PREFIX = "blood."
DEAD_LETTER_SUFFIX = ".dlq"
_POLL_MS = 500
_FETCH_BYTES = 8 * 1024 * 1024

Coordinate = tuple[str, int, int]
"""Topic, partition and offset."""


@dataclass(frozen=True, kw_only=True)
class LogRecord:
    """A record; an attribute whose header is missing or not text is None."""

    topic: str
    partition: int
    offset: int
    key: str | None
    event_id: str | None
    type: str | None
    source: str | None
    subject: str | None
    time: str | None
    sequence: int | None
    value: bytes | None

    @property
    def coordinate(self) -> Coordinate:
        return (self.topic, self.partition, self.offset)

    @property
    def identity(self) -> tuple[str, str]:
        return (self.source or "", self.event_id or "")

    @cached_property
    def body(self) -> Any:  # noqa: ANN401 - whatever JSON someone sent
        """Return the parsed JSON body; None if it is not JSON."""
        try:
            return json.loads(self.value) if self.value is not None else None
        except ValueError:
            return None


@dataclass(frozen=True, kw_only=True)
class Log:
    """Records per topic, in the order of each partition.

    Attributes:
        trimmed: Topics whose oldest records are gone; a record missing there proves nothing.
    """

    topics: Mapping[str, tuple[LogRecord, ...]] = field(default_factory=dict)
    trimmed: frozenset[str] = frozenset()

    @cached_property
    def at(self) -> Mapping[Coordinate, LogRecord]:
        return {record.coordinate: record for record in self.all()}

    def all(self) -> Iterable[LogRecord]:
        for records in self.topics.values():
            yield from records

    def of(self, topic: str) -> tuple[LogRecord, ...]:
        return self.topics.get(topic, ())

    def list_dead_letters(self) -> list[LogRecord]:
        return [record for record in self.all() if record.topic.endswith(DEAD_LETTER_SUFFIX)]


async def read_log(bootstrap: str) -> Log:
    """Read every `blood.*` topic of a cluster.

    Args:
        bootstrap: `host:port[,host:port]`.

    Raises:
        aiokafka.errors.KafkaError: The cluster cannot be reached.
    """
    partitions = await _list_partitions(bootstrap)
    if not partitions:
        return Log()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    await consumer.start()
    try:
        consumer.assign(partitions)
        return await _read_partitions(consumer, partitions)
    finally:
        await consumer.stop()


async def _list_partitions(bootstrap: str) -> list[TopicPartition]:
    """List every partition; a topic that the broker cannot describe is an error, never empty."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        names = [name for name in await admin.list_topics() if name.startswith(TOPIC_PREFIX)]
        topics = await admin.describe_topics(sorted(names)) if names else []
    finally:
        await admin.close()
    for topic in topics:
        if topic["error_code"] or not topic["partitions"]:
            raise KafkaError(f"{topic['topic']}: {for_code(topic['error_code']).__name__}")
    return [
        TopicPartition(topic["topic"], number)
        for topic in topics
        for number in sorted(partition["partition"] for partition in topic["partitions"])
    ]


async def _read_partitions(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> Log:
    starts = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    found: dict[TopicPartition, list[LogRecord]] = {partition: [] for partition in partitions}
    pending = {partition for partition in partitions if starts[partition] < ends[partition]}
    while pending:
        batches = await consumer.getmany(*pending, timeout_ms=_POLL_MS)
        for partition, messages in batches.items():
            found[partition].extend(
                to_record(
                    topic=partition.topic,
                    partition=partition.partition,
                    offset=message.offset,
                    key=message.key,
                    value=message.value,
                    headers=message.headers,
                )
                for message in messages
                if message.offset < ends[partition]
            )
        for partition in tuple(pending):
            if await consumer.position(partition) >= ends[partition]:
                pending.remove(partition)
    topics: dict[str, tuple[LogRecord, ...]] = {}
    for partition in partitions:
        topics[partition.topic] = topics.get(partition.topic, ()) + tuple(found[partition])
    trimmed = frozenset(partition.topic for partition in partitions if starts[partition] > 0)
    return Log(topics=topics, trimmed=trimmed)


def to_record(
    *,
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes]],
) -> LogRecord:
    """Read the CloudEvents headers of a record leniently; the last of repeated headers counts."""
    texts = {name: _text(raw) for name, raw in headers}
    sequence = texts.get("ce_sequence") or ""
    return LogRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        key=_text(key),
        event_id=texts.get("ce_id"),
        type=texts.get("ce_type"),
        source=texts.get("ce_source"),
        subject=texts.get("ce_subject"),
        time=texts.get("ce_time"),
        sequence=int(sequence) if sequence.isascii() and sequence.isdigit() else None,
        value=value,
    )


def _text(raw: bytes | None) -> str | None:
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return None
