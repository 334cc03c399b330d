"""Follows topics from now on, to wake readers that wait for an event.

Owns one consumer without a group for each `follow`. It serves waking only: an event published while
it connects again is missed, so a reader that waits must also look into the database.

Concurrency: one task per iterator; records come in the order of each partition.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from models.envelope import Envelope
from models.errors import ContractError

log = structlog.get_logger(__name__)

_FETCH_MAX_WAIT_MS = 100
"""The broker answers at once when a record arrives; this bounds how long a partition whose records
were taken late waits behind the open fetch."""

_RECONNECT_FIRST_S = 0.05
_RECONNECT_MOST_S = 1.0


class KafkaTail:
    """Implements `ports.EventTail`.

    Attributes:
        connected: Set while every iterator stands at the end of its partitions; an event published
            after it was set is seen. Cleared while an iterator is connecting.
    """

    def __init__(self, *, bootstrap: str, client_id: str = "xuelian-tail") -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self.connected = asyncio.Event()
        self._followers: dict[object, bool] = {}

    async def follow(self, topics: Collection[str]) -> AsyncIterator[tuple[str, Envelope]]:
        """Yield (topic, event) for everything published from now on, across reconnects.

        Never ends by itself; waits while Kafka is away. A record that is no event of ours is
        skipped with a warning: the agents quarantine it, and no reader waits for it here.
        """
        pause_s = _RECONNECT_FIRST_S
        myself, was_lost = object(), False
        self._note(myself, is_connected=False)
        try:
            while True:
                try:
                    async for topic, envelope in self._follow_once(topics, myself, was_lost):
                        pause_s = _RECONNECT_FIRST_S
                        yield topic, envelope
                except (KafkaError, OSError, TimeoutError) as error:
                    was_lost = True
                    log.warning("tail_disconnected", error=repr(error), again_in_s=pause_s)
                self._note(myself, is_connected=False)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _RECONNECT_MOST_S)
        finally:
            del self._followers[myself]
            self._deliver()

    def _note(self, follower: object, *, is_connected: bool) -> None:
        self._followers[follower] = is_connected
        self._deliver()

    def _deliver(self) -> None:
        if self._followers and all(self._followers.values()):
            self.connected.set()
        else:
            self.connected.clear()

    async def _follow_once(
        self, topics: Collection[str], follower: object, was_lost: bool
    ) -> AsyncIterator[tuple[str, Envelope]]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_min_bytes=1,
            fetch_max_wait_ms=_FETCH_MAX_WAIT_MS,
        )
        try:
            await consumer.start()
            await _stand_at_end(consumer, topics)
            self._note(follower, is_connected=True)
            if was_lost:
                log.info("tail_connected_again", topics=len(topics))
            while True:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    for record in records:
                        envelope = _find_envelope(record)
                        if envelope is not None:
                            yield record.topic, envelope
        finally:
            await consumer.stop()


async def _stand_at_end(consumer: AIOKafkaConsumer, topics: Collection[str]) -> None:
    partitions: list[TopicPartition] = []
    for topic in sorted(topics):
        found = await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - the public call knows only subscribed topics
        partitions += [TopicPartition(topic, number) for number in sorted(found)]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    for partition in partitions:
        # Only a known position makes "from now on" true; otherwise the end is looked up later.
        await consumer.position(partition)


def _find_envelope(record: ConsumerRecord) -> Envelope | None:
    try:
        return Envelope.from_record(key=record.key, value=record.value, headers=record.headers)
    except ContractError as error:
        log.warning(
            "tail_skipped_record", topic=record.topic, offset=record.offset, error=str(error)
        )
        return None
