"""Whether each unit stands where its promises, scans and origin say that it does.

Judged from rows alone; what the engine holds to be allowed is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from checker.life import (
    BOUND,
    FRESH_CHANGES,
    REACHED,
    RESTOCKED_COMPONENTS,
    RESTOCKED_WITHIN,
)
from checker.report import Finding
from checker.rows import Promise, Scan, Unit
from checker.world import World


def find_bound_otherwise(world: World) -> Iterator[Finding]:
    """Units whose state and promise contradict: held by nobody, or held and not there."""
    for unit in world.rows.units:
        told = _find_unbound(unit, world.promises_of_units.get(unit.unit_id, ()))
        if told:
            yield Finding(subject=unit.unit_id, told=told)


def _find_unbound(unit: Unit, promises: Sequence[Promise]) -> str:
    live = {promise.status for promise in promises} & {"held", "issued"}
    if unit.status in REACHED:
        # Whether it was promised again afterwards is another check's to tell.
        received = any(one.status == "received" and one.request_id for one in promises)
        return "" if received else f"{unit.status}，不为任何病人 · for no patient"
    expected = BOUND.get(unit.status)
    if expected and expected not in live:
        return f"{unit.status}，无相应承诺 · under no such promise"
    if live and expected is None:
        return f"{unit.status}，仍有承诺 · still promised: {', '.join(sorted(live))}"
    return ""


def find_used_expired(world: World) -> Iterator[Finding]:
    """Units that were picked, handed over, given or stocked again after their label ran out."""
    for unit in world.rows.units:
        for scan in world.scans.get(unit.unit_id, ()):
            if scan.change in FRESH_CHANGES and scan.recorded_at >= unit.expires_at:
                told = f"{unit.expires_at.isoformat()} 失效后 {scan.change} · after it expired"
                yield Finding(subject=unit.unit_id, told=told)


def find_restocked_warm(world: World) -> Iterator[Finding]:
    """Units that went back to the shelf after too long without temperature control."""
    for unit in world.rows.units:
        told = _find_warm(unit, world.scans.get(unit.unit_id, ()))
        if told:
            yield Finding(subject=unit.unit_id, told=told)


def _find_warm(unit: Unit, scans: Sequence[Scan]) -> str:
    out = timedelta()
    for scan in sorted(scans, key=lambda one: one.scan_no):
        out += timedelta(seconds=scan.out_of_control_s or 0)
        if scan.change != "restocked":
            continue
        if unit.component not in RESTOCKED_COMPONENTS:
            return f"{unit.component} 再入库 · is never stocked again"
        if out > RESTOCKED_WITHIN:
            return f"失控 {out} 后再入库 · restocked after so long out of control"
    return ""


def find_made_of_nothing(world: World) -> Iterator[Finding]:
    """Components whose bag is not known, was never split, or is of another donation or group."""
    for unit in world.rows.units:
        if unit.parent_id is None:
            continue
        bag = world.units.get(unit.parent_id)
        if bag is None or bag.status != "split":
            told = bag.status if bag else "无 · nowhere"
            yield Finding(subject=unit.unit_id, told=f"母袋 · its bag {unit.parent_id}: {told}")
        elif (bag.donation_id, bag.blood_group) != (unit.donation_id, unit.blood_group):
            told = f"{bag.unit_id}: {bag.donation_id} {bag.blood_group}"
            yield Finding(subject=unit.unit_id, told=f"与母袋不符 · is not its bag's: {told}")
