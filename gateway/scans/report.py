"""The report of a batch of scans: whether each line and bag was accepted, and why not. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.invalid_content import FieldError, InvalidContent
from gateway.labels.bags import Label, ScannedLine
from gateway.labels.barcode_values import (
    Division,
    LabelMoment,
    OtherStructure,
    Scanned,
    SpecialTesting,
    find_part,
)
from gateway.reason_texts import explain
from gateway.scans.batch import BagVerdict, EngineWord, Fault, ScanBatch, ScanOutcome
from gateway.scans.scan_intake import fault_of, find_bound
from models.texts import render

ACCEPTED, REFUSED, NOTED = "accepted", "refused", "noted"
"""`noted` is a line that was read and is not used here, such as a lot number."""


def build_report(batch: ScanBatch, outcome: ScanOutcome) -> dict[str, Any]:
    """Return the body of the answer; every reason with its texts, Chinese first."""
    bags = [_render_bag(verdict) for verdict in outcome.verdicts]
    lines = [_render_line(line, outcome) for line in outcome.session.lines if line.text]
    return {
        "station_id": batch.scanner.station_id,
        "action": batch.asked.action,
        "scanned_at": batch.scanned_at,
        "source": batch.caller.source,
        "accepted": sum(verdict.accepted for verdict in outcome.verdicts),
        "awaited": sum(
            verdict.accepted and verdict.engine is EngineWord.AWAITED
            for verdict in outcome.verdicts
        ),
        "refused": sum(line["outcome"] == REFUSED and line["bag"] is None for line in lines)
        + sum(not verdict.accepted for verdict in outcome.verdicts),
        "bags": bags,
        "lines": lines,
    }


def refuse_all(outcome: ScanOutcome) -> InvalidContent:
    """Make the problem of a batch of which nothing was accepted."""
    return InvalidContent("scans_refused", list(_list_faults(outcome)))


def _list_faults(outcome: ScanOutcome) -> Iterator[FieldError]:
    text_of = {line.number: line.text for line in outcome.session.lines}
    for line in outcome.session.lines:
        if line.fault is not None:
            told = render(line.fault.code, line.fault.params)
            yield FieldError(f"line {line.number}: {line.text}", str(told), told)
    for verdict in outcome.verdicts:
        if verdict.fault is not None:
            told = render(verdict.fault.code, verdict.fault.params)
            numbers = verdict.bag.lines
            read = " ".join(text_of[number] for number in numbers)
            yield FieldError(f"bag of lines {numbers[0]}-{numbers[-1]}: {read}", str(told), told)


def _render_bag(verdict: BagVerdict) -> dict[str, Any]:
    label, unit = verdict.bag.label, verdict.unit
    bound = unit if unit and find_bound(unit) else None
    return {
        "unit_id": label.unit_id if label else None,
        "lines": verdict.bag.lines,
        "outcome": ACCEPTED if verdict.accepted else REFUSED,
        "engine": verdict.engine,
        "event_id": verdict.event_id if verdict.engine else None,
        "compared": list_compared(label) if label and unit else [],
        "component": label.product.component if label else None,
        "group": unit.group if unit else None,
        "request_id": bound.request_id if bound else None,
        "transfer_id": bound.transfer_id if bound else None,
        "reason": _explain(verdict.fault),
    }


def _render_line(line: ScannedLine, outcome: ScanOutcome) -> dict[str, Any]:
    verdict = outcome.verdicts[line.bag] if line.bag is not None else None
    fault = fault_of(line.fault) or (verdict.fault if verdict else None)
    taken = ACCEPTED if verdict else NOTED
    return {
        "line": line.number,
        "read": line.text,
        "says": [_render_value(value) for value in line.values],
        "outcome": REFUSED if fault is not None else taken,
        "bag": line.bag,
        "reason": _explain(fault),
    }


def _render_value(value: Scanned) -> dict[str, str]:
    match value:
        case SpecialTesting(structure=number) | OtherStructure(structure=number):
            what = f"ds{number}"
        case LabelMoment(of=of):
            what = of
        case Division():
            what = "division"
        case _:
            what = find_part(value) or ""
    return {"what": what, "value": value.to_text()}


def list_compared(label: Label) -> list[str]:
    """Return the fields of a label that can be compared; parts not scanned are left out."""
    told = (
        ("component", True),
        ("group", label.group is not None),
        ("expires_at", label.expires_at is not None),
        ("volume_ml", label.product.volume_ml is not None),
    )
    return [*(what for what, was_told in told if was_told), *label.traits]


def _explain(fault: Fault | None) -> dict[str, Any] | None:
    return explain(fault.code, fault.params) if fault is not None else None
