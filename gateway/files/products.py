"""What a product's name says: its component, what was done to it, whether a dose may stand with it.

Pure. A name is known as a whole, or not at all: a known name, or one with known treatments before
or after it. Whatever else a file says is refused with the name as it was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from gateway.files.cells import Cell, CellError
from gateway.files.columns import WORDS, fold, to_word
from models.components import Component

_PLAIN_MARKS = frozenset(" ()[]【】_-、,·/")
"""What may stand between the words of a name; any other sign may change what it says."""

_COMPONENTS = {to_word(component.value): component.value for component in Component}


class NamedProduct(NamedTuple):
    """A product as a file names it.

    Attributes:
        name: As it stands in the file, trimmed.
        component: The component that it is.
        treatments: Traits that its name tells, in order.
        base: The known name in it, as `to_word` writes it.
    """

    name: str
    component: str
    treatments: tuple[str, ...]
    base: str


@lru_cache(maxsize=4096)
def find_product(name: str) -> NamedProduct | None:
    """Return the product that a whole name means; None if none is known by it."""
    is_plain = all(letter.isalnum() or letter in _PLAIN_MARKS for letter in fold(name))
    found = _strip(to_word(name), frozenset()) if is_plain else None
    if found is None:
        return None
    base, traits = found
    component = WORDS.components.get(base) or _COMPONENTS[base]
    return NamedProduct(name, str(component), tuple(sorted(traits)), base)


def _strip(word: str, traits: frozenset[str]) -> tuple[str, frozenset[str]] | None:
    """Take known treatments off both ends until a known name is left."""
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
    """Return the code that tells why a name is no stock, where a word in it tells.

    Only a name that is not known asks; `去白细胞` is no product of white cells.
    """
    word, reason = to_word(name), WORDS.use.find_reason(name)
    for refused in WORDS.refused_products:
        if reason in refused.against or any(to_word(part) in word for part in refused.words):
            return refused.code
    return None


class ProductReader:
    """Reads a product's name.

    Args:
        own: A station's own names, as `to_word` writes them, to names that are known here.
    """

    def __init__(self, own: Mapping[str, str] | None = None) -> None:
        self._own = own or {}

    def __call__(self, cell: Cell) -> NamedProduct:
        """Return the product. Raises CellError with the reason that the name tells."""
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
