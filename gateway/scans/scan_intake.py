"""Scans a batch: puts lines together to bags, compares each with its record, and publishes changes.

Everything is read and compared before anything is published, and a verdict says `accepted` only of
what Kafka has acknowledged. PostgreSQL must answer, because a bag that cannot be compared with its
record is not accepted.

A label that differs is refused. Whether the step that was scanned may be taken is the engine's to
judge, after it is in the log: a step that the unit's state does not allow, an expired unit, a
recall, another person's scan that came first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from gateway.invalid_content import FieldError, InvalidContent
from gateway.labels.bags import Label, Session
from gateway.runtime import Gateway
from gateway.scans.batch import (
    ACTIONS_OF,
    CHANGE_OF,
    BagVerdict,
    EngineWord,
    Fault,
    ScanAction,
    ScanBatch,
    Scanner,
    ScanOutcome,
)
from models.base import derive_id
from models.errors import DomainRefusal, XuelianError
from models.events.stock import UNDER_PROMISE, StockChanged
from models.texts import render
from models.topics import AppName
from models.unit_states import MOVES, Actor
from streams.ports.stock import RecordedUnit
from streams.store.read_models.pages import EventFate, EventName

_BOUND = frozenset(move.from_state for move in MOVES.values() if move.cause in UNDER_PROMISE)
"""States in which a unit is meant for one request or transfer."""

LABEL_RESOLUTION = timedelta(minutes=1)
"""A label has only minutes: 23:59 stands for each second of that minute and the end of the day."""

_NEEDS_REASON = frozenset({ScanAction.RETURN, ScanAction.DISCARD})

Look = Callable[[Sequence[EventName]], Awaitable[Mapping[EventName, EventFate]]]

REUSED = "idempotency_key_reused"


async def scan(gateway: Gateway, batch: ScanBatch) -> ScanOutcome:
    """Compare a batch, publish what is accepted, and wait for the engine's answer if that is asked.

    A bag that the engine has not judged by then stays `awaited`, as all bags do while PostgreSQL is
    away.

    Raises:
        DomainRefusal: `labels_not_set`, `labels_invalid`, `scan_action_forbidden`.
        ContractError: `fields_invalid`: a field that the action needs is missing.
        TransientError: PostgreSQL or Kafka is away; nothing was accepted, and sending the same
            again under the same Idempotency-Key is safe.
    """
    asked, station_id = batch.asked, batch.scanner.station_id
    book = await gateway.labels.find(station_id)
    if book is None:
        raise DomainRefusal("labels_not_set", station_id=station_id)
    ensure_actor(asked.action, batch.scanner.actor)
    unfilled = list(
        list_unfilled(asked.action, reason=asked.reason, out_of_control_s=asked.out_of_control_s)
    )
    if unfilled:
        raise InvalidContent("fields_invalid", unfilled)
    session = book.read_bags(asked.barcodes)
    unit_ids = [bag.label.unit_id for bag in session.bags if bag.label]
    units = await gateway.scans.list_units(unit_ids) if unit_ids else {}
    verdicts = list(compare_bags(session, units, batch))
    if batch.caller.key is not None:
        verdicts = await recognise_repeats(batch, verdicts, look=gateway.pages.list_fates)
    fresh = {
        verdict.event_id: verdict.event
        for verdict in verdicts
        if verdict.event and verdict.event_id and verdict.engine is EngineWord.AWAITED
    }
    acceptance = await gateway.submissions.accept(
        list(fresh.values()), batch.caller, ids=list(fresh), apart=True
    )
    fates = dict(zip(acceptance.event_ids, acceptance.fates, strict=True))
    judged = (apply_fate(verdict, fates.get(verdict.event_id or "")) for verdict in verdicts)
    return ScanOutcome(session=session, verdicts=tuple(judged))


def ensure_actor(action: ScanAction, actor: Actor) -> None:
    """Raise DomainRefusal `scan_action_forbidden` if the actor may make no move of this action."""
    allowed = ACTIONS_OF[actor]
    if action not in allowed:
        raise DomainRefusal(
            "scan_action_forbidden", action=action, actor=actor, allowed=", ".join(allowed)
        )


def list_unfilled(
    action: ScanAction, *, reason: str, out_of_control_s: int | None
) -> Iterator[FieldError]:
    """List the fields that an action needs and lacks, or has and does not take, with the reason."""
    if action in _NEEDS_REASON and not reason:
        told = render("scan_reason_needed")
        yield FieldError("reason", str(told), told)
    if (action is ScanAction.RETURN) != (out_of_control_s is not None):
        is_return = action is ScanAction.RETURN
        told = render("scan_out_of_control_needed" if is_return else "scan_out_of_control_unused")
        yield FieldError("out_of_control_s", str(told), told)


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
    for trait, has in label.traits.items():
        if getattr(unit.traits, trait) and not has:
            raise _refuse(unit, trait, told="no", recorded="yes")


def _refuse(unit: RecordedUnit, what: str, *, told: str, recorded: str) -> DomainRefusal:
    return DomainRefusal(
        "label_contradicts_record",
        unit_id=unit.unit_id,
        what=what,
        label=told,
        recorded=recorded,
    )


def fault_of(error: XuelianError | None) -> Fault | None:
    return Fault(error.code, error.params) if error is not None else None


async def recognise_repeats(
    batch: ScanBatch, verdicts: Sequence[BagVerdict], *, look: Look
) -> list[BagVerdict]:
    """Answer a repeat under a key as the first time, whatever became of the unit since."""
    names = {
        verdict.event_id: EventName(
            reader=AppName.SUPPLY,
            source=batch.caller.source,
            event_id=verdict.event_id,
            request_id=verdict.event_id,
        )
        for verdict in verdicts
        if verdict.event_id
    }
    fates = await look(list(names.values())) if names else {}
    return [
        _repeat(verdict, verdict.event, fates.get(names[verdict.event_id]))
        if verdict.event and verdict.event_id
        else verdict
        for verdict in verdicts
    ]


def _repeat(verdict: BagVerdict, event: StockChanged, fate: EventFate | None) -> BagVerdict:
    if fate is not None and not _is_same(event, fate):
        return replace(verdict, fault=Fault(REUSED, {}), engine=None)
    return apply_fate(verdict, fate)


def _is_same(event: StockChanged, fate: EventFate) -> bool:
    """Return whether an event is what was sent first; the unit may be promised anew since."""
    epochs = range(event.epoch, 0, -1) if event.epoch else (None,)
    bodies = (event.but(epoch=epoch).to_body() for epoch in epochs)
    return any(sha256(body).hexdigest() == fate.digest for body in bodies)


def apply_fate(verdict: BagVerdict, fate: EventFate | None) -> BagVerdict:
    """Put the engine's answer into the verdict, if there is one."""
    if fate is None:
        return verdict
    if fate.code is None:
        return replace(verdict, fault=None, engine=EngineWord.DONE)
    # What was sent under a used key by another process at the same time is not the engine's word.
    engine = None if fate.code == REUSED else EngineWord.REFUSED
    return replace(verdict, fault=Fault(fate.code, fate.params or {}), engine=engine)
