"""Checks whether anybody waited while a unit that fits lay free, at any time of the run.

Judged from the audit and the decisions: from when to when a unit was free, and a line lacked units.
Both must have lasted several times as long as the system may take, and something must have been
decided meanwhile: whoever was down served nobody. Versions of a request have no instant, so a unit
fits only if it fits them all. The pairs are sampled evenly where they are many.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from checker.bag_content import WHOLE
from checker.checks.waiting_at_end import (
    OpenNeed,
    fits,
    is_kept_for_expected,
    is_useful,
    was_warm,
)
from checker.database_rows import Line, Request, Unit
from checker.evidence import World
from checker.report import Finding
from checker.request_versions import Version

PATIENCE = 3
"""Times `World.reaction` that a unit and a request may lie side by side."""

MOST_PAIRS = 200_000

_LACKING = {"waiting", "deferred", "partly_reserved"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Free:
    """A unit lay free in [begins_at, ends_at)."""

    unit: Unit
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lack:
    """A line lacked units in [begins_at, ends_at), until another decision."""

    request: Request
    line: Line
    uncovered: int
    begins_at: datetime
    ends_at: datetime


def find_waited_beside_blood(
    world: World, histories: Mapping[str, list[Version]]
) -> Iterator[Finding]:
    if world.now is None:
        return
    free = _read_free(world, world.now)
    lacks = list(_read_lacks(world))
    pairs = sum(len(free[lack.request.station_id, lack.line.component]) for lack in lacks)
    every = 1 + pairs // MOST_PAIRS
    decided = sorted(row.decided_at for row in world.rows.decisions)
    seen = 0
    for lack in lacks:
        fit = []
        for lying in free[lack.request.station_id, lack.line.component]:
            seen += 1
            if seen % every == 0 and _lay_beside(world, histories, decided, lack, lying):
                fit.append(lying.unit)
        need = _need(lack, histories[lack.request.request_id][-1], lack.ends_at)
        begun = _need(lack, histories[lack.request.request_id][-1], lack.begins_at)
        is_kept = is_kept_for_expected(world, begun, fit)
        if is_useful(need, fit, lack.uncovered * WHOLE) and not is_kept:
            told = (
                f"{lack.request.priority}，{lack.begins_at.isoformat()}–{lack.ends_at.isoformat()}："
                f"{fit[0].unit_id} {fit[0].blood_group} 空闲 · lay free"
            )
            yield Finding(subject=lack.request.request_id, told=told)


def _lay_beside(
    world: World,
    histories: Mapping[str, list[Version]],
    decided: list[datetime],
    lack: _Lack,
    lying: _Free,
) -> bool:
    begins_at = max(lack.begins_at, lying.begins_at) + PATIENCE * world.reaction
    ends_at = min(lack.ends_at, lying.ends_at)
    at = bisect_right(decided, begins_at)
    is_alive = at < len(decided) and decided[at] < ends_at
    return (
        begins_at < ends_at
        and is_alive
        and all(
            fits(world, lying.unit, _need(lack, version, begins_at))
            for version in histories[lack.request.request_id]
        )
    )


def _need(lack: _Lack, version: Version, now: datetime) -> OpenNeed:
    return OpenNeed(request=lack.request, line=lack.line, version=version, now=now)


def _read_free(world: World, now: datetime) -> Mapping[tuple[str, str], list[_Free]]:
    """Return when each unit lay free, by the station that has had it all the time."""
    found: dict[tuple[str, str], list[_Free]] = defaultdict(list)
    for unit_id, steps in world.recorded.items():
        unit = world.units.get(unit_id)
        if unit is None or unit.donation_id in world.recalled_at or was_warm(world, unit):
            continue
        if any(step.station_id not in {None, unit.station_id} for step in steps):
            continue
        if steps and steps[0].from_state == "available" and unit.released_at is not None:
            first = _Free(unit=unit, begins_at=unit.released_at, ends_at=steps[0].at)
            found[unit.station_id, unit.component].append(first)
        ends = [*(step.at for step in steps[1:]), now]
        for step, ends_at in zip(steps, ends, strict=True):
            if step.to_state == "available":
                free = _Free(unit=unit, begins_at=step.at, ends_at=ends_at)
                found[unit.station_id, unit.component].append(free)
    return found


def _read_lacks(world: World) -> Iterator[_Lack]:
    """Yield what each decision left uncovered until the next; the last is judged as of now."""
    by_request = defaultdict(list)
    for decision in world.rows.decisions:
        by_request[decision.request_id].append(decision)
    for request_id, decisions in by_request.items():
        request = world.requests.get(request_id)
        if request is None:
            continue
        in_order = sorted(decisions, key=lambda decision: decision.version)
        for decision, following in pairwise(in_order):
            if decision.outcome not in _LACKING:
                continue
            for told in decision.body.get("lines") or ():
                line = world.lines.get((request_id, int(told["line_no"])))
                uncovered = int(told.get("uncovered") or 0)
                if line is None or not uncovered or line.component != told["component"]:
                    continue
                yield _Lack(
                    request=request,
                    line=line,
                    uncovered=uncovered,
                    begins_at=decision.decided_at,
                    ends_at=following.decided_at,
                )
