"""The most that the day's bags could have filled, had everything been known. Pure.

A maximum-weight flow from bags to lines. It bounds what anybody could have done, because whatever
was done is one of its fillings, and these things are taken easier than they are:

- a bag is divided between lines, and a filling has no least useful part;
- neighbours keep nothing for their own patients, and send from the earthquake on, before anybody
  asked; nothing has to be picked, packed or confirmed;
- RhD- is kept for nobody, and unconfirmed O RhD- has no cap;
- a ward takes a bag when it comes, also before the needed-by time, if it would not last;
- a cancelled request took no bag.

What the safety kernel refuses, what comes too late and what was stopped is not taken easier.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

from demo.day_trace import DayBag, DayRequest, DayTrace, LineKey
from demo.hindsight import Hindsight, LineInHindsight
from demo.scenario import Scenario
from demo.serving_options import to_hospital
from models.clearance import Cleared, ForPatient, ForStation, Route, Step
from models.components import Component
from models.doses import OrderMeasure, content_of, to_units
from models.errors import InvariantViolation
from models.needs import list_components
from models.requests import RequestLine
from models.rules.rulebook import PACKAGED
from models.safety import clear


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDemand:
    """What a line asks for.

    Attributes:
        amount: In hundredths of the ordering unit.
        weight: What one unit is worth.
    """

    key: LineKey
    amount: int
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """What is in a bag, in hundredths of the ordering unit, and the lines that it could serve."""

    content: int
    serves: frozenset[LineKey]


def look_back_on(scenario: Scenario, trace: DayTrace) -> Hindsight:
    """Hold what was promised on a day beside the most that its bags could have filled."""
    possible = find_possible(scenario, trace)
    asked = {(ask.request.request_id, line.line_no): (ask, line) for ask, line in _list(trace)}
    wants = [
        LineDemand(
            key=key,
            amount=to_units(line.component, line.wanted, line.measure),
            weight=PACKAGED.policies.lookahead.weights[ask.request.priority],
        )
        for key, (ask, line) in asked.items()
    ]
    measures = {key: line.measure for key, (_, line) in asked.items()}
    could = fill(wants, _list_lots(trace.bags, possible, measures))
    got = _count_got(trace, measures)
    lines = []
    for want in wants:
        ask, line = asked[want.key]
        lines.append(
            LineInHindsight(
                key=want.key,
                patient=ask.request.patient.reference or "",
                priority=ask.request.priority,
                component=line.component,
                weight=want.weight,
                asked=want.amount,
                got=min(want.amount, got[want.key]),
                could=could[want.key],
            )
        )
    impossible = tuple(
        promise
        for promise in trace.promised
        if promise.key in asked and promise.key not in possible.get(promise.unit_id, ())
    )
    return Hindsight(lines=tuple(lines), impossible=impossible)


def fill(wants: Sequence[LineDemand], lots: Iterable[Lot]) -> dict[LineKey, int]:
    """Return how much each line gets in a filling of the greatest weight.

    Lots that serve the same lines are one: what is in them is divided anyhow.

    Raises:
        InvariantViolation: The solver does not find the optimum, which every such network has.
    """
    buckets = Counter[tuple[LineKey, ...]]()
    for lot in lots:
        buckets[tuple(sorted(lot.serves))] += lot.content
    if not buckets:
        return {want.key: 0 for want in wants}
    flow = SimpleMinCostFlow()
    nodes = {want.key: len(buckets) + at for at, want in enumerate(wants)}
    sink = len(buckets) + len(wants)
    out = {
        want.key: flow.add_arc_with_capacity_and_unit_cost(
            nodes[want.key], sink, want.amount, -want.weight
        )
        for want in wants
    }
    for at, serves in enumerate(sorted(buckets)):
        content = buckets[serves]
        flow.set_node_supply(at, content)
        flow.add_arc_with_capacity_and_unit_cost(at, sink, content, 0)
        for key in serves:
            flow.add_arc_with_capacity_and_unit_cost(at, nodes[key], content, 0)
    flow.set_node_supply(sink, -buckets.total())
    status = flow.solve()
    if status != SimpleMinCostFlow.OPTIMAL:
        raise InvariantViolation("allocation_not_solved", status=str(status))
    return {key: int(flow.flow(arc)) for key, arc in out.items()}


def find_possible(scenario: Scenario, trace: DayTrace) -> dict[str, frozenset[LineKey]]:
    """Find which lines each bag could have served."""
    stations = {ask.request.station_id for ask in trace.asks}
    shelves = {name: _Shelf.stock(scenario, name, trace.bags) for name in stations}
    found: defaultdict[str, set[LineKey]] = defaultdict(set)
    for ask, line in _list(trace):
        way = _Way(scenario, ask, line)
        for unit_id in way.list_serving(shelves[ask.request.station_id]):
            found[unit_id].add((ask.request.request_id, line.line_no))
    return {unit_id: frozenset(keys) for unit_id, keys in found.items()}


def _list(trace: DayTrace) -> Iterator[tuple[DayRequest, RequestLine]]:
    for ask in trace.asks:
        for line in ask.request.lines:
            yield ask, line


def _list_lots(
    bags: Sequence[DayBag],
    possible: Mapping[str, frozenset[LineKey]],
    measures: Mapping[LineKey, OrderMeasure],
) -> Iterator[Lot]:
    """List the bags with as much as they hold in the measure in which that is most."""
    for bag in bags:
        serves = possible.get(bag.unit_id, frozenset())
        if serves:
            content = max(_measure(bag, measures[key]) for key in serves)
            yield Lot(content=content, serves=serves)


def _count_got(trace: DayTrace, measures: Mapping[LineKey, OrderMeasure]) -> Counter[LineKey]:
    bags = {bag.unit_id: bag for bag in trace.bags}
    got = Counter[LineKey]()
    for promise in trace.promised:
        if promise.key in measures and promise.unit_id in bags:
            got[promise.key] += _measure(bags[promise.unit_id], measures[promise.key])
    return got


def _measure(bag: DayBag, measure: OrderMeasure) -> int:
    unit = bag.lies.unit
    return to_units(unit.component, content_of(unit.component, unit.volume_ml, measure), measure)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What could lie at a supplying station, each bag with the earliest instant, by component."""

    bags: Mapping[Component, Sequence[tuple[DayBag, datetime]]]

    @classmethod
    def stock(cls, scenario: Scenario, station_id: str, bags: Iterable[DayBag]) -> _Shelf:
        found: defaultdict[Component, list[tuple[DayBag, datetime]]] = defaultdict(list)
        for bag in bags:
            there_at = _find_arrival(scenario, station_id, bag)
            if there_at is not None:
                found[bag.lies.unit.component].append((bag, there_at))
        return cls(found)


def _find_arrival(scenario: Scenario, station_id: str, bag: DayBag) -> datetime | None:
    """Find the earliest instant at which a bag could lie at a station; None if it never could."""
    unit, since = bag.lies.unit, bag.lies.since
    if unit.station_id == station_id:
        return since
    stations = {station.station_id: station for station in scenario.stations}
    if unit.station_id not in stations[station_id].policy.neighbours:
        return None
    leaves_at = max(since, scenario.event.occurred_at)
    road_s = scenario.routes[unit.station_id, station_id]
    answer = clear(
        unit,
        purpose=ForStation(
            to_station_id=station_id,
            station_id=unit.station_id,
            component=unit.component,
            groups=(unit.group,),
        ),
        step=Step.RESERVE,
        route=Route(
            arrival_at=leaves_at + timedelta(seconds=road_s),
            transport_s=road_s,
            temperature_kept=True,
            agitated=False,
            can_thaw=True,
        ),
        now=leaves_at,
        rules=PACKAGED,
    )
    return answer.at + timedelta(seconds=road_s) if isinstance(answer, Cleared) else None


class _Way:
    """The way of a bag to one line, by the product's own kernel.

    Args:
        scenario: Its roads and stations.
        ask: The request.
        line: The line of it.
    """

    def __init__(self, scenario: Scenario, ask: DayRequest, line: RequestLine) -> None:
        request = ask.request
        stations = {station.station_id: station for station in scenario.stations}
        self._ask = ask
        self._hospital = scenario.get_hospital(request.hospital_id).hospital
        self._road_s = scenario.routes[request.station_id, request.hospital_id]
        self._purposes = [
            (
                max(ask.opened_at, known_at),
                ForPatient.of_line(
                    request.but(patient=patient),
                    line,
                    policy=stations[request.station_id].policy,
                    capped_units=0,
                ),
            )
            for known_at, patient in ask.known
        ]

    def list_serving(self, shelf: _Shelf) -> Iterator[str]:
        """Yield the bags of a shelf that could have served the line."""
        _, first = self._purposes[0]
        for component in list_components(first, PACKAGED):
            for bag, there_at in shelf.bags.get(component, ()):
                if self._can_serve(bag, there_at):
                    yield bag.unit_id

    def _can_serve(self, bag: DayBag, there_at: datetime) -> bool:
        return any(
            self._is_cleared(bag, purpose, leaves_at=max(from_at, there_at))
            for from_at, purpose in self._purposes
        )

    def _is_cleared(self, bag: DayBag, purpose: ForPatient, *, leaves_at: datetime) -> bool:
        """Ask the kernel for the earliest departure: a bag that is unfit then stays unfit."""
        if leaves_at > self._ask.closes_at or (bag.until and leaves_at >= bag.until):
            return False
        arrival_at = leaves_at + timedelta(seconds=self._road_s)
        answer = clear(
            replace(bag.lies.unit, station_id=purpose.station_id),
            purpose=replace(purpose, needed_by=arrival_at),
            step=Step.RESERVE,
            route=to_hospital(self._hospital, self._road_s, arrival_at=arrival_at),
            now=leaves_at,
            rules=PACKAGED,
        )
        return isinstance(answer, Cleared)
