"""Creates and verifies the topics of the registry.

Owns the one translation from registry to Kafka configuration. It never deletes or changes a topic
that exists: it names a wrong topic, and an operator decides. Idempotent; two processes may run it
at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from models.errors import ConfigurationError, TransientError
from models.topics import MAX_MESSAGE_BYTES, TOPICS, Topic

_TIMEOUT_S = 15.0
_SETTLE_S = 10.0
"""New topics are visible on every broker within this; on one machine it takes milliseconds."""

_DEAD_LETTER_RETENTION_MS = 90 * 86_400_000
"""A dead letter must outlive holidays, because somebody has to look at it and replay it."""

_FRAMING_BYTES = 4096
"""Brokers measure the batch around a record too; our own limit is on the record alone."""

_REPLICATED = 3
"""From this replication factor on, a record counts as kept once two brokers have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """One Kafka topic as it has to be."""

    name: str
    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicReport:
    """What a run did: names created now, and names verified (created ones included)."""

    created: tuple[str, ...]
    verified: tuple[str, ...]


def plan_topics(*, replication: int) -> tuple[TopicPlan, ...]:
    """Return every topic and dead-letter topic of the registry with its configuration."""
    plans: list[TopicPlan] = []
    for topic in TOPICS:
        plans.append(_plan(topic.name.value, topic, topic.retention_ms, replication))
        plans += [
            _plan(topic.dead_letter(reader), topic, _DEAD_LETTER_RETENTION_MS, replication)
            for reader in topic.readers
        ]
    return tuple(plans)


def _plan(name: str, topic: Topic, retention_ms: int, replication: int) -> TopicPlan:
    return TopicPlan(
        name=name,
        partitions=topic.partitions,
        config={
            "cleanup.policy": "delete",
            "retention.ms": str(retention_ms),
            "max.message.bytes": str(MAX_MESSAGE_BYTES + _FRAMING_BYTES),
            "min.insync.replicas": "2" if replication >= _REPLICATED else "1",
        },
    )


async def apply_topics(bootstrap: str, replication: int) -> TopicReport:
    """Create what is missing, then verify everything.

    Raises:
        ConfigurationError: A topic is not as the registry says, or Kafka refused to create it.
        TransientError: Kafka is away.
    """
    plans = plan_topics(replication=replication)
    async with _open_admin(bootstrap) as admin:
        existing = await _list_partitions(admin)
        missing = [plan for plan in plans if plan.name not in existing]
        created = await _create(admin, missing, replication)
        # A topic that another process created a moment ago may not be visible yet either.
        await _wait_visible(admin, [plan.name for plan in missing])
        await _verify(admin, plans)
    return TopicReport(created=created, verified=tuple(plan.name for plan in plans))


async def check_topics(bootstrap: str, replication: int) -> TopicReport:
    """Verify every topic and change nothing. Raises as `apply_topics` does."""
    plans = plan_topics(replication=replication)
    async with _open_admin(bootstrap) as admin:
        await _verify(admin, plans)
    return TopicReport(created=(), verified=tuple(plan.name for plan in plans))


@asynccontextmanager
async def _open_admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="xuelian-admin")
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await admin.start()
            yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        cause = type(error).__name__
        raise TransientError("kafka_away", bootstrap=bootstrap, cause=cause) from error
    finally:
        await admin.close()


async def _create(
    admin: AIOKafkaAdminClient, plans: list[TopicPlan], replication: int
) -> tuple[str, ...]:
    if not plans:
        return ()
    response = await admin.create_topics(
        [
            NewTopic(
                name=plan.name,
                num_partitions=plan.partitions,
                replication_factor=replication,
                topic_configs=dict(plan.config),
            )
            for plan in plans
        ]
    )
    created: list[str] = []
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        if code == 0:
            created.append(name)
        elif error is not TopicAlreadyExistsError:  # another process was faster: it gets verified
            raise ConfigurationError(
                "topic_not_created",
                topic=name,
                cause=error.__name__,
                message=str(message[0] if message else ""),
            )
    return tuple(created)


async def _wait_visible(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    wanted = set(names)
    async with asyncio.timeout(_SETTLE_S):
        # Brokers do not announce a new topic; asking is the only way.
        while not wanted <= set(await _list_partitions(admin)):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.05)


async def _list_partitions(admin: AIOKafkaAdminClient) -> dict[str, int]:
    topics = await admin.describe_topics()
    return {
        topic["topic"]: len(topic["partitions"]) for topic in topics if topic["error_code"] == 0
    }


async def _verify(admin: AIOKafkaAdminClient, plans: tuple[TopicPlan, ...]) -> None:
    """Raise ConfigurationError on the first difference, naming topic, found and expected."""
    partitions = await _list_partitions(admin)
    for plan in plans:
        found = partitions.get(plan.name)
        if found is None:
            raise ConfigurationError(
                "topic_missing", topic=plan.name, found="none", expected=plan.partitions
            )
        if found != plan.partitions:
            raise ConfigurationError(
                "topic_partitions_wrong", topic=plan.name, found=found, expected=plan.partitions
            )
    configs = await _describe(admin, plans)
    for plan in plans:
        for key, expected in plan.config.items():
            value = configs[plan.name].get(key, "none")
            if value != expected:
                raise ConfigurationError(
                    "topic_config_wrong", topic=plan.name, key=key, found=value, expected=expected
                )


async def _describe(
    admin: AIOKafkaAdminClient, plans: tuple[TopicPlan, ...]
) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, plan.name) for plan in plans]
    answers = await admin.describe_configs(resources)
    found: dict[str, dict[str, str]] = {}
    for answer in answers:
        for _code, _message, _kind, name, entries in answer.resources:
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found
