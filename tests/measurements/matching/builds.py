"""Builds of the engine on a trace: decided by `decide_batch` as in service, when requests come.

What is promised to a routine request lies on the shelf until it is picked, when its time comes; who
is in danger of life takes it back, and who loses it is decided again at once. Whoever waits is
decided again every few hours, and when it can wait no longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from models.clearance import UnitFacts
from models.components import Component
from models.directory import Journey
from models.doses import OrderMeasure
from models.patients import Patient, Sex
from models.requests import Priority
from models.rules.rulebook import PACKAGED
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.allocation.line_shares import LineShare
from streams.matching.allocation.min_cost_flow import FlowAllocator
from streams.matching.allocation.shelf_shares import StationOutlook, pose_problem, read_shares
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from streams.matching.demand_outlook import (
    AskedOften,
    DemandOutlook,
    StationDemand,
    find_windows,
    look_ahead,
)
from streams.matching.expected_demand import DemandKind
from streams.services.demand_outlooks import LEARNED_EVERY
from tests.measurements.matching.policies import POLICY, Day, kind_of
from tests.measurements.matching.traces import DAY_H, Asking, Trace
from tests.support.safety import build_facts
from tests.support.world import PEOPLES, build_request, one_unit_ml

DAWN = datetime(2025, 1, 7, tzinfo=UTC)
"""When a trace begins: eight in the morning in Beijing, when the shelf was filled."""

JOURNEY = Journey(eta_s=1800, estimated=False)
LASTS = timedelta(days=20)
HOLD_S = 3600
SWEPT_EVERY_H = 3
AT_LAST_H = 0.001
"""So long before it can wait no longer a request is decided for the last time."""

FLOW = FlowAllocator()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Promise:
    unit: UnitFacts
    at: int


@dataclass(slots=True, kw_only=True)
class _Station:
    """A station on a trace.

    Attributes:
        wrong_by: The days before are taken to have asked for so many times what they did; None
            expects nothing.
        learned: What is expected, and in which stretch of time it was learned.
    """

    day: Day
    free: dict[str, UnitFacts]
    wrong_by: float | None
    promised: dict[str, _Promise] = field(default_factory=dict)
    learned: tuple[int, Mapping[Component, DemandOutlook]] = (-1, {})

    def decide(self, batch: Sequence[int], *, at_h: float) -> None:
        """Decide requests together; they take back what they may, and the losers come at once."""
        asked = [self.day.trace.requests[at] for at in batch]
        now = DAWN + timedelta(hours=at_h)
        is_dying = any(asking.priority is Priority.LIFE_THREATENING for asking in asked)
        takeable = {
            unit_id: promise
            for unit_id, promise in self.promised.items()
            if is_dying and self.day.trace.requests[promise.at].until_h > at_h
        }
        cases = [self._build_case(at, at_h) for at in batch]
        shares = self._share(cases, batch, at_h=at_h)
        shelf = Shelf(
            [*self.free.values(), *(promise.unit for promise in takeable.values())],
            promised=dict.fromkeys(takeable, Priority.ROUTINE),
        )
        found = decide_batch(
            cases,
            shelf=shelf,
            now=now,
            hold_s=HOLD_S,
            tells=[False] * len(cases),
            shares=shares,
        )
        losers = set()
        for at, matched in zip(batch, found, strict=True):
            for cleared in matched.cleared:
                unit = cleared.unit
                if unit.unit_id in takeable:
                    loser = self.promised.pop(unit.unit_id).at
                    self.day.got[loser][unit.group] -= 1
                    losers.add(loser)
                else:
                    del self.free[unit.unit_id]
                self.day.got[at][unit.group] += 1
                self.day.waited_h += at_h - self.day.trace.requests[at].at_h
                if self.day.trace.requests[at].priority is Priority.ROUTINE:
                    self.promised[unit.unit_id] = _Promise(unit=unit, at=at)
        for loser in sorted(losers):
            self.decide([loser], at_h=at_h)

    def _share(
        self, cases: Sequence[Case], batch: Sequence[int], *, at_h: float
    ) -> dict[str, LineShare]:
        if self.wrong_by is None:
            return {}
        now = DAWN + timedelta(hours=at_h)
        ahead = self._look_ahead(at_h, wrong_by=self.wrong_by)
        waiting: Counter[tuple[Component, DemandKind]] = Counter()
        for at in self.day.list_waiting(at_h):
            if at not in batch:
                kind = kind_of(self.day.trace.requests[at])
                waiting[Component.RED_CELLS, kind] += self.day.lack(at)
        outlook = StationOutlook(ahead=ahead, waiting=waiting)
        shelf = Shelf(self.free.values())
        problem = pose_problem(cases, shelf=shelf, outlook=outlook, now=now)
        if problem is None:
            return {}
        allocation = FLOW.allocate(problem)
        return read_shares(cases, outlook=outlook, problem=problem, allocation=allocation, now=now)

    def _look_ahead(self, at_h: float, *, wrong_by: float) -> Mapping[Component, DemandOutlook]:
        """Learn as often as the service does."""
        slot = int(timedelta(hours=at_h) / LEARNED_EVERY)
        if slot != self.learned[0]:
            demand = _count_asked(self.day.trace, at_h=at_h, wrong_by=wrong_by)
            now = DAWN + timedelta(hours=at_h)
            self.learned = slot, look_ahead(demand, policy=POLICY, now=now, rules=PACKAGED)
        return self.learned[1]

    def _build_case(self, at: int, at_h: float) -> Case:
        asking = self.day.trace.requests[at]
        asked = build_request(
            request_id=f"r{at}",
            priority=asking.priority,
            quantity=self.day.lack(at),
            patient=Patient(group=asking.group, sex=Sex.MALE, age_years=40),
            now=DAWN + timedelta(hours=at_h),
            needed_in_h=asking.until_h - at_h + JOURNEY.eta_s / 3600,
        )
        return Case(
            request=asked,
            hospital=PEOPLES,
            policy=POLICY,
            journey=JOURNEY,
            version=1,
            cause_id="e1",
            rules=PACKAGED,
        )


def _count_asked(trace: Trace, *, at_h: float, wrong_by: float) -> StationDemand:
    """Return what the station was asked for in the days before and so far."""
    now = DAWN + timedelta(hours=at_h)
    since, recent_since = find_windows(now, PACKAGED)
    rows = []
    for asking, asked_at, times in _list_asked(trace, wrong_by):
        if since <= asked_at <= now and times:
            rows.append(
                AskedOften(
                    component=Component.RED_CELLS,
                    group=asking.group,
                    priority=asking.priority,
                    measure=OrderMeasure.UNIT,
                    quantity=asking.quantity,
                    requests=times,
                    is_recent=asked_at >= recent_since,
                )
            )
    return StationDemand(began_at=since, asked=tuple(rows))


def _list_asked(trace: Trace, wrong_by: float) -> Iterator[tuple[Asking, datetime, int]]:
    """Yield every request, when it came, and how often it is taken to have come."""
    for back, day in enumerate(reversed(trace.history), start=1):
        for at, asking in enumerate(day):
            asked_at = DAWN + timedelta(hours=asking.at_h - back * DAY_H)
            yield asking, asked_at, int((at + 1) * wrong_by) - int(at * wrong_by)
    for asking in trace.requests:
        yield asking, DAWN + timedelta(hours=asking.at_h), 1


def serve_as_todays_build(trace: Trace) -> Day:
    """Nothing is expected."""
    return _serve(trace, wrong_by=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookingAhead:
    """Ours: shelves are shared with what is expected.

    Attributes:
        wrong_by: As of a station.
    """

    wrong_by: float = 1.0

    def __call__(self, trace: Trace) -> Day:
        return _serve(trace, wrong_by=self.wrong_by)


def _serve(trace: Trace, *, wrong_by: float | None) -> Day:
    day = Day.begin(trace)
    bags = [
        build_facts(
            unit_id=f"{group.name}-{at}",
            group=group,
            volume_ml=one_unit_ml(Component.RED_CELLS),
            collected_at=DAWN - timedelta(days=1),
            expires_at=DAWN + LASTS,
        )
        for group, units in trace.stock.items()
        for at in range(units)
    ]
    station = _Station(day=day, free={bag.unit_id: bag for bag in bags}, wrong_by=wrong_by)
    for at_h, due in _list_moments(trace):
        batch = [due] if due is not None else day.list_waiting(at_h)
        lacking = [at for at in batch if day.lack(at)]
        if lacking:
            station.decide(lacking, at_h=at_h)
    day.free.clear()
    day.free.update(bag.group for bag in station.free.values())
    return day


def _list_moments(trace: Trace) -> list[tuple[float, int | None]]:
    """List when a request is decided, or all that wait."""
    moments: list[tuple[float, int | None]] = [
        (float(hour), None) for hour in range(SWEPT_EVERY_H, int(DAY_H), SWEPT_EVERY_H)
    ]
    for at, asking in enumerate(trace.requests):
        moments.append((asking.at_h, at))
        if asking.until_h - AT_LAST_H > asking.at_h:
            moments.append((asking.until_h - AT_LAST_H, at))
    return sorted(moments, key=lambda moment: moment[0])
