"""Reads every seal of the audit that the log still holds, from its first record to its end.

The reader joins no consumer group and commits nothing. It stops where the log ended when it began.
"""

from __future__ import annotations

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from models.audit import ChainHead
from models.envelope import Envelope
from models.errors import ContractError, TransientError
from models.events import decode_event
from models.events.audit import AuditSealed
from models.topics import BY_NAME, TopicName

log = structlog.get_logger(__name__)

_POLL_MS = 500


async def read_seals(bootstrap: str, *, timeout_s: float = 60.0) -> list[ChainHead]:
    """Read the seals.

    Args:
        bootstrap: Comma-separated host:port of the brokers.
        timeout_s: A log that cannot be read to its end within this time counts as away.

    Raises:
        TransientError: `kafka_away`.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        client_id="xuelian-audit",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        async with asyncio.timeout(timeout_s):
            await consumer.start()
            return await _read_all(consumer)
    except (KafkaError, OSError, TimeoutError) as error:
        raise TransientError(
            "kafka_away", bootstrap=bootstrap, cause=type(error).__name__
        ) from error
    finally:
        await consumer.stop()


async def _read_all(consumer: AIOKafkaConsumer) -> list[ChainHead]:
    topic = BY_NAME[TopicName.AUDIT]
    partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    consumer.assign(partitions)
    starts = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    pending = {partition for partition in partitions if starts[partition] < ends[partition]}
    seals = []
    while pending:
        for records in (await consumer.getmany(*pending, timeout_ms=_POLL_MS)).values():
            for record in records:
                try:
                    envelope = Envelope.from_record(
                        key=record.key, value=record.value, headers=record.headers
                    )
                    seals.append(_to_head(envelope))
                except ContractError as error:
                    # A record that is no seal proves nothing about the audit rows.
                    log.warning("no_seal", offset=record.offset, error=str(error))
        for partition in tuple(pending):
            if await consumer.position(partition) >= ends[partition]:
                pending.remove(partition)
    return seals


def _to_head(envelope: Envelope) -> ChainHead:
    event = decode_event(envelope.type, envelope.data)
    if not isinstance(event, AuditSealed):
        raise ContractError("event_not_for_topic", type=event.TYPE)
    return ChainHead(event.chain, event.sequence, bytes.fromhex(event.hash))
