"""From driver errors to the families of `models.errors`, by kind and constraint name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from models.errors import InvariantViolation, TransientError

# Two writers wanted the same unit, call or shortage: the second decides again on what is left.
_CONTENDED_CONSTRAINTS = frozenset(
    {
        "promises_live_uq",
        "promises_pkey",
        "promises_epoch_uq",
        "call_outs_live_uq",
        "shortages_open_uq",
        "decisions_version_uq",
    }
)
_GUARD_TRIPPED = "XL001"
"""Raised by our own functions in the database."""

_CONTENDED = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, crashed, starting up, cancelled
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby that was not promoted yet
)


@contextmanager
def translated() -> Iterator[None]:
    """Translate what the driver raises.

    Raises:
        TransientError: `postgres_away` or `postgres_contended`; nothing was committed as far as we
            know, and doing it again is safe because every write is idempotent by event id.
        InvariantViolation: A constraint stopped us from writing a false state: our bug.
    """
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        name = error.constraint_name or ""
        if name in _CONTENDED_CONSTRAINTS:
            raise TransientError("postgres_contended", constraint=name) from error
        raise InvariantViolation("constraint_broken", constraint=name, detail=str(error)) from error
    except asyncpg.IntegrityConstraintViolationError as error:
        name = error.constraint_name or error.column_name or ""
        raise InvariantViolation("constraint_broken", constraint=name, detail=str(error)) from error
    except _CONTENDED as error:
        raise TransientError("postgres_contended", detail=type(error).__name__) from error
    except asyncpg.PostgresError as error:
        raise (_find_transient(error) or error) from error.__cause__
    except asyncpg.InterfaceError as error:
        # The driver uses one class for a lost connection and for a wrong call of ours.
        if not any(word in str(error) for word in ("closed", "closing", "terminated", "released")):
            raise
        raise TransientError("postgres_away", detail=str(error)[:200]) from error
    except OSError as error:  # refused, reset, and TimeoutError
        raise _away(error) from error


def _find_transient(error: asyncpg.PostgresError) -> TransientError | None:
    if error.sqlstate == _GUARD_TRIPPED:
        return TransientError("postgres_contended", detail=str(error))
    return _away(error) if isinstance(error, _AWAY) else None


def _away(error: Exception) -> TransientError:
    return TransientError("postgres_away", detail=f"{type(error).__name__}: {error}"[:200])
