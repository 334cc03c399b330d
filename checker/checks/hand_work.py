"""Checks of hand work: every bag given or held by hand has who and why, and what was said was done.

What dispatchers said is read from Kafka, what became of it from PostgreSQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checker.database_rows import Hold, Promise
from checker.evidence import REQUESTS, STOCK, World
from checker.report import Finding

GIVEN, TAKEN_BACK = "blood.request.bag-given.v1", "blood.request.bag-taken-back.v1"
HELD, HOLD_ENDED = "blood.stock.hold-placed.v1", "blood.stock.hold-ended.v1"
STOPPED, RESUMED = "blood.callout.stood-down.v1", "blood.callout.resumed.v1"
TRANSFER_STOPPED = "blood.transfer.stood-down.v1"
ORDERS = {GIVEN, TAKEN_BACK, HELD, HOLD_ENDED, STOPPED, RESUMED, TRANSFER_STOPPED}
ANSWERS, OFFERS = "blood.answers.v1", "blood.offers.v1"
ON_HOLD = "on_hold"
BY_HAND = ("given_by_hand", "given_by_hand_past_test")
"""Reasons of a promise that a dispatcher made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a dispatcher said, as it was taken in.

    Attributes:
        at: When it was taken in; None if PostgreSQL does not say.
    """

    event_id: str
    type: str
    source: str
    body: dict[str, Any]
    at: datetime | None

    @property
    def about(self) -> tuple[str, str]:
        """Return the request, empty where none is named, and the unit."""
        return str(self.body.get("request_id") or ""), str(self.body.get("unit_id"))

    @property
    def told(self) -> tuple[str, str, str]:
        """Return whose key it was, who said so, and why."""
        return self.source, str(self.body.get("by") or ""), str(self.body.get("reason") or "")


def list_orders(world: World) -> list[Order]:
    """List what dispatchers said and the engine took in, not what it refused."""
    taken_at = {(row.source, row.event_id): row.taken_at for row in world.rows.inbox}
    return [
        Order(
            event_id=record.event_id or "",
            type=record.type,
            source=record.source or "",
            body=record.body,
            at=taken_at[record.identity],
        )
        for topic in (REQUESTS, STOCK, ANSWERS, OFFERS)
        for record in world.log.of(topic)
        if record.type in ORDERS
        and isinstance(record.body, dict)
        and record.identity in taken_at
        and record.coordinate not in world.quarantined.coordinates
    ]


def find_given_by_nobody(world: World) -> Iterator[Finding]:
    """Find promises by hand that do not say who and why, or that nobody ordered like this."""
    ordered: dict[tuple[str, str], set[tuple[str, str, str]]] = defaultdict(set)
    for order in list_orders(world):
        if order.type == GIVEN:
            ordered[order.about].add(order.told)
    for promise in world.rows.promises:
        if promise.reason.get("code") not in BY_HAND:
            continue
        params = promise.reason.get("params") or {}
        told = (params.get("key") or "", params.get("by") or "", params.get("reason") or "")
        if not all(told):
            words = "没有写明何人何故 · does not say who and why"
            yield Finding(subject=promise.unit_id, told=f"{promise.promise_id}: {words}")
        elif (
            REQUESTS not in world.log.trimmed
            and told not in ordered[promise.request_id or "", promise.unit_id]
        ):
            words = f"无人这样指定 · nobody gave it like this: {', '.join(told)}"
            yield Finding(subject=promise.unit_id, told=f"{promise.promise_id}: {words}")


def find_hand_work_undone(world: World) -> Iterator[Finding]:
    """Find what dispatchers said, and the engine took in, that was not done."""
    holds: dict[str, list[Hold]] = defaultdict(list)
    for hold in world.rows.holds:
        holds[hold.unit_id].append(hold)
    for order in list_orders(world):
        request_id, unit_id = order.about
        instead = order.body.get("instead_of")
        if order.type == GIVEN:
            if not any(_is_gift(promise, order) for promise in _list_promises(world, *order.about)):
                told = f"{request_id}: 指定而未预留 · given by hand, never promised"
                yield Finding(subject=unit_id, told=told)
            if instead is not None:
                yield from _find_kept(world, order, str(instead))
        elif order.type == TAKEN_BACK:
            yield from _find_kept(world, order, unit_id)
        elif order.type in {HELD, HOLD_ENDED}:
            if not any(_is_done(hold, order) for hold in holds[unit_id]):
                yield Finding(subject=unit_id, told=f"{order.event_id}: 暂留未执行 · not done")
        else:
            yield from _find_still_under_way(world, order)


def _find_still_under_way(world: World, order: Order) -> Iterator[Finding]:
    """Find calls and transfers that were to be stood down, or taken up again, and were not."""
    if order.type == TRANSFER_STOPPED:
        transfer_id = str(order.body.get("transfer_id"))
        for promise in world.rows.promises:
            if promise.transfer_id == transfer_id and promise.status == "held":
                told = f"{promise.unit_id}: 调拨已终止仍许着 · still held for it"
                yield Finding(subject=transfer_id, told=told)
        return
    cause_id = str(order.body.get("cause_id"))
    stops = [stop for stop in world.rows.stops if stop.cause_id == cause_id]
    if order.type == STOPPED:
        is_done = any(stop.caused_by == order.event_id for stop in stops)
    else:
        is_done = any(stop.ended_at is not None and stop.ended_at == order.at for stop in stops)
    if not is_done:
        yield Finding(subject=cause_id, told=f"{order.event_id}: 召集的决定未执行 · not done")


def _is_done(hold: Hold, order: Order) -> bool:
    """Return whether a hold was placed, or ended, by an order."""
    if order.type == HELD:
        return hold.caused_by == order.event_id
    return hold.ended_at is not None and (order.at is None or hold.ended_at == order.at)


def find_held_by_nobody(world: World) -> Iterator[Finding]:
    """Find holds that nobody ordered like this, and units whose state says otherwise."""
    ordered = {
        (order.event_id, order.about[1], *order.told)
        for order in list_orders(world)
        if order.type == HELD
    }
    yield from _find_stopped_by_nobody(world)
    live = set()
    for hold in world.rows.holds:
        told = (hold.caused_by, hold.unit_id, hold.actor, hold.by, hold.reason)
        if not all(told) or (STOCK not in world.log.trimmed and told not in ordered):
            words = f"无人这样暂留 · nobody held it like this: {hold.by}, {hold.reason}"
            yield Finding(subject=hold.unit_id, told=words)
        if hold.ended_at is None:
            live.add(hold.unit_id)
    for unit in world.rows.units:
        if (unit.status == ON_HOLD) != (unit.unit_id in live):
            told_of = f"{unit.status}，暂留记录不符 · its hold says otherwise"
            yield Finding(subject=unit.unit_id, told=told_of)


def _find_stopped_by_nobody(world: World) -> Iterator[Finding]:
    ordered = {
        (order.event_id, str(order.body.get("cause_id")), *order.told)
        for order in list_orders(world)
        if order.type == STOPPED
    }
    for stop in world.rows.stops:
        told = (stop.caused_by, stop.cause_id, stop.actor, stop.by, stop.reason)
        if not all(told) or (ANSWERS not in world.log.trimmed and told not in ordered):
            words = f"无人这样终止 · nobody stood it down like this: {stop.by}, {stop.reason}"
            yield Finding(subject=stop.cause_id, told=words)


def find_called_while_stopped(world: World) -> Iterator[Finding]:
    """Find donors who were called for a cause after a person had stood its calls down."""
    for stop in world.rows.stops:
        for call in world.rows.call_outs:
            if call.cause_id != stop.cause_id or call.called_at < stop.stopped_at:
                continue
            if stop.ended_at is None or call.called_at < stop.ended_at:
                told = f"{stop.cause_id}: {stop.by} 终止后又召集 · called after it was stood down"
                yield Finding(subject=call.call_out_id, told=told)


def find_promised_while_held(world: World) -> Iterator[Finding]:
    """Find units that were promised to somebody while a person held them back.

    The clocks of two processes differ, and a promise may be written as the hold ends: as much as
    the system takes to react is passed over. The order of the steps is judged by another check.
    """
    for hold in world.rows.holds:
        for promise in world.promises_of_units.get(hold.unit_id, ()):
            begins = max(promise.held_at, hold.placed_at)
            ends = [at for at in (promise.ended_at, hold.ended_at) if at is not None]
            if not ends or min(ends) - begins > world.reaction:
                told = f"{promise.promise_id}: 暂留期间许出 · promised while {hold.by} held it"
                yield Finding(subject=hold.unit_id, told=told)


def _list_promises(world: World, request_id: str, unit_id: str) -> list[Promise]:
    promises = world.promises_of_units.get(unit_id, [])
    return [promise for promise in promises if promise.request_id == request_id]


def _is_gift(promise: Promise, order: Order) -> bool:
    return (
        promise.reason.get("code") in BY_HAND
        and promise.line_no == order.body.get("line_no")
        and (order.at is None or promise.held_at >= order.at)
    )


def _find_kept(world: World, order: Order, unit_id: str) -> Iterator[Finding]:
    """Find a bag that was to go back and did not, or came again in the same step."""
    request_id, _ = order.about
    promises = _list_promises(world, request_id, unit_id)
    if not any(promise.status == "released" and _is_at(promise, order) for promise in promises):
        told = f"{request_id}: 应收回而仍许着 · was to be taken back and was not"
        yield Finding(subject=unit_id, told=told)
    elif any(promise.held_at == order.at for promise in promises):
        told = f"{request_id}: 收回的同一步又许给它 · given again in the step that took it back"
        yield Finding(subject=unit_id, told=told)


def _is_at(promise: Promise, order: Order) -> bool:
    """Return whether a promise ended by the order; without its instant, whether it ended at all."""
    return order.at is None or promise.ended_at == order.at
