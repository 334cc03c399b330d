"""What a worker says of itself, and how it waits for its topics."""

from __future__ import annotations

import asyncio

import pytest

from models.errors import ConfigurationError, TransientError
from streams.agents.worker import Readiness, wait_for_topics


def test_ready_only_when_every_part_is() -> None:
    readiness = Readiness()
    readiness.report("relay", "kafka_away")
    readiness.report("requests", "postgres_away")
    readiness.report("relay", None)
    assert readiness.reasons
    assert dict(readiness.reasons) == {"requests": "postgres_away"}
    readiness.report("requests", None)
    assert not readiness.reasons


async def test_kafka_away_is_waited_for_and_said() -> None:
    readiness, seen = Readiness(), list[bool]()

    async def check() -> None:
        seen.append(not readiness.reasons)
        if len(seen) < 3:
            raise TransientError("kafka_away")

    await wait_for_topics(check, report=readiness.report, stop=asyncio.Event())
    assert seen == [True, False, False]
    assert not readiness.reasons


async def test_a_wrong_topic_refuses_to_start() -> None:
    async def check() -> None:
        raise ConfigurationError("topic_missing")

    with pytest.raises(ConfigurationError):
        await wait_for_topics(check, report=Readiness().report, stop=asyncio.Event())


async def test_the_wait_ends_when_asked_to() -> None:
    stop = asyncio.Event()

    async def check() -> None:
        raise TransientError("kafka_away")

    waiting = asyncio.create_task(wait_for_topics(check, report=Readiness().report, stop=stop))
    await asyncio.sleep(0.02)
    stop.set()
    await asyncio.wait_for(waiting, 1)
