"""Requests, lines, promises and decisions of one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import orjson

from models.components import Component, ComponentClass
from models.decisions import Decision, ReservedUnit
from models.doses import OrderMeasure
from models.errors import TransientError
from models.patient_records import PatientRecord, name_patient
from models.patients import Patient
from models.recipients import find_recipient
from models.requests import Priority, RequestStatus, UrgentRequest
from streams.matching.allocation.remedies import list_same_use
from streams.ports.requests import (
    LineState,
    PastOrders,
    PatientWrite,
    PromisedBag,
    RequestState,
    Ruling,
    SeenPatient,
)
from streams.ports.unit_of_work import Transition
from streams.store.audit import RecordTransition
from streams.store.locks import PgLocks
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Connection

_QUERIES = load_queries("requests")

_EMERGENCY = "emergency release: "
"""Begins the word of the audit for a unit that a named clinician takes past a test."""

_USES = {
    component.value: f"{{{','.join(sorted(list_same_use(component)))}}}" for component in Component
}
"""What may help who lacks a component, each an array as PostgreSQL writes one."""


class PgRequests:
    def __init__(self, connection: Connection, record: RecordTransition, locks: PgLocks) -> None:
        self._connection = connection
        self._record = record
        self._locks = locks

    async def list_known(self, request_ids: Sequence[str]) -> frozenset[str]:
        rows = _QUERIES.list_known(self._connection, request_ids=list(request_ids))
        return frozenset([row["request_id"] async for row in rows])

    async def lock_requests(self, request_ids: Sequence[str]) -> dict[str, RequestState]:
        wanted = list(request_ids)
        found = _QUERIES.lock_requests(
            self._connection, request_ids=wanted, locked=self._locks.names
        )
        rows = [row async for row in found]
        if len(rows) < len(set(wanted)):
            others = _QUERIES.list_request_stations(self._connection, request_ids=wanted)
            self._locks.ensure([row["station_id"] async for row in others])
        return {state.request.request_id: state for state in await self._complete(rows)}

    async def read_requests(self, request_ids: Sequence[str]) -> list[RequestState]:
        found = _QUERIES.read_requests(self._connection, request_ids=list(request_ids))
        return await self._complete([row async for row in found])

    async def _complete(self, rows: Sequence[Mapping[str, Any]]) -> list[RequestState]:
        """Return requests with their lines, in the order of the rows."""
        if not rows:
            return []
        lines: dict[str, list[LineState]] = defaultdict(list)
        wanted = [row["request_id"] for row in rows]
        async for row in _QUERIES.list_line_states(self._connection, request_ids=wanted):
            bags = (
                PromisedBag(**{**bag, "component": Component(bag["component"])})
                for bag in row["bags"]
            )
            told = {name: row[name] for name in ("line_no", "uncovered", "unconfirmed")}
            lines[row["request_id"]].append(LineState(**told, bags=tuple(bags)))
        return [
            RequestState(
                request=UrgentRequest.of_row(row["body"]),
                status=RequestStatus(row["status"]),
                waiting_for=row["waiting_for"],
                version=row["version"],
                lines=tuple(lines[row["request_id"]]),
                opened_at=row["opened_at"],
            )
            for row in rows
        ]

    async def count_orders(
        self, hospital_id: str, *, priority: Priority, since: datetime, besides: str
    ) -> list[PastOrders]:
        which = {"priority": priority, "since": since, "besides": besides}
        rows = _QUERIES.count_orders(self._connection, hospital_id=hospital_id, **which)
        return [
            PastOrders(
                component=Component(row["component"]),
                measure=OrderMeasure(row["measure"]),
                quantity=row["quantity"],
                orders=row["orders"],
            )
            async for row in rows
        ]

    async def find_last_decision(self, request_id: str) -> Decision | None:
        row = await _QUERIES.find_last_decision(self._connection, request_id=request_id)
        return None if row is None else Decision.model_validate(row["body"])

    async def list_servable(
        self, station_id: str, *, after: str | None, limit: int, now: datetime
    ) -> list[str]:
        rows = _QUERIES.list_servable(
            self._connection, station_id=station_id, after=after, limit=limit, uses=_USES, now=now
        )
        return [row["request_id"] async for row in rows]

    async def list_waiting_stations(self, *, now: datetime) -> list[str]:
        rows = _QUERIES.list_waiting_stations(self._connection, uses=_USES, now=now)
        return [row["station_id"] async for row in rows]

    async def list_patients(self, requests: Sequence[UrgentRequest]) -> Mapping[str, SeenPatient]:
        asked = [
            {
                "request_id": request.request_id,
                "hospital_id": request.hospital_id,
                "reference": request.patient.reference,
                "components": sorted({line.component for line in request.lines}),
            }
            for request in requests
        ]
        rows = _QUERIES.list_patients(self._connection, asked=asked)
        return {
            row["request_id"]: SeenPatient(record=_read_patient(row), others=tuple(row["others"]))
            async for row in rows
        }

    async def find_patient(self, hospital_id: str, reference: str) -> PatientRecord | None:
        _, key = name_patient(hospital_id, reference)
        row = await _QUERIES.find_patient(
            self._connection, hospital_id=hospital_id, reference_key=key
        )
        return None if row is None else _read_patient(row)

    async def list_of_patient(self, hospital_id: str, reference: str) -> list[str]:
        _, key = name_patient(hospital_id, reference)
        rows = _QUERIES.list_of_patient(
            self._connection, hospital_id=hospital_id, reference_key=key
        )
        return [row["request_id"] async for row in rows]

    async def write_patient(
        self, written: PatientWrite, *, station_id: str, why: str, now: datetime
    ) -> None:
        self._record(_audit_patient(written, station_id=station_id, why=why))
        await _QUERIES.write_patients(self._connection, patients=[_patient_row(written)], now=now)

    async def count_capped(
        self, request_id: str, *, hospital_id: str, patient_reference: str | None
    ) -> int:
        count: int = await _QUERIES.count_capped(
            self._connection,
            request_id=request_id,
            hospital_id=hospital_id,
            reference=patient_reference,
        )
        return count

    async def write(self, rulings: Sequence[Ruling]) -> None:
        self._record_all(rulings)
        await self._write_rows(rulings)

    def _record_all(self, rulings: Sequence[Ruling]) -> None:
        for ruling in rulings:
            self._record(_audit_request(ruling), ruling.context)
            if ruling.patient is not None and ruling.patient.changes:
                station_id = ruling.request.station_id
                told = _audit_patient(ruling.patient, station_id=station_id, why=ruling.why)
                self._record(told, ruling.context)
        for ruling in rulings:
            for transition in _audit_units(ruling):
                self._record(transition, ruling.context)

    async def _write_rows(self, rulings: Sequence[Ruling]) -> None:
        written = RulingRows.of(rulings)
        (counts,) = [
            row
            async for row in _QUERIES.write_rulings(
                self._connection,
                batch=written.batch,
                now=written.instant,
                directory=written.directory_version,
            )
        ]
        if counts["requests"] != len(written.batch["requests"]) or counts["units"] != len(
            written.batch["promises"]
        ):
            raise TransientError("postgres_contended", detail="request or unit")


@dataclass(frozen=True, slots=True)
class RulingRows:
    """Rulings as rows: an array per table. Written by `write_rulings`, or within `settle`."""

    batch: dict[str, list[dict[str, Any]]]
    instant: datetime
    directory_version: int | None

    @classmethod
    def of(cls, rulings: Sequence[Ruling]) -> Self:
        batch = {
            "requests": [_request_row(ruling) for ruling in rulings],
            "lines": [row for ruling in rulings for row in _line_rows(ruling)],
            "promises": [row for ruling in rulings for row in _promise_rows(ruling)],
            "decisions": [_decision_row(ruling) for ruling in rulings],
            "patients": list(_patient_rows(rulings)),
        }
        versions = (ruling.directory_version for ruling in rulings)
        oldest = min((version for version in versions if version is not None), default=None)
        return cls(batch, rulings[0].decision.decided_at, oldest)


def list_recipients(patient: Patient) -> dict[str, str]:
    """Return the columns that say for which group each class of components is chosen."""
    columns = {
        "patient_group": ComponentClass.RED_CELLS,
        "patient_plasma_group": ComponentClass.PLASMA,
        "patient_platelet_group": ComponentClass.PLATELETS,
        "patient_whole_blood_group": ComponentClass.WHOLE_BLOOD,
    }
    return {
        column: find_recipient(of_class, patient).group or "unknown"
        for column, of_class in columns.items()
    }


def _request_row(ruling: Ruling) -> dict[str, Any]:
    request, decision = ruling.request, ruling.decision
    return {
        "request_id": request.request_id,
        "hospital_id": request.hospital_id,
        "station_id": request.station_id,
        "priority": request.priority,
        "needed_by": request.needed_by,
        "status": ruling.status,
        "waiting_for": decision.waiting_for,
        "version": decision.version,
        "body": _as_json(request),
        **list_recipients(request.patient),
        "patient_has_anti_d": request.patient.has_anti_d,
        "patient_is_asian_del": request.patient.asian_del,
        "patient_has_consented": request.patient.rhd_consent is not None,
        "patient_antibodies_passed": _are_antibodies_passed(request),
        "opened_at": ruling.opened_at,
        "keep_lines": [line.line_no for line in decision.lines],
    }


def _read_patient(row: Mapping[str, Any]) -> PatientRecord | None:
    if row["body"] is None:
        return None
    return PatientRecord.of_row({**row["body"], "version": row["version"]})


def _patient_rows(rulings: Sequence[Ruling]) -> Iterable[dict[str, Any]]:
    """Yield a row per patient. Of several rulings on one, the last has learnt from all of them."""
    written = {
        ruling.patient.record.key: ruling.patient
        for ruling in rulings
        if ruling.patient is not None
    }
    return [_patient_row(written[key]) for key in sorted(written)]


def _patient_row(written: PatientWrite) -> dict[str, Any]:
    record = written.record
    hospital_id, reference_key = record.key
    kept = orjson.Fragment(record.model_dump_json(exclude={"version"}, exclude_none=True))
    return {
        "hospital_id": hospital_id,
        "reference_key": reference_key,
        "version": record.version,
        "body": kept if written.changes else None,
    }


def _audit_patient(written: PatientWrite, *, station_id: str, why: str) -> Transition:
    hospital_id, reference_key = written.record.key
    return Transition(
        subject_kind="patient",
        subject=f"{hospital_id}/{reference_key}",
        station_id=station_id,
        from_state="known" if written.record.version else "",
        to_state=f"changed {' '.join(written.changes)}",
        why=why,
    )


def _audit_request(ruling: Ruling) -> Transition:
    return Transition(
        subject_kind="request",
        subject=ruling.request.request_id,
        station_id=ruling.request.station_id,
        from_state=ruling.from_status,
        to_state=ruling.status,
        why=ruling.why,
    )


def _audit_units(ruling: Ruling) -> Iterable[Transition]:
    of = ruling.decision.request_id
    for line in ruling.decision.lines:
        for unit in line.reserved:
            yield Transition(
                subject_kind="unit",
                subject=unit.unit_id,
                station_id=ruling.decision.station_id,
                from_state="available",
                to_state="reserved",
                why=_write_why(unit, of),
            )


def _write_why(unit: ReservedUnit, request_id: str) -> str:
    why = f"{_EMERGENCY}{request_id}" if unit.emergency_release else request_id
    by = unit.reason.params.get("by")
    return f"{why} by hand of {by}: {unit.reason.params['reason']}" if by else why


def _are_antibodies_passed(request: UrgentRequest) -> bool:
    release = request.emergency_release
    is_in_danger = request.priority is Priority.LIFE_THREATENING
    return is_in_danger and release is not None and release.passes_antibodies


def _line_rows(ruling: Ruling) -> Iterable[dict[str, Any]]:
    for line in ruling.decision.lines:
        yield {
            "request_id": ruling.request.request_id,
            "line_no": line.line_no,
            "component": line.component,
            "measure": line.measure,
            "quantity": line.requested,
            "uncovered": line.uncovered,
            "uncovered_units": line.uncovered_units,
            "deferred_units": line.deferred_units,
            "unconfirmed": line.unconfirmed,
        }


def _promise_rows(ruling: Ruling) -> Iterable[dict[str, Any]]:
    decision = ruling.decision
    for line in decision.lines:
        for unit in line.reserved:
            yield {
                "promise_id": unit.promise_id,
                "unit_id": unit.unit_id,
                "component": unit.component,
                "blood_group": unit.group,
                "epoch": unit.epoch,
                "request_id": decision.request_id,
                "line_no": line.line_no,
                "capped": unit.capped,
                "emergency": unit.emergency_release,
                "rule": unit.reason.rule.partition("@")[0],
                "reason": _as_json(unit.reason),
                "hold_until": _hold_until(decision, unit),
            }


def _hold_until(decision: Decision, unit: ReservedUnit) -> datetime | None:
    """Return until when a unit is held: no longer than it can be given in time."""
    last = unit.leaves_by or unit.expires_at
    return min(decision.hold_until, last) if decision.hold_until else None


def _decision_row(ruling: Ruling) -> dict[str, Any]:
    decision = ruling.decision
    return {
        "decision_id": decision.decision_id,
        "request_id": decision.request_id,
        "version": decision.version,
        "outcome": decision.outcome,
        "eta_s": decision.eta_s,
        "body": _as_json(decision),
    }


def _as_json(value: Any) -> orjson.Fragment:  # noqa: ANN401 - any pydantic value
    return orjson.Fragment(value.model_dump_json(exclude_none=True))
