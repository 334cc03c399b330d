"""Take in a batch: one transaction for the inbox, the decision, the outbox and the quarantine.

What cannot be accepted is quarantined inside the same transaction, so a record is either acted on
once, known as a repeat, or kept whole with its reason. Nothing is skipped. A value that proves
impossible only on writing is a fault of its record, not of the process that writes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from pydantic import ValidationError

from models.errors import ContractError, DomainRefusal, TransientError
from models.possible_times import list_impossible
from models.texts import render
from models.topics import AppName
from streams.ports import Begin, Claim, Clock, Context, Received, Record, UnitOfWork, Unreadable
from streams.services.transaction_restart import TRIES, LocksUnsettledError, begin_again

Decide = Callable[[UnitOfWork, Sequence[Received]], Awaitable[None]]
"""Acts on records that are new, in order; one call per batch."""

ListLocks = Callable[[Sequence[Record]], frozenset[str]]
"""Lists the locks that records name; see `record_locks`."""

TRIES_TOGETHER = 4
"""A batch that then still comes to further stations is decided record by record."""


class Intake:
    """A `BatchHandler` for one topic and one reader.

    Args:
        begin: Begins the transaction of a batch.
        careful: Begins it instead, once, if an assumption that `begin` makes did not hold.
        clock: The one `now` of a batch is read once its transaction has begun.
        reader: The consumer group, under which repeats are known.
        decide: Acts on the records that are new.
        locks: Lists the locks that a batch begins with; None where it needs none.
    """

    def __init__(
        self,
        *,
        begin: Begin,
        clock: Clock,
        reader: AppName,
        decide: Decide,
        careful: Begin | None = None,
        locks: ListLocks | None = None,
    ) -> None:
        self._begin = begin
        self._careful = careful
        self._clock = clock
        self._reader = reader
        self._decide = decide
        self._list_locks = locks

    async def __call__(self, batch: Sequence[Record], /) -> frozenset[int]:
        try:
            return await self._attempt_carefully(batch)
        except Exception as error:
            fault = find_value_fault(error)
            # Of several records the faulty one is not known yet: they come again one by one.
            if fault is None or len(batch) > 1:
                raise
            return await self._refuse(batch, fault)

    async def _attempt_carefully(self, batch: Sequence[Record]) -> frozenset[int]:
        if self._list_locks is not None:
            return await self._attempt_locked(batch, self._list_locks(batch))
        if self._careful is None:
            return await self._attempt(batch, self._begin)
        try:
            return await self._attempt(batch, self._begin)
        except TransientError as error:
            if not error.is_contended:
                raise
        return await self._attempt(batch, self._careful)

    async def _attempt_locked(
        self, batch: Sequence[Record], locks: frozenset[str]
    ) -> frozenset[int]:
        is_alone = len(batch) == 1
        try:
            return await begin_again(
                lambda names: self._attempt(batch, self._begin, names),
                locks,
                tries=TRIES if is_alone else TRIES_TOGETHER,
            )
        except LocksUnsettledError:
            if is_alone:
                raise
        shards = [await self([record]) for record in batch]
        return frozenset().union(*shards)

    async def _attempt(
        self, batch: Sequence[Record], begin: Begin, locks: frozenset[str] | None = None
    ) -> frozenset[int]:
        async with begin(locks) as work:
            # Read only now: beginning may have waited for the transaction before.
            work.enter(Context.of_record(batch[0], now=self._clock.now()))
            fresh = await self._take_in(work, batch)
            if fresh:
                await self._decide(work, fresh)
        return work.shards

    async def _refuse(self, batch: Sequence[Record], fault: ContractError) -> frozenset[int]:
        """Quarantine a record whose values proved impossible on writing; act on nothing."""
        async with (self._careful or self._begin)() as work:
            work.enter(Context.of_record(batch[0], now=self._clock.now()))
            for record in await self._take_in(work, batch):
                await work.inbox.quarantine(record, fault, reader=self._reader)
        return work.shards

    async def _take_in(self, work: UnitOfWork, batch: Sequence[Record]) -> list[Received]:
        readable = [record for record in batch if isinstance(record, Received)]
        for record in batch:
            if isinstance(record, Unreadable):
                await work.inbox.quarantine(record, record.error, reader=self._reader)
        if not readable:
            return []
        claims = await work.inbox.claim(readable, reader=self._reader, now=work.context.now)
        for record, claim in zip(readable, claims, strict=True):
            if claim is Claim.REUSED:
                error = ContractError(
                    "event_id_reused", id=record.envelope.id, source=record.envelope.source
                )
                await work.inbox.quarantine(record, error, reader=self._reader)
        fresh = [
            record for record, claim in zip(readable, claims, strict=True) if claim is Claim.FRESH
        ]
        return [record for record in fresh if await self._is_possible(work, record)]

    async def _is_possible(self, work: UnitOfWork, record: Received) -> bool:
        """Return whether a record's moments are possible; quarantine it with the reason if not."""
        found = list_impossible(record.event, now=work.context.now)
        if not found:
            return True
        text = render(found[0].code, found[0].params)
        error = ContractError(
            "moment_impossible",
            field=found[0].field,
            why=str(text),
            errors=len(found),
        )
        await work.inbox.quarantine(record, error, reader=self._reader)
        return False


def one_by_one(
    act: Callable[[UnitOfWork, Received], Awaitable[None]], *, reader: AppName
) -> Decide:
    """Make a `Decide` that acts on each record by itself, inside a savepoint.

    A record that is refused or not understood is quarantined with its reason and leaves no other
    trace; the rest of the batch goes on.
    """

    async def decide(work: UnitOfWork, records: Sequence[Received]) -> None:
        for record in records:
            work.enter(Context.of_record(record, now=work.context.now))
            try:
                async with work.savepoint():
                    await act(work, record)
            except (ContractError, DomainRefusal) as error:
                await work.inbox.quarantine(record, error, reader=reader)
            except (ValidationError, OverflowError) as error:
                fault = find_value_fault(error)
                if fault is None:
                    raise
                await work.inbox.quarantine(record, fault, reader=reader)

    return decide


_BEYOND = frozenset(
    {"less_than_equal", "less_than", "greater_than_equal", "greater_than", "finite_number"}
)


def find_value_fault(error: Exception) -> ContractError | None:
    """Return the refusal of a record whose numbers led beyond a bound; None for other faults.

    The bounds of single fields cannot show what several fields lead to together.
    """
    if isinstance(error, ContractError):
        return error if error.code == "value_unstorable" else None
    if isinstance(error, OverflowError):
        return ContractError("value_unstorable", detail=str(error)[:200])
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_input=False)
        if all(problem["type"] in _BEYOND for problem in found):
            field = ".".join(map(str, found[0]["loc"]))
            detail = f"{error.title}.{field}: {found[0]['msg']}"[:200]
            return ContractError("value_unstorable", detail=detail)
    return None
