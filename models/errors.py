"""The five families of things that go wrong; each has one fate at every edge."""

from __future__ import annotations

from collections.abc import Mapping


class XuelianError(Exception):
    """Something went wrong in a way we foresaw.

    Attributes:
        code: Stable machine name, also the key of the text in the message file.
        params: What the text names: the field, the value, the limit.
    """

    def __init__(self, code: str, /, **params: str | float) -> None:
        self.code = code
        self.params: Mapping[str, str | float] = params
        told = ", ".join(f"{name}={value}" for name, value in params.items())
        super().__init__(f"{code} ({told})" if told else code)


class DomainRefusal(XuelianError):
    """Valid, but not allowed: answered with the reason and the rule, then acknowledged."""


class ContractError(XuelianError):
    """Cannot be understood: quarantined with the reason, acknowledged, replayable."""


class TransientError(XuelianError):
    """A dependency is away or a row was contended: retried in place, never acknowledged."""

    @property
    def is_contended(self) -> bool:
        """Whether another transaction changed what ours was decided on: deciding again helps."""
        return self.code == "postgres_contended"


class ConfigurationError(XuelianError):
    """Refuse to start; one clear line that says what to change."""


class InvariantViolation(XuelianError):
    """Our own bug: the process crashes rather than go on from a false state."""
