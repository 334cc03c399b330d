"""Mutants of rule files: every number one less and one more, every boolean, every list.

Pure: parsed TOML in, mutants out. What a rule says of itself to readers (source, names, notes) is
no value; its identifier, its component's class and what the station must confirm are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PROSE = frozenset({"source", "note", "zh", "en", "kind", "version"})

_CLASSES = ("red_cells", "plasma", "platelets", "whole_blood")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMutant:
    """A rule file with one change.

    Attributes:
        name: `file::path.to.value: before -> after`.
        rules: The whole file, parsed.
    """

    name: str
    path: str
    rules: dict[str, Any]


def mutate_rules(rules: dict[str, Any], *, path: str) -> Iterator[RuleMutant]:
    """Yield every mutant of a parsed rule file, in its order."""
    for keys, value in _list_values(rules):
        for other in _vary(keys[-1], value):
            changed = copy.deepcopy(rules)
            table = changed
            for key in keys[:-1]:
                table = table[key]
            table[keys[-1]] = other
            name = f"{path}::{'.'.join(keys)}: {value!r} -> {other!r}"
            yield RuleMutant(name=name, path=path, rules=changed)


def _list_values(
    table: dict[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _list_values(value, (*above, key))
        elif key not in PROSE:
            yield (*above, key), value


def _vary(key: str, value: object) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value - 1, value + 1)
    elif isinstance(value, list):
        yield from _vary_list(value)
    elif key == "class":
        yield from (other for other in _CLASSES if other != value)
    elif isinstance(value, str):
        yield f"{value}_"


def _vary_list(values: list[Any]) -> Iterator[list[Any]]:
    """One entry gone, one more, two neighbours swapped, one number moved."""
    for at, value in enumerate(values):
        before, after = values[:at], values[at + 1 :]
        if isinstance(value, int | float):
            yield from ([*before, value + step, *after] for step in (-1, 1))
            continue
        yield [*before, *after]
        if after:
            yield [*before, after[0], value, *after[1:]]
    if values and isinstance(values[0], int | float):
        yield values[::-1]
        return
    for extra in _list_extras(values):
        yield [*values, extra]


def _list_extras(values: list[Any]) -> Iterator[str]:
    """What could wrongly be added: a group that is not there, or another component."""
    groups = ("O", "A", "B", "AB")
    components = ("platelets", "frozen_red_cells", "whole_blood", "red_cells")
    fitting = groups if all(value in groups for value in values) else components
    yield from (extra for extra in fitting if extra not in values)
