"""Ports to Kafka and to time: records in, events out, and the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from models.envelope import Envelope
from models.errors import ContractError
from models.events import EventData

SHARDS = 8
"""Number of outbox shards. A key always falls into the same shard and one relay at a time
publishes a shard, so records of a key leave in the order their transactions committed. Eight shards
keep two relays busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A record that was decoded.

    Attributes:
        event: The decoded body, already upcast to its newest version.
        digest: SHA-256 (hex) of the raw body; the inbox tells a repeat from a reused id by it.
    """

    topic: str
    partition: int
    offset: int
    envelope: Envelope
    event: EventData
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A record that could not be decoded; it is kept whole, so that it can be replayed."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    error: ContractError


Record = Received | Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Records of a topic that a reader has not acknowledged.

    Attributes:
        reader: Consumer group.
        since: When the oldest of them was written, by the real clock of the machine that wrote it,
            never by the clock of a drill. None if nothing waits.
    """

    reader: str
    topic: str
    records: int
    since: datetime | None


class BatchHandler(Protocol):
    """Decides a batch of one topic in one transaction.

    Returns, once the transaction is committed, the outbox shards that now have something to
    publish. Records that cannot be accepted are quarantined inside the same transaction.

    Raises:
        TransientError: Nothing was committed; call again with the same batch.
        InvariantViolation: A bug of ours; the process must stop without acknowledging.
    """

    async def __call__(self, batch: Sequence[Record], /) -> frozenset[int]: ...


class Clock(Protocol):
    """The one source of time. A drill may run it faster than real time."""

    def now(self) -> datetime:
        """Return the current aware UTC instant."""
        ...

    def real_s_until(self, instant: datetime) -> float:
        """Return the real seconds until an instant of this clock; 0 if it has passed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One event that is committed and waits to be published."""

    row_id: int
    topic: str
    envelope: Envelope


class Outbox(Protocol):
    def claim(
        self, shards: Collection[int], *, limit: int
    ) -> AbstractAsyncContextManager[Sequence[OutboxRow]]:
        """Lock the shards against every other relay and return their unpublished rows in order.

        Leaving the block normally marks the rows as published; leaving it with an exception marks
        none. A crash in between may publish rows twice, but never out of order, and loses none.
        """
        ...

    async def list_pending_shards(self) -> frozenset[int]:
        """Return the shards that have unpublished rows (the fallback poll)."""
        ...


class EventPublisher(Protocol):
    async def publish(self, topic: str, envelopes: Sequence[Envelope]) -> None:
        """Send in order and return when every replica in sync has all of them (`acks=all`).

        Raises:
            TransientError: At least one event is not known to be kept; sending again is safe.
        """
        ...


class EventTail(Protocol):
    def follow(self, topics: Collection[str]) -> AsyncIterator[tuple[str, Envelope]]:
        """Yield (topic, event) for everything published from now on, across reconnects.

        For waking readers only: an event may be missed while the connection is made again.
        """
        ...
