"""Scans a batch: puts lines together to bags, compares each with its record, and publishes changes.

Everything is read and compared before anything is published, and a verdict says `accepted` only of
what Kafka has acknowledged. PostgreSQL must answer, because a bag that cannot be compared with its
record is not accepted.
"""

from __future__ import annotations

from gateway.invalid_content import InvalidContent
from gateway.labels.bags import assemble
from gateway.labels.label_file import LabelBook
from gateway.runtime import Gateway
from gateway.scans.actions import ensure_actor, list_unfilled
from gateway.scans.batch import EngineWord, ScanBatch, ScanOutcome
from gateway.scans.comparison import compare_bags
from gateway.scans.repeats import apply_fate, recognise_repeats


async def scan(gateway: Gateway, batch: ScanBatch, *, book: LabelBook) -> ScanOutcome:
    """Compare a batch, publish what is accepted, and wait for the engine's answer if that is asked.

    A bag that the engine has not judged by then stays `awaited`, as all bags do while PostgreSQL is
    away.

    Raises:
        DomainRefusal: `scan_action_forbidden`.
        ContractError: `fields_invalid`: a field that the action needs is missing.
        TransientError: PostgreSQL or Kafka is away; nothing was accepted, and sending the same
            again under the same Idempotency-Key is safe.
    """
    asked = batch.asked
    ensure_actor(asked.action, batch.scanner.actor)
    unfilled = list(
        list_unfilled(asked.action, reason=asked.reason, out_of_control_s=asked.out_of_control_s)
    )
    if unfilled:
        raise InvalidContent("fields_invalid", unfilled)
    session = assemble(asked.barcodes, book)
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
