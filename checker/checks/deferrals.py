"""Checks from whom blood was kept for need that is expected, until when, and that it was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from checker.evidence import World
from checker.expected_need import EMERGENCY, GIVEN_AHEAD, ROUTINE, is_kept
from checker.report import Finding
from checker.request_versions import Version


def find_wrongly_deferred(
    world: World, histories: Mapping[str, list[Version]]
) -> Iterator[Finding]:
    """Yield who was in danger of life and kept waiting, and whose blood would come too late."""
    for decision in world.rows.decisions:
        versions = histories.get(decision.request_id)
        if not versions or not (decision.outcome == "deferred" or is_kept(decision)):
            continue
        if all(version.priority == EMERGENCY for version in versions):
            yield Finding(subject=decision.decision_id, told=EMERGENCY)
            continue
        until = decision.body.get("deferred_until")
        if until is None:
            if all(version.priority not in {ROUTINE, EMERGENCY} for version in versions):
                told = "没有说到何时 · no instant is told"
                yield Finding(subject=decision.decision_id, told=told)
            continue
        if decision.outcome == "deferred" and all(
            version.priority == ROUTINE for version in versions
        ):
            yield Finding(subject=decision.decision_id, told=f"{until}，常规 · of a routine order")
            continue
        latest = max(version.needed_by for version in versions) - GIVEN_AHEAD
        if datetime.fromisoformat(until) > latest:
            told = f"{until}，晚于 · later than {latest.isoformat()}"
            yield Finding(subject=decision.decision_id, told=told)


def find_left_deferred(world: World) -> Iterator[Finding]:
    """Yield open requests that were told until when they wait, and were not decided again then."""
    if world.now is None:
        return
    for request in world.rows.requests:
        decisions = world.decisions_of(request.request_id)
        if request.status != "open" or not decisions:
            continue
        until = max(decisions, key=lambda row: row.version).body.get("deferred_until")
        if until and datetime.fromisoformat(until) + world.reaction < world.now:
            yield Finding(subject=request.request_id, told=str(until))
