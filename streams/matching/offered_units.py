"""Order the units of a giver for the patients whom a station lacks them for.

Pure and deterministic. A neighbour's bag helps nobody if the patient who waits needs another one:
leukoreduced, tested for an antigen, or young. What fits a patient who waits goes first, and no
other bag is passed over: the rest keeps the order of every choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from models.clearance import Cleared, ForPatient, Step
from models.directory import Journey
from models.doses import WHOLE, content_of
from models.facilities import Hospital
from models.requests import Priority
from models.rules.rulebook import Rulebook
from models.safety import clear
from streams.matching.choice_order import place_of
from streams.matching.journeys import to_hospital
from streams.matching.on_the_way import Coming, list_unreached


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
        """The last instant at which a bag comes to the station in time for the patient."""
        return self.purpose.needed_by - timedelta(seconds=self.journey.eta_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """Ordering units that who waits lacks when what is on its way in time has come.

    Attributes:
        urgent: Of those, what is waited for urgently or in danger of life.
        endangered: Of those, what is waited for in danger of life.
    """

    units: int = 0
    urgent: int = 0
    endangered: int = 0


def count_lacking(
    waiting: Sequence[WaitingLine], coming: Sequence[Coming], *, eta_s: int, now: datetime
) -> Lacking:
    """Count what a giver's bags would bring in time, and nothing that is on its way does.

    Args:
        waiting: The lines that lack units at the station in need.
        coming: The bags on their way to it.
        eta_s: Seconds from the giver to the station in need.
        now: Aware UTC instant of the decision.
    """
    ranked = sorted(waiting, key=_rank)
    unreached = list_unreached([(line.comes_by, line.units) for line in ranked], coming)
    found = Counter[Priority]()
    for line, units in zip(ranked, unreached, strict=True):
        if now + timedelta(seconds=eta_s) <= line.comes_by:
            found[line.purpose.priority] += units
    endangered = found[Priority.LIFE_THREATENING]
    return Lacking(
        units=found.total(),
        urgent=found[Priority.URGENT] + endangered,
        endangered=endangered,
    )


def order_for_waiting(
    offered: Sequence[Cleared],
    waiting: Sequence[WaitingLine],
    *,
    eta_s: int,
    now: datetime,
    rules: Rulebook,
) -> list[Cleared]:
    """Put first the units that serve those who wait, the most urgent line first.

    Args:
        offered: Units cleared for the station in need.
        waiting: Its lines that lack such units.
        eta_s: Seconds from the giver to the station in need.
        now: Aware UTC instant of the decision.
        rules: The rulebook to decide by.
    """
    left = sorted(offered, key=lambda cleared: place_of(cleared.unit))
    first: list[Cleared] = []
    for line in sorted(waiting, key=_rank):
        lacking = line.units * WHOLE
        for one in list(left):
            if lacking <= 0:
                break
            if _serves(one, line, eta_s=eta_s, now=now, rules=rules):
                lacking -= content_of(one.unit.component, one.unit.volume_ml)
                first.append(one)
                left.remove(one)
    return [*first, *left]


def _rank(line: WaitingLine) -> tuple[int, datetime, str, int]:
    purpose = line.purpose
    return (
        purpose.priority.rank,
        purpose.needed_by,
        purpose.request_id,
        purpose.line.line_no,
    )


def _serves(
    offered: Cleared, line: WaitingLine, *, eta_s: int, now: datetime, rules: Rulebook
) -> bool:
    """Ask the kernel what it will be asked when the unit has come to the station in need."""
    arrives_at = now + timedelta(seconds=eta_s)
    answer = clear(
        replace(offered.unit, station_id=line.purpose.station_id),
        purpose=line.purpose,
        step=Step.RESERVE,
        route=to_hospital(line.hospital, line.journey, now=arrives_at),
        now=arrives_at,
        rules=rules,
    )
    return isinstance(answer, Cleared)
