"""Records of requests as the gateway reads them, for tests of what is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.requests.record import RequestRecord
from models.requests import RequestLine, UrgentRequest
from tests.support.world import NOW

Row = dict[str, Any]
RULE = "red_cells.abo@2026-3"


def say(code: str, rule: str = "", **params: object) -> Row:
    return {"code": code, "params": params, **({"rule": rule} if rule else {})}


def give(unit_id: str, group: str, *, code: str = "identical_group", rank: int = 0) -> Row:
    """A unit that a decision reserves."""
    return {
        "promise_id": f"p-{unit_id}",
        "unit_id": unit_id,
        "component": "red_cells",
        "group": group,
        "expires_at": (NOW + timedelta(days=9)).isoformat(),
        "epoch": 1,
        "volume_ml": 200,
        "reason": say(code, RULE, rank=rank),
    }


def decide(
    version: int,
    outcome: str,
    *,
    why: str = "opened",
    after_h: float = 0,
    lines: Sequence[Mapping[str, Any]] = (),
    reasons: Sequence[Row] = (),
    **others: object,
) -> Row:
    """A decision as it was stored, with the word of the audit."""
    body = {
        "version": version,
        "outcome": outcome,
        "decided_at": (NOW + timedelta(hours=after_h)).isoformat(),
        "lines": list(lines),
        "reasons": list(reasons),
        **others,
    }
    return {"body": body, "why": why}


def decide_line(
    line: RequestLine,
    *units: Row,
    refusals: Sequence[Row] = (),
    uncovered: int = 0,
    refused: int = 0,
    deferred: int = 0,
    unconfirmed: int = 0,
) -> Row:
    said = say("quantity_large", asked=line.quantity, at_once=1)
    return {
        "line_no": line.line_no,
        "component": line.component.value,
        "measure": line.measure.value,
        "requested": line.quantity,
        "covered_hundredths": 100 * len(units),
        "reserved": list(units),
        "uncovered": uncovered,
        "refused": refused,
        "deferred": deferred,
        "unconfirmed": unconfirmed,
        "asked_back": [said] if unconfirmed else [],
        "refusals": list(refusals),
    }


def promise(unit: Row, status: str = "held", *, line_no: int = 1, **changes: object) -> Row:
    return {
        "promise_id": unit["promise_id"],
        "unit_id": unit["unit_id"],
        "component": unit["component"],
        "blood_group": unit["group"],
        "line_no": line_no,
        "status": status,
        "reason": unit["reason"],
        "held_at": NOW,
        "ended_at": None,
        "issued_at": None,
        "unit_source": "stock",
        "expires_at": datetime.fromisoformat(unit["expires_at"]),
        "volume_ml": unit["volume_ml"],
        **changes,
    }


def build_record(
    request: UrgentRequest,
    status: str,
    decisions: Sequence[Row],
    *,
    uncovered: Mapping[int, int] | None = None,
    unconfirmed: int = 0,
    **others: Any,  # noqa: ANN401 - of the record
) -> RequestRecord:
    given: dict[str, Any] = {"promises": (), "eta_s": 1800, "now": NOW + timedelta(minutes=10)}
    looked_for = uncovered or {}
    return RequestRecord(
        row={"status": status, "version": len(decisions), "needed_by": request.needed_by},
        request=request,
        lines=[
            {
                "line_no": line.line_no,
                "uncovered": looked_for.get(line.line_no, 0),
                "unconfirmed": unconfirmed,
            }
            for line in request.lines
        ],
        decisions=decisions,
        **{**given, **others},
    )
