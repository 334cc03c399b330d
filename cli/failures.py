"""Turns any error into one bilingual line and an exit code.

Does no IO.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.texts import OWN_TEXTS
from deploy.local.exit_codes import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What the user is told.

    Attributes:
        details: Further lines, each in both languages, such as the fields that were wrong.
        unforeseen: Whether it is a bug of ours; `--debug` shows where.
    """

    code: str
    zh: str
    en: str
    exit_code: ExitCode
    details: tuple[str, ...] = ()
    unforeseen: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        error = {"code": self.code, "zh": self.zh, "en": self.en, "params": dict(self.params)}
        return {"error": {**error, "details": list(self.details)}}


class GatewayRefusedError(Exception):
    """The gateway answered with a problem; its words are shown as they came."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.zh} · {failure.en}")
        self.failure = failure


def render_code(code: str, params: Mapping[str, object]) -> tuple[str, str]:
    """Return the texts of a code, the command line's own before the shared ones."""
    own = OWN_TEXTS.get(code)
    if own is not None:
        from models.texts import localise  # noqa: PLC0415 - only failures need it

        zh, en = localise(params)
        return own[0].format_map(zh), own[1].format_map(en)
    from models.texts import render  # noqa: PLC0415 - only failures need the message file

    text = render(code, params)
    return text.zh, text.en


def describe_failure(error: BaseException) -> Failure:
    """Describe any exception in the user's words."""
    from models.errors import (  # noqa: PLC0415 - `--help` must not pay for it
        ConfigurationError,
        InvariantViolation,
        TransientError,
        XuelianError,
    )

    error = _bare(error)
    if isinstance(error, GatewayRefusedError):
        return error.failure
    if isinstance(error, XuelianError) and not isinstance(error, InvariantViolation):
        zh, en = render_code(error.code, error.params)
        exit_code = ExitCode.FAILED
        if isinstance(error, TransientError):
            exit_code = ExitCode.AWAY
        elif isinstance(error, ConfigurationError):
            exit_code = ExitCode.CONFIGURATION
        return Failure(
            code=error.code,
            zh=zh,
            en=en,
            exit_code=exit_code,
            params=error.params,
            # The end of a log is no sentence; it stands below both languages.
            details=tuple(str(error.params.get("tail", "")).splitlines()),
        )
    return _describe_stranger(error)


def _describe_stranger(error: BaseException) -> Failure:
    if type(error).__name__ in {"ServicesUnavailableError", "ChecksumError", "StateMismatchError"}:
        return _describe_services(error)
    if type(error).__name__ == "UndefinedTableError":
        zh, en = render_code("not_migrated", {})
        return Failure(code="not_migrated", zh=zh, en=en, exit_code=ExitCode.CONFIGURATION)
    detail = f"{type(error).__name__}: {error}".strip()
    return Failure(
        code="unforeseen",
        zh=f"没有预料到的错误：{detail}",
        en="an error that was not foreseen; run again with `xuelian --debug …` to see where",
        exit_code=ExitCode.FAILED,
        unforeseen=True,
        params={"detail": detail},
    )


def _describe_services(error: BaseException) -> Failure:
    """Describe an error of the embedded services, which is `zh · en` with the way out below."""
    first, *rest = str(error).split("\n")
    zh, _, en = first.partition(" · ")
    return Failure(
        code="services_unavailable",
        zh=zh,
        en=en or zh,
        exit_code=ExitCode.AWAY,
        details=tuple(line for line in rest if line),
    )


def _bare(error: BaseException) -> BaseException:
    """Return the cause that a task group wraps: it is what the user needs."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
