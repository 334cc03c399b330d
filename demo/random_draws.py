"""Seeded random numbers: every draw has a name, so a new draw changes no other draw."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import floor
from random import Random
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def draw(seed: int, *name: object) -> Random:
    """Return the generator of a named draw; equal seeds and names give equal numbers."""
    return Random("\x1f".join(str(part) for part in (seed, *name)))


def divide(total: int, shares: Mapping[K, float]) -> dict[K, int]:
    """Divide a whole number by shares, with the largest remainders rounded up.

    Returns:
        Whole numbers, in the order of `shares`, that add up to `total`.
    """
    weight = sum(shares.values())
    quotas = {key: total * share / weight for key, share in shares.items()}
    parts = {key: floor(quota) for key, quota in quotas.items()}
    by_remainder = sorted(quotas, key=lambda key: parts[key] - quotas[key])
    for key in by_remainder[: total - sum(parts.values())]:
        parts[key] += 1
    return parts
