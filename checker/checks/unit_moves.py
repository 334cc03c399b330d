"""Checks of each unit's life: allowed changes of state, release by test results, recall.

Judged from the audit, the results, the recalls and the scans, without the engine's own table of
moves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import pairwise, zip_longest

from checker.database_rows import Found, Result, Unit
from checker.evidence import World
from checker.quarantine_release import list_against, list_counting, list_missing
from checker.report import Finding
from checker.unit_states import BIRTHS, DEGLYCEROLISED, LEFT_STATION, MAY_MOVE, NEXT, STILL_THERE


def find_moved_against_life(world: World) -> Iterator[Finding]:
    """Find units with steps that do not follow each other, or that no unit may make."""
    for unit_id, steps in world.steps.items():
        unit = world.units.get(unit_id)
        told = _find_wrong(steps) or _find_misplaced(world, unit_id)
        was_free = ("available", "split") in steps
        if told is None and unit is not None and was_free and unit.component not in DEGLYCEROLISED:
            told = f"{unit.component} 放行后分离 · split after its release"
        if told is None and unit is not None and steps[-1][1] != unit.status:
            told = f"记录止于 {steps[-1][1]}，现为 {unit.status} · audit ends otherwise"
        if told is not None:
            yield Finding(subject=unit_id, told=told)


def _find_wrong(steps: Sequence[tuple[str, str]]) -> str | None:
    for was, became in steps:
        if was and was == became:
            continue  # another station, the same state: see `_find_misplaced`
        allowed = NEXT.get(was, frozenset()) if was else BIRTHS
        if became not in allowed:
            return f"{was or '–'} → {became} 不允许 · is no step"
    for (_, became), (was, _) in pairwise(steps):
        if became != was:
            return f"{became} 之后从 {was} 开始 · does not follow"
    return None


def _find_misplaced(world: World, unit_id: str) -> str | None:
    """Return what is wrong with a unit's moves between stations; None if nothing is.

    A move needs a count of the station that has the unit, and a row in both stations' chains.
    """
    rows = world.stays.get(unit_id, [])
    for left, came in zip_longest(rows[::2], rows[1::2]):
        where = f"{left.station_id} → {came.station_id if came else '–'}"
        if left.to_state not in MAY_MOVE:
            return f"{left.to_state}: {where} 不能移站 · cannot change its place"
        if came is None or came.caused_by != left.caused_by or came.station_id == left.station_id:
            return f"{where} 只记在一站 · in the chain of one station alone"
        if Found(unit_id=unit_id, station_id=str(came.station_id)) not in world.rows.found:
            return f"{where} 没有盘点依据 · no count found it there"
    unit = world.units.get(unit_id)
    last = world.steps[unit_id][-1]
    if rows and unit is not None and last[0] == last[1] and unit.station_id != rows[-1].station_id:
        return f"记录移到 {rows[-1].station_id}，现在 {unit.station_id} · is elsewhere"
    return None


def find_issued_unreleased(world: World) -> Iterator[Finding]:
    """Find units that left their station without ever having been released to stock."""
    for unit in world.rows.units:
        trail = world.trails.get(unit.unit_id, [])
        left = unit.status in LEFT_STATION or bool(LEFT_STATION & set(trail))
        if left and unit.released_at is None:
            told = f"{unit.status}，从未放行 · never released"
            yield Finding(subject=unit.unit_id, told=told)
        elif left and trail and trail[0] in {"collected", "quarantined"}:
            first = min(trail.index(state) for state in LEFT_STATION if state in trail)
            if "available" not in trail[:first]:
                told = "从隔离直接发出 · left straight from quarantine"
                yield Finding(subject=unit.unit_id, told=told)


def find_released_against_results(world: World) -> Iterator[Finding]:
    """Find units that we released while a result was missing, reactive, or of another group."""
    for unit in world.rows.units:
        if unit.released_at is None or unit.attested_by is not None:
            continue
        results = world.results.get(unit.donation_id, ())
        say = _list_say(world, unit, unit.released_at)
        known = [result for result in results if result.recorded_at <= unit.released_at]
        told = _find_against(known, unit, say)
        if told and unit.donation_id in world.recalled_at:
            # A result of the same instant as the release that led to the recall came after it.
            known = [result for result in known if not _is_late(result, unit.released_at)]
            told = _find_against(known, unit, say)
        if told:
            yield Finding(subject=unit.unit_id, told=told)


def _is_late(result: Result, released_at: datetime) -> bool:
    """Return whether a result forbids the release and was recorded at the same instant."""
    is_against = result.outcome in {"reactive", "invalid"} or result.supersedes is not None
    return result.recorded_at == released_at and is_against


def _list_say(world: World, unit: Unit, released_at: datetime) -> frozenset[str | None]:
    """List the stations that had the unit, or the unit it was made of, until its release."""
    names = (unit.unit_id, unit.parent_id or "")
    rows = [row for name in names for row in world.recorded.get(name, [])]
    return frozenset(row.station_id for row in rows if row.at <= released_at)


def _find_against(known: Sequence[Result], unit: Unit, say: Collection[str | None]) -> str:
    """Return what was known at the release and forbade it; empty if nothing did."""
    counting = list_counting(known, group=unit.blood_group, say=say)
    missing = list_missing(counting, collected_at=unit.collected_at)
    if missing:
        return f"缺 {', '.join(missing)} · missing"
    for result in list_against(counting, group=unit.blood_group):
        if result.outcome == "reactive":
            return f"{result.result_id}: {result.test} 有反应 · reactive"
        return f"{result.result_id}: {result.blood_group} ≠ {unit.blood_group}"
    return ""


def find_used_after_recall(world: World) -> Iterator[Finding]:
    """Find units that after their recall were promised, or scanned other than as discarded."""
    for unit in world.rows.units:
        recalled_at = world.recalled_at.get(unit.donation_id)
        if recalled_at is None:
            continue
        for promise in world.promises_of_units.get(unit.unit_id, ()):
            if promise.held_at > recalled_at:
                told = f"{promise.promise_id}: 召回后许出 · promised after the recall"
                yield Finding(subject=unit.unit_id, told=told)
        for scan in world.scans.get(unit.unit_id, ()):
            if scan.recorded_at > recalled_at and scan.change != "discarded":
                told = f"召回后 {scan.change} · after the recall"
                yield Finding(subject=unit.unit_id, told=told)


def find_missed_by_recall(world: World) -> Iterator[Finding]:
    """Find units of a recalled donation, its components included, that are not frozen."""
    for unit in world.rows.units:
        if unit.donation_id in world.recalled_at and unit.status in STILL_THERE:
            told = f"{unit.donation_id}: 仍为 {unit.status} · still {unit.status}"
            yield Finding(subject=unit.unit_id, told=told)
