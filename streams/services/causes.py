"""What an activation or a shortage still wants of the reserve, and what is on its way to it.

Reads only. A donor is counted once: calls for an activation serve the shortages that the same
disaster made, and only what they leave open is called for again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from models.alerts import Activation, ActivationStatus
from models.disaster_rules import disaster_rules
from models.donor_rules import donor_rules
from models.donors import CallOutStatus
from models.facilities import Station
from models.groups import BloodGroup
from models.requests import Priority, RequestLine, UrgentRequest
from models.shortages import Shortage, ShortageStatus
from models.units import UnitStatus
from streams.matching.shortage import find_wanted_group, list_called_groups
from streams.matching.waves import expect_donations
from streams.ports import DirectorySource, UnitOfWork
from streams.ports.reserve import ReserveCall
from streams.services.stations import get_own_station

_LIVE = frozenset({CallOutStatus.CALLED, CallOutStatus.ACCEPTED, CallOutStatus.ARRIVED})
_SURE = frozenset({CallOutStatus.ARRIVED, CallOutStatus.DONATED})
_FIRM = _SURE | {CallOutStatus.ACCEPTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why donors of one station are called.

    Attributes:
        wanted: Donations in all.
        groups: Groups that can serve, the most wanted first.
        calls: Calls that count towards it.
        urgency: Whom to call for first where two causes want one donor; the greater goes first.
        shared: Donations expected of an activation's calls: its share of them, by urgent units.
        taken_over: Causes that want nobody any more, whose donors an activation keeps.
    """

    cause_id: str
    station: Station
    wanted: int
    groups: tuple[BloodGroup, ...]
    calls: tuple[ReserveCall, ...]
    shared: float = 0.0
    urgency: int = 0
    taken_over: frozenset[str] = frozenset()

    def expect(self, now: datetime) -> float:
        """Return the donations to expect of everything that is under way."""
        return self._expect(self.calls, now) + self.shared

    def expect_firm(self, now: datetime) -> float:
        """Return the donations to expect of donors who said yes."""
        return self._expect([call for call in self.calls if call.status in _FIRM], now)

    def count_sure(self) -> int:
        """Return the donations made, and the donors who are there."""
        return sum(call.status in _SURE for call in self.calls)

    def list_own(self, *statuses: CallOutStatus) -> list[ReserveCall]:
        """List the calls that are for this cause to end."""
        return [
            call
            for call in self.calls
            if (
                call.call_out.cause_id == self.cause_id or call.call_out.cause_id in self.taken_over
            )
            and call.status in statuses
        ]

    def list_counted_on(self, calls: Sequence[ReserveCall], now: datetime) -> list[ReserveCall]:
        """List those of these calls without which this cause would be short, the firm first."""
        counted = {call.call_out.call_out_id for call in self.calls}
        given_up = {call.call_out.call_out_id for call in calls}
        expected = self.shared + self._expect(
            [call for call in self.calls if call.call_out.call_out_id not in given_up], now
        )
        kept = []
        for call in sorted(calls, key=lambda call: call.status not in _FIRM):
            if expected < self.wanted and call.call_out.call_out_id in counted:
                expected += self._expect([call], now)
                kept.append(call)
        return kept

    def _expect(self, calls: Sequence[ReserveCall], now: datetime) -> float:
        return expect_donations([call.state for call in calls], station=self.station, now=now)


class Urgency(IntEnum):
    """Whom to call for first: who waits in danger of life, a disaster, who waits urgently."""

    URGENT = 1
    DISASTER = 2
    LIFE_THREATENING = 3


def list_activation_groups() -> tuple[BloodGroup, ...]:
    """List the groups whose donors a disaster calls: RhD+ serves it, so no RhD- is among them.

    Who needs RhD- blood after a disaster makes a shortage of it, and that calls RhD- donors.
    """
    return list_called_groups(disaster_rules().donations.group_order)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """Units that urgent patients of a station wait for.

    Attributes:
        own: Of one shortage's component and group.
        others: Of all other groups of what donors can give.
        in_danger: Of `own`, for patients in danger of life.
    """

    own: int = 0
    others: int = 0
    in_danger: int = 0


class Causes:
    """Finds the cause behind an identifier.

    Args:
        directories: The stations and their policies.
    """

    def __init__(self, *, directories: DirectorySource) -> None:
        self._directories = directories

    async def find_station_id(self, work: UnitOfWork, cause_id: str) -> str | None:
        """Return whose cause it is, however it stands; None if there is no such cause."""
        state = await work.supply.find_activation(cause_id)
        if state is not None:
            return state.activation.station_id
        shortage = await work.supply.find_shortage(cause_id)
        return None if shortage is None else shortage.station_id

    async def find(self, work: UnitOfWork, cause_id: str, now: datetime) -> Cause | None:
        """Return the cause if donors may be called for it now; None if it has ended."""
        state = await work.supply.find_activation(cause_id)
        if state is not None:
            return await self._from_activation(work, state.activation, state.opened_at)
        shortage = await work.supply.find_shortage(cause_id)
        return None if shortage is None else await self._from_shortage(work, shortage, now)

    async def list_in_danger(self, work: UnitOfWork, station_id: str) -> list[str]:
        """List the open shortages of a station for which somebody waits in danger of life."""
        return await self._list_waited_for(work, station_id, {Priority.LIFE_THREATENING})

    async def list_left(self, work: UnitOfWork, station_id: str) -> list[ReserveCall]:
        """List the calls that can be taken back, of causes that want no donors any more."""
        calls = [
            call
            for call in await work.supply.list_calls(station_id)
            if call.status in {CallOutStatus.CALLED, CallOutStatus.ACCEPTED}
        ]
        ended = await self._list_ended(work, station_id, calls)
        return [call for call in calls if call.call_out.cause_id in ended]

    async def _list_ended(
        self, work: UnitOfWork, station_id: str, calls: Sequence[ReserveCall]
    ) -> frozenset[str]:
        """List the causes of calls that have ended, or for which nobody waits any more."""
        causes = {call.call_out.cause_id for call in calls}
        causes -= {*await work.supply.list_open_activation_ids(station_id)}
        if causes:
            urgent = {Priority.LIFE_THREATENING, Priority.URGENT}
            causes -= {*await self._list_waited_for(work, station_id, urgent)}
        return frozenset(causes)

    async def _list_waited_for(
        self, work: UnitOfWork, station_id: str, priorities: Collection[Priority]
    ) -> list[str]:
        station = await get_own_station(self._directories, station_id)
        places = {
            (line.component, _find_group(line, request, station))
            for line, request, _ in await _list_waiting(work, station_id)
            if request.priority in priorities
        }
        return [
            shortage.shortage_id
            for shortage in await work.supply.lock_open_shortages(station_id)
            if (shortage.component, shortage.group) in places
        ]

    async def list_open(self, work: UnitOfWork, station_id: str) -> list[str]:
        """List every open cause of a station, the most urgent first."""
        in_danger = await self.list_in_danger(work, station_id)
        shortages = await work.supply.lock_open_shortages(station_id)
        return [
            *in_danger,
            *await work.supply.list_open_activation_ids(station_id),
            *(one.shortage_id for one in shortages if one.shortage_id not in in_danger),
        ]

    async def _from_activation(
        self, work: UnitOfWork, activation: Activation, opened_at: datetime
    ) -> Cause | None:
        if activation.status is not ActivationStatus.OPEN or activation.exercise:
            return None
        calls = await work.supply.list_calls(activation.station_id, since=opened_at)
        # A donation whose unit failed its tests helped nobody: it is asked for again.
        calls = [call for call in calls if call.unit_status != "discarded"]
        return Cause(
            cause_id=activation.activation_id,
            station=await get_own_station(self._directories, activation.station_id),
            wanted=activation.donors_wanted,
            groups=list_activation_groups(),
            calls=tuple(calls),
            urgency=Urgency.DISASTER,
            taken_over=await self._list_ended(work, activation.station_id, calls),
        )

    async def _from_shortage(
        self, work: UnitOfWork, shortage: Shortage, now: datetime
    ) -> Cause | None:
        if shortage.status is not ShortageStatus.OPEN:
            return None
        if shortage.component not in donor_rules().serves.components:
            return None
        station = await get_own_station(self._directories, shortage.station_id)
        waiting = await self._count_urgent(work, shortage, station)
        own = waiting.own
        in_transit = await work.supply.count_in_transit(shortage.shortage_id)
        calls = await work.supply.list_calls(shortage.station_id, cause_id=shortage.shortage_id)
        return Cause(
            cause_id=shortage.shortage_id,
            station=station,
            wanted=max(0, own - in_transit),
            groups=list_called_groups(shortage.donor_groups),
            urgency=Urgency.LIFE_THREATENING if waiting.in_danger else Urgency.URGENT,
            calls=tuple(call for call in calls if _is_under_way(call)),
            shared=await self._expect_of_activation(
                work, shortage, station, share=own / max(1, own + waiting.others), now=now
            ),
        )

    async def _count_urgent(
        self, work: UnitOfWork, shortage: Shortage, station: Station
    ) -> _Waiting:
        own = others = in_danger = 0
        for line, request, units in await _list_waiting(work, station.station_id):
            group = _find_group(line, request, station)
            if (line.component, group) != (shortage.component, shortage.group):
                others += units
                continue
            own += units
            if request.priority is Priority.LIFE_THREATENING:
                in_danger += units
        return _Waiting(own=own, others=others, in_danger=in_danger)

    async def _expect_of_activation(
        self,
        work: UnitOfWork,
        shortage: Shortage,
        station: Station,
        *,
        share: float,
        now: datetime,
    ) -> float:
        """Expect of a disaster's donors this shortage's share, so that none is counted twice."""
        state = await work.supply.find_open_activation(station.station_id)
        if state is None:
            return 0.0
        calls = await work.supply.list_calls(
            station.station_id, cause_id=state.activation.activation_id
        )
        serving = [
            call.state
            for call in calls
            if _is_under_way(call) and call.state.record.donor.group in shortage.donor_groups
        ]
        return share * expect_donations(serving, station=station, now=now)


async def _list_waiting(
    work: UnitOfWork, station_id: str
) -> list[tuple[RequestLine, UrgentRequest, int]]:
    """List the lines that urgent patients wait for and donors of whole blood can serve."""
    serves = donor_rules().serves.components
    found = []
    for uncovered in await work.supply.list_uncovered(station_id):
        request = uncovered.request
        (line,) = (line for line in request.lines if line.line_no == uncovered.line_no)
        if request.priority is not Priority.ROUTINE and line.component in serves:
            found.append((line, request, uncovered.units))
    return found


def _find_group(line: RequestLine, request: UrgentRequest, station: Station) -> BloodGroup | None:
    return find_wanted_group(line.component, request.patient, request.priority, station.policy)


def _is_under_way(call: ReserveCall) -> bool:
    """A donation counts until its unit is released; then stock covers what it was called for."""
    if call.status is CallOutStatus.DONATED:
        return call.unit_status in {UnitStatus.COLLECTED, UnitStatus.QUARANTINED}
    return call.status in _LIVE
