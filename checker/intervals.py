"""Half-open intervals during which something is bound to one holder, and where two overlap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Something bound to a holder in [begins_at, ends_at); without an end it is bound still."""

    holder: str
    begins_at: datetime
    ends_at: datetime | None


def list_overlaps(bindings: Iterable[Binding]) -> Iterator[tuple[Binding, Binding]]:
    """Yield each binding that begins while an earlier one is still in force, with that one."""
    in_order = sorted(
        (b for b in bindings if b.ends_at is None or b.ends_at > b.begins_at),
        key=lambda b: (b.begins_at, b.holder),
    )
    longest: Binding | None = None
    for binding in in_order:
        if longest is None:
            longest = binding
            continue
        if longest.ends_at is None or binding.begins_at < longest.ends_at:
            yield longest, binding
        if longest.ends_at is not None and (
            binding.ends_at is None or binding.ends_at > longest.ends_at
        ):
            longest = binding
