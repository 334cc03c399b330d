"""Checks whether the state of each unit agrees with its promises, scans and origin.

Judged from the rows alone, without the engine's own rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from checker.database_rows import Promise, Scan, Unit
from checker.evidence import World
from checker.report import Finding
from checker.shelf_lives import find_end
from checker.unit_states import (
    BOUND,
    DEGLYCEROLISED,
    FRESH_CHANGES,
    REACHED,
    find_unrestockable,
)


def find_bound_otherwise(world: World) -> Iterator[Finding]:
    """Find units whose state and promises contradict each other."""
    for unit in world.rows.units:
        told = _find_unbound(unit, world.promises_of_units.get(unit.unit_id, ()))
        if told:
            yield Finding(subject=unit.unit_id, told=told)


def _find_unbound(unit: Unit, promises: Sequence[Promise]) -> str:
    live = {promise.status for promise in promises} & {"held", "issued"}
    if unit.status in REACHED:
        # Another check finds whether it was promised again afterwards.
        received = any(promise.status == "received" and promise.request_id for promise in promises)
        return "" if received else f"{unit.status}，不为任何病人 · for no patient"
    expected = BOUND.get(unit.status)
    if expected and expected not in live:
        return f"{unit.status}，无相应承诺 · under no such promise"
    if live and expected is None:
        return f"{unit.status}，仍有承诺 · still promised: {', '.join(sorted(live))}"
    return ""


def find_used_expired(world: World) -> Iterator[Finding]:
    """Find units that were picked, issued, transfused or restocked after they expired."""
    for unit in world.rows.units:
        for scan in world.scans.get(unit.unit_id, ()):
            if scan.change in FRESH_CHANGES and scan.recorded_at >= find_end(unit):
                told = f"{find_end(unit).isoformat()} 失效后 {scan.change} · after it expired"
                yield Finding(subject=unit.unit_id, told=told)


def find_restocked_warm(world: World) -> Iterator[Finding]:
    """Find units that were restocked after too long without temperature control."""
    for unit in world.rows.units:
        told = _find_warm(unit, world.scans.get(unit.unit_id, ()))
        if told:
            yield Finding(subject=unit.unit_id, told=told)


def _find_warm(unit: Unit, scans: Sequence[Scan]) -> str:
    out = timedelta()
    for scan in sorted(scans, key=lambda scan: scan.scan_no):
        out += timedelta(seconds=scan.out_of_control_s or 0)
        told = find_unrestockable(unit.component, out) if scan.change == "restocked" else ""
        if told:
            return told
    return ""


def find_restocked_from_hospital(world: World) -> Iterator[Finding]:
    """Find units that came back to stock although a hospital had received them."""
    for unit in world.rows.units:
        steps = world.recorded.get(unit.unit_id, [])
        received = [step.audit_id for step in steps if step.to_state == "received"]
        back = [
            step
            for step in steps
            if (step.from_state, step.to_state) == ("returned", "available")
            and received
            and step.audit_id > received[0]
        ]
        if back:
            told = "医院签收后又入库 · stocked again after a hospital had received it"
            yield Finding(subject=unit.unit_id, told=told)


def find_made_of_nothing(world: World) -> Iterator[Finding]:
    """Find components whose parent unit is unknown, not split, or of another donation or group."""
    for unit in world.rows.units:
        if unit.parent_id is None:
            continue
        bag = world.units.get(unit.parent_id)
        if bag is None or bag.status != "split":
            told = bag.status if bag else "无 · nowhere"
            yield Finding(subject=unit.unit_id, told=f"母袋 · its bag {unit.parent_id}: {told}")
        elif DEGLYCEROLISED.get(bag.component, unit.component) != unit.component:
            told = f"{bag.component} → {unit.component}"
            yield Finding(subject=unit.unit_id, told=f"不能制成 · is not made of it: {told}")
        elif (bag.donation_id, bag.blood_group) != (unit.donation_id, unit.blood_group):
            told = f"{bag.unit_id}: {bag.donation_id} {bag.blood_group}"
            yield Finding(subject=unit.unit_id, told=f"与母袋不符 · is not its bag's: {told}")
