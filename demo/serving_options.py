"""Finds what would have served a line that got nothing, or less than it asked.

Derived from the decisions on record and from the bags that lay free, with the product's own kernel:
no request is named here. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil

from demo.scenario import Scenario
from models.clearance import Cleared, ForPatient, Refused, Route, Step, UnitFacts
from models.compatibility import list_candidates
from models.components import Component
from models.decisions import Decision, LineDecision
from models.doses import content_of, round_up
from models.facilities import Hospital, Station, StationPolicy
from models.groups import BloodGroup, RhD
from models.requests import HardAttributes, Priority, RequestLine, UrgentRequest
from models.rules.rulebook import PACKAGED
from models.safety import clear

_OPENS = "_would_open"
_NO_DEMAND = HardAttributes()
_CAUSES_SHOWN = 3
_ONE_UNIT_ML = 200
"""Of a bag whose decision does not tell its volume."""

CountFree = Callable[[str, Component, BloodGroup, datetime], int]
"""Units of a component and group that lay free at a station at an instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeBag:
    """A bag that lies free at the end of the day.

    Attributes:
        since: When it came to lie there.
    """

    unit: UnitFacts
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """What would have served a line.

    Attributes:
        kind: `told`: the decision said so, and its reason is `code`. `standing`: no stock serves
            what was asked. `promise_lost`: what was promised was not fetched or lost.
            `neighbour_free`, `neighbour_kept`: a neighbour's bags, above and below what it keeps
            for its own patients. `ordered_earlier`: a neighbour's bags, had they been ordered
            sooner. `too_far`: no order after the disaster brings them. `donors`, `donors_late`.
            `nowhere`: no free bag of the region fits; `params` say why.
        by: Until when it had to happen.
        place: The station of the bags.
        units: Bags, or donations.
    """

    kind: str
    by: datetime | None = None
    place: str = ""
    groups: tuple[str, ...] = ()
    units: int = 0
    code: str = ""
    params: Mapping[str, str | int | float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A line that lacks something when its request ends.

    Attributes:
        lacking: In the measure of the line.
    """

    line: RequestLine
    lacking: int
    levers: tuple[Lever, ...]


def explain_shortfalls(
    scenario: Scenario,
    request: UrgentRequest,
    decisions: Sequence[Decision],
    *,
    bags: Sequence[FreeBag],
    count_free: CountFree,
) -> tuple[Shortfall, ...]:
    """Explain every line of a request that lacks something.

    Args:
        scenario: Its roads and stations.
        request: As it read at its end.
        decisions: On the request, in order.
        bags: Every bag that lay free at the end of the day.
        count_free: What lay free when.
    """
    lines = {line.line_no: line for line in request.lines}
    lost = _list_lost(decisions)
    found = []
    for line_no, (_, told) in _list_last(decisions).items():
        if line_no not in lines:
            continue
        line = lines[line_no]
        gone = tuple(lever for bag, lever in lost if bag.line_no == line_no)
        lacking = (
            told.uncovered
            + told.refused
            + sum(
                round_up(content_of(bag.component, bag.volume_ml, line.measure))
                for bag, _ in lost
                if bag.line_no == line_no
            )
        )
        if lacking and not (told.uncovered or told.refused):
            found.append(Shortfall(line=line, lacking=lacking, levers=gone))
        elif lacking:
            finder = _Finder(scenario, request, line, lacking, decisions, bags, count_free)
            levers = (*gone, *finder.list_levers())
            found.append(Shortfall(line=line, lacking=lacking, levers=levers))
    return tuple(found)


def to_hospital(hospital: Hospital, road_s: int, *, arrival_at: datetime) -> Route:
    """Return the way of a bag to a hospital, as the system takes every journey to be."""
    return Route(
        arrival_at=arrival_at,
        transport_s=road_s,
        temperature_kept=True,
        agitated=False,
        can_thaw=hospital.can_thaw,
        unusable=hospital.cannot_use,
    )


def count_kept(
    scenario: Scenario,
    station: Station,
    component: Component,
    group: BloodGroup,
    priority: Priority = Priority.ROUTINE,
) -> int:
    """Count the units of a group that a station keeps from who waits next door.

    A routine order bends no floor: the station keeps its supply down to orange. For who waits
    urgently, or in danger of life, the floor sinks by the steps of `offer.floor_bends`.
    """
    stock = scenario.stock
    negative = group.rhd is RhD.NEGATIVE
    share = stock.abo[group.abo] * (stock.rhd.negative if negative else 1 - stock.rhd.negative)
    daily = station.daily_demand.get(component, 0.0) * share
    if priority is Priority.ROUTINE:
        return ceil(daily * station.policy.thresholds.orange_below_d)
    steps = PACKAGED.shortages.bending.steps
    return min(round(daily * step.keep_d) for step in steps if step.waiting.rank >= priority.rank)


def _list_last(decisions: Sequence[Decision]) -> dict[int, tuple[int, LineDecision]]:
    """Return the last word on each line, and the place of its decision.

    A decision that ends a request, or tells of its units alone, repeats no lines.
    """
    return {
        line.line_no: (at, line) for at, decision in enumerate(decisions) for line in decision.lines
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _LostBag:
    line_no: int
    component: Component
    volume_ml: int


def _list_lost(decisions: Sequence[Decision]) -> list[tuple[_LostBag, Lever]]:
    """List the bags that a line was promised and lost after the last word on it."""
    last = _list_last(decisions)
    promised = {
        bag.unit_id: (line.line_no, bag)
        for decision in decisions
        for line in decision.lines
        for bag in line.reserved
    }
    found = []
    for at, decision in enumerate(decisions):
        for reason in decision.reasons:
            line_no, bag = promised.get(str(reason.params.get("unit_id")), (0, None))
            is_lost = reason.code == "unit_given_back" or reason.code.startswith("unit_lost_")
            if bag is None or not is_lost or at <= last[line_no][0]:
                continue
            lost = _LostBag(
                line_no=line_no, component=bag.component, volume_ml=bag.volume_ml or _ONE_UNIT_ML
            )
            lever = Lever(
                kind="promise_lost",
                by=decision.decided_at,
                groups=(bag.group.value,),
                units=1,
                code=reason.code,
                params=reason.params,
            )
            found.append((lost, lever))
    return found


@dataclass(frozen=True, slots=True)
class _Finder:
    """Finds the levers of one line."""

    scenario: Scenario
    request: UrgentRequest
    line: RequestLine
    lacking: int
    decisions: Sequence[Decision]
    bags: Sequence[FreeBag]
    count_free: CountFree

    def list_levers(self) -> Iterator[Lever]:
        standing = list(self._list_standing())
        if standing:
            yield from standing
            return
        found = [*self._list_told(), *self._list_bags(), *self._list_donors()]
        yield from found
        if not any(lever.kind in {"told", "neighbour_free", "neighbour_kept"} for lever in found):
            yield from self._explain_nowhere()

    @property
    def _asked_at(self) -> datetime:
        return self.decisions[0].decided_at

    @property
    def _leaves_by(self) -> datetime:
        """Return the last instant at which a bag could leave the supplying station in time."""
        road_s = self.scenario.routes[self.request.station_id, self.request.hospital_id]
        return self.request.needed_by - timedelta(seconds=road_s)

    def _list_words(self) -> Iterator[LineDecision]:
        for decision in self.decisions:
            yield from (line for line in decision.lines if line.line_no == self.line.line_no)

    def _list_standing(self) -> Iterator[Lever]:
        told = list(self._list_words())
        for reason in told[-1].refusals if told and told[-1].refused else ():
            if not reason.code.endswith(_OPENS):
                yield Lever(kind="standing", code=reason.code, params=reason.params)

    def _list_told(self) -> Iterator[Lever]:
        """Yield what the decisions said would open bags, each way once, with its largest number."""
        ways: dict[str, Lever] = {}
        for told in self._list_words():
            for reason in told.refusals:
                if not reason.code.endswith(_OPENS):
                    continue
                groups, units = str(reason.params.get("groups", "")), reason.params.get("units", 0)
                lever = Lever(
                    kind="told",
                    by=self._leaves_by,
                    place=self.request.station_id,
                    groups=tuple(groups.split()),
                    units=int(units),
                    code=reason.code,
                    params=reason.params,
                )
                before = ways.get(reason.code)
                if before is None or lever.units > before.units:
                    ways[reason.code] = lever
        yield from ways.values()

    def _list_bags(self) -> Iterator[Lever]:
        """Yield the bags of neighbours that the kernel would clear, had they come in time."""
        for station in self.scenario.stations:
            if station.station_id == self.request.station_id:
                continue
            road_s = self.scenario.routes[station.station_id, self.request.station_id]
            leaves_by = self._leaves_by - timedelta(seconds=road_s)
            fitting = Counter(
                bag.unit.group
                for bag in self.bags
                if bag.unit.station_id == station.station_id
                and bag.since <= max(leaves_by, self._asked_at)
                and isinstance(self._judge(bag.unit), Cleared)
                and not self._is_kept_group(bag.unit.group)
            )
            for group, bags in fitting.items():
                yield self._describe(station, group, bags, leaves_by=leaves_by)

    def _describe(
        self, station: Station, group: BloodGroup, bags: int, *, leaves_by: datetime
    ) -> Lever:
        component = self.line.component
        if leaves_by < self._asked_at:
            is_possible = leaves_by >= self.scenario.event.occurred_at
            kind, units = "ordered_earlier" if is_possible else "too_far", bags
        else:
            keep = count_kept(self.scenario, station, component, group, self.request.priority)
            spare = self.count_free(station.station_id, component, group, leaves_by) - keep
            kind = "neighbour_free" if spare > 0 else "neighbour_kept"
            units = min(bags, spare) if spare > 0 else bags
        return Lever(
            kind=kind,
            by=leaves_by,
            place=station.station_id,
            groups=(group.value,),
            units=min(units, self.lacking),
        )

    def _list_donors(self) -> Iterator[Lever]:
        """Yield the donations that would have served; no donor is known to give a special bag."""
        component = self.line.component
        if PACKAGED.donors.find_kind(component) is None or self.line.attributes != _NO_DEMAND:
            return
        by = self._leaves_by - timedelta(seconds=PACKAGED.donors.ready_after_s)
        groups = tuple(
            group.value for group in self._list_groups() if not self._is_kept_group(group)
        )
        kind = "donors" if by >= self._asked_at else "donors_late"
        yield Lever(kind=kind, by=by, groups=groups, units=self.lacking)

    def _explain_nowhere(self) -> Iterator[Lever]:
        """Yield why none of the free bags of these groups fits; the commonest causes first."""
        groups = set(self._list_groups())
        asked = [
            bag.unit
            for bag in self.bags
            if bag.unit.component is self.line.component and bag.unit.group in groups
        ]
        causes = Counter(
            str(reason.params.get("attribute") or reason.params.get("antigen") or reason.code)
            for unit in asked
            if isinstance(answer := self._judge(unit), Refused)
            for reason in answer.reasons
        )
        told = ", ".join(f"{cause} × {bags}" for cause, bags in causes.most_common(_CAUSES_SHOWN))
        yield Lever(
            kind="nowhere",
            by=self._leaves_by,
            groups=tuple(sorted(groups)),
            units=len(asked),
            params={"causes": told or "–"},
        )

    def _list_groups(self) -> list[BloodGroup]:
        return [
            candidate.group
            for candidate in list_candidates(
                component=self.line.component,
                patient=self.request.patient,
                priority=self.request.priority,
                policy=self._policy,
                rules=PACKAGED,
            )
            if not (self.line.attributes.identical_group_only)
            or candidate.group is self.request.patient.group
        ]

    def _is_kept_group(self, group: BloodGroup) -> bool:
        """Return whether RhD- red cells are kept from a patient who is given RhD+ first."""
        groups = self._list_groups()
        return (
            self.line.component.spec.carries_red_cells
            and self.request.priority is not Priority.LIFE_THREATENING
            and group.rhd is RhD.NEGATIVE
            and bool(groups)
            and groups[0].rhd is RhD.POSITIVE
        )

    @property
    def _policy(self) -> StationPolicy:
        stations = {station.station_id: station for station in self.scenario.stations}
        return stations[self.request.station_id].policy

    def _judge(self, unit: UnitFacts) -> Cleared | Refused:
        """Ask the kernel about a bag as if it lay at the supplying station at the last moment."""
        hospital = self.scenario.get_hospital(self.request.hospital_id).hospital
        road_s = self.scenario.routes[self.request.station_id, self.request.hospital_id]
        return clear(
            replace(unit, station_id=self.request.station_id),
            purpose=ForPatient.of_line(
                self.request, self.line, policy=self._policy, capped_units=0
            ),
            step=Step.RESERVE,
            route=to_hospital(hospital, road_s, arrival_at=self.request.needed_by),
            now=self._leaves_by,
            rules=PACKAGED,
        )
