"""Checks of hand work: every bag given by hand has who and why, and what was said was done.

What dispatchers said is read from Kafka, what became of it from PostgreSQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checker.database_rows import Promise
from checker.evidence import REQUESTS, World
from checker.report import Finding

GIVEN, TAKEN_BACK = "blood.request.bag-given.v1", "blood.request.bag-taken-back.v1"
BY_HAND = ("given_by_hand", "given_by_hand_past_test")
"""Reasons of a promise that a dispatcher made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a dispatcher said, as it was taken in.

    Attributes:
        at: When it was taken in; None if PostgreSQL does not say.
    """

    type: str
    source: str
    body: dict[str, Any]
    at: datetime | None

    @property
    def about(self) -> tuple[str, str]:
        """The request and the unit."""
        return str(self.body.get("request_id")), str(self.body.get("unit_id"))

    @property
    def told(self) -> tuple[str, str, str]:
        """Whose key it was, who said so, and why."""
        return self.source, str(self.body.get("by") or ""), str(self.body.get("reason") or "")


def list_orders(world: World) -> list[Order]:
    """List what dispatchers said and the engine took in, not what it refused."""
    taken_at = {(row.source, row.event_id): row.taken_at for row in world.rows.inbox}
    return [
        Order(
            type=record.type,
            source=record.source or "",
            body=record.body,
            at=taken_at[record.identity],
        )
        for record in world.log.of(REQUESTS)
        if record.type in {GIVEN, TAKEN_BACK}
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
    for order in list_orders(world):
        request_id, unit_id = order.about
        instead = order.body.get("instead_of")
        if order.type == GIVEN:
            if not any(_is_gift(promise, order) for promise in _list_promises(world, *order.about)):
                told = f"{request_id}: 指定而未预留 · given by hand, never promised"
                yield Finding(subject=unit_id, told=told)
            if instead is not None:
                yield from _find_kept(world, order, str(instead))
        else:
            yield from _find_kept(world, order, unit_id)


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
    """Whether a promise ended by the order; without its instant, whether it ended at all."""
    return order.at is None or promise.ended_at == order.at
