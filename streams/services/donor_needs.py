"""Find the donations that an activation or a shortage still wants, and those on their way.

This module only reads. A donor is counted once: calls for an activation also serve the shortages
that the same disaster made, and only what they leave open is called for again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from models.donation_kinds import DonationKind
from models.donors import CallOutStatus, CallPurpose
from models.facilities import Station
from models.groups import BloodGroup
from models.requests import Priority
from models.rules.types.disasters import DisasterRules
from models.shortages import Shortage
from models.units import UnitStatus
from streams.matching.donor_eligibility import DonorRecord
from streams.matching.donor_waves import expect_donations
from streams.matching.offers import is_agreed
from streams.matching.shortage import find_wanted_group, list_called_groups
from streams.matching.units_on_the_way import Coming, list_unreached
from streams.ports import DirectorySource, UnitOfWork
from streams.ports.alerts import ActivationState
from streams.ports.call_outs import ReserveCall
from streams.services.neighbour_stock import NeighbourStock
from streams.services.station_lookup import get_own_station
from streams.services.wanted_donations import (
    LIVE_CALLS,
    DonorNeed,
    Urgency,
    UrgentLine,
    is_under_way,
)

_RECALLABLE = frozenset({CallOutStatus.CALLED, CallOutStatus.ACCEPTED})


def list_activation_groups(rules: DisasterRules) -> tuple[BloodGroup, ...]:
    """List the groups whose donors a disaster calls: RhD+ serves it, so RhD- is left out.

    Patients who need RhD- blood after a disaster cause a shortage, and that calls RhD- donors.
    """
    return list_called_groups(rules.donations.group_order)


class DonorNeeds:
    """Finds the causes for which a station calls donors.

    Args:
        directories: The stations and their policies.
    """

    def __init__(self, *, directories: DirectorySource) -> None:
        self._directories = directories

    async def find_station_id(self, work: UnitOfWork, cause_id: str) -> str | None:
        """Return the station of a cause, open or ended; None if there is no such cause."""
        state = await work.disasters.find_activation(cause_id)
        if state is not None:
            return state.activation.station_id
        shortage = await work.exchange.find_shortage(cause_id)
        return None if shortage is None else shortage.station_id

    async def look_at(self, work: UnitOfWork, station_id: str) -> StationCauses:
        """Return the open causes of a station, read under its lock."""
        station = await get_own_station(self._directories, station_id)
        directory = self._directories.current()
        etas_s = {
            other.station_id: directory.get_journey(other.station_id, station_id).eta_s
            for other in directory.stations.values()
            if other.station_id != station_id and is_agreed(other, station)
        }
        ways_s = {
            hospital_id: directory.get_journey(station_id, hospital_id).eta_s
            for hospital_id, hospital in directory.hospitals.items()
            if hospital.station_id == station_id
        }
        return StationCauses(work, station, etas_s=etas_s, ways_s=ways_s)


class StationCauses:
    """The open causes of one station in one transaction, all of it read once.

    A cause whose calls a person stood down is none: it wants no donors.

    Code that changes calls must call `forget_calls`; nothing else changes under the lock.

    Args:
        work: The transaction.
        station: Whose causes they are.
        etas_s: Seconds from each neighbour to the station.
        ways_s: Seconds from the station to each hospital that it supplies.
    """

    def __init__(
        self,
        work: UnitOfWork,
        station: Station,
        *,
        etas_s: Mapping[str, int],
        ways_s: Mapping[str, int],
    ) -> None:
        self.station = station
        self._ways_s = ways_s
        self._neighbours = NeighbourStock(work, etas_s)
        self._work = work
        self._now = work.context.now
        self._activations: Mapping[str, ActivationState] | None = None
        self._shortages: Mapping[str, Shortage] | None = None
        self._waiting: Sequence[UrgentLine] | None = None
        self._calls: Sequence[ReserveCall] | None = None
        self._reserve: Sequence[DonorRecord] | None = None
        self._coming: dict[str, Sequence[Coming]] = {}

    def forget_calls(self) -> None:
        """Read calls and donors again when they are asked for next."""
        self._calls = self._reserve = None

    async def list_reserve(self) -> Sequence[DonorRecord]:
        """List every donor of the station."""
        if self._reserve is None:
            self._reserve = await self._work.reserve.list_reserve(self.station.station_id)
        return self._reserve

    async def list_calls(self, cause_id: str | None = None) -> list[ReserveCall]:
        """List the calls that are live or count for an open cause; or only those of one cause."""
        if self._calls is None:
            activations = await self._read_activations()
            self._calls = await self._work.reserve.list_calls(
                self.station.station_id,
                cause_ids=[*activations, *await self._read_shortages()],
                since=min((state.opened_at for state in activations.values()), default=None),
            )
        return [call for call in self._calls if cause_id in {None, call.call_out.cause_id}]

    async def find(self, cause_id: str) -> DonorNeed | None:
        """Return the cause if donors may be called for it now; None if it has ended."""
        state = (await self._read_activations()).get(cause_id)
        if state is not None:
            return await self._from_activation(state)
        shortage = (await self._read_shortages()).get(cause_id)
        return None if shortage is None else await self._from_shortage(shortage)

    async def list_in_danger(self) -> list[str]:
        """List the open shortages for which somebody waits in danger of life."""
        return await self._list_waited_for({Priority.LIFE_THREATENING})

    async def list_open(self) -> list[str]:
        """List every open cause, the most urgent first."""
        in_danger = await self.list_in_danger()
        others = [
            shortage_id
            for shortage_id in await self._read_shortages()
            if shortage_id not in in_danger
        ]
        return [*in_danger, *await self._read_activations(), *others]

    async def list_left(self) -> list[ReserveCall]:
        """List the calls that can be taken back, of causes that no longer want donors."""
        return [call for call in await self._list_of_ended() if call.status in _RECALLABLE]

    async def list_not_needed(self, calls: Sequence[ReserveCall]) -> list[ReserveCall]:
        """List those of these calls that no other open cause needs.

        A donor who would be called again at once is not stood down.
        """
        left = list(calls)
        for cause_id in await self.list_open() if left else ():
            cause = await self.find(cause_id)
            if cause is not None:
                kept = cause.list_counted_on(left, self._now)
                left = [call for call in left if call not in kept]
        return left

    async def _list_of_ended(self) -> list[ReserveCall]:
        """List the live calls of causes that no longer want donors."""
        calls = [call for call in await self.list_calls() if call.status in LIVE_CALLS]
        ended = await self._list_ended(calls)
        return [call for call in calls if call.call_out.cause_id in ended]

    async def _list_taken_over(self, shortage: Shortage) -> list[ReserveCall]:
        """List the calls of ended causes that pass to a shortage, the most urgent served first.

        An open disaster leaves none: it counts on them already, and a donor gives one unit.
        """
        if await self._read_activations():
            return []
        left = await self._list_of_ended()
        for cause_id in await self.list_open() if left else ():
            other = (await self._read_shortages())[cause_id]
            groups = _list_groups(other)
            gives = self._work.rules.donors.find_kind(other.component)
            wanted = await self._count_wanted(other)
            own = [call for call in await self.list_calls(cause_id) if is_under_way(call)]
            expected = self._expect(own)
            taken: list[ReserveCall] = []
            for call in left:
                donor = call.state.record.donor
                if expected < wanted and donor.group in groups and donor.gives is gives:
                    expected += self._expect([call])
                    taken.append(call)
            if cause_id == shortage.shortage_id:
                return taken
            left = [call for call in left if call not in taken]
        return []

    async def _list_ended(self, calls: Sequence[ReserveCall]) -> frozenset[str]:
        """List the causes of calls that have ended, or for which nobody waits any longer."""
        causes = {call.call_out.cause_id for call in calls}
        causes.difference_update(await self._read_activations())
        if causes:
            causes.difference_update(
                await self._list_waited_for({Priority.LIFE_THREATENING, Priority.URGENT})
            )
        return frozenset(causes)

    async def _list_waited_for(self, priorities: Collection[Priority]) -> list[str]:
        places = {
            (line.component, line.group)
            for line in await self._read_waiting()
            if line.priority in priorities
        }
        return [
            shortage.shortage_id
            for shortage in (await self._read_shortages()).values()
            if (shortage.component, shortage.group) in places
        ]

    async def _from_activation(self, state: ActivationState) -> DonorNeed:
        activation = state.activation
        # A donation whose unit failed its tests helped nobody: it is asked for again.
        calls = [
            call
            for call in await self.list_calls()
            if call.call_out.called_at >= state.opened_at
            and call.unit_status not in _LOST
            and call.state.record.donor.gives is DonationKind.WHOLE_BLOOD
        ]
        return DonorNeed(
            cause_id=activation.activation_id,
            station=self.station,
            wanted=activation.donors_wanted,
            callable_for=activation.donors_wanted,
            purpose=CallPurpose.REFILL,
            gives=DonationKind.WHOLE_BLOOD,
            groups=list_activation_groups(self._work.rules.disasters),
            calls=tuple(calls),
            rules=self._work.rules.donors,
            urgency=Urgency.DISASTER,
            taken_over=await self._list_ended(calls),
        )

    async def _from_shortage(self, shortage: Shortage) -> DonorNeed | None:
        gives = self._work.rules.donors.find_kind(shortage.component)
        if gives is None:
            return None
        waiting = [line for line in await self._read_waiting() if line.gives is gives]
        own = [line for line in waiting if line.is_at(shortage)]
        taken_over = await self._list_taken_over(shortage)
        calls = [*await self.list_calls(shortage.shortage_id), *taken_over]
        in_danger = any(line.priority is Priority.LIFE_THREATENING for line in own)
        units = sum(line.units for line in own)
        share = units / max(1, sum(line.units for line in waiting))
        wanted = await self._count_wanted(shortage)
        late = [line for line in own if line.leaves_by < self._ready_at]
        sooner = await self._neighbours.count_in_time(
            [(line.leaves_by, line.units) for line in late], shortage
        )
        return DonorNeed(
            cause_id=shortage.shortage_id,
            station=self.station,
            wanted=wanted,
            callable_for=min(wanted, units - sooner),
            gives=gives,
            purpose=CallPurpose.LATE if len(late) == len(own) else CallPurpose.IN_TIME,
            groups=_list_groups(shortage),
            urgency=Urgency.LIFE_THREATENING if in_danger else Urgency.URGENT,
            calls=tuple(call for call in calls if is_under_way(call)),
            rules=self._work.rules.donors,
            shared=share * await self._expect_of_activation(shortage),
            taken_over=frozenset(call.call_out.cause_id for call in taken_over),
        )

    async def _count_wanted(self, shortage: Shortage) -> int:
        """Count the units that urgent patients wait for, less what is on its way.

        What comes too late spares no donor whose blood would be in time.
        """
        own = [line for line in await self._read_waiting() if line.is_at(shortage)]
        if shortage.shortage_id not in self._coming:
            coming = await self._work.exchange.list_in_transit(shortage.shortage_id)
            self._coming[shortage.shortage_id] = coming
        waits = [
            (line.leaves_by if line.leaves_by >= self._ready_at else _WHENEVER, line.units)
            for line in sorted(own, key=lambda line: (line.priority.rank, line.leaves_by))
        ]
        return sum(list_unreached(waits, self._coming[shortage.shortage_id]))

    @property
    def _ready_at(self) -> datetime:
        """Return when the blood of a donor who is called now may be used."""
        return self._now + timedelta(seconds=self._work.rules.donors.ready_after_s)

    async def _expect_of_activation(self, shortage: Shortage) -> float:
        """Return the donations to expect of a disaster's donors who can serve a shortage."""
        newest = next(iter(await self._read_activations()), None)
        if newest is None:
            return 0.0
        serving = [
            call.state
            for call in await self.list_calls(newest)
            if is_under_way(call)
            and call.state.record.donor.group in shortage.donor_groups
            and self._work.rules.donors.find_kind(shortage.component)
            is call.state.record.donor.gives
        ]
        return expect_donations(
            serving, station=self.station, now=self._now, rules=self._work.rules.donors
        )

    def _expect(self, calls: Sequence[ReserveCall]) -> float:
        return expect_donations(
            [call.state for call in calls],
            station=self.station,
            now=self._now,
            rules=self._work.rules.donors,
        )

    async def _read_activations(self) -> Mapping[str, ActivationState]:
        if self._activations is None:
            found = await self._work.disasters.list_open_activations(self.station.station_id)
            stopped = await self._work.reserve.list_stopped(self.station.station_id)
            self._activations = {
                state.activation.activation_id: state
                for state in found
                if state.activation.activation_id not in stopped
            }
        return self._activations

    async def _read_shortages(self) -> Mapping[str, Shortage]:
        if self._shortages is None:
            found = await self._work.exchange.lock_open_shortages(self.station.station_id)
            stopped = await self._work.reserve.list_stopped(self.station.station_id)
            self._shortages = {
                shortage.shortage_id: shortage
                for shortage in found
                if shortage.shortage_id not in stopped
            }
        return self._shortages

    async def _read_waiting(self) -> Sequence[UrgentLine]:
        """Read the lines that urgent patients wait for and donors can serve."""
        if self._waiting is None:
            found = []
            for uncovered in await self._work.exchange.list_uncovered(self.station.station_id):
                request = uncovered.request
                (line,) = (line for line in request.lines if line.line_no == uncovered.line_no)
                gives = self._work.rules.donors.find_kind(line.component)
                if request.priority is Priority.ROUTINE or gives is None:
                    continue
                group = find_wanted_group(
                    line.component,
                    request.patient,
                    request.priority,
                    self.station.policy,
                    self._work.rules,
                )
                found.append(
                    UrgentLine(
                        component=line.component,
                        gives=gives,
                        group=group,
                        priority=request.priority,
                        units=uncovered.units,
                        # A hospital that another station supplies by now is near enough to both.
                        leaves_by=request.needed_by
                        - timedelta(seconds=self._ways_s.get(request.hospital_id, 0)),
                    )
                )
            self._waiting = found
        return self._waiting


_WHENEVER = datetime.max.replace(tzinfo=UTC)

_LOST = frozenset({UnitStatus.DISCARDED, UnitStatus.EXPIRED, UnitStatus.RECALLED})
"""A donation of which nothing is left but this did not serve the disaster it was given for."""


def _list_groups(shortage: Shortage) -> tuple[BloodGroup, ...]:
    return shortage.called_groups or list_called_groups(shortage.donor_groups)
