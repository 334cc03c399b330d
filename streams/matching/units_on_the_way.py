"""Find the waits that the blood on its way reaches in time.

Pure. Blood that comes when its patient has no use for it any more serves nobody who waits: it
spares neither a nearer neighbour's bag nor a donor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.clearance import UnitFacts
from models.doses import WHOLE, content_of, round_down, round_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """A bag that is agreed or on its way to a station."""

    unit: UnitFacts
    arrives_at: datetime

    @property
    def hundredths(self) -> int:
        """Return how much it holds, in hundredths of its ordering unit."""
        return content_of(self.unit.component, self.unit.volume_ml)


def count_coming(coming: Iterable[Coming]) -> int:
    """Count the ordering units that are on their way, whenever they come."""
    return round_down(sum(bag.hundredths for bag in coming))


def latest_first(coming: Iterable[Coming]) -> list[Coming]:
    """Return bags in the order in which waits use them: the first to come are left to the last."""
    return sorted(coming, key=lambda bag: (bag.arrives_at, bag.unit.unit_id), reverse=True)


def list_unreached(
    waits: Sequence[tuple[datetime, int]], coming: Iterable[Coming]
) -> tuple[int, ...]:
    """Return the ordering units that each wait still lacks once what is on its way has come.

    Args:
        waits: Until when a bag must have come, and how many ordering units are waited for; the
            most urgent first.
        coming: Each bag serves one wait.
    """
    left = latest_first(coming)
    found = []
    for until, units in waits:
        lacking = units * WHOLE
        for bag in list(left):
            if lacking > 0 and bag.arrives_at <= until:
                lacking -= bag.hundredths
                left.remove(bag)
        found.append(round_up(lacking))
    return tuple(found)
