"""What each exception of the driver means: the server is away, a race, the set-up, or our bug."""

from __future__ import annotations

import inspect

import asyncpg
import pytest
from asyncpg import exceptions

from models.errors import ConfigurationError, ContractError, InvariantViolation, TransientError
from streams.store.driver_errors import translated

AWAY = {
    # connection, resources, intervention, the server's machine, its inside
    *["PostgresConnectionError", "ConnectionDoesNotExistError", "ConnectionFailureError"],
    *["ClientCannotConnectError", "ConnectionRejectionError", "ProtocolViolationError"],
    *["TransactionResolutionUnknownError", "StatementCompletionUnknownError"],
    *["InsufficientResourcesError", "DiskFullError", "OutOfMemoryError", "TooManyConnectionsError"],
    *["ConfigurationLimitExceededError", "OperatorInterventionError", "QueryCanceledError"],
    *["AdminShutdownError", "CrashShutdownError", "CannotConnectNowError", "DatabaseDroppedError"],
    *["IdleSessionTimeoutError", "PostgresSystemError", "PostgresIOError", "UndefinedFileError"],
    *["DuplicateFileError", "FileNameTooLongError", "ConfigFileError", "LockFileExistsError"],
    *["InternalServerError", "ReadOnlySQLTransactionError", "TransactionTimeoutError"],
    "IdleInTransactionSessionTimeoutError",
    # the driver's own
    *["InternalClientError", "ProtocolError", "TargetServerAttributeNotMatched"],
}
CONTENDED = {
    *["TransactionRollbackError", "SerializationError", "DeadlockDetectedError"],
    *["LockNotAvailableError", "ObjectInUseError", "SnapshotTooOldError"],
    *["InvalidCachedStatementError", "OutdatedSchemaCacheError"],
}
MISCONFIGURED = {
    *["InvalidAuthorizationSpecificationError", "InvalidPasswordError", "InvalidCatalogNameError"],
    *["ClientConfigurationError", "UnsupportedServerFeatureError"],
}
BROKEN = {
    *["IntegrityConstraintViolationError", "RestrictViolationError", "NotNullViolationError"],
    *["ForeignKeyViolationError", "UniqueViolationError", "CheckViolationError"],
    *["ExclusionViolationError", "TransactionIntegrityConstraintViolationError"],
}
RAISED: set[type[Exception]] = {
    found
    for found in vars(exceptions).values()
    if inspect.isclass(found) and issubclass(found, Exception) and not issubclass(found, Warning)
}


def fate_of(error: Exception) -> str:
    try:
        with translated():
            raise error
    except TransientError as told:
        return told.code
    except (ConfigurationError, ContractError, InvariantViolation) as told:
        return told.code
    except type(error):
        return "ours"


def expected(name: str) -> str:
    if name in AWAY:
        return "postgres_away"
    if name in CONTENDED:
        return "postgres_contended"
    if name in MISCONFIGURED:
        return "postgres_refuses"
    if issubclass(getattr(exceptions, name), exceptions.DataError) or is_of_values(name):
        return "value_unstorable"
    return "constraint_broken" if name in BROKEN else "ours"


def is_of_values(name: str) -> bool:
    return str(getattr(getattr(exceptions, name), "sqlstate", "") or "").startswith("22")


@pytest.mark.parametrize("kind", sorted(RAISED, key=str))
def test_f25_every_exception_of_the_driver_has_its_fate(kind: type[Exception]) -> None:
    assert fate_of(kind("as the driver says")) == expected(kind.__name__)


def test_f25_the_lists_name_classes_that_exist() -> None:
    known = {kind.__name__ for kind in RAISED}
    assert known >= AWAY | CONTENDED | MISCONFIGURED | BROKEN


@pytest.mark.parametrize(
    ("error", "code"),
    [
        # As seen after kill -9 of the server, each at another moment of an answer.
        (
            asyncpg.InternalClientError(
                "cannot switch to state 12; another operation (2) is in progress"
            ),
            "postgres_away",
        ),
        (ConnectionRefusedError(111, "refused"), "postgres_away"),
        (ConnectionResetError(104, "reset"), "postgres_away"),
        (ConnectionError("unexpected connection_lost() call"), "postgres_away"),
        (TimeoutError(), "postgres_away"),
        (asyncpg.InterfaceError("connection is closed"), "postgres_away"),
        (asyncpg.InterfaceError("pool is closing"), "postgres_away"),
        (
            RuntimeError(
                "unable to perform operation on <TCPTransport closed=True>; the handler is closed"
            ),
            "postgres_away",
        ),
        (EOFError(), "postgres_away"),
        # Misuse is no outage: retried, it would be retried for ever.
        (
            asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
            "ours",
        ),
        (exceptions.DataError("invalid input for query argument $1"), "value_unstorable"),
        (RuntimeError("something else"), "ours"),
        (KeyError("station_id"), "ours"),
    ],
)
def test_f24_what_a_killed_server_shows_as(error: Exception, code: str) -> None:
    assert fate_of(error) == code


def test_f25_a_state_that_the_driver_does_not_know_goes_by_its_class() -> None:
    def unknown(state: str) -> Exception:
        return asyncpg.PostgresError.new({"C": state, "M": "newer than the driver"})

    assert fate_of(unknown("57P99")) == "postgres_away"
    assert fate_of(unknown("XL001")) == "postgres_contended"
    assert fate_of(unknown("XL999")) == "ours"


def test_f25_a_race_for_a_unit_is_decided_again_and_any_other_constraint_is_a_bug() -> None:
    race = asyncpg.PostgresError.new({"C": "23505", "M": "twice", "n": "promises_live_uq"})
    bug = asyncpg.PostgresError.new({"C": "23505", "M": "twice", "n": "outbox_sequence_uq"})
    assert fate_of(race) == "postgres_contended"
    assert fate_of(bug) == "constraint_broken"
