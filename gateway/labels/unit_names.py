"""Names the unit of a bag by its label. Pure."""

from __future__ import annotations

import re

from models.errors import ContractError

_DIVIDED = re.compile(r"[A-Z][A-Z0-9]{4}[A-Za-z0-9]99")
"""An ISBT 128 product code that ends in 99 needs its Product Divisions structure (ST-001, 2.4.32).
"""

_PLAIN = re.compile(r"[A-Za-z0-9]+")
_LONGEST = 64


def name_unit(donation: str, product: str, division: str = "") -> str:
    """Return the unit id of a bag; only here do labels become our identifiers.

    An example is `G123417654321-E0336V00`. A divided product adds its division, and small letters
    become capitals as in every `BagId`. Imports and other senders must write the same, or a scan
    will not find the unit.

    Raises:
        ContractError: `label_not_an_identifier`: a part has other characters than letters and
            digits, or the result is too long. With a separator inside a part, two bags could have
            the same unit id.
    """
    parts = [part for part in (donation, product, division) if part]
    unit_id = "-".join(parts)
    if len(unit_id) > _LONGEST or not all(map(_PLAIN.fullmatch, parts)):
        raise ContractError("label_not_an_identifier", read=unit_id[:80], limit=_LONGEST)
    return unit_id.upper()


def is_divided(product_code: str) -> bool:
    """Return whether the product was divided into parts that only their division tells apart."""
    return bool(_DIVIDED.fullmatch(product_code))
