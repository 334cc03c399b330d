"""Read what is known beside an order when its quantity is judged, and look again when it changes.

Ordinary orders cost nothing: the hospital's past orders are counted only for an order that is large
without them, and other orders are read only where the patient has some.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from models.components import Component
from models.decisions import Decision
from models.doses import WHOLE, round_up, to_units
from models.requests import Priority, UrgentRequest
from streams.matching.allocation.batch_decision import Matched
from streams.matching.allocation.order_limits import OVERLAPS, is_beyond_usual, may_repeat
from streams.matching.decision_inputs import Case
from streams.matching.order_facts import (
    OpenOrder,
    OrderFacts,
    PendingBags,
    UsualOrder,
    find_usual,
)
from streams.ports import UnitOfWork
from streams.ports.requests import RequestState
from streams.services.request_patients import plan_look


async def add_facts(
    work: UnitOfWork, cases: Sequence[Case], states: Sequence[RequestState | None]
) -> list[Case]:
    """Return the cases of one transaction with what is known beside them.

    Args:
        work: The transaction.
        cases: Open requests; of new ones the other orders of their patients are named already.
        states: Each as it stands; None for a new one.
    """
    others = await _read_others(work, cases, states)
    learned: dict[tuple[str, Priority], dict[Component, UsualOrder]] = {}
    found = []
    for case, state in zip(cases, states, strict=True):
        request = case.request
        usual: Mapping[Component, UsualOrder] = {}
        if is_large(case):
            key = request.hospital_id, request.priority
            if key not in learned:
                learned[key] = await _learn_usual(work, case)
            usual = learned[key]
        facts = OrderFacts(
            opened_at=state.opened_at if state else None,
            pending=_map_pending(state) if state else {},
            usual=usual,
            same_patient=others.get(request.request_id, ()),
        )
        found.append(replace(case, facts=facts))
    return found


def is_large(case: Case) -> bool:
    """Return whether an order is more than is reserved at once, as long as nothing is learned."""
    return not case.request.quantity_confirmed_by and any(
        is_beyond_usual(case, line.component) for line in case.request.lines
    )


async def look_at_others(work: UnitOfWork, request: UrgentRequest) -> None:
    """Have the patient's other open orders looked at: what this one has is not theirs any more."""
    reference = request.patient.reference
    if reference is None:
        return
    ids = await work.requests.list_of_patient(request.hospital_id, reference)
    if any(request_id != request.request_id for request_id in ids):
        plan_look(work, request)


def look_at_repeated(work: UnitOfWork, cases: Sequence[Case], matched: Sequence[Matched]) -> None:
    """Have the orders looked at that others are held against: whoever asked first is told."""
    for case, found in zip(cases, matched, strict=True):
        if list_repeated(found.decision):
            plan_look(work, case.request)


def list_repeated(decision: Decision) -> list[str]:
    """List the orders that a decision holds an order against, in whole or in part."""
    return sorted(
        {
            name
            for line in decision.lines
            for reason in line.asked_back
            if reason.code == OVERLAPS
            for name in str(reason.params["requests"]).split()
        }
    )


async def _read_others(
    work: UnitOfWork, cases: Sequence[Case], states: Sequence[RequestState | None]
) -> dict[str, tuple[OpenOrder, ...]]:
    """Map each order that may repeat another to the patient's other orders."""
    asked: dict[str, tuple[str, ...]] = {}
    again = []
    for case, state in zip(cases, states, strict=True):
        if not may_repeat(case):
            continue
        if state is None:
            asked[case.request.request_id] = case.same_patient
        else:
            again.append(case.request)
    if again:
        seen = await work.requests.list_patients(again)
        asked.update({request_id: found.others for request_id, found in seen.items()})
    ids = sorted({name for names in asked.values() for name in names})
    read = await work.requests.read_requests(ids) if ids else []
    orders = {state.request.request_id: _to_order(state) for state in read}
    return {
        request_id: tuple(orders[name] for name in names if name in orders)
        for request_id, names in asked.items()
    }


def _to_order(state: RequestState) -> OpenOrder:
    return OpenOrder(request=state.request, opened_at=state.opened_at, pending=_map_pending(state))


def _map_pending(state: RequestState) -> dict[int, PendingBags]:
    return {
        line.line_no: PendingBags(
            at_station=tuple(bag for bag in line.bags if bag.status == "held"),
            on_the_way=tuple(bag for bag in line.bags if bag.status == "issued"),
        )
        for line in state.lines
    }


async def _learn_usual(work: UnitOfWork, case: Case) -> dict[Component, UsualOrder]:
    rule = case.rules.policies.usual_order
    since: datetime = work.context.now - timedelta(days=rule.within_d)
    request = case.request
    past = await work.requests.count_orders(
        request.hospital_id, priority=request.priority, since=since, besides=request.request_id
    )
    counted: dict[Component, Counter[int]] = defaultdict(Counter)
    for found in past:
        units = round_up(to_units(found.component, found.quantity * WHOLE, found.measure))
        counted[found.component][units] += found.orders
    usual = {component: find_usual(orders, rule) for component, orders in counted.items()}
    return {component: found for component, found in usual.items() if found is not None}
