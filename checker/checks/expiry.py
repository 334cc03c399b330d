"""Checks that promised units were released and reach the patient before they expire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from checker.checks.requests import OVERDUE_AFTER
from checker.database_rows import Unit
from checker.evidence import TRANSFERS, World, parse_instant
from checker.report import Finding
from checker.shelf_lives import find_end


def find_quarantined(world: World) -> Iterator[Finding]:
    for promise in world.rows.promises:
        unit = world.units.get(promise.unit_id)
        if unit is None:
            continue
        if not _was_released(world, unit, promise.held_at):
            released = unit.released_at.isoformat() if unit.released_at else "从未 · never"
            yield Finding(
                subject=unit.unit_id,
                told=f"{promise.promise_id}: {promise.held_at.isoformat()}，放行 · "
                f"released {released}",
            )


def _was_released(world: World, unit: Unit, held_at: datetime) -> bool:
    """Return whether the release came before the promise.

    Within the skew of clocks the audit decides.
    """
    if unit.released_at is None:
        return False
    if unit.released_at <= held_at:
        return True
    trail = world.trails.get(unit.unit_id, [])
    is_first = "available" in trail and "reserved" not in trail[: trail.index("available")]
    return is_first and unit.released_at - held_at <= world.reaction


def find_expired(world: World) -> Iterator[Finding]:
    """Find units that expired before they arrive or are needed, or while they were held."""
    told: dict[str, str] = {}
    for unit_id, holder, arrives_at in [*_list_planned(world), *_list_agreed(world)]:
        unit = world.units.get(unit_id)
        if unit is not None and find_end(unit) <= arrives_at:
            told[unit_id] = (
                f"{holder}: {find_end(unit).isoformat()} 失效 · arrives {arrives_at.isoformat()}"
            )
    for promise in world.rows.promises:
        unit = world.units.get(promise.unit_id)
        if unit is None:
            continue
        is_forgotten = (
            promise.status == "held"
            and world.now is not None
            and find_end(unit) + OVERDUE_AFTER < world.now
        )
        if find_end(unit) <= promise.held_at or is_forgotten:
            told.setdefault(unit.unit_id, f"{promise.promise_id}: 持有失效血 · held while expired")
        request = world.requests.get(promise.request_id or "")
        if request and promise.status == "held" and find_end(unit) <= request.needed_by:
            needed = request.needed_by.isoformat()
            told.setdefault(unit.unit_id, f"{promise.promise_id}: 需用前失效 · needed {needed}")
    for unit_id, why in told.items():
        yield Finding(subject=unit_id, told=why)


def _list_planned(world: World) -> Iterator[tuple[str, str, datetime]]:
    """List unit, decision and planned arrival, by the first decision that names the promise."""
    decisions = [body for body, _ in world.decisions_on_log.values()]
    decisions += [row.body.get("decision", row.body) for row in world.rows.decisions]
    seen: set[str] = set()
    for decision in sorted(decisions, key=lambda decision: int(decision["version"])):
        leaves_at = parse_instant(decision["decided_at"])
        arrives_at = leaves_at + timedelta(seconds=decision.get("eta_s") or 0)
        for unit in _list_reserved(decision):
            if unit["promise_id"] not in seen:
                seen.add(unit["promise_id"])
                yield str(unit["unit_id"]), str(decision["decision_id"]), arrives_at


def _list_reserved(decision: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for line in decision.get("lines") or ():
        yield from line.get("reserved") or ()


def _list_agreed(world: World) -> Iterator[tuple[str, str, datetime]]:
    bodies = [row.body.get("transfer", row.body) for row in world.rows.transfers]
    bodies.extend(
        record.body["transfer"]
        for record in world.log.of(TRANSFERS)
        if isinstance(record.body, dict) and isinstance(record.body.get("transfer"), dict)
    )
    for transfer in bodies:
        agreed_at = parse_instant(transfer["agreed_at"])
        arrives_at = agreed_at + timedelta(seconds=transfer.get("eta_s") or 0)
        for unit_id in transfer.get("unit_ids") or ():
            yield str(unit_id), str(transfer["transfer_id"]), arrives_at
