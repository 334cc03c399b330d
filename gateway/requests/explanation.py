"""Explains a request in both languages, from what is on record of it. Pure.

In the order in which it is read at night: where it stands, what was given and why, what was passed
over, what would change the answer, what was done meanwhile, and why it was decided again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gateway.reason_texts import explain, explain_reason
from gateway.requests.given_units import describe_bags
from gateway.requests.passed_over import (
    describe_passed_over,
    find_refusing,
    is_change,
    list_changes,
)
from gateway.requests.record import (
    LineStand,
    RequestRecord,
    RequestVersion,
    Row,
    find_told,
    find_version,
)
from gateway.requests.standing import describe_line, describe_standing
from models.errors import DomainRefusal

Told = dict[str, Any]

_WHYS = {
    "opened": "version_opened",
    "amended": "version_amended",
    "rematched": "version_rematched",
    "ways_changed": "version_ways_changed",
    "deferral_changed": "version_deferral_changed",
    "unit_lost": "version_unit_lost",
    "given_by_hand": "version_given_by_hand",
    "taken_back_by_hand": "version_taken_back_by_hand",
    "next_part": "version_next_part",
}
"""Why a decision was made, where the word of the audit is no code of its own."""

_NEWS = (
    "bag_taken_back",
    "hand_given_no",
    "hold_lapsed",
    "taken_",
    "unit_given_back",
    "unit_lost_",
    "unit_put_on_hold",
    "unit_too_late",
)
"""Beginnings of the codes of reasons that say what happened to bags before a decision."""

_SAID_BEFORE = "sought_still_missing"
"""A step that is none: where the request stands says it."""

_TOLD_BY_STANDING = frozenset({"arrives_late"})
"""What was true when it was decided; where the request stands says what is true now."""


def explain_request(record: RequestRecord, *, number: int | None = None) -> Told:
    """Explain a request as it stands, or as it stood with an earlier version.

    Raises:
        DomainRefusal: `version_unknown`.
    """
    version = find_version(record, number)
    if version is None:
        newest = len(record.decisions)
        raise DomainRefusal("version_unknown", version=number or newest, newest=newest)
    row, request = record.row, record.request
    return {
        "request_id": request.request_id,
        "hospital_id": request.hospital_id,
        "station_id": request.station_id,
        "patient_group": request.patient.group,
        "priority": request.priority,
        "needed_by": request.needed_by,
        "status": row["status"],
        "version": version.decision["version"],
        "newest_version": len(record.decisions),
        "as_of": version.at,
        "standing": describe_standing(version),
        "lines": [_describe_line(version, line) for line in version.lines],
        "to_mind": list(_list_to_mind(version)),
        "would_change": list_changes(version),
        "done": list(_list_done(version)),
        "versions": [_describe_version(told) for told in record.decisions],
    }


def _describe_line(version: RequestVersion, line: LineStand) -> Told:
    found = find_refusing(version, line) if line.missing else None
    return {
        "line_no": line.line.line_no,
        "component": line.line.component,
        "counted": line.counted,
        "asked": line.line.quantity,
        "covered": line.covered,
        "uncovered": line.missing,
        "refused": line.refused,
        "deferred": line.deferred,
        "unconfirmed": line.unconfirmed,
        "asked_back": [explain_reason(reason) for reason in line.asked_back],
        "told": describe_line(line),
        "units": describe_bags(version, line),
        "passed_over": describe_passed_over(version, line),
        "passed_over_at": found[0]["decided_at"] if found else None,
    }


def _list_to_mind(version: RequestVersion) -> Iterator[Told]:
    """Yield what the hospital and the station must mind; what had happened stands elsewhere."""
    if version.record.has_ended and version.is_newest:
        return
    why = version.record.decisions[version.decision["version"] - 1]["why"]
    of_lines = find_told(version.decisions)
    reasons = [*version.decision.get("reasons", ())]
    reasons += [reason for reason in of_lines.get("reasons", ()) if reason not in reasons]
    for reason in reasons:
        code = reason["code"]
        is_news = code == why or code.startswith(_NEWS)
        if not is_news and not is_change(reason) and code not in _TOLD_BY_STANDING:
            yield explain_reason(reason)


def _list_done(version: RequestVersion) -> Iterator[Row]:
    """Yield what was done meanwhile; it is known of now alone."""
    if not version.is_newest:
        yield explain("done_is_told_of_now")
    elif not version.missing:
        yield explain("done_nothing_missing")
    elif version.missing == version.unconfirmed:
        yield explain("done_waits_for_word")
    else:
        yield from (step for step in version.record.steps if step["code"] != _SAID_BEFORE)


def _describe_version(row: Row) -> Told:
    decision = row["body"]
    given = sum(len(line.get("reserved", ())) for line in decision.get("lines", ()))
    return {
        "version": decision["version"],
        "at": datetime.fromisoformat(decision["decided_at"]),
        "outcome": decision["outcome"],
        "why": _explain_why(row),
        "units_given": given,
    }


def _explain_why(row: Row) -> list[Told]:
    """Explain why a decision was made: by the word of the audit, and by what had happened."""
    why = row["why"]
    reasons = [
        explain_reason(reason)
        for reason in row["body"].get("reasons", ())
        if reason["code"] == why or reason["code"].startswith(_NEWS)
    ]
    if why is None or any(told["code"] == why for told in reasons):
        return reasons
    return [explain(_WHYS.get(str(why), str(why))), *reasons]
