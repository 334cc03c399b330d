"""Turns driver errors into the families of `models.errors`, by SQLSTATE, kind and constraint.

Total over the driver's exceptions: `find_fate` says of each whether the server is away, a row was
contended, the set-up is wrong, no column takes a value, or the fault is ours. A server that is
killed in the middle of an answer shows as almost anything: a refused connection, a protocol state
that cannot be left, a transport that is closed. All of them are an outage, never a bug.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto

import asyncpg

from models.errors import (
    ConfigurationError,
    ContractError,
    InvariantViolation,
    TransientError,
    XuelianError,
)

# Two writers wanted the same unit, call or shortage, or brought the same identifier: the second
# decides again on what is there.
_CONTENDED_CONSTRAINTS = frozenset(
    {
        "promises_live_uq",
        "promises_pkey",
        "promises_epoch_uq",
        "call_outs_live_uq",
        "shortages_open_uq",
        "decisions_version_uq",
        "units_pkey",
        "units_spelling_uq",
        "test_results_pkey",
        "test_results_supersedes_uq",
        "recalls_pkey",
        "offers_pkey",
    }
)


class DriverFate(Enum):
    """What a failure of the driver means for who called it."""

    AWAY = auto()
    CONTENDED = auto()
    CONSTRAINT = auto()
    MISCONFIGURED = auto()
    VALUE = auto()
    OURS = auto()


_BY_STATE = {
    "XL001": DriverFate.CONTENDED,  # raised by our own functions in the database
    "25006": DriverFate.AWAY,  # read only: a standby that was not promoted yet
    "25P03": DriverFate.AWAY,  # the server ended a session that stood still in its transaction
    "25P04": DriverFate.AWAY,  # or a transaction that took too long
    "40003": DriverFate.AWAY,  # whether it was committed is not known
    "40002": DriverFate.CONSTRAINT,
    "55006": DriverFate.CONTENDED,
    "55P03": DriverFate.CONTENDED,
    "72000": DriverFate.CONTENDED,  # a snapshot too old: read again
    # Damaged data is no outage: nobody must go on from it.
    "XX001": DriverFate.OURS,
    "XX002": DriverFate.OURS,
}
_BY_CLASS = {
    "08": DriverFate.AWAY,  # connection
    "22": DriverFate.VALUE,  # out of range, not of the column's form: of what was told to us
    "23": DriverFate.CONSTRAINT,
    "28": DriverFate.MISCONFIGURED,  # password, role
    "3D": DriverFate.MISCONFIGURED,  # no such database
    "40": DriverFate.CONTENDED,  # serialization, deadlock
    "53": DriverFate.AWAY,  # disk, memory, connections
    "57": DriverFate.AWAY,  # shutting down, crashed, starting up, cancelled
    "58": DriverFate.AWAY,  # the server's files or its machine
    "F0": DriverFate.AWAY,  # its configuration file
    "XX": DriverFate.AWAY,  # an error inside of the server
}
_LOST = ("closed", "closing", "terminated", "released")
"""Words of the driver for a connection that is gone; it uses one class for that and for misuse."""


def find_fate(error: BaseException) -> DriverFate:
    """Return what an exception out of the driver means; what the driver never raises is ours."""
    if isinstance(error, asyncpg.InvalidCachedStatementError | asyncpg.OutdatedSchemaCacheError):
        # The schema was changed under a prepared statement; the next try prepares it again.
        return DriverFate.CONTENDED
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return _BY_STATE.get(state) or _BY_CLASS.get(state[:2], DriverFate.OURS)
    if isinstance(
        error, asyncpg.exceptions.ClientConfigurationError | asyncpg.UnsupportedServerFeatureError
    ):
        return DriverFate.MISCONFIGURED
    return DriverFate.AWAY if _is_lost_connection(error) else DriverFate.OURS


def _is_lost_connection(error: BaseException) -> bool:
    """Return whether it is what driver and event loop raise beside PostgreSQL's own words."""
    if isinstance(error, asyncpg.InterfaceError):
        # Bad parameters (a ValueError) may quote any word.
        return not isinstance(error, ValueError) and any(word in str(error) for word in _LOST)
    if isinstance(error, RuntimeError):
        # uvloop's word for writing to a connection that was lost a moment before.
        return "handler is closed" in str(error)
    # The protocol broke off half-way; refused, reset; and TimeoutError, which is an OSError.
    return isinstance(error, asyncpg.InternalClientError | OSError | EOFError)


@contextmanager
def translated() -> Iterator[None]:
    """Translate what the driver raises.

    Raises:
        TransientError: `postgres_away` or `postgres_contended`; nothing was committed as far as we
            know, and doing it again is safe because every write is idempotent by event id.
        ConfigurationError: `postgres_refuses`: a password, role or database that is not there.
        ContractError: `value_unstorable`: the fault of what is written, not of who writes it.
        InvariantViolation: A constraint stopped us from writing a false state: our bug.
    """
    try:
        yield
    except Exception as error:
        told = _translate(error)
        if told is None:
            raise
        raise told from error


@contextmanager
def values_translated() -> Iterator[None]:
    """Translate only what the driver says of a value that no column takes.

    Inside a transaction, where only this is the fault of one record and not of the connection.

    Raises:
        ContractError: `value_unstorable`.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        if find_fate(error) is not DriverFate.VALUE:
            raise
        raise _of_value(error) from error


def _translate(error: Exception) -> XuelianError | None:
    """Return what an exception of the driver means to us; None leaves it as it is."""
    match find_fate(error):
        case DriverFate.AWAY:
            detail = f"{type(error).__name__}: {error}"[:200]
            return TransientError("postgres_away", detail=detail)
        case DriverFate.CONTENDED:
            detail = f"{type(error).__name__}: {error}"[:200]
            return TransientError("postgres_contended", detail=detail)
        case DriverFate.CONSTRAINT:
            return _of_constraint(error)
        case DriverFate.MISCONFIGURED:
            return ConfigurationError("postgres_refuses", detail=str(error)[:200])
        case DriverFate.VALUE:
            return _of_value(error)
        case DriverFate.OURS:
            return None


def _of_value(error: Exception) -> ContractError:
    return ContractError("value_unstorable", detail=f"{type(error).__name__}: {error}"[:200])


def _of_constraint(error: Exception) -> TransientError | InvariantViolation:
    found = getattr(error, "constraint_name", None) or getattr(error, "column_name", None)
    name = str(found or "")
    if isinstance(error, asyncpg.UniqueViolationError) and name in _CONTENDED_CONSTRAINTS:
        return TransientError("postgres_contended", constraint=name)
    return InvariantViolation("constraint_broken", constraint=name, detail=str(error))
