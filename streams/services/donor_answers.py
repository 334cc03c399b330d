"""Act on the answers of donors: accepted, declined, arrived, donated or deferred.

Each record is acted on by itself (`one_by_one`). An answer that the call's state does not allow is
refused with the reason and changes nothing.
"""

from __future__ import annotations

from datetime import timedelta, timezone

from models.components import Component
from models.donation_kinds import DonationKind
from models.donors import Answer, CallOutStatus
from models.errors import ContractError, DomainRefusal, InvariantViolation
from models.events.donors import CallOutAnswered, DonationGroupDiffers
from models.events.hand_work import CallsResumed, CallsStoodDown
from models.unit_states import Actor
from models.units import Unit, UnitStatus
from streams.ports import (
    DirectorySource,
    Received,
    Timer,
    TimerKind,
    Transition,
    UnitOfWork,
)
from streams.ports.call_outs import ReserveCall
from streams.ports.stock import NewUnit
from streams.services.call_stops import CallStops
from streams.services.donor_call_outs import CallOuts, list_call_obstacles
from streams.services.quarantine_release import Releases
from streams.services.station_lookup import get_own_station
from streams.services.told_units import build_unit
from streams.services.unit_moves import MoveCause, move, name_actor, record_birth

_ALLOWED_FROM = {
    Answer.ACCEPTED: CallOutStatus.CALLED,
    Answer.DECLINED: CallOutStatus.CALLED,
    Answer.NO_ANSWER: CallOutStatus.CALLED,
    Answer.ARRIVED: CallOutStatus.ACCEPTED,
    Answer.DONATED: CallOutStatus.ARRIVED,
    Answer.DEFERRED: CallOutStatus.ARRIVED,
}


_OTHERS = ("dispatcher/", "notifier/")
"""Sources that may report a donor's answer besides the donor's own station."""


class AnswerService:
    """Acts on the answer topic.

    Args:
        directories: The stations and their policies.
        call_outs: Takes each answer into account: calls more donors or stands some down.
        releases: Assesses the results of a donation, which may have come before it.
        stops: Stands the calls for a cause down by hand.
    """

    def __init__(
        self,
        *,
        directories: DirectorySource,
        call_outs: CallOuts,
        releases: Releases,
        stops: CallStops,
    ) -> None:
        self._directories = directories
        self._call_outs = call_outs
        self._releases = releases
        self._stops = stops

    async def act(self, work: UnitOfWork, record: Received) -> None:
        """Act on one new record.

        Raises:
            ContractError: It names what does not exist, or contradicts what is known.
            DomainRefusal: The call's state does not allow the answer.
        """
        match record.event:
            case CallOutAnswered() as answered:
                await self._act_on_answer(work, record, answered)
            case (CallsStoodDown() | CallsResumed()) as said:
                await self._act_on_stop(work, record, said)
            case other:
                raise ContractError("event_not_for_topic", type=other.TYPE)

    async def _act_on_answer(
        self, work: UnitOfWork, record: Received, event: CallOutAnswered
    ) -> None:
        if record.envelope.key != event.station_id:
            raise ContractError("key_differs", key=record.envelope.key, expected=event.station_id)
        source = record.envelope.source
        own = f"station/{event.station_id}"
        if source != own and not source.startswith(_OTHERS):
            raise ContractError("source_differs", source=source, expected=own)
        await work.lock_stations(event.station_id)
        call = await self._get_call(work, event)
        match event.answer:
            case Answer.ACCEPTED:
                if obstacles := list_call_obstacles(
                    call.state.record, work.context.now, work.rules.donors
                ):
                    # The register has changed since the call: the acceptance does not count.
                    await self._call_outs.refuse(
                        work, call, obstacles, answered_at=event.answered_at
                    )
                    await self._call_outs.after_answer(work, call)
                    return
                await self._accept(work, event, call)
            case Answer.ARRIVED:
                await work.reserve.set_calls([event.call_out_id], to=CallOutStatus.ARRIVED)
                await work.timers.drop(TimerKind.NO_SHOW, event.call_out_id)
            case Answer.DONATED:
                await self._donate(work, event, call)
            case Answer.DECLINED | Answer.NO_ANSWER | Answer.DEFERRED:
                await self._call_outs.end(
                    work,
                    [call],
                    to=CallOutStatus(event.answer),
                    why=event.reason or event.answer,
                    answered_at=event.answered_at,
                )
        if event.answer in {Answer.ACCEPTED, Answer.ARRIVED, Answer.DONATED}:
            work.record(_audit_answer(event, call))
        await self._call_outs.after_answer(work, call)

    async def _act_on_stop(
        self, work: UnitOfWork, record: Received, event: CallsStoodDown | CallsResumed
    ) -> None:
        """Act on the word of a dispatcher, or of the station whose donors they are."""
        actor, _ = name_actor(record, station_id=event.station_id)
        if actor is Actor.HOSPITAL:
            source, own = record.envelope.source, f"station/{event.station_id}"
            raise ContractError("source_differs", source=source, expected=own)
        if isinstance(event, CallsStoodDown):
            await self._stops.stand_down(work, event)
        else:
            await self._stops.resume(work, event)

    @staticmethod
    async def _get_call(work: UnitOfWork, event: CallOutAnswered) -> ReserveCall:
        """Return the call; it must exist, be this donor's at this station, and allow the answer."""
        call = await work.reserve.find_call(event.call_out_id)
        if call is None:
            raise ContractError("call_out_unknown", call_out_id=event.call_out_id)
        if call.call_out.donor_id != event.donor_id:
            raise ContractError(
                "donor_differs", call_out_id=event.call_out_id, donor_id=event.donor_id
            )
        if call.call_out.station_id != event.station_id:
            raise ContractError(
                "call_out_elsewhere", call_out_id=event.call_out_id, station_id=event.station_id
            )
        needed = _ALLOWED_FROM[event.answer]
        if call.status is not needed:
            raise DomainRefusal(
                "call_out_state_forbids",
                call_out_id=event.call_out_id,
                status=call.status,
                answer=event.answer,
                needed=needed,
            )
        return call

    async def _accept(self, work: UnitOfWork, event: CallOutAnswered, call: ReserveCall) -> None:
        await work.reserve.set_calls(
            [event.call_out_id], to=CallOutStatus.ACCEPTED, answered_at=event.answered_at
        )
        await work.reserve.count_acceptance(event.donor_id)
        station = await get_own_station(self._directories, call.call_out.station_id)
        eta_s = work.rules.donors.arrival.default_eta_s if event.eta_s is None else event.eta_s
        # From now, not from the answer: a delayed answer must not make its donor late.
        due_at = work.context.now + timedelta(seconds=eta_s + station.policy.no_show_grace_s)
        work.schedule(Timer(kind=TimerKind.NO_SHOW, subject=event.call_out_id, due_at=due_at))

    async def _donate(self, work: UnitOfWork, event: CallOutAnswered, call: ReserveCall) -> None:
        if event.donation is None:
            raise InvariantViolation("donated_without_donation", call_out_id=event.call_out_id)
        unit = build_unit(event.donation, station_id=event.station_id)
        gives = call.state.record.donor.gives
        if work.rules.donors.find_kind(unit.component) is not gives:
            if gives is DonationKind.APHERESIS_PLATELETS:
                raise ContractError(
                    "component_not_of_apheresis_platelets", component=unit.component
                )
            raise ContractError("component_not_of_whole_blood", component=unit.component)
        if unit.collected_at < call.call_out.called_at:
            # A wrong date would shorten the donor's interval and the life of the unit.
            raise DomainRefusal(
                "donation_before_call",
                unit_id=unit.unit_id,
                collected_at=unit.collected_at.isoformat(),
                called_at=call.call_out.called_at.isoformat(),
            )
        await work.donations.lock_donations([unit.donation_id], enters=True)
        if await work.stock.lock_units([unit.unit_id]):
            raise ContractError("unit_id_reused", unit_id=unit.unit_id)
        if await work.donations.list_recalled([unit.donation_id]):
            raise DomainRefusal(
                "donation_recalled", unit_id=unit.unit_id, donation_id=unit.donation_id
            )
        # 献血法 art. 10: whatever the need, nothing leaves quarantine before its tests are back.
        await work.stock.add_units(
            [NewUnit(unit=unit, status=UnitStatus.COLLECTED, source="donor", released_at=None)]
        )
        await work.reserve.set_calls(
            [event.call_out_id],
            to=CallOutStatus.DONATED,
            ended_at=work.context.now,
            unit_id=unit.unit_id,
        )
        zone = timezone(timedelta(hours=work.rules.donors.calendar.utc_offset_h))
        given_on = unit.collected_at.astimezone(zone).date()
        if gives is DonationKind.APHERESIS_PLATELETS:
            await work.reserve.set_platelets_day(call.call_out.donor_id, given_on)
        else:
            await work.reserve.set_whole_blood_day(call.call_out.donor_id, given_on)
        if call.state.record.donor.group is not unit.group:
            _publish_group_differs(work, event, call, unit)
        cause = MoveCause(actor=Actor.STATION, why="donated")
        record_birth(work, unit.unit_id, UnitStatus.COLLECTED, cause, station_id=unit.station_id)
        if unit.component is Component.WHOLE_BLOOD:
            # The bag waits to be split, or to be taken into quarantine as it is.
            return
        states = await work.stock.lock_units([unit.unit_id])
        await move(work, states[unit.unit_id], UnitStatus.QUARANTINED, cause)
        await self._releases.assess(work, unit.donation_id)


def _publish_group_differs(
    work: UnitOfWork, event: CallOutAnswered, call: ReserveCall, unit: Unit
) -> None:
    """Report at once that a unit contradicts its donor's record; no event names the group."""
    work.record(
        Transition(
            subject_kind="donor",
            subject=event.donor_id,
            station_id=event.station_id,
            from_state="registered",
            to_state="group_disputed",
            why=f"donated {unit.unit_id}",
        )
    )
    told = DonationGroupDiffers(
        call_out_id=call.call_out.call_out_id,
        donor_id=event.donor_id,
        station_id=event.station_id,
        unit_id=unit.unit_id,
        donation_id=unit.donation_id,
        told_at=work.context.now,
    )
    work.emit(told, station_id=event.station_id)


def _audit_answer(event: CallOutAnswered, call: ReserveCall) -> Transition:
    return Transition(
        subject_kind="call_out",
        subject=event.call_out_id,
        station_id=event.station_id,
        from_state=call.status,
        to_state=event.answer,
        why=event.reason or event.answer,
    )
