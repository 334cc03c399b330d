"""The usable stock of a batch: units by station, component and group, in the order of choice.

A shelf belongs to one decision batch. Units that are chosen leave it, so no two requests of a batch
can choose the same unit.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from models.clearance import UnitFacts
from models.components import Component
from models.doses import content_of
from models.errors import InvariantViolation
from models.groups import BloodGroup
from models.requests import Priority
from streams.matching.choice_order import place_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One place on the shelf."""

    station_id: str
    component: Component
    group: BloodGroup

    @classmethod
    def of(cls, unit: UnitFacts) -> Cell:
        """Return the place where a unit lies."""
        return cls(station_id=unit.station_id, component=unit.component, group=unit.group)


class Tier(IntEnum):
    """How readily a unit is chosen, before its group and all else; the first is best."""

    FREE = 0
    PROMISED_TO_ROUTINE = 1
    PROMISED_TO_URGENT = 2
    MAY_HAVE_LEFT = 3


FREE_TIERS = (Tier.FREE, Tier.MAY_HAVE_LEFT)


class Shelf:
    """Units that may still be chosen.

    Args:
        units: In any order.
        promised: Those of them that are promised to others and not picked, by unit id, with the
            priority of the request that would lose the unit. Who is in danger of life may take
            them before a unit that may have left.

    Raises:
        InvariantViolation: Two units share an id.
    """

    def __init__(
        self, units: Iterable[UnitFacts], *, promised: Mapping[str, Priority] | None = None
    ) -> None:
        self._promised = promised or {}
        self._places: dict[tuple[Cell, Tier], list[UnitFacts]] = defaultdict(list)
        self._amounts: Counter[Cell] = Counter()
        ids: set[str] = set()
        for unit in sorted(units, key=place_of):
            if unit.unit_id in ids:
                raise InvariantViolation("unit_twice_on_shelf", unit_id=unit.unit_id)
            ids.add(unit.unit_id)
            self._find_place(unit).append(unit)
            self._count(unit, 1)

    def list_units(self, cell: Cell, tiers: Sequence[Tier] = FREE_TIERS) -> Iterator[UnitFacts]:
        """Yield the units of a place in the order of choice; taking them meanwhile is allowed."""
        for tier in tiers:
            yield from tuple(self._places.get((cell, tier), ()))

    def measure(self, cell: Cell) -> int:
        """Return what the free units of a place hold, in hundredths of the ordering unit."""
        return self._amounts[cell]

    def is_promised(self, unit: UnitFacts) -> bool:
        """Return whether another request would lose the unit."""
        return unit.unit_id in self._promised

    def take(self, unit: UnitFacts) -> None:
        self._find_place(unit).remove(unit)
        self._count(unit, -1)

    def put_back(self, unit: UnitFacts) -> None:
        """Put a unit that was taken back into its place."""
        insort(self._find_place(unit), unit, key=place_of)
        self._count(unit, 1)

    def _count(self, unit: UnitFacts, sign: int) -> None:
        if not self.is_promised(unit):
            self._amounts[Cell.of(unit)] += sign * content_of(unit.component, unit.volume_ml)

    def _find_place(self, unit: UnitFacts) -> list[UnitFacts]:
        return self._places[Cell.of(unit), self._find_tier(unit)]

    def _find_tier(self, unit: UnitFacts) -> Tier:
        loser = self._promised.get(unit.unit_id)
        if loser is not None:
            is_routine = loser is Priority.ROUTINE
            return Tier.PROMISED_TO_ROUTINE if is_routine else Tier.PROMISED_TO_URGENT
        return Tier.MAY_HAVE_LEFT if unit.may_have_left else Tier.FREE
