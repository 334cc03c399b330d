"""Mutants of rule files: each value, and each property of a rule, changed once.

Pure: parsed TOML in, mutants out. In a value every number moves a little both ways, and every name
is swapped, removed or added. Fields for readers (names, source, note, units, what is to be
confirmed) are prose and are not changed; how binding the rule is, who applies it and what a station
may set are changed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from tests.mutation.terms import vary_terms

PROSE = frozenset({"source", "read", "since", "until", "note", "zh", "en", "confirm"})
HAIR = 0.01
"""Numbers with decimals move by this share of themselves; whole numbers by one."""

_PARTS: Mapping[str, tuple[str, ...]] = {
    "kind": ("law", "standard", "local"),
    "applied_by": ("xuelian", "station", "hospital"),
    "set_in": ("", "station", "hospital"),
}
"""Properties of a rule and their values; an empty value stands for a missing property."""

_SILENT = {"applied_by": "xuelian", "set_in": ""}

_WORDS: Sequence[tuple[str, ...]] = (
    ("O", "A", "B", "AB"),
    ("red_cells", "plasma", "platelets", "whole_blood"),
    ("red_cells", "washed_red_cells", "whole_blood", "fresh_frozen_plasma", "platelets"),
    ("quarantine", "discard"),
    ("CN", "JP", "NP"),
    (
        "hbsag",
        "anti_hcv",
        "anti_hiv",
        "syphilis",
        "alt",
        "nat",
        "nat_hbv",
        "nat_hcv",
        "nat_hiv",
        "grouping",
    ),
    ("C", "c", "E", "e", "Mur", "Dia", "Jka", "Jkb", "Fya", "Fyb", "K"),
    ("O+", "A+", "B+", "AB+", "O-", "A-", "B-", "AB-"),
)
"""Words that can replace each other; the first row that has all words of a value is used."""


About = Literal["value", "terms", "name"]
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMutant:
    """A rule file with one change.

    Attributes:
        name: `file::path.to.value: before -> after`.
        rules: The whole file, parsed.
        rule: The name of the rule that is changed; empty for the version of the file.
        about: What is changed: a value, the terms on which a station may set it (including how
            binding the rule is), or the name of the rule.
    """

    name: str
    path: str
    rules: dict[str, Any]
    rule: str
    about: About


Variation = tuple[Place, Any, Any]
"""Place, value before and value after; None removes the value."""


class Change(NamedTuple):
    rule: str
    about: About
    variation: Variation


def mutate_rules(rules: dict[str, Any], *, path: str) -> Iterator[RuleMutant]:
    """Yield every mutant of a parsed rule file, in its order."""
    for rule, about, (place, before, after) in _list_changes(rules, ()):
        told = ".".join(map(str, place))
        yield RuleMutant(
            name=f"{path}::{told}: {before!r} -> {after!r}",
            path=path,
            rules=_put(rules, place, after),
            rule=rule,
            about=about,
        )


def _put(rules: dict[str, Any], place: Place, after: object) -> dict[str, Any]:
    changed = copy.deepcopy(rules)
    table: Any = changed
    for step in place[:-1]:
        table = table[step]
    if after is None:
        table.pop(place[-1], None)
    else:
        table[place[-1]] = after
    return changed


def _list_changes(table: dict[str, Any], above: Place) -> Iterator[Change]:
    if "rule" in table:
        for about, variation in _list_changes_of_rule(table, above):
            yield Change(table["rule"], about, variation)
        return
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _list_changes(value, (*above, key))
        else:
            yield from (Change("", "name", variation) for variation in _vary((*above, key), value))


def _list_changes_of_rule(table: dict[str, Any], above: Place) -> Iterator[tuple[About, Variation]]:
    values = [key for key in table if key not in {*PROSE, *_PARTS, "rule", "terms"}]
    yield "name", ((*above, "rule"), table["rule"], f"{table['rule']}_")
    for part, words in _PARTS.items():
        now = table.get(part, _SILENT.get(part))
        following = words[(words.index(now) + 1) % len(words)]
        # In a rule without values, these properties are only information for readers.
        yield "terms" if values else "name", ((*above, part), now, following or None)
    for key in values:
        for variation in _vary((*above, key), table[key]):
            yield "value", variation
        place, terms = (*above, "terms", key), table["terms"][key]
        for other in vary_terms(terms, table[key]):
            yield "terms", (place, terms, other)


def _vary(place: Place, value: Any) -> Iterator[Variation]:  # noqa: ANN401 - whatever TOML holds
    match value:
        case bool():
            yield place, value, not value
        case int():
            yield from ((place, value, value + step) for step in (-1, 1))
        case float():
            yield from ((place, value, value * (1 + step)) for step in (-HAIR, HAIR))
        case str():
            yield from ((place, value, other) for other in _list_words([value]) or [f"{value}_"])
        case dict():
            for key, inner in value.items():
                yield from _vary((*place, key), inner)
        case _:
            yield from _vary_list(place, value)


def _vary_list(place: Place, values: list[Any]) -> Iterator[Variation]:
    """Vary a list: remove an entry, add one, swap two adjacent entries, or move a number."""
    for at, value in enumerate(values):
        before, after = values[:at], values[at + 1 :]
        if not isinstance(value, str):
            yield from _vary((*place, at), value)
        if not isinstance(value, int | float):
            yield place, values, [*before, *after]
        if after:
            yield place, values, [*before, after[0], value, *after[1:]]
    for extra in _list_words(values):
        yield place, values, [*values, extra]


def _list_words(values: Sequence[Any]) -> list[str]:
    """List the words that could wrongly replace or join these values."""
    fitting = (row for row in _WORDS if all(value in row for value in values))
    return [word for word in next(fitting, ()) if word not in values]
