"""Share the shelves of stations between a batch, who waits there, and what is expected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from models.clearance import UnitFacts
from streams.matching.allocation.line_shares import LineShare
from streams.matching.allocation.shelf_shares import (
    StationOutlook,
    can_wait,
    pose_problem,
    read_shares,
)
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from streams.ports import UnitOfWork
from streams.ports.solver import Solver
from streams.services.demand_outlooks import DemandOutlooks


class ShelfSharing:
    """Shares one station's shelf at a time.

    Args:
        outlooks: What each station is likely to be asked for.
        solver: Who shares a shelf.
    """

    def __init__(self, *, outlooks: DemandOutlooks, solver: Solver) -> None:
        self._outlooks = outlooks
        self._solver = solver

    async def look_ahead(
        self, work: UnitOfWork, cases: Sequence[Case]
    ) -> dict[str, StationOutlook]:
        """Return what is expected of each station at which one of the cases can wait."""
        found = {}
        for station_id, theirs in _by_station(cases).items():
            if any(can_wait(case, now=work.context.now) for case in theirs):
                outlook = await self._outlooks.find(work, theirs)
                if outlook is not None:
                    found[station_id] = outlook
        return found

    async def share(
        self,
        cases: Sequence[Case],
        units: Sequence[UnitFacts],
        *,
        outlooks: Mapping[str, StationOutlook],
        now: datetime,
    ) -> dict[str, LineShare]:
        """Return by `name_line` what each line that can wait may have; others are not bound.

        Args:
            cases: Open requests, each once.
            units: What was read of the shelves.
            outlooks: As of `look_ahead`.
            now: Aware UTC instant that the decision is made for.
        """
        shares: dict[str, LineShare] = {}
        by_station = _by_station(cases)
        for station_id, outlook in outlooks.items():
            theirs = by_station[station_id]
            shelf = Shelf(unit for unit in units if unit.station_id == station_id)
            problem = pose_problem(theirs, shelf=shelf, outlook=outlook, now=now)
            if problem is not None:
                allocation = await self._solver.allocate(problem)
                shares |= read_shares(
                    theirs, outlook=outlook, problem=problem, allocation=allocation, now=now
                )
        return shares


def _by_station(cases: Sequence[Case]) -> Mapping[str, list[Case]]:
    found: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        found[case.request.station_id].append(case)
    return found
