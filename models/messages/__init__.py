"""The texts that people read: Chinese first, English beside it, one entry per code.

Pure data, read once. A test holds the file against every code that the rooms use.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from models.messages.moments import ZONE_EN, ZONE_ZH, find_instant, show_moment
from models.messages.words import list_field_names


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


_FIELD_PARAMS = frozenset({"what", "field"})
"""Parameters that name a field of the wire."""


def localise(params: Mapping[str, object]) -> tuple[_Params, _Params]:
    """Return parameters as each language shows them: instants in Beijing's time, fields named.

    The parameters themselves stay what they are: programs read ISO 8601 in UTC from them.
    """
    of_expiry = params.get("what") == "expires_at"
    zh, en = _Params(params), _Params(params)
    for name, value in params.items():
        at = find_instant(value)
        if at is not None:
            shown = show_moment(at, expiry=of_expiry or name == "expires_at")
            zh[name], en[name] = f"{shown}（{ZONE_ZH}）", f"{shown} ({ZONE_EN})"
        elif name in _FIELD_PARAMS and (known := list_field_names().get(str(value))) is not None:
            zh[name] = f"{known}（{value}）"
    return zh, en


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
    zh, en = localise(params or {})
    return Text(zh=text.zh.format_map(zh), en=text.en.format_map(en))
