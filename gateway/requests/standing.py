"""Describes in one sentence where a request stands: what is covered, what is not, by when. Pure.

It never says more than is true: a part is told as a part, what is deferred as deferred, what
waits for a word as waiting for it, and what is not supplied as not supplied.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gateway.reason_texts import explain
from gateway.requests.record import LineStand, RequestVersion

Told = dict[str, Any]

DEFERRED = "deferred"
"""The outcome of a decision that puts a request off, because the blood is kept for others."""

_ENDS = {
    "fulfilled": "now_fulfilled",
    "partly_fulfilled": "now_partly_fulfilled",
    "refused": "now_refused",
    "cancelled": "now_cancelled",
    "expired": "now_expired",
}
_LESS = {"reserved": "open", "fulfilled": "partly_fulfilled"}
"""What a word that means all is told as where a bag is missing all the same."""

_UNENDED = {"reserved": "now_reserved", "partly_refused": "now_partly_refused"}


def describe_standing(version: RequestVersion) -> Told:
    """Describe in one sentence where a request stands, or stood with an earlier version."""
    head = _describe_head(version)
    lines = [describe_line(line) for line in version.lines]
    ends = [*_describe_when(version), *_describe_rest(version)]
    first_zh = f"{head['zh']}：" + "，".join(line["zh"] for line in lines)
    first_en = f"{head['en']}: " + ", ".join(line["en"] for line in lines)
    told = {
        "code": head["code"],
        "params": head["params"],
        "zh": "；".join([first_zh, *(end["zh"] for end in ends)]) + "。",
        "en": "; ".join([first_en, *(end["en"] for end in ends)]) + ".",
    }
    if version.is_newest:
        return told
    then = explain(
        "as_of_version", {"version": version.decision["version"], "at": version.at.isoformat()}
    )
    return {**told, "zh": then["zh"] + told["zh"], "en": f"{then['en']} {told['en']}"}


def describe_line(line: LineStand) -> Told:
    """Describe what is asked on a line, and how much of it is covered."""
    params = {
        "component": str(line.line.component),
        "asked": line.line.quantity,
        "covered": line.covered,
        "missing": line.missing,
        "counted": line.counted,
    }
    if not line.missing:
        return explain("line_whole", params)
    return explain("line_part" if line.bags else "line_nothing", params)


def _describe_head(version: RequestVersion) -> Told:
    outcome = version.outcome
    if version.missing:
        outcome = _LESS.get(outcome, outcome)
    if ended := _ENDS.get(outcome):
        return explain(ended)
    if version.decision["outcome"] == DEFERRED and not version.bags:
        until = version.decision.get("deferred_until")
        return explain("now_deferred_until", {"until": until}) if until else explain("now_deferred")
    if not version.missing and version.is_newest and _have_all_left(version):
        return explain("now_on_its_way")
    if known := _UNENDED.get(outcome):
        return explain(known)
    if not version.bags and version.missing == version.unconfirmed:
        return explain("now_asked_back")
    return explain("now_partly_reserved" if version.bags else "now_waiting")


def _have_all_left(version: RequestVersion) -> bool:
    return all(bag["status"] != "held" for bag in version.bags)


def _describe_when(version: RequestVersion) -> Iterator[Told]:
    """Yield by when it is needed, and when the last bag is expected there."""
    if version.outcome in {"fulfilled", "cancelled"}:
        return
    needed_by: datetime = version.record.request.needed_by
    coming = [bag for bag in version.bags if bag["status"] != "received" or not version.is_newest]
    params = {"needed_by": needed_by.isoformat()}
    if not coming:
        passed = needed_by < version.at
        yield explain("needed_by_was" if passed else "needed_by_is", params)
        return
    arrives_at = max(version.find_arrival(bag) for bag in coming)
    params["at"] = arrives_at.isoformat()
    if arrives_at < version.at:
        yield explain("there_unconfirmed", params)
    elif arrives_at > needed_by:
        late_s = round((arrives_at - needed_by).total_seconds())
        yield explain("there_late", {**params, "late_s": late_s})
    else:
        yield explain("there_in_time", params)


def _describe_rest(version: RequestVersion) -> Iterator[Told]:
    """Yield what becomes of the part that is missing."""
    deferred = sum(line.deferred for line in version.lines)
    if deferred and (version.bags or version.decision["outcome"] != DEFERRED):
        until = version.decision.get("deferred_until")
        is_all = deferred == version.missing
        yield explain("rest_deferred" if is_all else "rest_deferred_in_part")
        if until:
            yield explain("decided_again_by", {"until": until})
    if version.unconfirmed:
        is_all = version.unconfirmed == version.missing
        yield explain("rest_asked_back" if is_all else "rest_asked_back_in_part")
    is_told = version.outcome in {"refused", "partly_refused"}
    if not is_told and any(line.refused for line in version.lines):
        yield explain("rest_refused")
