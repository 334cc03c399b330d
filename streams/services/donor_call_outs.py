"""Call donors in waves, and stop when the need is met.

Every method runs inside a transaction and under the lock of the station, so a wave is decided on
calls that cannot change meanwhile, and a donor is never on two live calls.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from models.base import derive_id
from models.decisions import Reason
from models.donors import CallOut, CallOutStatus
from models.events.donors import CallOutClosed, CallOutIssued
from models.rules.types.donors import DonorRules
from streams.matching.donor_eligibility import DonorRecord, list_obstacles
from streams.matching.donor_waves import DonationDemand, Wave, choose_wave
from streams.matching.float_sums import is_enough, round_up
from streams.ports import Timer, TimerKind, Transition, UnitOfWork
from streams.ports.call_outs import PersonsWord, ReserveCall
from streams.services.donor_needs import DonorNeeds, StationCauses
from streams.services.wanted_donations import DonorNeed, Urgency

_CAME_TO_NOTHING = frozenset(
    {
        CallOutStatus.DECLINED,
        CallOutStatus.NO_ANSWER,
        CallOutStatus.NO_SHOW,
        CallOutStatus.DEFERRED,
    }
)
_RECALLABLE = frozenset({CallOutStatus.CALLED, CallOutStatus.ACCEPTED})


class CallOuts:
    """Pursues a cause until it has the donations it wants.

    Args:
        causes: Finds what an activation or a shortage still wants.
    """

    def __init__(self, *, causes: DonorNeeds) -> None:
        self._causes = causes

    async def pursue_all(
        self, work: UnitOfWork, station_id: str, cause_ids: Collection[str] | None = None
    ) -> None:
        """Pursue these causes of a station, or all that are open, the most urgent first."""
        await work.lock_stations(station_id)
        open_causes = await self._causes.look_at(work, station_id)
        ordered = await open_causes.list_open()
        wanted = ordered if cause_ids is None else cause_ids
        ended = [cause_id for cause_id in wanted if cause_id not in ordered]
        # Causes that have ended give donors back before anybody is called.
        for cause_id in [*ended, *(open_id for open_id in ordered if open_id in wanted)]:
            await self._pursue(work, open_causes, cause_id, in_turn=True)

    async def pursue(self, work: UnitOfWork, cause_id: str) -> None:
        """Stand down donors who are no longer needed, and call donors who still are.

        A cause that has ended stands everyone down. Doing it again at once changes nothing. Donors
        are called first for patients in danger of life.
        """
        station_id = await self._causes.find_station_id(work, cause_id)
        if station_id is None:
            return
        await work.lock_stations(station_id)
        open_causes = await self._causes.look_at(work, station_id)
        await self._pursue(work, open_causes, cause_id)
        if await open_causes.find(cause_id) is None:
            # Causes that counted on its donors are short of those who were stood down.
            await self.pursue_all(work, station_id)

    async def _pursue(
        self, work: UnitOfWork, open_causes: StationCauses, cause_id: str, *, in_turn: bool = False
    ) -> None:
        """Pursue one cause; unless in its turn, patients in danger of life come before it."""
        cause = await open_causes.find(cause_id)
        if cause is None:
            left = await open_causes.list_not_needed(await open_causes.list_left())
            await self._stand_down(work, open_causes, left, why="cause_ended")
            await work.timers.drop(TimerKind.CALL_WAVE, cause_id)
            return
        await self._settle(work, open_causes, cause)
        if _is_short(cause, work.context.now):
            yields = not in_turn and cause.urgency < Urgency.LIFE_THREATENING
            await self._call(work, open_causes, cause, yields=yields)
        self._schedule_next(work, cause)

    async def revisit(self, work: UnitOfWork, station_id: str) -> None:
        """Look at a station's live calls and open causes again: its register has changed.

        Donors who may no longer give are stood down, and every cause is filled up with donors who
        may, the most urgent first.
        """
        await work.lock_stations(station_id)
        open_causes = await self._causes.look_at(work, station_id)
        records = {record.donor.donor_id: record for record in await open_causes.list_reserve()}
        unfit = [
            call
            for call in await open_causes.list_calls()
            if call.status in _RECALLABLE
            and list_call_obstacles(
                records.get(call.call_out.donor_id, call.state.record),
                work.context.now,
                work.rules.donors,
            )
        ]
        await self._stand_down(work, open_causes, unfit, why="may_not_give")
        await self.pursue_all(work, station_id)

    async def stand_down(
        self, work: UnitOfWork, station_id: str, cause_id: str, *, word: PersonsWord
    ) -> None:
        """Stand down a cause's donors by the word of a person, written already: it is none now.

        A donor whom another cause needs stays called; causes that counted on the others call.
        """
        open_causes = await self._causes.look_at(work, station_id)
        calls = await open_causes.list_calls(cause_id)
        left = [call for call in calls if call.status in _RECALLABLE]
        left = await open_causes.list_not_needed(left)
        if left:
            open_causes.forget_calls()
            await self.end(
                work,
                left,
                to=CallOutStatus.STOOD_DOWN,
                why=f"stood down by {word.by}: {word.reason}",
                word=word,
            )
        await work.timers.drop(TimerKind.CALL_WAVE, cause_id)
        await self.pursue_all(work, station_id)

    async def refuse(
        self,
        work: UnitOfWork,
        call: ReserveCall,
        obstacles: Sequence[Reason],
        *,
        answered_at: datetime,
    ) -> None:
        """Stand down a donor who accepts and may not give; the notifier tells them not to come."""
        why = " ".join(["may_not_give", *(reason.code for reason in obstacles)])
        await self.end(work, [call], to=CallOutStatus.STOOD_DOWN, why=why, answered_at=answered_at)

    async def after_answer(self, work: UnitOfWork, call: ReserveCall) -> None:
        """Take an answer into account; `call` is the call as it was before."""
        cause_id = call.call_out.cause_id
        open_causes = await self._causes.look_at(work, call.call_out.station_id)
        cause = await open_causes.find(cause_id)
        if cause is None:
            return
        await self._settle(work, open_causes, cause)
        is_short = _is_short(cause, work.context.now)
        # A wave is sized for refusals, so one refusal alone does not start the next wave while
        # other answers are still to come. A donor who accepted and then is lost was counted on.
        if is_short and (
            call.status is not CallOutStatus.CALLED or not cause.list_own(CallOutStatus.CALLED)
        ):
            # By a timer, so that the answers of a batch lead to one wave, not to a wave each.
            work.schedule(
                Timer(kind=TimerKind.CALL_WAVE, subject=cause_id, due_at=work.context.now)
            )

    async def fire_wave(self, work: UnitOfWork, timer: Timer) -> None:
        """Pursue a cause when the answer window of a wave is over; the subject is the cause."""
        await self.pursue(work, timer.subject)

    async def fire_no_show(self, work: UnitOfWork, timer: Timer) -> None:
        """End the call of a donor who accepted and has not come; the subject is the call."""
        found = await work.reserve.find_call(timer.subject)
        if found is None:
            return
        await work.lock_stations(found.call_out.station_id)
        call = await work.reserve.find_call(timer.subject)
        if call is None or call.status is not CallOutStatus.ACCEPTED:
            return
        await self.end(work, [call], to=CallOutStatus.NO_SHOW, why="no_show")
        await self.after_answer(work, call)

    async def end(
        self,
        work: UnitOfWork,
        calls: Sequence[ReserveCall],
        *,
        to: CallOutStatus,
        why: str,
        answered_at: datetime | None = None,
        word: PersonsWord | None = None,
    ) -> None:
        """End calls of one cause without a donation, and publish that for the notifier."""
        if not calls:
            return
        first = calls[0].call_out
        call_out_ids = tuple(call.call_out.call_out_id for call in calls)
        await work.reserve.set_calls(
            call_out_ids, to=to, answered_at=answered_at, ended_at=work.context.now
        )
        for call in calls:
            work.record(_audit_move(call, to=to, why=why))
            await work.timers.drop(TimerKind.NO_SHOW, call.call_out.call_out_id)
        closed = CallOutClosed(
            station_id=first.station_id,
            cause_id=first.cause_id,
            status=to,
            call_out_ids=call_out_ids,
            closed_at=work.context.now,
            by=word.by if word else None,
            reason=word.reason if word else None,
        )
        work.emit(closed, station_id=first.station_id)

    async def _settle(self, work: UnitOfWork, open_causes: StationCauses, cause: DonorNeed) -> None:
        """Stand down donors who are not needed: open calls first, donors on the way last."""
        surplus: list[ReserveCall] = []
        if cause.count_sure() >= cause.wanted:
            surplus = cause.list_own(CallOutStatus.CALLED, CallOutStatus.ACCEPTED)
        elif is_enough(cause.expect_firm(work.context.now), wanted=cause.wanted):
            surplus = cause.list_own(CallOutStatus.CALLED)
        surplus = await open_causes.list_not_needed(surplus)
        await self._stand_down(work, open_causes, surplus, why="need_met")

    async def _stand_down(
        self,
        work: UnitOfWork,
        open_causes: StationCauses,
        calls: Sequence[ReserveCall],
        *,
        why: str,
    ) -> None:
        if calls:
            open_causes.forget_calls()
        of_causes: dict[str, list[ReserveCall]] = {}
        for call in calls:
            of_causes.setdefault(call.call_out.cause_id, []).append(call)
        for _, together in sorted(of_causes.items()):
            await self.end(work, together, to=CallOutStatus.STOOD_DOWN, why=why)

    async def _call_in_danger(self, work: UnitOfWork, open_causes: StationCauses) -> None:
        """Call first for patients in danger of life at the station: a donor has only one call."""
        for shortage_id in await open_causes.list_in_danger():
            other = await open_causes.find(shortage_id)
            if other is not None and _is_short(other, work.context.now):
                await self._call(work, open_causes, other)
                self._schedule_next(work, other)

    async def _call(
        self,
        work: UnitOfWork,
        open_causes: StationCauses,
        cause: DonorNeed,
        *,
        yields: bool = False,
    ) -> None:
        """Call one wave; a cause that yields first lets patients in danger of life be served."""
        station_id = cause.station.station_id
        expected = cause.expect(work.context.now)
        earlier = await open_causes.list_calls(cause.cause_id)
        wave = _choose(await open_causes.list_reserve(), cause, earlier, now=work.context.now)
        if wave.calls and yields:
            await self._call_in_danger(work, open_causes)
            wave = _choose(await open_causes.list_reserve(), cause, earlier, now=work.context.now)
        number = max((call.call_out.wave for call in earlier), default=0) + 1
        work.record(_audit_wave(cause, wave, number=number))
        if not wave.calls:
            return
        calls = tuple(
            CallOut(
                call_out_id=derive_id("call-out", cause.cause_id, number, chosen.donor_id),
                donor_id=chosen.donor_id,
                station_id=station_id,
                cause_id=cause.cause_id,
                wave=number,
                called_at=work.context.now,
            )
            for chosen in wave.calls
        )
        await work.reserve.add_calls(calls, purpose=cause.purpose)
        open_causes.forget_calls()
        for call in calls:
            work.record(_audit_called(call))
        issued = CallOutIssued(
            station_id=station_id,
            cause_id=cause.cause_id,
            wave=number,
            donations_wanted=round_up(cause.callable_for - expected),
            purpose=cause.purpose,
            gives=cause.gives,
            calls=calls,
        )
        work.emit(issued, station_id=station_id)

    @staticmethod
    def _schedule_next(work: UnitOfWork, cause: DonorNeed) -> None:
        """Look again when the answer window is over, as long as too few donors have accepted."""
        if is_enough(cause.expect_firm(work.context.now) + cause.shared, wanted=cause.wanted):
            return
        due_at = work.context.now + timedelta(seconds=cause.rules.wave.answer_window_s)
        work.schedule(Timer(kind=TimerKind.CALL_WAVE, subject=cause.cause_id, due_at=due_at))


def _choose(
    reserve: Sequence[DonorRecord],
    cause: DonorNeed,
    earlier: Sequence[ReserveCall],
    *,
    now: datetime,
) -> Wave:
    """Choose whom to call for a cause, given the calls that went out for it before."""
    demand = DonationDemand(
        station=cause.station,
        wanted=cause.callable_for,
        expected_already=cause.expect(now),
        groups=cause.groups,
        gives=cause.gives,
        asked_before={
            call.call_out.donor_id for call in earlier if call.status in _CAME_TO_NOTHING
        },
        called_before=[call.state.record for call in earlier],
    )
    return choose_wave(reserve, demand, now=now, rules=cause.rules)


def list_call_obstacles(
    record: DonorRecord, now: datetime, rules: DonorRules
) -> tuple[Reason, ...]:
    """List why a donor who was called may not give; being on a call is no obstacle."""
    return list_obstacles(replace(record, on_live_call=False), now=now, rules=rules)


def _is_short(cause: DonorNeed, now: datetime) -> bool:
    """Return whether more donors are called for than are expected to give."""
    return not is_enough(cause.expect(now), wanted=cause.callable_for)


def _audit_move(call: ReserveCall, *, to: CallOutStatus, why: str) -> Transition:
    return Transition(
        subject_kind="call_out",
        subject=call.call_out.call_out_id,
        station_id=call.call_out.station_id,
        from_state=call.status,
        to_state=to,
        why=why,
    )


def _audit_called(call: CallOut) -> Transition:
    return Transition(
        subject_kind="call_out",
        subject=call.call_out_id,
        station_id=call.station_id,
        from_state="",
        to_state=CallOutStatus.CALLED,
        why=f"wave {call.wave}",
    )


def _audit_wave(cause: DonorNeed, wave: Wave, *, number: int) -> Transition:
    """Audit how the wave was sized and why others were not called, by counts, without names."""
    counted = " ".join(
        f"{reason.code}={reason.params['donors']}[{reason.rule}]" for reason in wave.refusals
    )
    sized = (
        f"purpose={cause.purpose} called={len(wave.calls)} expected={wave.expected:.2f} "
        f"short={int(wave.short)}"
    )
    return Transition(
        subject_kind="call_wave",
        subject=cause.cause_id,
        station_id=cause.station.station_id,
        from_state="",
        to_state=f"wave {number}",
        why=f"{sized} {counted}".strip(),
    )
