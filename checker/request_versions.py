"""The versions of a request: as opened, after each amendment, and as PostgreSQL has it now.

A unit was chosen for the request as it stood then. The log does not tell at which instant an
amendment was taken in, so a choice that can no longer be undone is judged leniently: it is wrong
only if no version of the request would have allowed it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from checker.bag_content import count_dose
from checker.compatibility import Patient
from checker.database_rows import Request
from checker.evidence import REQUESTS, World, parse_instant
from checker.patient_memory import Memory, name_patient


class RequestRowError(ValueError):
    """The JSON of a row does not have the expected form, so the row cannot be judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a request.

    Attributes:
        needed_by: When it is needed at the hospital.
        lines: Line number to the line as asked; packs of the hospital's protocol are not in it.
        passes: What a named clinician passes; it counts while life is in danger.
    """

    patient: Patient
    priority: str
    needed_by: datetime
    lines: Mapping[int, Mapping[str, Any]]
    passes: frozenset[str] = frozenset()

    def wanted(self, line_no: int | None) -> Mapping[str, Any]:
        line = self.lines.get(line_no, {}) if line_no is not None else {}
        return line.get("attributes") or {}


def read_histories(world: World) -> dict[str, list[Version]]:
    """Return every version of every request that PostgreSQL has, the current one last.

    Raises:
        RequestRowError: A request's body has no patient.
    """
    told = _ToldVersions()
    for record in world.log.of(REQUESTS):
        if record.coordinate in world.quarantined.coordinates or not isinstance(record.body, dict):
            continue
        counts = "bag" if (record.type or "").endswith(".v1") else "unit"
        told.hear(record.body, counts=counts, is_taken_in=record.identity in world.inbox)
    return {
        request.request_id: [*told.versions.get(request.request_id, ()), _current(request, told)]
        for request in world.rows.requests
    }


@dataclass(slots=True)
class _ToldVersions:
    """The versions of each request as the log tells them, and what is known of each patient.

    Attributes:
        memories: What every record tells, and by which the versions read.
        taken_in: The same of the records that were taken in, by which requests read now.
    """

    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, list[Version]] = field(default_factory=lambda: defaultdict(list))
    memories: dict[tuple[str, str], Memory] = field(default_factory=lambda: defaultdict(Memory))
    taken_in: dict[tuple[str, str], Memory] = field(default_factory=lambda: defaultdict(Memory))

    def hear(self, body: Mapping[str, Any], *, counts: str, is_taken_in: bool) -> None:
        """Hear a record; `counts` is what its lines count where they do not say so."""
        opened, amended, changed = body.get("request"), body.get("amendment"), body.get("change")
        kept = [self.memories, *([self.taken_in] if is_taken_in else ())]
        if isinstance(opened, dict):
            request_id = str(opened.get("request_id"))
            told = self.bodies.setdefault(request_id, _amend({}, opened, counts=counts))
            self._add_version(request_id, told, kept, {})
        elif isinstance(amended, dict) and str(amended.get("request_id")) in self.bodies:
            request_id = str(amended["request_id"])
            self.bodies[request_id] = _amend(self.bodies[request_id], amended, counts=counts)
            correction = amended.get("correction") or {}
            self._add_version(request_id, self.bodies[request_id], kept, correction)
        elif isinstance(changed, dict):
            self._change(changed, kept)

    def _add_version(
        self,
        request_id: str,
        body: dict[str, Any],
        kept: list[dict[tuple[str, str], Memory]],
        correction: Mapping[str, Any],
    ) -> None:
        name = name_patient(body)
        for memories in kept:
            memories[name].hear(body.get("patient") or {}, list(body.get("lines") or ()))
            memories[name].correct(correction)
        # What was withdrawn is not told again by a later amendment.
        self.bodies[request_id] = self.memories[name].complete(body)
        self.versions[request_id].append(_version(self.bodies[request_id]))

    def _change(self, change: Mapping[str, Any], kept: list[dict[tuple[str, str], Memory]]) -> None:
        name = (str(change.get("hospital_id")), str(change.get("reference")).lower())
        for memories in kept:
            memory = memories[name]
            memory.hear(change.get("patient") or {}, [])
            memory.needs |= {*(change.get("special_needs") or ())}
            memory.correct(change.get("correction") or {})
        for request_id, body in self.bodies.items():
            if name_patient(body) == name:
                self.bodies[request_id] = self.memories[name].complete(body)
                self.versions[request_id].append(_version(self.bodies[request_id]))


def _amend(body: Mapping[str, Any], amended: Mapping[str, Any], *, counts: str) -> dict[str, Any]:
    """Change what the amendment states: each fact of the patient, each attribute of a line.

    Args:
        body: The request so far; empty for a new one.
        amended: What is stated.
        counts: What the lines of its version count where they do not say so.
    """
    changed = {**body, **{name: value for name, value in amended.items() if value is not None}}
    before, stated = body.get("patient") or {}, amended.get("patient") or {}
    antibodies = sorted({*(before.get("antibodies") or ()), *(stated.get("antibodies") or ())})
    changed["patient"] = {**before, **stated, "antibodies": antibodies}
    if amended.get("lines"):
        known = {(line["line_no"], line["component"]): line for line in body.get("lines") or ()}
        changed["lines"] = [
            _amend_line(known.get((line["line_no"], line["component"]), {}), line, counts=counts)
            for line in amended["lines"]
        ]
    return changed


def _amend_line(
    before: Mapping[str, Any], line: Mapping[str, Any], *, counts: str
) -> dict[str, Any]:
    attributes = {**(before.get("attributes") or {}), **(line.get("attributes") or {})}
    if line.get("quantity") is None and line.get("for_weight_kg") is not None:
        dose = count_dose(str(line["component"]), int(line["for_weight_kg"]))
        return {**line, "measure": "unit", "quantity": dose, "attributes": attributes}
    measure = before.get("measure", counts) if counts != "bag" else counts
    return {"measure": measure, **line, "attributes": attributes}


def _current(request: Request, told: _ToldVersions) -> Version:
    """Return the request as PostgreSQL has it, with everything that was told of its patient."""
    body = request.body.get("request", request.body)
    if "patient" not in body:
        raise RequestRowError(f"requests.body of {request.request_id} has no patient")
    named = {**body, "request_id": request.request_id, "hospital_id": request.hospital_id}
    memory = told.taken_in.get(name_patient(named))
    if memory is not None:
        body = memory.complete_row(named)
    needed_by = request.needed_by.isoformat()
    return _version({**body, "priority": request.priority, "needed_by": needed_by})


def _version(body: Mapping[str, Any]) -> Version:
    release = body.get("emergency_release") or {}
    is_in_danger = body.get("priority") == "life_threatening"
    # Where a release says nothing, it passes antibodies.
    passes = frozenset(release.get("passes") or ("antibodies",)) if release else frozenset()
    return Version(
        passes=passes if is_in_danger else frozenset(),
        patient=Patient.from_json(body.get("patient") or {}),
        priority=str(body.get("priority")),
        needed_by=parse_instant(body["needed_by"]),
        lines={int(line["line_no"]): line for line in body.get("lines") or ()},
    )
