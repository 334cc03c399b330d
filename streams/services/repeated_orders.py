"""Settle what two open orders for one patient mean for each other, once either has changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from models.decisions import Decision, Reason
from models.requests import RequestStatus
from streams.ports import UnitOfWork
from streams.ports.requests import Grounds, RequestState
from streams.services.request_decisions import RequestDecisions
from streams.services.request_facts import list_repeated

REPEATED = "order_repeated"
"""Tells of an order that another one for the patient is held against it."""


class RepeatedOrders:
    """Lets an order follow that was held against another, and tells that other of it.

    Args:
        decisions: Matching and writing, shared with everything that decides requests again.
    """

    def __init__(self, *, decisions: RequestDecisions) -> None:
        self._decisions = decisions

    async def look_at(self, work: UnitOfWork, states: Sequence[RequestState]) -> None:
        """Look at the open orders of one patient, which are locked.

        Args:
            work: The transaction.
            states: The orders as they stand.
        """
        asked_back = [
            state for state in states if state.is_asked_back and state.status is RequestStatus.OPEN
        ]
        if not asked_back:
            return
        last = await self._read_last(work, states)
        await self._decisions.rematch(work, asked_back)
        repeats: dict[str, list[str]] = defaultdict(list)
        for state in asked_back:
            request_id = state.request.request_id
            for name in list_repeated(last[request_id]) if request_id in last else ():
                repeats[name].append(request_id)
        for state in states:
            names = repeats.get(state.request.request_id, [])
            if state not in asked_back and names and not _is_told(last, state, names):
                told = Reason(code=REPEATED, params={"requests": " ".join(sorted(names))})
                grounds = Grounds(why=REPEATED, news=(told,))
                await self._decisions.decide_again(work, state, grounds)

    @staticmethod
    async def _read_last(
        work: UnitOfWork, states: Sequence[RequestState]
    ) -> Mapping[str, Decision]:
        found = {}
        for state in states:
            request_id = state.request.request_id
            decision = await work.requests.find_last_decision(request_id)
            if decision is not None:
                found[request_id] = decision
        return found


def _is_told(last: Mapping[str, Decision], state: RequestState, names: Sequence[str]) -> bool:
    decision = last.get(state.request.request_id)
    if decision is None:
        return False
    told = {
        name
        for reason in decision.reasons
        if reason.code == REPEATED
        for name in str(reason.params["requests"]).split()
    }
    return told >= {*names}
