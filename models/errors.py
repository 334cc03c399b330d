"""The five families of errors; each is handled in one way wherever it is caught."""

from __future__ import annotations

from collections.abc import Mapping


class XuelianError(Exception):
    """The base class of all foreseen errors.

    Attributes:
        code: Stable machine name, also the key of the text in the message file.
        params: The values that the text names, such as the field, the value and the limit.
    """

    def __init__(self, code: str, /, **params: str | float) -> None:
        self.code = code
        self.params: Mapping[str, str | float] = params
        told = ", ".join(f"{name}={value}" for name, value in params.items())
        super().__init__(f"{code} ({told})" if told else code)


class DomainRefusal(XuelianError):
    """The input is valid but not allowed: answered with reason and rule, then acknowledged."""


class ContractError(XuelianError):
    """The input is not understood: dead-lettered with the reason, acknowledged, replayable."""


class TransientError(XuelianError):
    """A dependency is unavailable or a row is contended: retried in place, never acknowledged."""

    @property
    def is_contended(self) -> bool:
        """Return whether another transaction changed the rows that ours read.

        Deciding again helps.
        """
        return self.code == "postgres_contended"


class ConfigurationError(XuelianError):
    """The process refuses to start; one clear line says what to change."""


class InvariantViolation(XuelianError):
    """A bug of our own: the process crashes rather than continue from a false state."""
