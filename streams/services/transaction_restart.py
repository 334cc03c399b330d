"""Begin a transaction again with the locks that it turned out to lack, until it has them all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from models.errors import InvariantViolation
from streams.ports.locks import LocksMissingError

T = TypeVar("T")

TRIES = 32
"""Each try adds a lock at least, and one record or timer comes to a few stations; more is a bug."""


class LocksUnsettledError(InvariantViolation):
    """A transaction asked for further locks at every try."""


async def begin_again(
    attempt: Callable[[frozenset[str]], Awaitable[T]],
    locks: frozenset[str],
    *,
    tries: int = TRIES,
) -> T:
    """Run a whole transaction; one that lacked a lock left no trace, and is run again.

    Args:
        attempt: Begins the transaction with the given locks and commits it.
        locks: Those that are known beforehand.
        tries: At most so many.

    Raises:
        LocksUnsettledError: `locks_unsettled`.
    """
    for _ in range(tries):
        try:
            return await attempt(locks)
        except LocksMissingError as missing:
            locks |= missing.names
    raise LocksUnsettledError("locks_unsettled", tries=tries, names=" ".join(sorted(locks)))
