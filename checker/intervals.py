"""Half-open intervals during which a unit or a donor is bound to a holder, and their overlaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A unit or donor is bound to a holder in [begins_at, ends_at); without an end it still is."""

    holder: str
    begins_at: datetime
    ends_at: datetime | None


def list_overlaps(bindings: Iterable[Binding]) -> Iterator[tuple[Binding, Binding]]:
    """Yield each earlier binding with a later binding that begins while the earlier is in force."""
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
