"""A producer that hangs while it is closed: whoever failed with it is told, and not cancelled."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiokafka import AIOKafkaProducer

from streams.kafka.producer import KafkaPublisher


class Sender:
    """As aiokafka's: closing waits for the task itself, so a wait that is cut cancels the task."""

    def __init__(self) -> None:
        self.task = asyncio.ensure_future(asyncio.Event().wait())

    async def close(self) -> None:
        await self.task


class Client:
    async def close(self) -> None:
        return


class Accumulator:
    _closed = False
    _pending_batches: tuple[Any, ...] = ()

    def __init__(self) -> None:
        self._batches: dict[Any, Any] = {}

    def fail_all(self, error: Exception) -> None:
        del error


class HungProducer:
    """What closing touches of a producer whose broker was killed and answers nothing."""

    def __init__(self) -> None:
        self._closed = False
        self._message_accumulator = Accumulator()
        self._sender = Sender()
        self.client = Client()


async def test_f25_many_who_failed_with_one_producer_are_not_cancelled_by_its_close() -> None:
    publisher = KafkaPublisher(bootstrap="127.0.0.1:1")
    producer = cast("AIOKafkaProducer", HungProducer())
    publisher._producer = producer

    async def fail_later(after_s: float) -> str:
        await asyncio.sleep(after_s)
        await publisher._abandon(producer)
        return "told"

    outcomes = await asyncio.wait_for(
        asyncio.gather(*(fail_later(n / 4) for n in range(8)), return_exceptions=True), 10
    )
    assert outcomes == ["told"] * 8
    assert publisher._producer is None
    assert not publisher._closing
