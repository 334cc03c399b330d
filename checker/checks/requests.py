"""Checks whether each request has a valid state, says what it waits for, and has its decisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from checker.database_rows import Request
from checker.evidence import World
from checker.report import Finding

OPEN = {"open", "reserved", "partly_refused"}
ENDED = {"refused", "cancelled", "expired", "partly_fulfilled", "fulfilled"}

OVERDUE_AFTER = timedelta(hours=3)
"""How long after its time a request or a held unit may stay open before it counts as forgotten. It
is long because late blood still helps for a while, and a drill's clock may run hundreds of times
faster than real time."""


def find_without_state(world: World) -> Iterator[Finding]:
    for request in world.rows.requests:
        told = _state_fault(request) or _overdue_fault(request, world)
        if told:
            yield Finding(subject=request.request_id, told=told)


def _state_fault(request: Request) -> str:
    if request.status not in OPEN | ENDED:
        return f"状态不明 · unknown state {request.status!r}"
    if request.status in OPEN and not request.waiting_for.strip():
        return f"{request.status}，未说明等待什么 · does not say what it waits for"
    if request.status in ENDED and request.waiting_for:
        return f"{request.status}，却仍在等待 · yet waits for {request.waiting_for}"
    return ""


def _overdue_fault(request: Request, world: World) -> str:
    if world.now is None or request.status != "open":
        return ""
    if max(request.needed_by, request.decided_at) + OVERDUE_AFTER >= world.now:
        return ""
    return f"{request.needed_by.isoformat()} 已过仍未了结 · long past, still open"


def find_missing_decisions(world: World) -> Iterator[Finding]:
    """Find decisions of PostgreSQL that are not on Kafka, and requests without any decision."""
    versions: dict[str, set[int]] = defaultdict(set)
    for decision in world.rows.decisions:
        versions[decision.request_id].add(decision.version)
        if decision.decision_id not in world.decisions_on_log:
            told = f"第 {decision.version} 版不在 Kafka · {decision.decision_id} is missing"
            yield Finding(subject=decision.request_id, told=told)
    for request in world.rows.requests:
        if not versions[request.request_id]:
            yield Finding(subject=request.request_id, told="没有任何决定 · has no decision at all")


def find_unknown_decisions(world: World) -> Iterator[Finding]:
    """Find decisions that are on Kafka but that PostgreSQL lacks, or has with another outcome."""
    known = {decision.decision_id: decision for decision in world.rows.decisions}
    for decision_id, (body, record) in world.decisions_on_log.items():
        row = known.get(decision_id)
        if row is None:
            yield Finding(
                subject=str(body.get("request_id")),
                told=f"数据库中没有 · PostgreSQL has no {decision_id}, {record.coordinate}",
            )
        elif row.outcome != body.get("outcome"):
            yield Finding(
                subject=row.request_id,
                told=f"结论不一 · {row.outcome} kept, {body.get('outcome')} told, {decision_id}",
            )
