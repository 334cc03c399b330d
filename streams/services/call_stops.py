"""Stand down the calls of donors for one cause by hand, and take that back: each with who and why.

The need is not denied: it stands, and only nobody more is called for it. Its end ends this too, as
no cause has the number of another.
"""

from __future__ import annotations

from models.errors import ContractError, DomainRefusal
from models.events.hand_work import CallsResumed, CallsStoodDown
from streams.ports import Transition, UnitOfWork
from streams.ports.call_outs import CallStop, PersonsWord
from streams.services.donor_call_outs import CallOuts
from streams.services.donor_needs import DonorNeeds


class CallStops:
    """Acts on what people decide about the calls for a cause.

    Args:
        causes: Finds the cause.
        call_outs: Ends its calls, and calls again.
    """

    def __init__(self, *, causes: DonorNeeds, call_outs: CallOuts) -> None:
        self._causes = causes
        self._call_outs = call_outs

    async def stand_down(self, work: UnitOfWork, event: CallsStoodDown) -> None:
        """Stand down every donor who was called for a cause and has not arrived.

        Raises:
            ContractError: The station has no such cause.
            DomainRefusal: It has ended, or was stood down before.
        """
        await self._ensure_known(work, event)
        if event.cause_id in await work.reserve.list_stopped(event.station_id):
            raise DomainRefusal("calls_stopped_already", cause_id=event.cause_id)
        open_causes = await self._causes.look_at(work, event.station_id)
        if event.cause_id not in await open_causes.list_open():
            raise DomainRefusal("call_cause_ended", cause_id=event.cause_id)
        await work.reserve.add_stop(
            CallStop(
                cause_id=event.cause_id,
                station_id=event.station_id,
                actor=work.context.actor,
                by=event.by,
                reason=event.reason,
                stopped_at=work.context.now,
                caused_by=work.context.cause,
            )
        )
        work.record(_audit(event, "calling", "stood_down"))
        word = PersonsWord(by=event.by, reason=event.reason)
        await self._call_outs.stand_down(work, event.station_id, event.cause_id, word=word)

    async def resume(self, work: UnitOfWork, event: CallsResumed) -> None:
        """Call donors for a cause again, as it needs them now.

        Raises:
            ContractError: The station has no such cause.
            DomainRefusal: Its calls are not stood down by hand.
        """
        await self._ensure_known(work, event)
        if event.cause_id not in await work.reserve.list_stopped(event.station_id):
            raise DomainRefusal("calls_not_stopped", cause_id=event.cause_id)
        audit = _audit(event, "stood_down", "calling")
        await work.reserve.end_stop(
            event.cause_id, by=work.context.actor, why=audit.why, now=work.context.now
        )
        work.record(audit)
        await self._call_outs.pursue(work, event.cause_id)

    async def _ensure_known(self, work: UnitOfWork, event: CallsStoodDown | CallsResumed) -> None:
        await work.lock_stations(event.station_id)
        if await self._causes.find_station_id(work, event.cause_id) != event.station_id:
            raise ContractError("call_cause_unknown", cause_id=event.cause_id)


def _audit(event: CallsStoodDown | CallsResumed, was: str, became: str) -> Transition:
    return Transition(
        subject_kind="calls",
        subject=event.cause_id,
        station_id=event.station_id,
        from_state=was,
        to_state=became,
        why=f"by {event.by}: {event.reason}",
    )
