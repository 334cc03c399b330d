"""Scans a batch: puts lines together to bags, compares each with its record, and publishes changes.

Everything is read and compared before anything is published, and a verdict says `accepted` only of
what Kafka has acknowledged. PostgreSQL must answer, because a bag that cannot be compared with its
record is not accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256

from gateway.intake.submissions import Submission
from gateway.invalid_content import FieldError, InvalidContent, ensure_possible
from gateway.labels.actions import (
    STEPS,
    ensure_actor,
    ensure_may,
    ensure_own,
    get_epoch,
    is_kept,
    list_unfilled,
)
from gateway.labels.agreement import ensure_agrees
from gateway.labels.bags import Bag, assemble
from gateway.labels.book import LabelBook
from gateway.runtime import Gateway
from gateway.scans.batch import BagVerdict, EngineWord, ScanBatch, ScanOutcome, fault_of
from gateway.scans.fates import await_engine, recognise_repeats
from models.base import derive_id
from models.errors import DomainRefusal
from models.events.stock import StockChanged
from models.rules.rulebook import Rulebook
from models.texts import render
from models.units import RecordedUnit


async def scan(gateway: Gateway, asked: ScanBatch, *, book: LabelBook) -> ScanOutcome:
    """Judge a batch, publish what is accepted, and wait for the engine's answer if that is asked.

    Raises:
        DomainRefusal: `scan_action_forbidden`.
        ContractError: `fields_invalid`: a field that the action needs is missing.
        TransientError: PostgreSQL or Kafka is away; nothing was accepted, and sending the same
            again under the same Idempotency-Key is safe.
    """
    ensure_actor(asked.action, asked.scanner.actor)
    _ensure_filled(asked)
    session = assemble(asked.lines, book)
    unit_ids = [bag.label.unit_id for bag in session.bags if bag.label]
    units = await gateway.scans.list_units(unit_ids) if unit_ids else {}
    judging = _Judging(asked=asked, units=units, now=gateway.clock.now(), rules=gateway.rules)
    verdicts = [judging.judge(bag) for bag in session.bags]
    if asked.key is not None:
        verdicts = await recognise_repeats(asked, verdicts, look=gateway.reading.list_fates)
    fresh = [verdict.submission for verdict in verdicts if verdict.submission]
    if fresh:
        await gateway.submitter.publish(fresh)
    if asked.wait_s:
        verdicts = await await_engine(
            asked,
            verdicts,
            look=gateway.reading.list_fates,
            monotonic=gateway.parts.monotonic,
        )
    return ScanOutcome(session=session, verdicts=tuple(verdicts))


def _ensure_filled(asked: ScanBatch) -> None:
    faults = []
    for name, error in list_unfilled(
        asked.action, reason=asked.reason, out_of_control_s=asked.out_of_control_s
    ):
        told = render(error.code)
        faults.append(FieldError(name, str(told), told))
    if faults:
        raise InvalidContent("fields_invalid", faults)


@dataclass(slots=True, kw_only=True)
class _Judging:
    """Judges the bags of one batch, in order."""

    asked: ScanBatch
    units: Mapping[str, RecordedUnit]
    now: datetime
    rules: Rulebook
    seen: dict[str, int] = field(default_factory=dict)

    def judge(self, bag: Bag) -> BagVerdict:
        if bag.label is None:
            return BagVerdict(bag=bag, fault=fault_of(bag.fault))
        try:
            unit = self._get_unit(bag, bag.label.unit_id)
        except DomainRefusal as error:
            return BagVerdict(bag=bag, fault=fault_of(error))
        keyed_id = self._find_keyed_id(unit.unit_id)
        try:
            ensure_agrees(bag.label, unit)
            ensure_may(
                self.asked.action,
                unit,
                scanner=self.asked.scanner,
                request_id=self.asked.request_id,
                now=self.now,
                rules=self.rules,
            )
        except DomainRefusal as error:
            refused = BagVerdict(bag=bag, unit=unit, event_id=keyed_id, fault=fault_of(error))
            if not is_kept(self.asked.action, unit, error):
                return refused
            return self._send(refused, unit)
        return self._send(BagVerdict(bag=bag, unit=unit, event_id=keyed_id), unit)

    def _send(self, verdict: BagVerdict, unit: RecordedUnit) -> BagVerdict:
        submission = self._submit(unit, verdict.event_id)
        return replace(
            verdict,
            event_id=submission.event_id,
            submission=submission,
            engine=EngineWord.AWAITED,
        )

    def _get_unit(self, bag: Bag, unit_id: str) -> RecordedUnit:
        """Find the record to compare the bag with; a hospital may see only its own units."""
        first = self.seen.setdefault(unit_id, bag.lines[0])
        if first != bag.lines[0]:
            raise DomainRefusal("bag_twice", unit_id=unit_id, line=first)
        unit = self.units.get(unit_id)
        if unit is None:
            raise DomainRefusal("scanned_unit_unknown", unit_id=unit_id)
        ensure_own(unit, self.asked.scanner)
        return unit

    def _find_keyed_id(self, unit_id: str) -> str | None:
        """Derive the event id from the Idempotency-Key, so that a repeat has the same id."""
        asked = self.asked
        if asked.key is None:
            return None
        change = STEPS[asked.action].change
        return derive_id(StockChanged.TYPE, asked.source, unit_id, change, asked.key)

    def _submit(self, unit: RecordedUnit, keyed_id: str | None) -> Submission:
        asked = self.asked
        event = StockChanged(
            station_id=asked.scanner.station_id,
            unit_id=unit.unit_id,
            change=STEPS[asked.action].change,
            happened_at=asked.scanned_at,
            epoch=get_epoch(asked.action, unit),
            out_of_control_s=asked.out_of_control_s,
            done_by=asked.done_by,
            reason=asked.reason,
        )
        ensure_possible(event, now=self.now)
        # Without a key, equal content is a repeat, as in every other call.
        digest = sha256(event.to_body()).hexdigest()
        return Submission(
            event=event,
            event_id=keyed_id or derive_id(StockChanged.TYPE, asked.source, digest),
            source=asked.source,
            time=self.now,
            traceparent=asked.traceparent,
        )
