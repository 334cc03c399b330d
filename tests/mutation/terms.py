"""Mutants of a value's terms: what a station may set, in which direction, and how far.

The unit of the value is for readers and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Terms = dict[str, Any]


def vary_terms(terms: Terms, value: object) -> Iterator[Terms]:
    """Yield the terms of one value, changed in one respect each.

    Args:
        terms: As the file has them.
        value: The value that the terms are about.
    """
    if "may" not in terms:
        yield {**terms, "may": "set"}
        return
    yield {key: term for key, term in terms.items() if key not in {"may", "safer"}}
    if terms["may"] == "tighten":
        yield {**{key: term for key, term in terms.items() if key != "safer"}, "may": "set"}
        yield from _turn(terms)
    else:
        # Bounds are given where they are needed, so that the loader does not refuse the mutant.
        yield {**terms, "may": "tighten", "safer": _find_direction(value), "least": 0, "most": 1e6}
    for end in ("least", "most"):
        if end in terms:
            yield from ({**terms, end: terms[end] + step} for step in (-1, 1))
            yield {key: term for key, term in terms.items() if key != end}
    for name in terms.get("keeps", ()):
        yield {**terms, "keeps": [kept for kept in terms["keeps"] if kept != name]}
    if isinstance(value, list):
        for name in value:
            if isinstance(name, str) and name not in terms.get("keeps", ()):
                yield {**terms, "keeps": [*terms.get("keeps", ()), name]}


def _turn(terms: Terms) -> Iterator[Terms]:
    """Yield the terms with the safer direction reversed; only numbers have a direction."""
    other = {"higher": "lower", "lower": "higher"}.get(terms["safer"])
    if other is not None:
        yield {**terms, "safer": other, "least": 0, "most": 1e6}


def _find_direction(value: object) -> str:
    match value:
        case bool():
            return "off"
        case int() | float():
            return "higher"
        case [int() | float(), int() | float()]:
            return "narrower"
        case _:
            return "fewer"
