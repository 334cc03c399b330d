"""Keep what each station is likely to be asked for; it is learned again every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.components import Component
from models.facilities import StationPolicy
from streams.matching.allocation.shelf_shares import StationOutlook
from streams.matching.decision_inputs import Case
from streams.matching.demand_outlook import DemandOutlook, find_windows, look_ahead
from streams.ports import UnitOfWork

LEARNED_EVERY_S = 15.0
"""Real seconds for which an outlook is used: it reads the requests of days."""

LEARNED_EVERY = timedelta(minutes=15)
"""The same in the time that decisions go by, which may be faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Learned:
    ahead: Mapping[Component, DemandOutlook]
    policy: StationPolicy
    rules_version: str
    at: datetime
    monotonic_s: float


class DemandOutlooks:
    """The outlooks of all stations of a process.

    Args:
        monotonic: Real seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._learned: dict[str, _Learned] = {}

    async def find(self, work: UnitOfWork, cases: Sequence[Case]) -> StationOutlook | None:
        """Return the outlook of the station of some cases; None where nothing is expected.

        Args:
            work: The transaction; nothing is locked.
            cases: Requests of one station, 1 or more.
        """
        station_id = cases[0].request.station_id
        ahead = await self._find_ahead(work, station_id, cases[0].policy)
        if not ahead:
            return None
        batch = [case.request.request_id for case in cases]
        waiting = await work.demand.count_deferred(station_id, besides=batch)
        return StationOutlook(ahead=ahead, waiting=waiting)

    async def _find_ahead(
        self, work: UnitOfWork, station_id: str, policy: StationPolicy
    ) -> Mapping[Component, DemandOutlook]:
        now = work.context.now
        known = self._learned.get(station_id)
        if known is not None and self._holds(known, work, policy):
            return known.ahead
        since, recent_since = find_windows(now, work.rules)
        demand = await work.demand.find_asked(
            station_id, since=since, recent_since=recent_since, now=now
        )
        learned = _Learned(
            ahead=look_ahead(demand, policy=policy, now=now, rules=work.rules),
            policy=policy,
            rules_version=work.rules.version,
            at=now,
            monotonic_s=self._monotonic(),
        )
        self._learned[station_id] = learned
        return learned.ahead

    def _holds(self, known: _Learned, work: UnitOfWork, policy: StationPolicy) -> bool:
        return (
            self._monotonic() < known.monotonic_s + LEARNED_EVERY_S
            and abs(work.context.now - known.at) < LEARNED_EVERY
            and known.policy == policy
            and known.rules_version == work.rules.version
        )
