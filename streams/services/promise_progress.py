"""Advance requests and transfers when their units move or are lost, or when time has passed."""

from __future__ import annotations

from models.decisions import Reason
from models.doses import OrderMeasure, find_ordering_unit
from models.errors import InvariantViolation
from models.requests import TERMINAL_REQUEST_STATUSES, RequestStatus
from models.units import UnitStatus
from streams.matching.allocation.unit_stages import ENDS, find_stage
from streams.ports import Timer, UnitOfWork
from streams.ports.requests import Grounds, RequestState
from streams.ports.stock import LivePromise
from streams.services.request_decisions import RequestDecisions
from streams.services.request_rematching import go_on_after, read_subject
from streams.services.shortage_transfers import Transfers
from streams.services.unit_moves import give_back_held

REMATCH_LIMIT = 200
"""Open requests of one station decided again in one transaction; the rest follow in the next."""


def explain_lost(unit_id: str, to: UnitStatus) -> Reason:
    """Explain how a request lost a unit, by the state that the unit is in now."""
    match to:
        case UnitStatus.EXPIRED:
            return Reason(code="unit_lost_expired", params={"unit_id": unit_id})
        case UnitStatus.RECALLED:
            return Reason(code="unit_lost_recalled", params={"unit_id": unit_id})
        case UnitStatus.DISCARDED:
            return Reason(code="unit_lost_discarded", params={"unit_id": unit_id})
        case UnitStatus.RETURNED:
            return Reason(code="unit_lost_returned", params={"unit_id": unit_id})
        case other:
            raise InvariantViolation("unit_not_lost", unit_id=unit_id, status=other)


def _explain_owed(state: RequestState) -> list[Reason]:
    """Explain what is owed, line by line: nobody adds doses of platelets to units of plasma."""
    return [
        Reason(
            code="units_still_owed",
            params={
                "line_no": line.line_no,
                "component": line.component,
                "owed": amount,
                "counted": line.measure
                if line.measure is not OrderMeasure.UNIT
                else find_ordering_unit(line.component).unit,
            },
        )
        for line, amount in state.list_owed()
    ]


class Progress:
    """Advances a request from picking through delivery to its end, and transfers likewise."""

    def __init__(self, *, decisions: RequestDecisions, transfers: Transfers) -> None:
        self._decisions = decisions
        self._transfers = transfers

    async def after_unit_moved(
        self, work: UnitOfWork, promise: LivePromise, *, lost: Reason | None = None
    ) -> None:
        """Act on a promised unit that was issued, received or lost; `lost` is of `explain_lost`."""
        if promise.transfer_id is not None:
            await self._transfers.advance(work, promise.transfer_id)
            return
        if promise.request_id is None:
            raise InvariantViolation("promise_without_cause", promise_id=promise.promise_id)
        if lost is not None:
            await self.after_units_lost(work, promise.request_id, (lost,))
            return
        states = await work.requests.lock_requests([promise.request_id])
        state = states[promise.request_id]
        if state.status not in TERMINAL_REQUEST_STATUSES:
            await self._step(work, state)

    async def after_units_lost(
        self, work: UnitOfWork, request_id: str, lost: tuple[Reason, ...]
    ) -> None:
        """Decide a request again that lost units, unless it has ended."""
        state = (await work.requests.lock_requests([request_id]))[request_id]
        if state.status not in TERMINAL_REQUEST_STATUSES:
            await self._decisions.decide_again(work, state, Grounds(why="unit_lost", news=lost))

    @staticmethod
    async def is_waiting(work: UnitOfWork, promise: LivePromise) -> bool:
        """Return whether the request behind a promise has not ended."""
        if promise.request_id is None:
            return False
        states = await work.requests.lock_requests([promise.request_id])
        return states[promise.request_id].status not in TERMINAL_REQUEST_STATUSES

    async def rematch(self, work: UnitOfWork, timer: Timer) -> None:
        """Decide the requests of a station that may be served again.

        Life-threatening requests come first; those past the limit follow in the next transaction.
        """
        station_id, after = read_subject(timer)
        await self._decisions.ensure_directory()
        if after is None:
            # However often units became free meanwhile, the requests are decided again once.
            await work.timers.drop_due(timer.kind, station_id, now=work.context.now)
        request_ids = await work.requests.list_servable(
            station_id, after=after, limit=REMATCH_LIMIT, now=work.context.now
        )
        states = await work.requests.lock_requests(request_ids)
        waiting = [states[request_id] for request_id in request_ids]
        await self._decisions.rematch(
            work, [state for state in waiting if state.status is RequestStatus.OPEN]
        )
        if len(request_ids) == REMATCH_LIMIT:
            work.schedule(go_on_after(timer, request_ids[-1], now=work.context.now))

    async def lapse_hold(self, work: UnitOfWork, request_id: str) -> None:
        """Give back units that were never picked; while its need stands, the request waits again.

        Their courier was due by then: they may have left without a scan, and are marked so. The
        request keeps the picked units.
        """
        state = (await work.requests.lock_requests([request_id])).get(request_id)
        if state is None or state.status in TERMINAL_REQUEST_STATUSES or not state.held:
            return
        left, given_back = await give_back_held(
            work, state, states=(UnitStatus.RESERVED,), may_have_left=True
        )
        if not given_back:
            return
        reason = Reason(code="hold_lapsed", params={"units_given_back": len(given_back)})
        # Who reads the decisions alone must know which units are not the request's any longer.
        gone = tuple(
            Reason(code="unit_given_back", params={"unit_id": unit_id}) for unit_id in given_back
        )
        if self._decisions.is_needed(work, state.request):
            await self._decisions.queue(work, left, why=reason.code, news=(reason, *gone))
            return
        await self._end_or_wait(work, left, reasons=(reason, *gone))

    async def expire(self, work: UnitOfWork, request_id: str) -> None:
        """Stop looking for uncovered units of a request whose needed-by time is past."""
        state = (await work.requests.lock_requests([request_id])).get(request_id)
        if state is None or state.status is not RequestStatus.OPEN:
            return
        lacking = state.uncovered + state.unconfirmed
        reason = Reason(code="needed_by_passed", params={"units_uncovered": lacking})
        await self._end_or_wait(work, state, reasons=(reason,))

    async def _step(self, work: UnitOfWork, state: RequestState) -> None:
        """Inform the hospital when the last unit has left, and when the last has arrived.

        Where a part was asked back, the next part is chosen as the one before leaves or arrives.
        """
        if state.is_asked_back:
            await self._decisions.follow(work, state)
            return
        if state.held or state.uncovered:
            return
        if state.issued:
            reason = Reason(code="units_issued", params={"units": state.issued})
        else:
            reason = Reason(code="units_received", params={"units": state.received})
        await self._end_or_wait(work, state, reasons=(reason,))

    async def _end_or_wait(
        self, work: UnitOfWork, state: RequestState, *, reasons: tuple[Reason, ...]
    ) -> None:
        stage = find_stage(held=state.held, issued=state.issued, received=state.received)
        outcome, waiting_for = ENDS[state.is_whole, stage]
        if not state.is_whole and (state.held or state.issued or state.received):
            # No more are looked for: whoever still needs them must hear it now and ask again.
            reasons = (*reasons, *_explain_owed(state))
        await self._decisions.close(
            work,
            state,
            outcome=outcome,
            reasons=reasons,
            waiting_for=waiting_for,
        )
