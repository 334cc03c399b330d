"""The texts that people read: Chinese first, English beside it, one entry per code.

Pure data, read once. A test checks the file against every code that the packages use.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from models.texts.instants import ZONE_EN, ZONE_ZH, find_instant, show_moment
from models.texts.words import list_field_names, name_value

_BETWEEN = " · "
"""Separates the two languages of a text; no text contains it."""


class Text(NamedTuple):
    """One text in both languages."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh}{_BETWEEN}{self.en}"


class _Params(dict[str, object]):
    """The parameters of a text, as people read them.

    A parameter that was not given shows as `…`: a text must never make an answer fail. Seconds
    (`*_s`) are shown as hours and minutes, hours (`hours`, `*_h`) as days where they are whole
    days, a rank as a choice.
    """

    def __init__(self, given: Mapping[str, object], *, chinese: bool) -> None:
        super().__init__(given)
        self._chinese = chinese

    def __getitem__(self, name: str) -> object:
        value = super().__getitem__(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if name.endswith("_s"):
                return _describe_duration(round(value), chinese=self._chinese)
            if name == "hours" or name.endswith("_h"):
                return _describe_hours(value, chinese=self._chinese)
        if isinstance(value, int) and name == "rank":
            return _describe_rank(value, chinese=self._chinese)
        return value

    def __missing__(self, name: str) -> str:
        return "…"


def _describe_duration(seconds: int, *, chinese: bool) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    units = ("小时", "分", "秒") if chinese else ("h", "min", "s")
    # From one hour on, seconds are left out.
    numbers = (hours, minutes, 0 if hours else rest)
    parts = [f"{number} {unit}" for number, unit in zip(numbers, units, strict=True) if number]
    return " ".join(parts) or f"0 {units[-1]}"


def _describe_hours(hours: float, *, chinese: bool) -> str:
    """Describe two whole days or more as days, since 840 hours are hard to read."""
    days, rest = divmod(hours, 24)
    if rest or days <= 1:
        return _describe_duration(round(hours * 3600), chinese=chinese)
    return f"{days:.0f} {'天' if chinese else 'days'}"


def _describe_rank(rank: int, *, chinese: bool) -> str:
    if rank == 0:
        return "首选" if chinese else "first choice"
    return f"第 {rank + 1} 选择" if chinese else f"choice {rank + 1}"


@cache
def list_texts() -> Mapping[str, Text]:
    """Return every code with its texts; `{name}` stands for a parameter."""
    raw = files("models.texts").joinpath("messages.toml").read_text(encoding="utf-8")
    return {code: Text(zh=both["zh"], en=both["en"]) for code, both in tomllib.loads(raw).items()}


_FIELD_PARAMS = frozenset({"what", "field", "missing"})
"""Parameters that name a field of the wire."""

_VALUE_PARAMS = frozenset(
    {
        "actor", "allowed", "answer", "change", "component", "components", "counted", "label",
        "needed",
        "outcome", "recorded", "resolution", "scope", "status", "test",
    }
)  # fmt: skip
"""Parameters that are codes, one or several separated by commas."""


_DEMAND_PARAMS = frozenset({"attribute", "needs", "passed"})
"""Parameters that list what is demanded of a bag: names of fields, codes, and antigens, which have
no other name."""

_TEXT_PARAMS = frozenset({"cause", "first", "reasons", "rule", "why"})
"""Parameters that may be a text themselves: each language takes its own part."""


def join_texts(texts: Iterable[Text]) -> Text:
    """Make one text of several, so that each language stays whole."""
    told = list(texts)
    return Text(zh="；".join(text.zh for text in told), en="; ".join(text.en for text in told))


def localise(params: Mapping[str, object]) -> tuple[_Params, _Params]:
    """Return parameters as each language shows them: instants in Beijing's time, codes named.

    The parameters themselves stay what they are: programs read ISO 8601 in UTC from them.
    """
    of_expiry = params.get("what") == "expires_at"
    zh, en = _Params(params, chinese=True), _Params(params, chinese=False)
    for name, value in params.items():
        at = find_instant(value)
        if at is not None:
            shown = show_moment(at, expiry=of_expiry or name == "expires_at")
            zh[name], en[name] = f"{shown}（{ZONE_ZH}）", f"{shown} ({ZONE_EN})"
        elif name in _TEXT_PARAMS and str(value).count(_BETWEEN) == 1:
            zh[name], en[name] = str(value).split(_BETWEEN)
        elif name in _FIELD_PARAMS and (known := list_field_names().get(str(value))) is not None:
            zh[name] = f"{known}（{value}）"
        elif name in _DEMAND_PARAMS:
            zh[name] = "、".join(_name_demand(code) for code in str(value).split(", "))
        elif name in _VALUE_PARAMS:
            zh[name] = "、".join(name_value(code) for code in str(value).split(", "))
    return zh, en


def _name_demand(code: str) -> str:
    known = list_field_names().get(code)
    return f"{known}（{code}）" if known else name_value(code)


def render(code: str, params: Mapping[str, object] | None = None) -> Text:
    """Put the parameters into the texts of a code.

    Args:
        code: The code of an error or a reason. An unknown code, such as a newer peer may send, is
            shown as it is.
        params: The values that the text names; others are ignored.
    """
    text = list_texts().get(code)
    if text is None:
        return Text(zh=code, en=code)
    zh, en = localise(params or {})
    return Text(zh=text.zh.format_map(zh), en=text.en.format_map(en))
