"""List the places of the shelf to read for requests, and how many units of each.

Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import product

from models.decisions import Decision
from models.doses import WHOLE, round_up
from models.groups import BloodGroup
from models.needs import SERVING, list_components
from streams.matching.allocation.frozen_red_cells import list_frozen_cells, wants_match
from streams.matching.allocation.order_limits import may_take_last
from streams.matching.allocation.remedies import list_cells
from streams.matching.available_units import Cell
from streams.matching.decision_inputs import Case

SPARE_UNITS = 4
"""Units read per place beyond what is asked: some may expire too early or lack an attribute."""


def list_wants(
    cases: Sequence[Case], *, expected: Callable[[Cell], int] = lambda _: 0
) -> dict[Cell, int | None]:
    """Return the places that the requests may draw on, each with the units to read at most.

    Args:
        cases: Open requests.
        expected: What is kept of a place for demand to come, at the most: that is read as well.

    A place is read as it would be chosen from, the plain units first. Where something is demanded
    that only some units have, it is read to its end; of O, the units that stay are read as well.
    """
    wants: Counter[Cell] = Counter()
    whole: set[Cell] = set()
    for case in cases:
        for line in case.request.lines:
            lack = case.find_lack(line)
            if not lack:
                continue
            bags = line.but(quantity=round_up(lack)).bags_expected
            if may_take_last(case, line.component):
                # How much it would leave there is judged by as many bags again.
                bags *= 2
            serving = list_components(case.purpose(line, capped_units=0), case.rules)
            for candidate, component in product(case.candidates(line), serving):
                cell = Cell(
                    station_id=case.request.station_id,
                    component=component,
                    group=candidate.group,
                )
                wants[cell] += bags
                if candidate.low_titre_only or case.demands_more(line):
                    whole.add(cell)
            if wants_match(case, line):
                # Deglycerolised, they may spare the patient RhD+ red cells.
                wants.update(dict.fromkeys(list_frozen_cells(case, line), bags))
    stays = max((case.rules.policies.emergency_reserve.o_units for case in cases), default=0)
    return {
        cell: None
        if cell in whole
        else units + SPARE_UNITS + (stays if cell.group is BloodGroup.O_POS else 0) + expected(cell)
        for cell, units in wants.items()
    }


def list_beyond(cases: Sequence[Case], decisions: Sequence[Decision]) -> set[Cell]:
    """List the places that a missing fact would open for lines that lack something."""
    return {
        cell
        for case, decision in zip(cases, decisions, strict=True)
        for line, decided in zip(case.request.lines, decision.lines, strict=True)
        if decided.uncovered or decided.refused
        for cell in list_cells(case, line)
    }


def lacks_from(decisions: Sequence[Decision], cut: set[Cell]) -> bool:
    """Return whether something uncovered could lie in a place that was not read to its end."""
    return any(
        line.uncovered
        and cell.component in {line.component, *SERVING.get(line.component, ())}
        and cell.station_id == decision.station_id
        for decision in decisions
        for line in decision.lines
        for cell in cut
    )


def exceeds_from(decisions: Sequence[Decision], cut: set[Cell]) -> set[Cell]:
    """List the places that were not read to their end and gave a line more than it asked for.

    A bag that fits may lie further back.
    """
    found = {
        Cell(station_id=decision.station_id, component=unit.component, group=unit.group)
        for decision in decisions
        for line in decision.lines
        if (line.covered_hundredths or 0) > line.requested * WHOLE
        for unit in line.reserved
    }
    return found & cut
