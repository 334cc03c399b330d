"""The usable stock of a batch: units by station, component and group, first expiry first out.

A shelf belongs to one decision batch. Units that are chosen leave it, so no two requests of a batch
can choose the same unit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from models.clearance import UnitFacts
from models.components import Component
from models.errors import InvariantViolation
from models.groups import BloodGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One place on the shelf."""

    station_id: str
    component: Component
    group: BloodGroup


class Shelf:
    """Units that may still be chosen.

    Args:
        units: In any order.

    Raises:
        InvariantViolation: Two units share an id.
    """

    def __init__(self, units: Iterable[UnitFacts]) -> None:
        self._cells: dict[Cell, dict[str, UnitFacts]] = defaultdict(dict)
        for unit in sorted(units, key=lambda unit: (unit.expires_at, unit.unit_id)):
            cell = Cell(station_id=unit.station_id, component=unit.component, group=unit.group)
            if unit.unit_id in self._cells[cell]:
                raise InvariantViolation("unit_twice_on_shelf", unit_id=unit.unit_id)
            self._cells[cell][unit.unit_id] = unit

    def first_out(self, cell: Cell) -> Iterator[UnitFacts]:
        """Yield the units of a place, first expiry first; taking one while iterating is allowed."""
        yield from tuple(self._cells.get(cell, {}).values())

    def take(self, unit: UnitFacts) -> None:
        cell = Cell(station_id=unit.station_id, component=unit.component, group=unit.group)
        del self._cells[cell][unit.unit_id]
