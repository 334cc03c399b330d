"""The locks of one transaction: it begins with all that it needs, or begins again with more.

A transaction waits for locks only before it has touched anything, and for all of them in one order.
Of what it comes to later it has the lock, or it is given up and begun again with more: nobody who
has a lock, a row or a head of the audit ever waits for a station.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from streams.ports.locks import LocksMissingError
from streams.store.outbox import LOCK_SPACE
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Connection

_QUERIES = load_queries("locks")

_SPACE = LOCK_SPACE + 1
"""First half of these advisory locks; the second is the name's hash. The shards have their own."""


class PgLocks:
    """The locks that one transaction has; for one task.

    Args:
        connection: Inside the transaction.
        names: What the transaction is to have from its beginning; None for one that meets the
            supply side at single rows alone, and takes the locks it is asked for as they come.
    """

    def __init__(self, connection: Connection, names: Collection[str] | None) -> None:
        self._connection = connection
        self._had = None if names is None else set(names)

    @property
    def names(self) -> list[str] | None:
        """Return which locks it has; None if it may touch whatever it finds."""
        return None if self._had is None else sorted(self._had)

    async def take_first(self) -> None:
        """Wait for the locks that it begins with."""
        if self._had:
            await self._wait_for(self._had)

    async def lock(self, names: Collection[str]) -> None:
        """Return with these locks.

        Raises:
            LocksMissingError: It began without one of them.
        """
        if self._had is None:
            await self._wait_for(names)
        else:
            self.ensure(names)

    async def try_lock(self, names: Collection[str]) -> bool:
        """Take these locks if all of them are free, or had already; never wait."""
        wanted = set(names) - (self._had or set())
        if wanted and not await _QUERIES.try_names(
            self._connection, space=_SPACE, names=sorted(wanted)
        ):
            return False
        if self._had is not None:
            self._had |= wanted
        return True

    def ensure(self, names: Iterable[str]) -> None:
        """Let a transaction touch only what it has the locks of.

        Raises:
            LocksMissingError: It has not all of these.
        """
        if self._had is not None and (missing := set(names) - self._had):
            raise LocksMissingError(missing)

    def drop_since(self, names: Collection[str] | None) -> None:
        """Know that a savepoint was undone: the locks taken since are free again."""
        self._had = None if names is None else set(names)

    async def _wait_for(self, names: Collection[str]) -> None:
        await _QUERIES.lock_names(self._connection, space=_SPACE, names=sorted(names))
