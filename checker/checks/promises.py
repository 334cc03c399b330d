"""Checks of promises: none twice, none that differs from its unit, none too much or too little.

Promises are read twice: from the rows of PostgreSQL, and replayed from the decisions and transfers
on Kafka without those rows. An index that is missing in the database shows in both; a log that
tells hospitals something else than the rows say shows in the second.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from checker.bag_content import WHOLE, measure_content
from checker.checks.holders import replay_bindings
from checker.database_rows import Promise, Request
from checker.evidence import World
from checker.intervals import Binding, list_overlaps
from checker.report import Finding
from checker.request_versions import Version


def find_promised_twice(world: World) -> Iterator[Finding]:
    by_row = {
        unit_id: [_binding(promise) for promise in promises]
        for unit_id, promises in world.promises_of_units.items()
    }
    for place, bindings in (("PostgreSQL", by_row), ("Kafka", replay_bindings(world))):
        for unit_id, bound in bindings.items():
            for earlier, later in list_overlaps(bound):
                if _is_skew(world, earlier, later, world.trails.get(unit_id, [])):
                    continue
                yield Finding(
                    subject=unit_id,
                    told=f"{place}: {earlier.holder} 未了又许 · still held, then {later.holder}",
                )
    yield from _find_reused_epochs(world)


def _binding(promise: Promise) -> Binding:
    """Return the binding of a promise: permanent if a patient's hospital received the unit.

    A unit that a neighbouring station received is free again.
    """
    is_for_good = promise.status == "received" and promise.request_id is not None
    return Binding(
        holder=promise.promise_id,
        begins_at=promise.held_at,
        ends_at=None if is_for_good else promise.ended_at,
    )


def _is_skew(world: World, earlier: Binding, later: Binding, trail: list[str]) -> bool:
    """Return whether an overlap comes only from the order in which transactions read the clock.

    A transaction reads its clock, then waits for the unit's row. If another transaction gives the
    unit back meanwhile, the end of the earlier promise has a later time than the next promise, by
    no more than the system takes to react. The audit is written under the row's lock, so its order
    is the true one.
    """
    if earlier.ends_at is None or earlier.ends_at - later.begins_at > world.reaction:
        return False
    return bool(trail) and not _is_reserved_twice(trail)


def _is_reserved_twice(trail: list[str]) -> bool:
    return any(pair == ("reserved", "reserved") for pair in pairwise(trail))


def _find_reused_epochs(world: World) -> Iterator[Finding]:
    counts = Counter((promise.unit_id, promise.epoch) for promise in world.rows.promises)
    for (unit_id, epoch), count in counts.items():
        if count > 1:
            yield Finding(subject=unit_id, told=f"{count} 次承诺同一期号 · share epoch {epoch}")


def find_mismatches(world: World) -> Iterator[Finding]:
    """Find promises, in PostgreSQL and on Kafka, whose component or group is not the unit's."""
    for promise in world.rows.promises:
        unit = world.units.get(promise.unit_id)
        is_own = unit and (unit.component, unit.blood_group) == (
            promise.component,
            promise.blood_group,
        )
        if not is_own:
            told = f"{promise.promise_id}: {promise.component} {promise.blood_group}"
            yield Finding(subject=promise.unit_id, told=f"承诺与血袋不符 · not the unit's {told}")
    promises = {promise.promise_id: promise for promise in world.rows.promises}
    told_of: set[tuple[str, str, str, str]] = set()
    for decision, _ in world.decisions_on_log.values():
        for line in decision.get("lines") or ():
            for unit_told in line.get("reserved") or ():
                names = ("promise_id", "unit_id", "component", "group")
                promise_id, unit_id, component, group = (str(unit_told.get(n)) for n in names)
                told_of.add((promise_id, unit_id, component, group))
    for promise_id, unit_id, component, group in told_of:
        kept = promises.get(promise_id)
        if kept is None:
            yield Finding(subject=unit_id, told=f"无此承诺 · told on Kafka, not kept: {promise_id}")
        elif (kept.unit_id, kept.component, kept.blood_group) != (unit_id, component, group):
            told = f"{promise_id}: {unit_id} {component} {group}"
            yield Finding(subject=unit_id, told=f"日志所述不符 · Kafka tells otherwise: {told}")


def find_over_promised(world: World, histories: dict[str, list[Version]]) -> Iterator[Finding]:
    """Find lines with more promised than was asked for, by as much as their last bag or more.

    An amendment cannot call back units that have left the station, so a line without held units is
    compared with the most that was ever asked; a line with held units, with what is asked now.
    """
    promises: dict[tuple[str, int], list[Promise]] = defaultdict(list)
    for promise in world.rows.promises:
        is_covering = promise.status in {"held", "issued", "received"}
        if promise.request_id is not None and promise.line_no is not None and is_covering:
            promises[promise.request_id, promise.line_no].append(promise)
    for (request_id, line_no), covering in promises.items():
        line = world.lines.get((request_id, line_no))
        asked = [(line.measure, line.quantity)] if line else [("unit", 0)]
        if not any(promise.status == "held" for promise in covering):
            lines = (v.lines[line_no] for v in histories.get(request_id, ()) if line_no in v.lines)
            asked += [(str(told["measure"]), int(told["quantity"])) for told in lines]
        if all(_is_over(world, covering, *measured) for measured in asked):
            total = sum(_measure(world, promise, asked[0][0]) for promise in covering) / WHOLE
            told = f"第 {line_no} 行 · line {line_no}: {total:g} > {asked[0][1]} {asked[0][0]}"
            yield Finding(subject=request_id, told=told)


def find_under_promised(world: World, histories: dict[str, list[Version]]) -> Iterator[Finding]:
    """Find requests that are said to be whole, and whose bags hold less than was asked."""
    held: dict[tuple[str, int], list[Promise]] = defaultdict(list)
    for promise in world.rows.promises:
        request = world.requests.get(promise.request_id or "")
        if request is not None and promise.line_no is not None and _counts(world, promise, request):
            held[request.request_id, promise.line_no].append(promise)
    for request in world.rows.requests:
        if request.status not in {"reserved", "fulfilled"}:
            continue
        for line_no in histories[request.request_id][-1].lines:
            line = world.lines.get((request.request_id, line_no))
            found = held[request.request_id, line_no]
            if line is None:
                told = f"第 {line_no} 行未决定 · line {line_no} was never decided"
                yield Finding(subject=request.request_id, told=told)
                continue
            total = sum(_measure(world, promise, line.measure) for promise in found)
            if total < line.quantity * WHOLE:
                told = (
                    f"第 {line_no} 行 · line {line_no}: {total / WHOLE:g} < "
                    f"{line.quantity} {line.measure}"
                )
                yield Finding(subject=request.request_id, told=told)


def _counts(world: World, promise: Promise, request: Request) -> bool:
    """Return whether a bag is the request's, was when it ended, or was there and not needed."""
    if promise.status in {"held", "issued", "received"}:
        return True
    ended_at = promise.ended_at
    if ended_at is None:
        return False
    return (request.status == "fulfilled" and ended_at >= request.decided_at) or any(
        scan.change == "received" and promise.held_at <= scan.recorded_at <= ended_at
        for scan in world.scans.get(promise.unit_id, ())
    )


def _is_over(world: World, covering: list[Promise], measure: str, quantity: int) -> bool:
    """Return whether even without one of the bags promised last there would be enough."""
    last_at = max(promise.held_at for promise in covering)
    last = [_measure(world, promise, measure) for promise in covering if promise.held_at == last_at]
    total = sum(_measure(world, promise, measure) for promise in covering)
    return total - min(last) >= quantity * WHOLE


def _measure(world: World, promise: Promise, measure: str) -> int:
    unit = world.units.get(promise.unit_id)
    return measure_content(unit.component, unit.volume_ml, measure) if unit else WHOLE
