"""The values of rules that were corrected: what they were, what they are, and why. Pure.

For readers alone: nothing decides by it. The corrections stand in `rules/corrections.toml`.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from pydantic import Field

from models.base import Value
from models.rules.citations import Reading


class CorrectedValue(Value):
    """One corrected value.

    Attributes:
        rule: The rule that holds it now.
        before: The value, or what took the rule's place, in rule set 2026-1.
        after: The value now.
        zh: Why, in Chinese.
        en: Why, in English.
        source: Where the new value is from.
    """

    rule: str = Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")
    before: str = Field(min_length=1)
    after: str = Field(min_length=1)
    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)
    source: str = Field(min_length=5)
    read: Reading


@cache
def list_corrections() -> tuple[CorrectedValue, ...]:
    """List the corrections in the order of their file."""
    text = files("models.rules").joinpath("corrections.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text)["corrections"]
    return tuple(CorrectedValue.model_validate(row) for row in rows)
