"""The versions of a request: as opened, after each amendment, and as PostgreSQL has it now.

A unit was chosen for the request as it stood then. The log does not tell at which instant an
amendment was taken in, so a choice that can no longer be undone is judged leniently: it is wrong
only if no version of the request would have allowed it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checker.compatibility import Patient
from checker.rows import Request
from checker.world import REQUESTS, World, parse_instant


class RowError(ValueError):
    """The JSON of a row does not have the expected form, so the row cannot be judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a request.

    Attributes:
        needed_by: When it is needed at the hospital.
        lines: Line number to the line as asked; packs of the hospital's protocol are not in it.
    """

    patient: Patient
    priority: str
    needed_by: datetime
    lines: Mapping[int, Mapping[str, Any]]

    def wanted(self, line_no: int | None) -> Mapping[str, Any]:
        line = self.lines.get(line_no, {}) if line_no is not None else {}
        return line.get("attributes") or {}


def read_histories(world: World) -> dict[str, list[Version]]:
    """Return every version of every request that PostgreSQL has, the current one last.

    Raises:
        RowError: A request's body has no patient.
    """
    told, antibodies = _read_log(world)
    return {
        request.request_id: [
            *told.get(request.request_id, ()),
            _current(request, antibodies.get(request.request_id, frozenset())),
        ]
        for request in world.rows.requests
    }


def _read_log(world: World) -> tuple[Mapping[str, list[Version]], Mapping[str, frozenset[str]]]:
    """Return the versions of each request, and every antibody that was taken in for its patient."""
    bodies: dict[str, dict[str, Any]] = {}
    found: dict[str, list[Version]] = defaultdict(list)
    antibodies: dict[str, frozenset[str]] = {}
    for record in world.log.of(REQUESTS):
        if record.coordinate in world.quarantined.coordinates or not isinstance(record.body, dict):
            continue
        opened, amended = record.body.get("request"), record.body.get("amendment")
        if isinstance(opened, dict):
            request_id = str(opened.get("request_id"))
            bodies.setdefault(request_id, opened)
        elif isinstance(amended, dict) and str(amended.get("request_id")) in bodies:
            request_id = str(amended["request_id"])
            bodies[request_id] = _amend(bodies[request_id], amended)
        else:
            continue
        version = _version(bodies[request_id])
        found[request_id].append(version)
        if record.identity in world.inbox:
            antibodies[request_id] = version.patient.antibodies
    return found, antibodies


def _amend(body: Mapping[str, Any], amended: Mapping[str, Any]) -> dict[str, Any]:
    """Change what the amendment states: each fact of the patient, each attribute of a line."""
    changed = {**body, **{name: value for name, value in amended.items() if value is not None}}
    before, stated = body.get("patient") or {}, amended.get("patient") or {}
    antibodies = sorted({*(before.get("antibodies") or ()), *(stated.get("antibodies") or ())})
    changed["patient"] = {**before, **stated, "antibodies": antibodies}
    if amended.get("lines"):
        known = {(line["line_no"], line["component"]): line for line in body.get("lines") or ()}
        changed["lines"] = [
            _amend_line(known.get((line["line_no"], line["component"]), {}), line)
            for line in amended["lines"]
        ]
    return changed


def _amend_line(before: Mapping[str, Any], line: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {**(before.get("attributes") or {}), **(line.get("attributes") or {})}
    return {**line, "attributes": attributes}


def _current(request: Request, antibodies: frozenset[str]) -> Version:
    """Return the request as PostgreSQL has it, with every antibody that was ever reported."""
    body = request.body.get("request", request.body)
    if "patient" not in body:
        raise RowError(f"requests.body of {request.request_id} has no patient")
    needed_by = request.needed_by.isoformat()
    patient = body["patient"]
    known = sorted(antibodies.union(patient.get("antibodies") or ()))
    body = {**body, "patient": {**patient, "antibodies": known}}
    return _version({**body, "priority": request.priority, "needed_by": needed_by})


def _version(body: Mapping[str, Any]) -> Version:
    return Version(
        patient=Patient.from_json(body.get("patient") or {}),
        priority=str(body.get("priority")),
        needed_by=parse_instant(body["needed_by"]),
        lines={int(line["line_no"]): line for line in body.get("lines") or ()},
    )
