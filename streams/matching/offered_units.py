"""Match the units of a giver with the patients whom a station lacks them for.

Pure and deterministic. A neighbour's bag helps nobody if the patient who waits needs another one:
leukoreduced, tested for an antigen, or young. What fits a patient who waits goes first, and no
other bag is passed over: the rest keeps the order of every choice. What is on its way counts for a
patient only if it fits and comes in time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from models.clearance import Cleared, ForPatient, Step, UnitFacts
from models.directory import Journey
from models.doses import WHOLE, content_of, round_up
from models.facilities import Hospital
from models.requests import Priority
from models.rules.rulebook import Rulebook
from models.safety import clear
from models.units import UnitStatus
from streams.matching.choice_order import place_of
from streams.matching.kernel_routes import to_hospital
from streams.matching.units_on_the_way import Coming, latest_first


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingLine:
    """A line that lacks units at the station in need.

    Attributes:
        purpose: The line and its patient, as the station in need would serve them.
        units: Ordering units that the line lacks.
        journey: From that station to the hospital.
    """

    purpose: ForPatient
    units: int
    hospital: Hospital
    journey: Journey

    @property
    def comes_by(self) -> datetime:
        """Return the last instant at which a bag comes to the station in time for the patient."""
        return self.purpose.needed_by - timedelta(seconds=self.journey.eta_s)

    @property
    def rank(self) -> tuple[int, datetime, str, int]:
        """Return its place among those who wait; the smallest is served first."""
        purpose = self.purpose
        return (
            purpose.priority.rank,
            purpose.needed_by,
            purpose.request_id,
            purpose.line.line_no,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The bags of an offer in the order in which they are taken, and whom they serve in time.

    Attributes:
        units: Ordering units that bring somebody in time what nothing on its way does.
        urgent: Of those, what is waited for urgently or in danger of life.
        endangered: Of those, what is waited for in danger of life.
    """

    ordered: tuple[Cleared, ...]
    units: int
    urgent: int
    endangered: int


def serve_waiting(
    offered: Sequence[Cleared],
    waiting: Sequence[WaitingLine],
    coming: Sequence[Coming] = (),
    *,
    eta_s: int,
    now: datetime,
    rules: Rulebook,
) -> Served:
    """Put first the units that serve those who wait, the most urgent line first.

    Args:
        offered: Units cleared for the station in need.
        waiting: Its lines that lack such units.
        coming: The bags on their way to it.
        eta_s: Seconds from the giver to the station in need.
        now: Aware UTC instant of the decision.
        rules: The rulebook to decide by.
    """
    arrives_at = now + timedelta(seconds=eta_s)
    on_the_way = latest_first(coming)
    left = sorted(offered, key=lambda cleared: place_of(cleared.unit))
    first: list[Cleared] = []
    found = Counter[Priority]()
    for line in sorted(waiting, key=lambda line: line.rank):
        lacking = line.units * WHOLE
        in_time = [bag for bag in on_the_way if bag.arrives_at <= line.comes_by]
        for bag in _list_serving(in_time, line, lacking=lacking, rules=rules):
            lacking -= bag.hundredths
            on_the_way.remove(bag)
        # An offered bag is judged as if it were on its way already.
        offers = {bag.unit.unit_id: bag for bag in left}
        sent = [Coming(unit=bag.unit, arrives_at=arrives_at) for bag in left]
        brought = 0
        for bag in _list_serving(sent, line, lacking=lacking, rules=rules):
            brought += bag.hundredths
            first.append(offers[bag.unit.unit_id])
            left.remove(offers[bag.unit.unit_id])
        if arrives_at <= line.comes_by:
            found[line.purpose.priority] += round_up(min(brought, lacking))
    endangered = found[Priority.LIFE_THREATENING]
    return Served(
        ordered=(*first, *left),
        units=found.total(),
        urgent=found[Priority.URGENT] + endangered,
        endangered=endangered,
    )


def _list_serving(
    bags: Sequence[Coming], line: WaitingLine, *, lacking: int, rules: Rulebook
) -> Iterator[Coming]:
    """Yield bags that serve a line until it lacks nothing."""
    for bag in bags:
        if lacking <= 0:
            return
        if _serves(bag.unit, line, arrives_at=bag.arrives_at, rules=rules):
            lacking -= content_of(bag.unit.component, bag.unit.volume_ml)
            yield bag


def _serves(unit: UnitFacts, line: WaitingLine, *, arrives_at: datetime, rules: Rulebook) -> bool:
    """Ask the kernel what it will be asked when the unit has come to the station in need."""
    answer = clear(
        replace(unit, station_id=line.purpose.station_id, status=UnitStatus.AVAILABLE),
        purpose=line.purpose,
        step=Step.RESERVE,
        route=to_hospital(line.hospital, line.journey, now=arrives_at),
        now=arrives_at,
        rules=rules,
    )
    return isinstance(answer, Cleared)
