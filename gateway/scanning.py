"""A batch of scanned lines: to bags, against the record, to stock changes, to a report per line.

The order that matters: everything is read and compared before anything is published, and a report
says `accepted` only of what Kafka has acknowledged. PostgreSQL must answer: a bag that cannot be
compared with its record is not accepted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from gateway.runtime import Gateway
from gateway.submitting import Submission
from models.base import derive_id
from models.errors import ContractError, DomainRefusal, XuelianError
from models.events.stock import StockChange, StockChanged
from models.labels.actions import STEPS, ScanAction, ensure_may, get_change
from models.labels.agreement import RecordedUnit, ensure_agrees
from models.labels.bags import Bag, Session, assemble
from models.labels.book import LabelBook
from models.topics import AppName
from streams.store.reading import EventName, Fate

_MOVED_ON = frozenset({"bag_not_promised", "unit_not_here", "unit_expired"})
"""Faults that a first call may itself have brought about: under its key they are a repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a person at a scanner asks for.

    Attributes:
        lines: As they came from the scanner; an empty one ends a bag.
        request_id: The request or transfer they work on; None if they did not say.
        key: Idempotency-Key; None without one.
    """

    station_id: str
    action: ScanAction
    lines: tuple[str, ...]
    scanned_at: datetime
    source: str
    request_id: str | None = None
    reason: str = ""
    key: str | None = None
    traceparent: str | None = None


class Fault(NamedTuple):
    """Why a bag or a line was refused: a code of the message file and what it names."""

    code: str
    params: Mapping[str, Any]


def fault_of(error: XuelianError | None) -> Fault | None:
    return Fault(error.code, error.params) if error is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one bag: what is to be published, or why not.

    Accepted without a submission: it was taken in before under the same Idempotency-Key.
    """

    bag: Bag
    unit: RecordedUnit | None = None
    submission: Submission | None = None
    event_id: str | None = None
    fault: Fault | None = None

    @property
    def accepted(self) -> bool:
        return self.fault is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    session: Session
    verdicts: tuple[Verdict, ...]


async def scan(gateway: Gateway, asked: Scan, *, book: LabelBook) -> Outcome:
    """Judge a batch and publish what it accepts.

    Raises:
        DomainRefusal: `scan_action_unknown`, `scan_reason_needed`.
        TransientError: PostgreSQL or Kafka is away; nothing was accepted, and sending the same
            again under the same Idempotency-Key is safe.
    """
    change = get_change(asked.action)
    if STEPS[asked.action].needs_reason and not asked.reason:
        raise DomainRefusal("scan_reason_needed", action=asked.action)
    session = assemble(asked.lines, book)
    unit_ids = [bag.label.unit_id for bag in session.bags if bag.label]
    units = await gateway.scans.list_units(unit_ids) if unit_ids else {}
    judging = _Judging(asked=asked, change=change, units=units, now=gateway.clock.now())
    verdicts = [judging.judge(bag) for bag in session.bags]
    if asked.key is not None:
        verdicts = await _recognise_repeats(gateway, asked, verdicts)
    fresh = [one.submission for one in verdicts if one.submission]
    if fresh:
        await gateway.submitter.publish(fresh)
    return Outcome(session=session, verdicts=tuple(verdicts))


@dataclass(slots=True, kw_only=True)
class _Judging:
    """Judges the bags of one batch, in order."""

    asked: Scan
    change: StockChange
    units: Mapping[str, RecordedUnit]
    now: datetime
    seen: dict[str, int] = field(default_factory=dict)

    def judge(self, bag: Bag) -> Verdict:
        if bag.label is None:
            return Verdict(bag=bag, fault=fault_of(bag.fault))
        unit_id = bag.label.unit_id
        event_id = self._name_event(unit_id)
        unit = self.units.get(unit_id)
        try:
            self._ensure_first(bag, unit_id)
            if unit is None:
                raise DomainRefusal("scanned_unit_unknown", unit_id=unit_id)
            ensure_agrees(bag.label, unit)
            ensure_may(
                self.asked.action,
                unit,
                station_id=self.asked.station_id,
                request_id=self.asked.request_id,
                now=self.now,
            )
        except (ContractError, DomainRefusal) as error:
            return Verdict(bag=bag, unit=unit, event_id=event_id, fault=fault_of(error))
        return Verdict(
            bag=bag, unit=unit, event_id=event_id, submission=self._submit(unit, event_id)
        )

    def _ensure_first(self, bag: Bag, unit_id: str) -> None:
        first = self.seen.setdefault(unit_id, bag.lines[0])
        if first != bag.lines[0]:
            raise DomainRefusal("bag_twice", unit_id=unit_id, line=first)

    def _name_event(self, unit_id: str) -> str:
        asked = self.asked
        key = asked.key or asked.scanned_at.isoformat()
        return derive_id(StockChanged.TYPE, asked.source, unit_id, self.change, key)

    def _submit(self, unit: RecordedUnit, event_id: str) -> Submission:
        asked = self.asked
        event = StockChanged(
            station_id=asked.station_id,
            unit_id=unit.unit_id,
            change=self.change,
            happened_at=asked.scanned_at,
            epoch=unit.epoch,
            reason=asked.reason,
        )
        return Submission(
            event=event,
            event_id=event_id,
            source=asked.source,
            time=self.now,
            traceparent=asked.traceparent,
        )


async def _recognise_repeats(
    gateway: Gateway, asked: Scan, verdicts: Sequence[Verdict]
) -> list[Verdict]:
    """A repeat under one key is answered as the first time, though the unit has moved on since."""
    names = {
        verdict.event_id: EventName(
            reader=AppName.SUPPLY,
            source=asked.source,
            event_id=verdict.event_id,
            request_id=verdict.event_id,
        )
        for verdict in verdicts
        if verdict.event_id is not None
    }
    if not names:
        return list(verdicts)
    fates = await gateway.reading.list_fates(list(names.values()))
    return [
        _repeat(verdict, fates.get(names[verdict.event_id])) if verdict.event_id else verdict
        for verdict in verdicts
    ]


def _repeat(verdict: Verdict, fate: Fate | None) -> Verdict:
    """Answer what was answered before; a label that differs from the record stays refused."""
    if fate is None or (verdict.fault is not None and verdict.fault.code not in _MOVED_ON):
        return verdict
    fault: Fault | None = None
    if fate.code is not None:
        fault = Fault(fate.code, fate.params or {})
    elif verdict.submission is not None and not _is_same(verdict.submission, fate):
        fault = Fault("idempotency_key_reused", {})
    return replace(verdict, submission=None, fault=fault)


def _is_same(submission: Submission, fate: Fate) -> bool:
    return sha256(submission.data).hexdigest() == fate.digest
