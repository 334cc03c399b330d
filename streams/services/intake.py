"""Take in a batch: one transaction for the inbox, the decision, the outbox and the quarantine.

What cannot be accepted is quarantined inside the same transaction, so a record is either acted on
once, known as a repeat, or kept whole with its reason. Nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

from models.errors import ContractError, DomainRefusal
from models.topics import AppName
from streams.ports import Begin, Claim, Clock, Received, Record, UnitOfWork, Unreadable

Decide = Callable[[UnitOfWork, Sequence[Received], datetime], Awaitable[None]]
"""Acts on records that are new, in order; one call per batch."""


class Concern(Protocol):
    """Tells which records need a transaction at all; the others are acknowledged as they are.

    For our own events only: what is passed over is not in the inbox, so a repeat is not known.
    """

    def concerns(self, record: Received, now: datetime) -> bool: ...

    def note_committed(self, records: Sequence[Received], now: datetime) -> None:
        """These were acted on, and the transaction has committed."""
        ...


class _Everything:
    """Every record needs its transaction."""

    def concerns(self, record: Received, now: datetime) -> bool:  # noqa: ARG002 - its port
        return True

    def note_committed(self, records: Sequence[Received], now: datetime) -> None:
        """Nothing to remember."""


class Intake:
    """A `BatchHandler` for one topic and one reader.

    Args:
        begin: Begins the transaction of a batch.
        clock: The one `now` of a batch is read once its transaction has begun.
        reader: The consumer group, under which repeats are known.
        decide: What to do with the records that are new.
        concern: Which records need a transaction; all of them by default.
    """

    def __init__(
        self,
        *,
        begin: Begin,
        clock: Clock,
        reader: AppName,
        decide: Decide,
        concern: Concern | None = None,
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._reader = reader
        self._decide = decide
        self._concern: Concern = concern or _Everything()

    async def __call__(self, batch: Sequence[Record], /) -> frozenset[int]:
        asked_at = self._clock.now()
        wanted = [
            record
            for record in batch
            if isinstance(record, Unreadable) or self._concern.concerns(record, asked_at)
        ]
        if not wanted:
            return frozenset()
        async with self._begin() as work:
            # Read only now: beginning may have waited for the transaction before.
            now = self._clock.now()
            fresh = await self._take_in(work, wanted, now)
            if fresh:
                await self._decide(work, fresh, now)
        self._concern.note_committed(fresh, now)
        return work.lanes

    async def _take_in(
        self, work: UnitOfWork, batch: Sequence[Record], now: datetime
    ) -> list[Received]:
        readable = [record for record in batch if isinstance(record, Received)]
        for record in batch:
            if isinstance(record, Unreadable):
                await work.inbox.quarantine(record, record.error, reader=self._reader, now=now)
        if not readable:
            return []
        claims = await work.inbox.claim(readable, reader=self._reader, now=now)
        for record, claim in zip(readable, claims, strict=True):
            if claim is Claim.REUSED:
                error = ContractError(
                    "event_id_reused", id=record.envelope.id, source=record.envelope.source
                )
                await work.inbox.quarantine(record, error, reader=self._reader, now=now)
        return [
            record for record, claim in zip(readable, claims, strict=True) if claim is Claim.FRESH
        ]


def one_by_one(
    act: Callable[[UnitOfWork, Received, datetime], Awaitable[None]], *, reader: AppName
) -> Decide:
    """Make a `Decide` that acts on each record by itself, inside a savepoint.

    A record that is refused or not understood is quarantined with its reason and leaves no other
    trace; the rest of the batch goes on.
    """

    async def decide(work: UnitOfWork, records: Sequence[Received], now: datetime) -> None:
        for record in records:
            try:
                async with work.savepoint():
                    await act(work, record, now)
            except (ContractError, DomainRefusal) as error:
                await work.inbox.quarantine(record, error, reader=reader, now=now)

    return decide
