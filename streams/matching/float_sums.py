"""Compare sums and products of floats as people count: an error of arithmetic asks for no unit.

Ten chances of 0.2 come to a little less than 2, and what a week with 29 units uses in a week comes
to a little more than 29. Pure.
"""

from __future__ import annotations

from math import ceil

_HAIR = 1e-9


def round_up(expected: float) -> int:
    """Round up; a fraction of a patient, a donation or a unit needs a whole one."""
    return ceil(expected - _HAIR)


def is_enough(expected: float, *, wanted: float) -> bool:
    """Return whether what is expected reaches what is wanted."""
    return expected + _HAIR >= wanted
