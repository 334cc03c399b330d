"""Lists why bags were passed over, and what would change the answer, the cheapest first. Pure.

A reason is told by its own text, whichever rule it comes from; only what it costs to act on the
known ones stands here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from gateway.reason_texts import explain, explain_reason
from gateway.requests.record import LineStand, RequestVersion, Row, find_told

Told = dict[str, Any]

_CHANGES = ("_would_open", "_would_match", "_would_spare")
"""Endings of the codes of reasons that say what would change the answer."""

_COSTS = (
    # A word to be written into the request.
    "word_would_open",
    "age_would_open",
    "age_would_spare",
    "time_would_open",
    # A sample.
    "typing_would_open",
    "typing_would_spare",
    # A signature, an order.
    "consent_would_open",
    "prophylaxis_would_open",
    "component_would_open",
    # Time.
    "wait_would_open",
    "later_would_serve",
    # Somebody's work, somebody's blood.
    "deglycerolising_would_open",
    "deglycerolising_would_match",
    "neighbour_would_serve",
    "neighbour_would_serve_late",
    "asking_again_would_serve",
)
"""What would change the answer, the cheapest first; one that is not named comes after these."""

_DANGEROUS = "release_would_open"
"""Past a test of the patient: after everything else."""


def find_refusing(version: RequestVersion, line: LineStand) -> tuple[Row, Row] | None:
    """Return the newest decision that says why a line gets no more, and its word on the line."""
    for decision in reversed(version.decisions):
        for told in decision.get("lines", ()):
            if told["line_no"] == line.line.line_no and told.get("refusals"):
                return decision, told
    return None


def describe_passed_over(version: RequestVersion, line: LineStand) -> list[Told]:
    """Describe why bags were not given to a line that lacks some, most bags first."""
    found = find_refusing(version, line) if line.missing else None
    if found is None:
        return []
    reasons = [reason for reason in found[1]["refusals"] if not is_change(reason)]
    return [explain_reason(reason) for reason in sorted(reasons, key=_count_first)]


def _count_first(reason: Row) -> tuple[bool, int, str]:
    """Put counted bags first, then what is said of the line as a whole."""
    units = reason.get("params", {}).get("units")
    is_summary = units is None or reason["code"].startswith("stock_short")
    return is_summary, -int(units or 0), reason["code"]


def is_change(reason: Row) -> bool:
    """Return whether a reason says what would change the answer."""
    return str(reason["code"]).endswith(_CHANGES)


def list_changes(version: RequestVersion) -> list[Told]:
    """List what would change the answer, the cheapest first; each once."""
    told = [*_list_of_lines(version), *_list_of_decision(version), *_list_words(version)]
    if version.is_newest:
        told += [*_list_later(version), *_list_beside(version), *_list_again(version)]
    each = {(way["code"], str(sorted(way["params"].items()))): way for way in told}
    return sorted(each.values(), key=_rank)


def _rank(told: Told) -> tuple[int, str]:
    code = told["code"]
    if code == _DANGEROUS:
        return len(_COSTS) + 1, code
    return _COSTS.index(code) if code in _COSTS else len(_COSTS), code


def _list_of_lines(version: RequestVersion) -> Iterator[Told]:
    """Yield what a decision says would open bags, and from when those that are kept are given."""
    if version.record.has_ended and version.is_newest:
        return
    for line in version.lines:
        found = find_refusing(version, line) if line.missing else None
        for reason in found[1]["refusals"] if found else ():
            told = explain_reason(reason) if is_change(reason) else _explain_wait(version, reason)
            if told is not None:
                yield {**told, "line_no": line.line.line_no}


def _explain_wait(version: RequestVersion, reason: Row) -> Told | None:
    """Explain from when bags are given that are kept for others; None if nothing says so."""
    params = reason.get("params", {})
    given_from = params.get("given_from")
    if given_from is None or datetime.fromisoformat(given_from) <= version.at:
        return None
    told = {"units": params.get("units", 0), "given_from": given_from}
    return explain("wait_would_open", told)


def _list_words(version: RequestVersion) -> Iterator[Told]:
    """Yield of which lines a word is asked for that so much is meant."""
    for line in version.lines:
        if line.unconfirmed:
            told = {"units": line.unconfirmed, "counted": line.counted}
            yield {**explain("word_would_open", told), "line_no": line.line.line_no}


def _list_of_decision(version: RequestVersion) -> Iterator[Told]:
    """Yield what would spare scarce blood that the request has."""
    if not version.bags:
        return
    for reason in find_told(version.decisions).get("reasons", ()):
        if is_change(reason):
            yield explain_reason(reason)


def _list_later(version: RequestVersion) -> Iterator[Told]:
    """Yield what comes too late for the hour that was asked for."""
    record = version.record
    if record.has_ended or not version.missing:
        return
    for row in record.transfers:
        if row["status"] not in {"agreed", "in_transit"} or not row["volumes_live"]:
            continue
        way = timedelta(seconds=row["eta_s"] + record.eta_s)
        late = row["agreed_at"] + way - record.request.needed_by
        if late > timedelta():
            params = {
                "from_id": row["from_station_id"],
                "count": len(row["volumes_live"]),
                "late_s": round(late.total_seconds()),
                "at": (row["agreed_at"] + way).isoformat(),
            }
            yield explain("later_would_serve", params)


def _list_beside(version: RequestVersion) -> Iterator[Told]:
    """Yield what lies free at neighbours, the nearest first."""
    for row in sorted(version.record.beside, key=lambda row: (row["arrives_at"], -row["bags"])):
        late = row["arrives_at"] - version.record.request.needed_by
        params = {
            "station_id": row["station_id"],
            "units": row["bags"],
            "component": row["component"],
            "groups": row["groups"],
            "at": row["arrives_at"].isoformat(),
        }
        if late > timedelta():
            params["late_s"] = round(late.total_seconds())
            yield explain("neighbour_would_serve_late", params)
        else:
            yield explain("neighbour_would_serve", params)


def _list_again(version: RequestVersion) -> Iterator[Told]:
    if version.record.has_ended and version.missing:
        yield explain("asking_again_would_serve")
