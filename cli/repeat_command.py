"""Shows the whole command to run again, with its key, after an answer that is no confirmation.

A repeat is the same act only under the same key and with the same times. Values that a command made
up or asked for are written into the command that is shown. Imports nothing heavy.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated
from uuid import uuid4

import typer

from cli.failures import GatewayRefusedError
from cli.output import console

KeyOption = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        help="重发时用同一个 · same for a repeat",
        show_default="自动 · made up",
    ),
]
AtOption = Annotated[
    str | None,
    typer.Option(
        "--at", help="何时，带时区 · when it happened, with its zone", show_default="现在 · now"
    ),
]

ThawedOption = Annotated[
    str | None,
    typer.Option(
        "--thawed-at",
        help="冰冻的血何时融化，带时区；从此另计效期 · when the bag was thawed, with its zone",
        show_default=False,
    ),
]

_WORDS: ContextVar[tuple[str, ...]] = ContextVar("words", default=())
_FIRST_UNCONFIRMED = 500
"""An answer of this status or above does not say whether the call was kept."""


def remember_words(words: Sequence[str]) -> None:
    """Keep the words that were typed behind `xuelian`."""
    _WORDS.set(tuple(words))


def make_key(given: str | None) -> str:
    return given or f"cli-{uuid4()}"


@contextmanager
def repeat_told(settled: Mapping[str, str], more: Sequence[str] = ()) -> Iterator[None]:
    """Print how a call that was not confirmed is repeated.

    Args:
        settled: Options that make it the same act, its key among them.
        more: Arguments that came from elsewhere than the command line.
    """
    # The families of errors are heavy to import; only calls need them.
    from models.errors import ConfigurationError, TransientError  # noqa: PLC0415

    try:
        yield
    except GatewayRefusedError as error:
        if error.failure.params.get("status", 0) >= _FIRST_UNCONFIRMED:
            _report(settled, more)
        raise
    except (TransientError, ConfigurationError, KeyboardInterrupt) as error:
        # Without an API key nothing was sent at all.
        if getattr(error, "code", "") != "api_key_not_set":
            _report(settled, more)
        raise


def _report(settled: Mapping[str, str], more: Sequence[str]) -> None:
    command = shlex.join(["xuelian", *_settle(_WORDS.get(), settled), *more])
    screen = console(to_stderr=True)
    screen.print(
        "未确认；运行下面这条命令再发，不会重复 · "
        "not confirmed; run this to send it again, it will not count twice:",
        style="yellow",
        highlight=False,
        soft_wrap=True,
    )
    screen.print(f"  {command}", highlight=False, markup=False, soft_wrap=True)


def _settle(words: Sequence[str], settled: Mapping[str, str]) -> Iterator[str]:
    """Yield the typed words with each of these options once, and with its value."""
    typed, said = iter(words), set()
    for word in typed:
        name, joined, value = word.partition("=")
        if name not in settled:
            yield word
            continue
        value = value if joined else next(typed, "")
        if value == settled[name]:
            yield from (word,) if joined else (word, value)
            said.add(name)
    yield from (
        word for name, value in settled.items() if name not in said for word in (name, value)
    )
