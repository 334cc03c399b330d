"""The day after it was played and judged, from which every result is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from checker import Report
from demo.actor_context import DrillStage
from demo.donation_outcomes import DonatedLife
from demo.hindsight import Hindsight
from demo.unserved import Unserved


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedDay:
    """A day that was played and judged.

    Attributes:
        stage: The day as it was observed.
        verdict: The report of the independent checker, with its examples.
        audit: The document of `xuelian audit verify`.
        lives: The outcome of each donation of the day.
        unserved: The requests that got nothing or less than they asked.
        hindsight: The day beside its optimum.
    """

    stage: DrillStage
    verdict: Report
    audit: Mapping[str, int]
    lives: Sequence[DonatedLife]
    unserved: Sequence[Unserved]
    hindsight: Hindsight
