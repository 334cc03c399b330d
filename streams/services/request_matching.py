"""Match requests with the shelf: read what is needed, choose, and take back what who dies needs.

Reading locks nothing. Where a station expects demand, its shelf is shared first, so that whoever
can wait leaves what others are likely to need more. First as much of the shelf is read as usually
suffices; where that leaves something uncovered, all of it; where it gives more than was asked, some
more of those places. Where a patient in danger of life lacks units even then, what is promised to
others and not picked is read too; it is taken back last of all, just before the decisions are
written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from models.clearance import UnitFacts
from models.decisions import Decision
from models.requests import Priority
from models.units import UnitStatus
from streams.matching.allocation.batch_decision import Matched, decide_batch
from streams.matching.allocation.line_shares import LineShare
from streams.matching.allocation.remedies import LOOKED_AT
from streams.matching.allocation.shelf_shares import StationOutlook, list_reached
from streams.matching.available_units import Cell, Shelf
from streams.matching.decision_inputs import Case
from streams.matching.shelf_reads import exceeds_from, lacks_from, list_beyond, list_wants
from streams.ports import UnitOfWork
from streams.ports.stock import TakeableUnit
from streams.services.shelf_sharing import ShelfSharing
from streams.services.unit_moves import take_back

TAKEN = "taken_for_life_threatening"


READ_FOR_SIZE = 200
"""How far a place is read for a bag that holds no more than is missing; half a unit too much is no
reason to read a shelf of thousands."""


class Matching:
    """Matches some requests of a transaction with the shelf; `matched` is the result so far.

    Args:
        work: The transaction.
        cases: Open requests, each once.
        sharing: How shelves are shared with demand that is expected.
        hold_s: Seconds that a reservation stands past the time it is needed.
    """

    def __init__(
        self, work: UnitOfWork, cases: Sequence[Case], *, sharing: ShelfSharing, hold_s: int
    ) -> None:
        self._work = work
        self._cases = cases
        self._sharing = sharing
        self._hold_s = hold_s
        self._outlooks: Mapping[str, StationOutlook] = {}
        self._shares: Mapping[str, LineShare] = {}
        self._wants: dict[Cell, int | None] = {}
        # What nobody here may have, and serves those who are expected.
        self._reached: dict[Cell, int] = {}
        self._units: list[UnitFacts] = []
        self._takeable: dict[str, TakeableUnit] = {}
        # Nothing is explained before all is read.
        self._tells: Sequence[bool] = [False] * len(cases)
        self.matched: tuple[Matched, ...] = ()

    async def read(self) -> None:
        """Choose from what is free, and from what others may lose."""
        self._outlooks = await self._sharing.look_ahead(self._work, self._cases)
        self._wants = list_wants(self._cases, expected=self._count_expected)
        self._reached = {
            cell: self._count_expected(cell)
            for outlook in self._outlooks.items()
            for cell in self._list_reached(*outlook)
        }
        await self._read_shelf(self._wants)
        seen = Counter(Cell.of(unit) for unit in self._units)
        cut = {
            cell for cell, limit in self._wants.items() if limit is not None and seen[cell] >= limit
        }
        if cut and lacks_from(self._decisions, cut):
            self._wants = dict.fromkeys(self._wants)
            await self._read_shelf(self._wants)
        elif further := exceeds_from(self._decisions, cut):
            self._wants = {**self._wants, **dict.fromkeys(further, READ_FOR_SIZE)}
            await self._read_shelf(self._wants)
        await self._read_promised()

    async def read_beyond(self, tells: Sequence[bool]) -> None:
        """Find what would help those who lack something, of those whose `tells` is set."""
        self._tells = tells
        if not any(
            line.uncovered or line.refused for told in self._decisions for line in told.lines
        ):
            return
        cases = [case for case, is_told in zip(self._cases, tells, strict=True) if is_told]
        decisions = [
            decision for decision, is_told in zip(self._decisions, tells, strict=True) if is_told
        ]
        beyond = list_beyond(cases, decisions) - self._wants.keys()
        if beyond:
            places: dict[Cell, int | None] = {
                cell: max(LOOKED_AT, self._reached.get(cell, 0)) for cell in beyond
            }
            await self._read_shelf({**places, **self._wants})
        else:
            self._decide()

    async def take(self) -> Mapping[str, tuple[str, ...]]:
        """Take back what was chosen and is promised to others; return who lost which units.

        Those requests are locked, and must be decided again after this batch is written.
        """
        lost: dict[str, list[str]] = defaultdict(list)
        for station_id, unit_ids in self._list_taken().items():
            taken = await take_back(self._work, unit_ids, station_id=station_id, why=TAKEN)
            for unit_id, request_id in taken.items():
                lost[request_id].append(unit_id)
        gone = {unit_id for unit_ids in self._list_taken().values() for unit_id in unit_ids}
        gone -= {unit_id for unit_ids in lost.values() for unit_id in unit_ids}
        if gone:
            # Another transaction has these: what is left is divided once more.
            kept = {unit_id for unit_ids in lost.values() for unit_id in unit_ids}
            self._takeable = {
                unit_id: found for unit_id, found in self._takeable.items() if unit_id in kept
            }
            self._decide()
        return {request_id: tuple(sorted(unit_ids)) for request_id, unit_ids in lost.items()}

    @property
    def _decisions(self) -> list[Decision]:
        return [found.decision for found in self.matched]

    async def _read_shelf(self, places: Mapping[Cell, int | None]) -> None:
        now = self._work.context.now
        places = {**self._reached, **places}
        self._units = await self._work.stock.list_shelf(places, now=now) if places else []
        self._shares = await self._sharing.share(
            self._cases, self._list_free(self._units), outlooks=self._outlooks, now=now
        )
        self._decide()

    def _list_free(self, units: Sequence[UnitFacts]) -> list[UnitFacts]:
        """List the units without those that people gave, or withhold, by hand."""
        apart = frozenset().union(*(case.hand.set_apart for case in self._cases))
        return [unit for unit in units if unit.unit_id not in apart]

    def _list_reached(self, station_id: str, outlook: StationOutlook) -> set[Cell]:
        theirs = [cell for cell in self._wants if cell.station_id == station_id]
        return list_reached(theirs, outlook) - self._wants.keys()

    def _count_expected(self, cell: Cell) -> int:
        """Return what may be kept of a place for demand to come, in bags at the most."""
        outlook = self._outlooks.get(cell.station_id)
        ahead = outlook.ahead.get(cell.component) if outlook else None
        return ahead.count_for(cell.group) if ahead else 0

    async def _read_promised(self) -> None:
        lacking = [
            case
            for case, found in zip(self._cases, self.matched, strict=True)
            if case.request.priority is Priority.LIFE_THREATENING
            and any(
                line.uncovered or any(unit.unit_id in self._doubted for unit in line.reserved)
                for line in found.decision.lines
            )
        ]
        if not lacking:
            return
        wants = list_wants(lacking)
        found = await self._work.stock.list_promised(wants, now=self._work.context.now)
        self._takeable = {takeable.unit.unit_id: takeable for takeable in found}
        if self._takeable:
            self._decide()

    @property
    def _doubted(self) -> set[str]:
        return {unit.unit_id for unit in self._units if unit.may_have_left}

    def _decide(self) -> None:
        # As if it were free already; nothing is written before it is.
        freed = [
            replace(found.unit, status=UnitStatus.AVAILABLE) for found in self._takeable.values()
        ]
        shelf = Shelf(
            self._list_free([*self._units, *freed]),
            promised={unit_id: found.priority for unit_id, found in self._takeable.items()},
        )
        self.matched = decide_batch(
            self._cases,
            shelf=shelf,
            now=self._work.context.now,
            hold_s=self._hold_s,
            tells=self._tells,
            shares=self._shares,
        )

    def _list_taken(self) -> dict[str, list[str]]:
        """List the chosen units that others would lose, by station."""
        taken: dict[str, list[str]] = defaultdict(list)
        for found in self.matched:
            for cleared in found.cleared:
                if cleared.unit.unit_id in self._takeable:
                    taken[cleared.unit.station_id].append(cleared.unit.unit_id)
        return taken
