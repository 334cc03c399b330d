"""Compares bags with their records: a label that differs is refused, others become events. Pure.

Whether the step that was scanned may be taken is the engine's to judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from gateway.labels.bags import Label, Session
from gateway.scans.actions import CHANGE_OF, ScanAction, Scanner
from gateway.scans.batch import BagVerdict, EngineWord, ScanBatch, fault_of
from models.base import derive_id
from models.errors import DomainRefusal
from models.events.stock import UNDER_PROMISE, StockChanged
from models.unit_states import MOVES, Actor
from streams.ports.stock import RecordedUnit

_BOUND = frozenset(move.from_state for move in MOVES.values() if move.cause in UNDER_PROMISE)
"""States in which a unit is meant for one request or transfer."""

LABEL_RESOLUTION = timedelta(minutes=1)
"""A label has only minutes: 23:59 stands for each second of that minute and the end of the day."""


def compare_bags(
    session: Session, units: Mapping[str, RecordedUnit], batch: ScanBatch
) -> Iterator[BagVerdict]:
    """Yield a verdict for each bag, in order: the event to publish, or why it is refused."""
    seen: dict[str, int] = {}
    for bag in session.bags:
        verdict = BagVerdict(bag=bag, fault=fault_of(bag.fault))
        try:
            if bag.label is not None:
                unit_id = bag.label.unit_id
                first = seen.setdefault(unit_id, bag.lines[0])
                if first != bag.lines[0]:
                    raise DomainRefusal("bag_twice", unit_id=unit_id, line=first)
                if unit_id not in units:
                    raise DomainRefusal("scanned_unit_unknown", unit_id=unit_id)
                ensure_own(units[unit_id], batch.scanner)
                verdict = replace(verdict, unit=units[unit_id])
                ensure_agrees(bag.label, units[unit_id])
                verdict = _add_event(verdict, units[unit_id], batch)
                ensure_meant(batch.asked.action, units[unit_id], request_id=batch.asked.request_id)
        except DomainRefusal as error:
            verdict = replace(verdict, fault=fault_of(error), engine=None)
        yield verdict


def _add_event(verdict: BagVerdict, unit: RecordedUnit, batch: ScanBatch) -> BagVerdict:
    """Add the event of a scan, which presents the epoch (fencing token) of the unit's promise.

    Raises:
        DomainRefusal: `epoch_without_promise`: the unit was never promised, so there is none.
    """
    asked, caller, change = batch.asked, batch.caller, CHANGE_OF[batch.asked.action]
    if change in UNDER_PROMISE and not unit.epoch:
        raise DomainRefusal(
            "epoch_without_promise", change=change, unit_id=unit.unit_id, status=unit.status
        )
    event = StockChanged(
        station_id=batch.scanner.station_id,
        unit_id=unit.unit_id,
        change=change,
        happened_at=batch.scanned_at,
        epoch=unit.epoch if change in UNDER_PROMISE else None,
        out_of_control_s=asked.out_of_control_s,
        thawed_at=asked.thawed_at,
        done_by=asked.done_by,
        reason=asked.reason,
    )
    # Without a key, equal content is a repeat, as in every other call.
    identity = (
        (sha256(event.to_body()).hexdigest(),)
        if caller.key is None
        else (unit.unit_id, change, caller.key)
    )
    event_id = derive_id(StockChanged.TYPE, caller.source, *identity)
    return replace(verdict, event=event, event_id=event_id, engine=EngineWord.AWAITED)


def ensure_own(unit: RecordedUnit, scanner: Scanner) -> None:
    """Refuse a hospital's scan of a unit that did not go to its own patients.

    Raises:
        DomainRefusal: `unit_of_other_hospital`.
    """
    if scanner.actor is Actor.HOSPITAL and unit.hospital_id != scanner.facility_id:
        raise DomainRefusal(
            "unit_of_other_hospital", unit_id=unit.unit_id, hospital_id=scanner.facility_id
        )


def ensure_meant(action: ScanAction, unit: RecordedUnit, *, request_id: str | None) -> None:
    """Refuse a bag that is meant for another request than the person at the scanner works on.

    A step under a promise that nobody has is left to the engine, which says why it cannot be.

    Args:
        action: What is to be done with the bag.
        unit: The unit as it is on record.
        request_id: The request or transfer that is worked on; None if it was not stated.

    Raises:
        DomainRefusal: `bag_for_another`.
    """
    meant = find_bound(unit)
    if request_id in {None, meant} or (meant is None and CHANGE_OF[action] in UNDER_PROMISE):
        return
    raise DomainRefusal(
        "bag_for_another", unit_id=unit.unit_id, meant=meant or "-", request_id=request_id
    )


def find_bound(unit: RecordedUnit) -> str | None:
    """Return the request or transfer that a unit is now meant for; None if there is none."""
    return (unit.request_id or unit.transfer_id) if unit.status in _BOUND else None


def ensure_agrees(label: Label, unit: RecordedUnit) -> None:
    """Refuse a bag whose label contradicts the record.

    A part that was not scanned is not compared. The product must have each trait that is on record;
    it may have further traits.

    Raises:
        DomainRefusal: `label_contradicts_record`, naming the first field that differs.
    """
    for what, on_label, recorded in (
        ("group", label.group, unit.group),
        ("component", label.product.component, unit.component),
        ("volume_ml", label.product.volume_ml, unit.volume_ml),
    ):
        if on_label is not None and on_label != recorded:
            raise _refuse(unit, what, told=str(on_label), recorded=str(recorded))
    if label.expires_at is not None:
        later_by = unit.expires_at - label.expires_at
        if not timedelta() <= later_by <= LABEL_RESOLUTION:
            raise _refuse(
                unit,
                "expires_at",
                told=label.expires_at.isoformat(),
                recorded=unit.expires_at.isoformat(),
            )
    for trait, has in label.product.traits.items():
        if getattr(unit.traits, trait) and not has:
            raise _refuse(unit, trait, told="no", recorded="yes")


def list_compared(label: Label) -> list[str]:
    """Return the fields of a label that can be compared; parts not scanned are left out."""
    told = (
        ("component", True),
        ("group", label.group is not None),
        ("expires_at", label.expires_at is not None),
        ("volume_ml", label.product.volume_ml is not None),
    )
    return [*(what for what, was_told in told if was_told), *label.product.traits]


def _refuse(unit: RecordedUnit, what: str, *, told: str, recorded: str) -> DomainRefusal:
    return DomainRefusal(
        "label_contradicts_record",
        unit_id=unit.unit_id,
        what=what,
        label=told,
        recorded=recorded,
    )
