"""Hints for a word that was given in place of a code, such as 悬浮红细胞 for red_cells. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from gateway.files.cells import CellError, read_group, read_sex
from gateway.files.products import find_product
from models.texts import Text, render
from models.texts.words import list_field_names, list_value_names


def find_word(error: Mapping[str, Any]) -> Text | None:
    """Return "write red_cells for 悬浮红细胞" where a code was expected and its name was given.

    A hint is also given for a field under its Chinese name, and for a group without RhD.
    """
    if error["type"] == "extra_forbidden":
        return _find_field(error.get("loc", ()))
    given = error.get("input")
    is_choice = error["type"] in {"enum", "literal_error"}
    if not is_choice or not isinstance(given, str) or len(given) > _LONGEST_NAME:
        return None
    expected = set(re.findall(r"'([^']*)'", str((error.get("ctx") or {}).get("expected", ""))))
    for code in _list_meanings(given.strip(), expected):
        if code in expected and code != given:
            return render("fix_word", {"word": given, "value": code})
        if f"{code}+" in expected:
            return render("fix_rhd", {"word": given, "abo": code})
    return None


def _list_meanings(given: str, expected: Iterable[str]) -> Iterator[str]:
    """Yield the codes that a word may stand for: of a product, a named value, a sex, a group."""
    product = find_product(given)
    if product is not None:
        yield product.component
    names = list_value_names()
    yield from (code for code in sorted(expected) if names.get(code) == given)
    # A word that is neither a sex nor a group gives no hint here; the broken rule is told instead.
    for read in (read_sex, read_group):
        with suppress(CellError):
            yield read(given)


def _find_field(place: Sequence[object]) -> Text | None:
    """Return a hint with the wire name of a field that stands under its Chinese name."""
    given = str(place[-1]) if place else ""
    named = (field for field, name in list_field_names().items() if name == given)
    field = next(named, None)
    return None if field is None else render("fix_word", {"word": given, "value": field})


_LONGEST_NAME = 40
"""Characters. The longest product names that stations write have about twenty."""
