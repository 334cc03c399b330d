"""The Chinese names of fields and of values that are codes. Pure data, read once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def list_field_names() -> Mapping[str, str]:
    """Return the Chinese name of each field that has one."""
    return _read()["fields"]


@cache
def list_value_names() -> Mapping[str, str]:
    """Return the Chinese name of each known value that is a code."""
    return _read()["values"]


def name_field(path: str) -> str | None:
    """Return the Chinese name of the last named part of a path such as `lines.0.quantity`."""
    named = [part for part in path.split(".") if part and not part.isdecimal()]
    return list_field_names().get(named[-1]) if named else None


def name_value(value: str) -> str:
    """Return a value with its Chinese name beside it, if it has one: `red_cells（悬浮红细胞）`."""
    found = list_value_names().get(value)
    return f"{value}（{found}）" if found else value


@cache
def _read() -> Mapping[str, Mapping[str, str]]:
    raw = files("models.texts").joinpath("words.toml").read_text(encoding="utf-8")
    return tomllib.loads(raw)
