"""The one order in which units of a place are chosen: the plain ones first, the rare ones last.

Pure. `place_of` is the sort key; the store reads a shelf in the same order, so that a shelf that is
read with a limit shows the units that would be chosen.

1. A unit that may have left its station unscanned comes after every other.
2. A unit with properties that only some patients need (tested for antigens, irradiated, CMV-safe,
   HLA-typed, low titre, washed, leukoreduced) comes after one with fewer of them. All units that
   are cleared for a line have what it demands, so what they have in all orders them as what they
   have beyond that would: one key serves every patient.
3. First expiry first, among equals only; of these, a bag that holds no more than what is missing
   before one that holds more (`allocation.batch_choice`).
4. The unit id, so that there is one order.

RhD- is ordered by the rank of its group and by `allocation.kept_groups`; fresh blood by the expiry.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from models.clearance import UnitFacts
from models.requests import HardAttributes
from models.units import UnitTraits

_FLAGS = tuple(
    name
    for name, field in UnitTraits.model_fields.items()
    if field.annotation is bool and name in HardAttributes.model_fields
)
"""Every yes/no property that a request may demand."""


@lru_cache(maxsize=8192)
def count_rare(traits: UnitTraits) -> int:
    """Count what only some patients need: each property, each antigen, and HLA typing as one."""
    flags = sum(bool(getattr(traits, flag)) for flag in _FLAGS)
    return flags + len(traits.antigen_negative) + bool(traits.hla)


def kind_of(unit: UnitFacts) -> tuple[bool, int]:
    """Return what tells units apart before their expiry: of equals, those that fit are chosen."""
    return unit.may_have_left, count_rare(unit.traits)


def place_of(unit: UnitFacts) -> tuple[bool, int, datetime, str]:
    """Return where a unit stands among those of its place; the smallest is chosen first."""
    return *kind_of(unit), unit.expires_at, unit.unit_id
