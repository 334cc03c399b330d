"""Today's build on a trace: each request is decided when it comes, by `decide_batch` as in service.

What is promised to a routine request lies on the shelf until it is picked, when its time comes; who
is in danger of life takes it back, and who loses it is decided again at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from models.clearance import UnitFacts
from models.components import Component
from models.directory import Journey
from models.patients import Patient, Sex
from models.requests import Priority
from models.rules.rulebook import PACKAGED
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from tests.measurements.matching.policies import POLICY, Day
from tests.measurements.matching.traces import Trace
from tests.support.safety import build_facts
from tests.support.world import NOW, PEOPLES, build_request, one_unit_ml

JOURNEY = Journey(eta_s=1800, estimated=False)
LASTS = timedelta(days=20)
HOLD_S = 3600


@dataclass(slots=True)
class _Promise:
    unit: UnitFacts
    at: int


@dataclass(slots=True)
class _Served:
    day: Day
    free: dict[str, UnitFacts]
    promised: dict[str, _Promise] = field(default_factory=dict)

    def decide(self, at: int, *, at_h: float) -> None:
        """Decide a request; it takes back what it may, and the losers are decided again."""
        asking = self.day.trace.requests[at]
        now = NOW + timedelta(hours=at_h)
        is_dying = asking.priority is Priority.LIFE_THREATENING
        takeable = {
            unit_id: promise
            for unit_id, promise in self.promised.items()
            if is_dying and self.day.trace.requests[promise.at].until_h > at_h
        }
        shelf = Shelf(
            [*self.free.values(), *(promise.unit for promise in takeable.values())],
            promised=dict.fromkeys(takeable, Priority.ROUTINE),
        )
        (found,) = decide_batch([self._build_case(at, now)], shelf=shelf, now=now, hold_s=HOLD_S)
        losers = set()
        for cleared in found.cleared:
            unit = cleared.unit
            if unit.unit_id in takeable:
                loser = self.promised.pop(unit.unit_id).at
                self.day.got[loser][unit.group] -= 1
                losers.add(loser)
            else:
                del self.free[unit.unit_id]
            self.day.got[at][unit.group] += 1
            if asking.priority is Priority.ROUTINE:
                self.promised[unit.unit_id] = _Promise(unit, at)
        for loser in sorted(losers):
            self.decide(loser, at_h=at_h)

    def _build_case(self, at: int, now: datetime) -> Case:
        asking = self.day.trace.requests[at]
        asked = build_request(
            request_id=f"r{at}",
            priority=asking.priority,
            quantity=self.day.lack(at),
            patient=Patient(group=asking.group, sex=Sex.MALE, age_years=40),
            now=now,
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


def serve_as_todays_build(trace: Trace) -> Day:
    day = Day.begin(trace)
    bags = [
        build_facts(
            unit_id=f"{group.name}-{at}",
            group=group,
            volume_ml=one_unit_ml(Component.RED_CELLS),
            expires_at=NOW + LASTS,
        )
        for group, units in trace.stock.items()
        for at in range(units)
    ]
    served = _Served(day, {bag.unit_id: bag for bag in bags})
    for at, asking in enumerate(trace.requests):
        served.decide(at, at_h=asking.at_h)
    day.free.clear()
    day.free.update(bag.group for bag in served.free.values())
    return day
