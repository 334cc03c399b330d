"""Hand-written fakes of what surrounds an edge: Faust's stream, the handler, the relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from models.envelope import Envelope
from streams.ports import Record
from tests.support.kafka import answer_body, make_envelope


@dataclass
class FakeMessage:
    offset: int
    value: bytes | None
    headers: list[tuple[str, bytes]]
    generation_id: int | None = 1
    topic: str = "blood.answers.v1"
    partition: int = 0
    key: bytes | None = b"nagqu"


@dataclass
class FakeEvent:
    message: FakeMessage
    journal: list[str]

    def ack(self) -> bool:
        self.journal.append(f"ack {self.message.offset}")
        return True


@dataclass
class FakeStream:
    """A stream that gives what a test puts; says so if somebody reads it with automatic acks."""

    journal: list[str]
    manual: bool = False
    waiting: asyncio.Queue[FakeEvent] = field(default_factory=asyncio.Queue)

    def put(self, offset: int, *, generation: int = 1, value: bytes | None = None) -> None:
        envelope: Envelope = make_envelope(offset)
        message = FakeMessage(
            offset=offset,
            value=answer_body(offset) if value is None else value,
            headers=envelope.to_headers(),
            generation_id=generation,
        )
        self.waiting.put_nowait(FakeEvent(message, self.journal))

    def put_all(self, offsets: Iterable[int]) -> None:
        for offset in offsets:
            self.put(offset)

    def noack(self) -> FakeStream:
        self.manual = True
        return self

    async def events(self) -> AsyncIterator[FakeEvent]:
        assert self.manual, "events would be acknowledged by the stream"
        while True:
            yield await self.waiting.get()


class RecordingHandler:
    """A batch handler that notes what it begins and commits, and fails as it is told."""

    def __init__(self, journal: list[str]) -> None:
        self._journal = journal
        self._failures: list[Exception] = []
        self._broken: dict[int, Exception] = {}
        self.hold: asyncio.Event | None = None
        self.on_begin: Callable[[Sequence[Record]], None] = lambda _: None

    def fail_with(self, errors: Iterable[Exception]) -> None:
        self._failures = list(errors)

    def break_on(self, offset: int, error: Exception) -> None:
        self._broken[offset] = error

    async def __call__(self, batch: Sequence[Record], /) -> frozenset[int]:
        offsets = ",".join(str(record.offset) for record in batch)
        self._journal.append(f"begin {offsets}")
        self.on_begin(batch)
        if self.hold is not None:
            await self.hold.wait()
        for record in batch:
            if record.offset in self._broken:
                raise self._broken[record.offset]
        if self._failures:
            raise self._failures.pop(0)
        self._journal.append(f"commit {offsets}")
        return frozenset({5})


class RecordingRelay:
    def __init__(self, journal: list[str]) -> None:
        self._journal = journal
        self.woken: list[int] = []

    def wake(self, shards: Collection[int], /) -> None:
        self.woken += sorted(shards)
        self._journal.append("wake " + ",".join(str(shard) for shard in sorted(shards)))
