"""The errors of the embedded services: every message says what happened and what to do instead.

Owns the exception types of this package. Holds no state and does no IO.
"""

from __future__ import annotations

WAY_OUT = (
    "改用：docker compose up，或把 XUELIAN_KAFKA_BOOTSTRAP 与 XUELIAN_POSTGRES_DSN "
    "指向已有的服务器 · "
    "Instead: docker compose up, or point XUELIAN_KAFKA_BOOTSTRAP and XUELIAN_POSTGRES_DSN at "
    "servers that exist."
)


class ServicesUnavailableError(Exception):
    """The embedded Kafka or PostgreSQL is not available on this machine.

    Args:
        reason: One bilingual sentence that says what went wrong; the way out is added to it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}\n{WAY_OUT}")
        self.reason = reason


class ChecksumError(ServicesUnavailableError):
    """A jar does not have the sha256 that is kept here; it is never put on a class path."""


class StateMismatchError(ServicesUnavailableError):
    """The state folder was made by another version or for another number of brokers."""
