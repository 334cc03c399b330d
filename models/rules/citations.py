"""The citation of a rule that is kept as data: its name, how binding it is, and its source.

Pure. The rule files in `rules/data` are read once, at import; a rule without a field does not load.
"""

from __future__ import annotations

import tomllib
from enum import StrEnum
from importlib.resources import files
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from models.base import Value


class RuleKind(StrEnum):
    """How binding a rule is: a law, a standard, or the station's own choice."""

    LAW = "law"
    STANDARD = "standard"
    LOCAL = "local"


class Applier(StrEnum):
    """Who sees to it that a rule is kept; the program only states what others apply."""

    XUELIAN = "xuelian"
    STATION = "station"
    HOSPITAL = "hospital"


class Reading(StrEnum):
    """How the source of a rule was read.

    Attributes:
        READ: Its text was read, and says what the rule says.
        SECOND_HAND: An excerpt, a textbook, the press, or a text as another one quotes it.
        PROFESSIONAL: Professional knowledge or a choice of this program; no source text.
    """

    READ = "read"
    SECOND_HAND = "second_hand"
    PROFESSIONAL = "professional"


Dated = Annotated[str, Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")]
"""A day, a month or a year, as exactly as it is known."""


class Terms(Value):
    """On what terms a station may set one value of a rule to its own.

    Attributes:
        unit: The unit of the value, such as `h`, `kg` or `group`.
        may: `tighten`: only towards what is safer. `set`: any value in range, since the value sizes
            or plans and makes no patient or donor less safe. None: no station may set it.
        safer: The direction in which a value is tightened: a `higher` or `lower` number, a
            `narrower` pair, `fewer` names in the same order, or the switch `off`.
        least: The smallest number that makes sense.
        most: The largest number that makes sense.
        keeps: Names that must stay in a list.
    """

    unit: str
    may: Literal["tighten", "set"] | None = None
    safer: Literal["higher", "lower", "narrower", "fewer", "off"] | None = None
    least: float | None = None
    most: float | None = None
    keeps: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_a_direction(self) -> Self:
        """Refuse a value to be tightened that has no direction, or no limit for typing errors."""
        if (self.may == "tighten") != (self.safer is not None):
            raise ValueError("safer: for what may be tightened, and for nothing else")
        if (self.safer == "higher" and self.most is None) or (
            self.safer == "lower" and self.least is None
        ):
            raise ValueError("least, most: a number that may be tightened needs the far end")
        return self


class CitedRule(Value):
    """One rule with its citation.

    Attributes:
        rule: Its name; decisions cite it as `name@version`.
        zh: What it says, in a few words.
        applied_by: Who sees to it that the rule is kept.
        set_in: The record that holds the values in use; those here are used where it is silent.
        source: Where the rule is from, in one line.
        read: How the source was read. Unless it is `read`, every value is to be confirmed.
        since: From when the source holds: in force, published, or chosen; `unknown` says just that.
        until: From when it no longer holds. Every value of such a rule is to be confirmed.
        confirm: Fields that a station must confirm before relying on them.
        terms: The unit of each value, and whether a station may set its own.
        note: What a reader must know beside the values.
    """

    rule: str = Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")
    kind: RuleKind
    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)
    applied_by: Applier = Applier.XUELIAN
    set_in: Literal["station", "hospital"] | None = None
    source: str = Field(min_length=10)
    read: Reading
    since: Dated | Literal["unknown"]
    until: Dated | None = None
    note: str = ""
    confirm: tuple[str, ...] = ()
    terms: dict[str, Terms] = Field(default_factory=dict)


class RuleSet(Value):
    """The rules of one file, under one version."""

    version: str

    def cite(self, rule: CitedRule) -> str:
        """Return `name@version`, as reasons carry it."""
        return f"{rule.rule}@{self.version}"


def read_rules(name: str) -> dict[str, Any]:
    """Read `rules/data/<name>.toml`.

    Raises:
        FileNotFoundError: There is no such rule file in the package.
    """
    text = files("models.rules.data").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
