"""What happens in a seeded world, act by act, leaving its rows and events as the engine does.

Builders only: which acts make up the story is `seeding_story.py`'s to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from models.compatibility import find_candidate
from models.components import Component
from models.decisions import Decision, LineDecision, Outcome, Reason, ReservedUnit
from models.doses import content_of
from models.events.requests import (
    RequestDecided,
    RequestOpened,
)
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import (
    Priority,
    UrgentRequest,
)
from models.rules.rulebook import PACKAGED
from streams.store.requests import list_recipients
from tests.support.seeding import Seed, minutes
from tests.support.world import one_unit_ml

STATION, NEIGHBOUR, HOSPITAL = "nagqu", "ngari", "nagqu-county"
HOSPITAL_SOURCE = f"hospital/{HOSPITAL}"
ETA_S = 1800


def unit(seed: Seed, unit_id: str, **changes: object) -> None:
    """Add a unit: released A+ red cells from stock, unless told otherwise."""
    row: dict[str, object] = {
        "unit_id": unit_id,
        "donation_id": f"D-{unit_id}",
        "station_id": STATION,
        "component": "red_cells",
        "blood_group": changes.pop("group", "A+"),
        "volume_ml": one_unit_ml(Component(str(changes.get("component", "red_cells")))),
        "collected_at": minutes(-5 * 1440),
        "expires_at": minutes(20 * 1440),
        "traits": {},
        "status": "available",
        "source": "stock",
        "released_at": minutes(-1440),
        "attested_by": "seed",
    }
    seed.rows["units"].append(row | changes)


def patient_columns(patient: Patient) -> dict[str, Any]:
    """What PostgreSQL judges a promise by."""
    return {
        **list_recipients(patient),
        "patient_has_anti_d": patient.has_anti_d,
        "patient_is_asian_del": patient.asian_del,
        "patient_has_consented": patient.rhd_consent is not None,
        "patient_antibodies_passed": False,
    }


def request(
    seed: Seed,
    request_id: str,
    patient: Patient,
    *,
    at: float,
    quantity: int,
    component: str = "red_cells",
    priority: Priority = Priority.URGENT,
    attributes: dict[str, object] | None = None,
) -> None:
    """Add a request that was sent, taken in and kept; `decide` makes its decisions."""
    opened = UrgentRequest.model_validate(
        {
            "request_id": request_id,
            "hospital_id": HOSPITAL,
            "station_id": STATION,
            "patient": patient,
            "priority": priority,
            "needed_by": minutes(at + 120),
            "lines": [
                {
                    "line_no": 1,
                    "component": component,
                    "quantity": quantity,
                    "attributes": attributes or {},
                }
            ],
        }
    )
    seed.take_in(
        RequestOpened(request=opened),
        event_id=f"e-{request_id}",
        source=HOSPITAL_SOURCE,
        at=minutes(at),
    )
    seed.rows["requests"].append(
        {
            "request_id": request_id,
            "hospital_id": HOSPITAL,
            "station_id": STATION,
            "priority": priority,
            "needed_by": opened.needed_by,
            "status": "open",
            "waiting_for": "donors_and_neighbours",
            "version": 1,
            "body": opened.model_dump(mode="json", exclude_none=True),
            **patient_columns(patient),
            "opened_at": minutes(at),
            "decided_at": minutes(at),
        }
    )
    seed.rows["request_lines"].append(
        {
            "request_id": request_id,
            "line_no": 1,
            "component": component,
            "measure": "unit",
            "quantity": quantity,
            "uncovered": 0,
            "uncovered_units": 0,
        }
    )


def decide(
    seed: Seed,
    request_id: str,
    *,
    at: float,
    units: Sequence[str] = (),
    outcome: Outcome = Outcome.RESERVED,
) -> None:
    """Add a decision: its row, its promises, its event, and the request as it stands after it."""
    row = seed.row("requests", request_id=request_id)
    line = seed.row("request_lines", request_id=request_id)
    versions = [
        decision for decision in seed.rows["decisions"] if decision["request_id"] == request_id
    ]
    reserved = tuple(
        promise(seed, unit_id, at=minutes(at), request_id=request_id) for unit_id in units
    )
    decision = Decision(
        decision_id=f"{request_id}.v{len(versions) + 1}",
        request_id=request_id,
        hospital_id=HOSPITAL,
        station_id=STATION,
        version=len(versions) + 1,
        outcome=outcome,
        lines=(
            LineDecision(
                line_no=1,
                component=line["component"],
                measure=line["measure"],
                requested=line["quantity"],
                covered_hundredths=_measure_covered(seed, request_id),
                reserved=reserved,
                uncovered=max(0, line["quantity"] - len(reserved)),
            ),
        )
        if units or outcome is Outcome.WAITING
        else (),
        eta_s=ETA_S if units else None,
        waiting_for="picking" if outcome is Outcome.RESERVED else "",
        decided_at=minutes(at),
        rules_version="2026-3",
    )
    seed.rows["decisions"].append(
        {
            "decision_id": decision.decision_id,
            "request_id": request_id,
            "version": decision.version,
            "outcome": outcome,
            "eta_s": decision.eta_s,
            "body": decision.model_dump(mode="json", exclude_none=True),
            "decided_at": minutes(at),
        }
    )
    is_open = outcome in {Outcome.PARTLY_RESERVED, Outcome.WAITING, Outcome.DEFERRED}
    status = "open" if is_open else outcome
    waiting = {"open": "donors_and_neighbours", "reserved": "picking"}.get(status, "")
    row |= {"status": status, "waiting_for": waiting, "version": decision.version}
    row["decided_at"] = minutes(at)
    seed.emit(RequestDecided(decision=decision), at=minutes(at))


def _measure_covered(seed: Seed, request_id: str) -> int:
    """Return what the live promises of a request hold, in hundredths of a unit."""
    live = [
        seed.row("units", unit_id=promise["unit_id"])
        for promise in seed.rows["promises"]
        if promise["request_id"] == request_id
        and promise["status"] in {"held", "issued", "received"}
    ]
    return sum(content_of(Component(row["component"]), row["volume_ml"]) for row in live)


def promise(
    seed: Seed,
    unit_id: str,
    *,
    at: datetime,
    request_id: str | None = None,
    transfer_id: str | None = None,
) -> ReservedUnit:
    """Add a live promise under the unit's next epoch."""
    row = seed.row("units", unit_id=unit_id)
    epoch = 1 + sum(1 for promise in seed.rows["promises"] if promise["unit_id"] == unit_id)
    rule = _cite_rule(seed, row, request_id)
    seed.rows["promises"].append(
        {
            "promise_id": f"{unit_id}.e{epoch}",
            "unit_id": unit_id,
            "component": row["component"],
            "blood_group": row["blood_group"],
            "epoch": epoch,
            "request_id": request_id,
            "line_no": 1 if request_id else None,
            "transfer_id": transfer_id,
            "status": "held",
            "rule": rule.partition("@")[0],
            "reason": {"code": "identical_group", "rule": rule},
            "held_at": at,
            "hold_until": at + timedelta(hours=4),
        }
    )
    row["epoch"] = epoch
    # A unit that is promised once too often: its own row and the audit know only of the first.
    if row["status"] == "available":
        row["status"] = "reserved"
        trail(seed, unit_id, "reserved", at=at)
    return ReservedUnit(
        promise_id=f"{unit_id}.e{epoch}",
        unit_id=unit_id,
        component=row["component"],
        group=row["blood_group"],
        expires_at=row["expires_at"],
        epoch=epoch,
        volume_ml=row["volume_ml"],
        reason=Reason(code="identical_group"),
    )


def _cite_rule(seed: Seed, unit_row: dict[str, Any], request_id: str | None) -> str:
    """The rule under which the engine would promise it; none where it would not."""
    if request_id is None:
        return ""
    body = seed.row("requests", request_id=request_id)["body"]
    candidate = find_candidate(
        BloodGroup(unit_row["blood_group"]),
        component=Component(unit_row["component"]),
        patient=Patient.model_validate(body["patient"]),
        priority=Priority(body["priority"]),
        policy=StationPolicy(),
        rules=PACKAGED,
    )
    return candidate.rule if candidate else ""


def end_promise(seed: Seed, unit_id: str, *, status: str, at: float) -> None:
    """End the unit's live promise; a unit that is given back is available again."""
    (live,) = [
        promise
        for promise in seed.rows["promises"]
        if promise["unit_id"] == unit_id and promise["status"] == "held"
    ]
    live |= {"status": status, "ended_at": minutes(at)}
    if status == "released":
        seed.row("units", unit_id=unit_id)["status"] = "available"
        trail(seed, unit_id, "available", at=minutes(at))


def trail(seed: Seed, unit_id: str, to_state: str, *, at: datetime) -> None:
    """One more step in the audit, from where the unit's last one ended."""
    before = [row["to_state"] for row in seed.rows["audit"] if row["subject"] == unit_id]
    seed.link(
        subject_kind="unit",
        subject=unit_id,
        station_id=STATION,
        from_state=before[-1] if before else "available",
        to_state=to_state,
        why="seed",
        actor="system",
        caused_by="seed",
        at=at,
    )


def call(
    seed: Seed, call_out_id: str, donor_id: str, *, at: float, status: str, **more: object
) -> None:
    ended_at = more.pop("ended_at", None)
    seed.rows["call_outs"].append(
        {
            "call_out_id": call_out_id,
            "donor_id": donor_id,
            "station_id": STATION,
            "cause_id": "s-1",
            "wave": 1,
            "status": status,
            "called_at": minutes(at),
            "ended_at": minutes(ended_at) if isinstance(ended_at, int) else None,
            **more,
        }
    )
