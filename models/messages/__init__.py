"""The texts that people read: Chinese first, English beside it, one entry per code.

Pure data, read once. A test holds the file against every code that the rooms use.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Text(NamedTuple):
    """One text in both languages."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} · {self.en}"


class _Params(dict[str, object]):
    """A parameter that was not given shows as `…`: a text must never fail an answer."""

    def __missing__(self, name: str) -> str:
        return "…"


@cache
def list_texts() -> Mapping[str, Text]:
    """Return every code with its texts; `{name}` stands for a parameter."""
    raw = files("models.messages").joinpath("messages.toml").read_text(encoding="utf-8")
    return {code: Text(zh=both["zh"], en=both["en"]) for code, both in tomllib.loads(raw).items()}


def render(code: str, params: Mapping[str, object] | None = None) -> Text:
    """Put the parameters into the texts of a code.

    Args:
        code: Of an error or a reason. An unknown one, such as a newer peer may send, is shown as
            it is.
        params: What the text names; more than it names is fine.
    """
    text = list_texts().get(code)
    if text is None:
        return Text(zh=code, en=code)
    if not params:
        params = {}
    given = _Params(params)
    return Text(zh=text.zh.format_map(given), en=text.en.format_map(given))
