"""Reads a product's name: its component, its treatments, and the base that decides about doses.

Pure. A name must be known as a whole: a known name, or a known name with known treatments before or
after it. Any other name is refused, with the name as it was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from gateway.files.cells import Cell, CellError
from gateway.files.columns import WORDS
from gateway.files.heading_words import fold, to_word
from models.components import Component

_PLAIN_MARKS = frozenset(" ()[]【】_-、,·/")
"""Marks that may stand between the words of a name; any other mark may change the meaning."""

_COMPONENTS = {to_word(component.value): component.value for component in Component}


class NamedProduct(NamedTuple):
    """A product as a file names it.

    Attributes:
        name: The name in the file, trimmed.
        component: The component that it is.
        treatments: The traits that its name states, in order.
        base: The known name in it, as `to_word` writes it.
    """

    name: str
    component: str
    treatments: tuple[str, ...]
    base: str


@lru_cache(maxsize=4096)
def find_product(name: str) -> NamedProduct | None:
    """Return the product that a whole name means; None if the name is not known."""
    is_plain = all(letter.isalnum() or letter in _PLAIN_MARKS for letter in fold(name))
    found = _strip(to_word(name), frozenset()) if is_plain else None
    if found is None:
        return None
    base, traits = found
    component = WORDS.components.get(base) or _COMPONENTS[base]
    return NamedProduct(name, str(component), tuple(sorted(traits)), base)


def _strip(word: str, traits: frozenset[str]) -> tuple[str, frozenset[str]] | None:
    """Remove known treatments from both ends until a known name is left; None if none is left."""
    if word in WORDS.components or word in _COMPONENTS:
        return word, traits
    for affix, trait in WORDS.treatments.items():
        for rest in (word.removeprefix(affix), word.removesuffix(affix)):
            if rest != word and rest:
                found = _strip(rest, traits | {trait})
                if found is not None:
                    return found
    return None


def find_refusal(name: str) -> str | None:
    """Return the code of the reason why a product is not stock, if a word in its name says so.

    It is asked only about names that are not known: `去白细胞` is not a product of white cells.
    """
    word, reason = to_word(name), WORDS.use.find_reason(name)
    for refused in WORDS.refused_products:
        if reason in refused.against or any(to_word(part) in word for part in refused.words):
            return refused.code
    return None


class ProductReader:
    """Reads a product's name.

    Args:
        own: Maps a station's own names, as `to_word` writes them, to names that are known here.
    """

    def __init__(self, own: Mapping[str, str] | None = None) -> None:
        self._own = own or {}

    def __call__(self, cell: Cell) -> NamedProduct:
        """Return the product. Raises CellError, with the reason if the name states it."""
        name = str(cell)
        found = find_product(name)
        if found is not None:
            return found
        refusal = find_refusal(name)
        if refusal is not None:
            raise CellError(refusal)
        meant = find_product(self._own.get(to_word(name), ""))
        if meant is None:
            raise CellError("product_unknown")
        return meant._replace(name=name)


def shorten(name: str) -> str:
    """Return a name as a message shows it."""
    return fold(name)[:60]
