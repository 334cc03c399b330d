"""Share a station's shelf between a batch, who waits already and what is expected. Pure.

A line that can wait is given its share of each place of the shelf and no more. What is kept from it
is there for demand that outweighs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from models.clearance import Cleared, UnitFacts
from models.components import Component
from models.doses import WHOLE, OrderMeasure, content_of, sum_content, to_units
from models.requests import Priority
from models.rules.rulebook import Rulebook
from streams.matching.allocation.line_shares import LineShare, name_line
from streams.matching.allocation.line_state import LineChoice
from streams.matching.allocation.lookahead import OpenDemand, build_problem, name_open
from streams.matching.allocation.order_limits import OrderLimits
from streams.matching.allocation.problem import Allocation, Problem, Supply
from streams.matching.allocation.protected_groups import find_given_from, is_kept_from_nobody
from streams.matching.available_units import Cell, Shelf, Tier
from streams.matching.decision_inputs import Case
from streams.matching.demand_outlook import DemandOutlook, name_place
from streams.matching.expected_demand import DemandKind

RANK_COST = 10
"""What the next group costs whoever is here, where it costs whoever is expected 1: they are given
their own first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationOutlook:
    """What is expected of a station, and who waits at it beside the batch.

    Attributes:
        ahead: By component.
        waiting: Ordering units that are kept from open requests of others, by component and kind.
    """

    ahead: Mapping[Component, DemandOutlook]
    waiting: Mapping[tuple[Component, DemandKind], int] = field(default_factory=dict)


def can_wait(case: Case, *, now: datetime) -> bool:
    """Return whether a forecast may keep units from a request."""
    is_routine = case.request.priority is Priority.ROUTINE
    return is_routine or find_given_from(case, now=now) is not None


def pose_problem(
    cases: Sequence[Case], *, shelf: Shelf, outlook: StationOutlook, now: datetime
) -> Problem | None:
    """Pose the problem of one station's shelf; None where nobody can wait or nothing is expected.

    Args:
        cases: Open requests of the station.
        shelf: Its usable stock, of every place as much as they want and is expected of it; of those
            of `list_reached` too, or what lies there for others is taken for missing.
        outlook: What is expected, and who waits beside them.
        now: Aware UTC instant that the decision is made for.
    """
    lines = _list_lacking(cases, shelf=shelf, now=now)
    asked = {line.line.component for line in lines if can_wait(line.case, now=now)}
    if not asked & outlook.ahead.keys():
        return None
    places = {cell for line in lines for cell in line.cells}
    reached = list_reached(places, outlook) - places
    supplies = [
        *_list_supplies(places, shelf=shelf, now=now, rules=cases[0].rules),
        *_list_supplies(reached, shelf=shelf, now=None, rules=cases[0].rules),
    ]
    if not supplies:
        return None
    return build_problem(
        [*(_ask(line, shelf, now=now) for line in lines), *_list_waiting(outlook)],
        supplies,
        [
            demand
            for component, ahead in sorted(outlook.ahead.items())
            for demand in ahead.list_expected(component)
        ],
        weights=cases[0].rules.policies.lookahead.weights,
        whole=WHOLE,
    )


def list_reached(places: Iterable[Cell], outlook: StationOutlook) -> set[Cell]:
    """List the places that demand expected of the same components may be served from.

    Whoever is expected has blood of their own group first: what is kept for them from others is
    only what that does not cover.
    """
    return {
        Cell(station_id=place.station_id, component=place.component, group=group)
        for place in places
        if place.component in outlook.ahead
        for costs in outlook.ahead[place.component].costs.values()
        for group in costs
    }


def read_shares(
    cases: Sequence[Case],
    *,
    outlook: StationOutlook,
    problem: Problem,
    allocation: Allocation,
    now: datetime,
) -> dict[str, LineShare]:
    """Read what each line that can wait may have; the others are not bound.

    Args:
        cases: As of `pose_problem`.
        outlook: As of `pose_problem`.
        problem: What was posed.
        allocation: How it was solved.
        now: As of `pose_problem`.
    """
    found = {}
    for case in cases:
        if not can_wait(case, now=now):
            continue
        for line in case.request.lines:
            ahead = outlook.ahead.get(line.component)
            if ahead is not None:
                key = name_line(case.request.request_id, line.line_no)
                nothing = {supply.key: 0 for supply in problem.supplies}
                found[key] = LineShare(
                    amounts=nothing | allocation.of(name_open(key)),
                    given_from=find_given_from(case, now=now),
                    expected_units=round(ahead.grave_units),
                    hours=ahead.hours,
                    made_by=allocation.made_by,
                )
    return found


def _list_lacking(cases: Sequence[Case], *, shelf: Shelf, now: datetime) -> list[LineChoice]:
    """List the lines that lack something; what is asked back of them is no demand yet."""
    orders = [
        [LineChoice(case, line, now=now, shelf=shelf) for line in case.request.lines]
        for case in cases
    ]

    def may_have(line: LineChoice, unit: UnitFacts) -> bool:
        return line.may_have(unit, capped=0, free_on=shelf)

    limits = OrderLimits(orders, shelf=shelf, may_have=may_have, now=now)
    found = [line for lines in orders for line in lines if line.lacks]
    for line in found:
        limits.apply(line)
    return [line for line in found if line.lacks]


def _list_supplies(
    places: Iterable[Cell], *, shelf: Shelf, now: datetime | None, rules: Rulebook
) -> Iterator[Supply]:
    """Yield what places hold; without an instant also what expires soon, as nobody here has it."""
    for place in sorted(places, key=lambda cell: (cell.component, cell.group)):
        units = (
            shelf.list_units(place, (Tier.FREE,))
            if now is None
            else _list_keepable(place, shelf=shelf, now=now, rules=rules)
        )
        if amount := sum_content(units):
            yield Supply(key=name_place(place.component, place.group), amount=amount)


def _list_keepable(place: Cell, *, shelf: Shelf, now: datetime, rules: Rulebook) -> list[UnitFacts]:
    """List the free units of a place that do not expire soon and have not left unscanned."""
    return [
        unit
        for unit in shelf.list_units(place, (Tier.FREE,))
        if not is_kept_from_nobody(unit, now=now, rules=rules)
    ]


def _ask(line: LineChoice, shelf: Shelf, *, now: datetime) -> OpenDemand:
    request, rules = line.case.request, line.case.rules
    costs = {
        name_place(cell.component, cell.group): rank * RANK_COST
        for rank, cell in enumerate(line.cells)
    }
    limits = {}
    if line.is_particular:
        for cell in line.cells:
            units = _list_keepable(cell, shelf=shelf, now=now, rules=rules)
            purpose = line.purpose(capped=0)
            fit = [unit for unit in units if isinstance(line.judge(unit, purpose=purpose), Cleared)]
            limits[name_place(cell.component, cell.group)] = sum_content(fit)
    return OpenDemand(
        key=name_line(request.request_id, line.line.line_no),
        priority=request.priority,
        amount=_measure_lack(line, shelf, now=now),
        costs=costs,
        is_firm=not can_wait(line.case, now=now),
        limits=limits,
    )


def _measure_lack(line: LineChoice, shelf: Shelf, *, now: datetime) -> int:
    """Return what a line lacks in hundredths of the ordering unit; of bags, the largest there."""
    lacks = to_units(line.line.component, line.lacks, line.line.measure)
    if line.line.measure is not OrderMeasure.BAG:
        return lacks
    largest = max(
        (
            content_of(unit.component, unit.volume_ml)
            for cell in line.cells
            for unit in _list_keepable(cell, shelf=shelf, now=now, rules=line.case.rules)
        ),
        default=WHOLE,
    )
    return lacks * largest // WHOLE


def _list_waiting(outlook: StationOutlook) -> Iterator[OpenDemand]:
    """Yield what others wait for; nobody of them is served now, so none of them is firm."""
    for (component, kind), units in sorted(outlook.waiting.items(), key=_name_waiting):
        ahead = outlook.ahead.get(component)
        if ahead is None or kind not in ahead.costs:
            continue
        yield OpenDemand(
            key=f"others {_name_waiting(((component, kind), units))}",
            priority=kind.priority,
            amount=units * WHOLE,
            costs={name_place(component, group): rank for group, rank in ahead.costs[kind].items()},
            is_firm=False,
        )


def _name_waiting(waiting: tuple[tuple[Component, DemandKind], int]) -> str:
    (component, kind), _ = waiting
    return (
        f"{component.value} {kind.group.value if kind.group else 'unknown'} {kind.priority.value}"
    )
