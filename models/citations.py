"""What every rule that is kept as data says of itself: its name, how binding it is, and its source.

Pure. The rule files under `rules/` are read once, at import; one that lacks a field does not load.
"""

from __future__ import annotations

import tomllib
from enum import StrEnum
from importlib.resources import files
from typing import Any

from models.base import Value


class RuleKind(StrEnum):
    """How binding a rule is: a law, a standard, or the station's own choice."""

    LAW = "law"
    STANDARD = "standard"
    LOCAL = "local"


class CitedRule(Value):
    """One rule with its citation.

    Attributes:
        rule: Its name; decisions cite it as `name@version`.
        source: Where it is from, in one line.
        confirm: Fields that a station must confirm before relying on them.
    """

    rule: str
    kind: RuleKind
    source: str
    confirm: tuple[str, ...] = ()


class RuleSet(Value):
    """The rules of one file, under one version."""

    version: str

    def cite(self, rule: CitedRule) -> str:
        """Return `name@version`, as reasons carry it."""
        return f"{rule.rule}@{self.version}"


def read_rules(name: str) -> dict[str, Any]:
    """Read `rules/<name>.toml`.

    Raises:
        FileNotFoundError: There is no such rule file in the package.
    """
    text = files("models.rules").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
