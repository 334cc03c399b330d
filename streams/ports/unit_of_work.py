"""The unit of work: one transaction, what it reads and writes, and what it will publish.

Events, timers and audit rows are buffered and written when the block ends, the outbox last, so
that its row lock per key is held only for the moment before the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from models.audit import ChainHead
from models.directory import Directory
from models.errors import XuelianError
from models.events import EventData
from models.rules.rulebook import Rulebook
from streams.ports.alerts import DisasterStore
from streams.ports.call_outs import ReserveStore
from streams.ports.context import Context
from streams.ports.counts import CountStore
from streams.ports.demand import DemandStore
from streams.ports.donations import DonationStore
from streams.ports.requests import RequestStore
from streams.ports.shortages import ExchangeStore
from streams.ports.stock import StockStore
from streams.ports.timers import Timer, TimerStore
from streams.ports.transport import Received, Record


class Claim(StrEnum):
    """What the inbox says of a record: new, seen before, or an old id with other content."""

    FRESH = "fresh"
    REPEATED = "repeated"
    REUSED = "reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An event to publish once the transaction has committed.

    Attributes:
        context: What led to it; its instant is the event's `ce_time`.
        hospital_id: Set where a hospital may see it in the feed.
    """

    event: EventData
    context: Context
    hospital_id: str | None = None
    station_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A change of state for the audit; its context says who, when and by which event."""

    subject_kind: str
    subject: str
    station_id: str | None
    from_state: str
    to_state: str
    why: str


class InboxStore(Protocol):
    async def claim(
        self, records: Sequence[Received], *, reader: str, now: datetime
    ) -> Sequence[Claim]:
        """Take records in, in order; of two with the same id in one call the first is fresh.

        Raises:
            TransientError: Another transaction is taking one of them in at this moment.
        """
        ...

    async def quarantine(self, record: Record, error: XuelianError, *, reader: str) -> None:
        """Keep a record whole with its reason, and publish it to the reader's dead-letter topic.

        The same record of the log is kept once, however often it is read.
        """
        ...

    async def trim(self, *, taken_before: datetime, published_before: datetime) -> None:
        """Delete what was taken in, and what was published, before these instants."""
        ...


class AuditStore(Protocol):
    async def seal(self, *, now: datetime, again_before: datetime) -> list[ChainHead]:
        """Note the chain heads that are to be published, and return them.

        Args:
            now: When they are sealed.
            again_before: A chain that has not moved since its last seal is sealed again if that
                was before this instant, so that its seal never falls out of the log.
        """
        ...


class UnitOfWork(Protocol):
    """One transaction."""

    @property
    def inbox(self) -> InboxStore: ...
    @property
    def requests(self) -> RequestStore: ...
    @property
    def demand(self) -> DemandStore: ...
    @property
    def stock(self) -> StockStore: ...
    @property
    def donations(self) -> DonationStore: ...
    @property
    def counts(self) -> CountStore: ...
    @property
    def disasters(self) -> DisasterStore: ...
    @property
    def reserve(self) -> ReserveStore: ...
    @property
    def exchange(self) -> ExchangeStore: ...
    @property
    def timers(self) -> TimerStore: ...
    @property
    def audit(self) -> AuditStore: ...

    @property
    def shards(self) -> frozenset[int]:
        """Return the outbox shards that this transaction filled; complete once it has ended."""
        ...

    @property
    def rules(self) -> Rulebook:
        """Return the rulebook that this transaction decides by."""
        ...

    @property
    def context(self) -> Context:
        """Return what leads to the work at this moment.

        Raises:
            InvariantViolation: `work_without_context`: nothing was entered yet.
        """
        ...

    def enter(self, context: Context) -> None:
        """Do everything from now on in this context."""
        ...

    def emit(
        self, event: EventData, *, station_id: str | None = None, hospital_id: str | None = None
    ) -> None:
        """Publish an event once the transaction has committed.

        Args:
            event: What happened.
            station_id: Set where a station may see it in the feed.
            hospital_id: Set where a hospital may see it in the feed.
        """
        ...

    def schedule(self, timer: Timer) -> None: ...
    def record(self, transition: Transition) -> None: ...

    async def lock_stations(self, *station_ids: str) -> None:
        """Return when no other transaction decides on what is these stations'.

        Raises:
            LocksMissingError: The transaction began without one of their locks.
        """
        ...

    async def try_lock(self, names: Collection[str]) -> bool:
        """Take locks besides those it began with, if they are free; never wait for them.

        Call it before the clock is read that the work goes by, and before anything is touched.
        """
        ...

    def on_commit(self, act: Callable[[], None]) -> None:
        """Call `act` once the transaction has committed; never, if it does not."""
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Undo what the inner block wrote and buffered if it raises; the exception goes on."""
        ...


class Begin(Protocol):
    """Begin a transaction. It commits when the block ends normally, else nothing happened."""

    def __call__(
        self, locks: Collection[str] | None = None
    ) -> AbstractAsyncContextManager[UnitOfWork]:
        """Begin once the transaction has all of these locks.

        It then touches nothing of a station whose lock it has not: there it raises
        `LocksMissingError`, and whoever began it begins it again with more.

        Args:
            locks: Names of stations, disasters and `NEW_BAGS`, see `ports.locks`. None: it meets
                the supply side at single rows alone, as an urgent request does.
        """
        ...


class DirectorySource(Protocol):
    def current(self) -> Directory:
        """Return the last snapshot; never waits."""
        ...

    async def refresh(self) -> Directory:
        """Read the directory again: what is returned was read after this call began."""
        ...

    async def ensure_current(self) -> Directory:
        """Return the directory, read again if anything in it has changed since it was read."""
        ...
