"""Reads volumes as they are printed: millilitres, units (U), adult platelet doses. Pure.

A small number must state its measure. A measure other than millilitres is read as a `Dose`, and the
product of the row decides what it means.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import isfinite
from typing import NamedTuple

from gateway.files.cells import Cell, CellError
from gateway.files.columns import WORDS
from gateway.files.heading_words import to_word
from gateway.files.products import NamedProduct
from models.components import Component
from models.doses import find_ordering_unit

_UNIT, _THERAPEUTIC = WORDS.doses.unit, WORDS.doses.therapeutic
_UNIT_WORDS = frozenset(_UNIT.words)
_THERAPEUTIC_WORDS = frozenset(_THERAPEUTIC.words)
_APHERESIS = frozenset(map(to_word, _THERAPEUTIC.products))
_ML_WORDS = frozenset({"ml", "毫升"})
_MOST_BARE = 10
"""A number up to this without a measure may count units, since no bag holds so few millilitres."""


class Dose(NamedTuple):
    """An amount in a measure other than millilitres."""

    amount: float
    is_therapeutic: bool


@lru_cache(maxsize=1024)
def _read(text: str) -> object:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([^\d/]*?)\s*(?:/\s*袋)?", text.casefold())
    if found is None:
        raise CellError("volume_unreadable")
    amount, measure = float(found[1]), found[2]
    if not isfinite(amount):
        raise CellError("volume_unreadable")
    if measure in _UNIT_WORDS:
        return Dose(amount, is_therapeutic=False)
    if measure in _THERAPEUTIC_WORDS:
        return Dose(amount, is_therapeutic=True)
    if measure and measure not in _ML_WORDS:
        raise CellError("volume_unreadable")
    if 0 < amount <= _MOST_BARE:
        raise CellError("volume_too_small" if measure else "volume_without_ml")
    return _whole(amount)


def read_volume(cell: Cell) -> object:
    """Read a volume: `200`, `200 mL`, `1.5U`, `1个治疗量`; `settle_dose` then converts a dose.

    A small number without a measure may be millilitres or units, so it is refused.
    """
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return _read(f"{cell:g}")
    return _read(str(cell))


def settle_dose(volume: object, product: object) -> object:
    """Return the millilitres that are kept for a volume.

    Args:
        volume: What `read_volume` returned; a value that is not a dose is returned unchanged.
        product: The product of the same row; None where its name could not be read, which is
            reported already.

    Raises:
        CellError: `dose_not_of_product`, `dose_not_whole`, `dose_of_apheresis` or
            `unit_of_platelets`.
    """
    if not isinstance(volume, Dose):
        return volume
    if product is None:
        return _THERAPEUTIC.ml
    is_apheresis = isinstance(product, NamedProduct) and product.base in _APHERESIS
    if volume.is_therapeutic:
        if not is_apheresis:
            raise CellError("dose_not_of_product")
        if volume.amount != 1:
            raise CellError("dose_not_whole")
        return _THERAPEUTIC.ml
    component = Component(product.component if isinstance(product, NamedProduct) else str(product))
    ml = find_ordering_unit(component).ml
    if ml is None:
        raise CellError("dose_of_apheresis" if is_apheresis else "unit_of_platelets")
    return _whole(volume.amount * ml)


def _whole(amount: float) -> int | float:
    return int(amount) if amount == int(amount) else amount
