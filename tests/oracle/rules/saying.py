"""The words in which the tables of rules are written: what is told, and what a station may do.

One function for each way in which a station may set a value of its own. The numbers beside a value
are the far ends: where it would be a typing error.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Names = tuple[str, ...]


class Told(NamedTuple):
    """One value, its unit, and on what terms a station may set its own."""

    value: Any
    unit: str
    may: str | None = None
    safer: str | None = None
    least: float | None = None
    most: float | None = None
    keeps: Names = ()


class Says(NamedTuple):
    """One rule.

    Attributes:
        kind: Law, standard, or the station's own choice.
        by: Who sees to it that it is kept.
        record: Whose record holds the values in use.
        confirm: What a station must confirm before it relies on it.
    """

    kind: str
    by: str
    record: str | None
    confirm: Names
    values: dict[str, Told]


Table = dict[str, Says]
"""By the name of the rule."""


def says(
    kind: str,
    *,
    by: str = "xuelian",
    record: str | None = None,
    confirm: Names = (),
    unread: bool = False,
    **values: Told,
) -> Says:
    """Return a rule; of one whose source nobody read, or is abolished, every value is confirmed."""
    return Says(kind, by, record, tuple(values) if unread else confirm, values)


def fixed(value: Any, unit: str) -> Told:  # noqa: ANN401 - as the source has it
    """Nobody may."""
    return Told(value, unit)


def higher(value: float, unit: str, *, most: float) -> Told:
    """Only more, which is safer."""
    return Told(value, unit, "tighten", "higher", most=most)


def lower(value: float, unit: str, *, least: float) -> Told:
    """Only less, which is safer."""
    return Told(value, unit, "tighten", "lower", least=least)


def narrower(value: tuple[float, float], unit: str) -> Told:
    """Only within these two."""
    return Told(value, unit, "tighten", "narrower")


def fewer(value: Names, unit: str, *, keeps: Names = ()) -> Told:
    """Only some of these, in this order, and always those that are kept."""
    return Told(value, unit, "tighten", "fewer", keeps=keeps)


def off(unit: str) -> Told:
    """What holds, and may only be switched off."""
    return Told(value=True, unit=unit, may="tighten", safer="off")


def free(value: Any, unit: str, *, least: float | None = None, most: float | None = None) -> Told:  # noqa: ANN401 - as the source has it
    """What sizes and plans: anything within these ends."""
    return Told(value, unit, "set", least=least, most=most)
