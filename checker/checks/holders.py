"""Replays the log to tell which request or transfer held which unit at which time.

A decision names the units it reserves, and in its reasons those that the request has lost. Its
numbers tell how much of the earlier units stays: what all units of the line hold, less those
reserved now. So a promise lasts from the first decision that names it until a decision
that tells it lost or leaves no room for it, or until the request's end. A
transfer binds its units from its agreement until each is reported received, returned or discarded,
or the transfer ends. There is no event for a transfer that is cancelled, nor for a unit that is
given back because it was not fetched; these ends are read from the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checker.bag_content import WHOLE, measure_content
from checker.checks.requests import ENDED
from checker.evidence import STOCK, TRANSFERS, World, parse_instant
from checker.intervals import Binding

_LOST = (
    "unit_given_back",
    "unit_lost_",
    "unit_too_late",
    "unit_put_on_hold",
    "taken_for_life_threatening",
    "taken_by_hand",
    "bag_taken_back",
)
"""Beginnings of the codes of the reasons that name a lost unit."""

Reports = Mapping[str, list[tuple[str, datetime]]]
"""Unit id to the changes that stations reported of it, each with its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _ToldPromise:
    promise_id: str
    unit_id: str
    line_no: int
    component: str
    volume_ml: int


def replay_bindings(world: World) -> dict[str, list[Binding]]:
    """Return the bindings of every unit, by unit id."""
    found: dict[str, list[Binding]] = defaultdict(list)
    by_request: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for decision, _ in world.decisions_on_log.values():
        by_request[str(decision.get("request_id"))].append(decision)
    reports = _read_reports(world)
    for decisions in by_request.values():
        for unit_id, binding in _replay_request(decisions, reports):
            found[unit_id].append(binding)
    for unit_id, binding in _replay_transfers(world, reports):
        found[unit_id].append(binding)
    return found


def _replay_request(
    decisions: list[dict[str, Any]], reports: Reports
) -> Iterator[tuple[str, Binding]]:
    bound: dict[_ToldPromise, datetime] = {}
    for decision in sorted(decisions, key=lambda decision: int(decision["version"])):
        at = parse_instant(decision["decided_at"])
        for promise in _list_given_up(decision, bound, reports):
            yield promise.unit_id, _bind(promise, bound.pop(promise), at, reports)
        for promise in _list_told(decision):
            bound.setdefault(promise, at)
    for promise, begun_at in bound.items():
        yield promise.unit_id, _bind(promise, begun_at, None, reports)


def _bind(
    told: _ToldPromise, begins_at: datetime, ends_at: datetime | None, reports: Reports
) -> Binding:
    """Return the binding of a unit, which ends when its request gives it up or it comes back."""
    came_back_at = _came_back(told.unit_id, begins_at, reports)
    ends = [at for at in (ends_at, came_back_at) if at is not None]
    return Binding(holder=told.promise_id, begins_at=begins_at, ends_at=min(ends, default=None))


def _came_back(unit_id: str, since: datetime, reports: Reports) -> datetime | None:
    """Return when a unit that was on its way came back; None if it did not."""
    back = (at for what, at in reports.get(unit_id, ()) if what == "returned" and at >= since)
    return min(back, default=None)


def _list_given_up(
    decision: Mapping[str, Any], bound: Mapping[_ToldPromise, datetime], reports: Reports
) -> list[_ToldPromise]:
    """List the bound units that a decision leaves no room for."""
    if decision.get("outcome") in ENDED:
        return list(bound)
    named, lost = set(_list_told(decision)), _list_lost(decision)
    given_up: list[_ToldPromise] = []
    earlier: dict[int, list[_ToldPromise]] = defaultdict(list)
    for promise in bound:
        if promise.unit_id in lost and promise not in named:
            given_up.append(promise)
        elif promise not in named:
            earlier[promise.line_no].append(promise)
    lines = decision.get("lines") or ()
    if not lines:
        return given_up
    by_number = {int(line["line_no"]): line for line in lines}
    for line_no, promises in earlier.items():
        line = by_number.get(line_no)
        kept = _measure_kept(line) if line else 0
        if line is None or kept <= 0:
            given_up += promises
        elif kept < sum(_measure(line, promise) for promise in promises):
            # The numbers do not say which units stay; a unit on its way stays with its request.
            given_up += [
                promise for promise in promises if not _has_left(promise, bound[promise], reports)
            ]
    return given_up


def _list_lost(decision: Mapping[str, Any]) -> frozenset[str]:
    """List the units that a decision tells the request has lost, each by a reason of its own."""
    return frozenset(
        str(reason["params"]["unit_id"])
        for reason in decision.get("reasons") or ()
        if str(reason["code"]).startswith(_LOST)
    )


def _measure_kept(line: Mapping[str, Any]) -> int:
    """Return what the earlier units that stay hold; of an older decision, whole bags."""
    covered = line.get("covered_hundredths")
    if covered is None:
        lacks = int(line.get("uncovered", 0) + line.get("refused", 0))
        covered = (int(line["requested"]) - lacks) * WHOLE
    return int(covered) - sum(_measure(line, promise) for promise in _list_of_line(line))


def _measure(line: Mapping[str, Any], promise: _ToldPromise) -> int:
    measure = str(line.get("measure", "bag"))
    return measure_content(promise.component, promise.volume_ml, measure)


def _list_told(decision: Mapping[str, Any]) -> Iterator[_ToldPromise]:
    for line in decision.get("lines") or ():
        yield from _list_of_line(line)


def _list_of_line(line: Mapping[str, Any]) -> Iterator[_ToldPromise]:
    for unit in line.get("reserved") or ():
        yield _ToldPromise(
            promise_id=str(unit["promise_id"]),
            unit_id=str(unit["unit_id"]),
            line_no=int(line["line_no"]),
            component=str(unit["component"]),
            volume_ml=int(unit.get("volume_ml") or 0),
        )


def _has_left(told: _ToldPromise, since: datetime, reports: Reports) -> bool:
    return any(what == "issued" and at >= since for what, at in reports.get(told.unit_id, ()))


def _replay_transfers(world: World, reports: Reports) -> Iterator[tuple[str, Binding]]:
    agreed: dict[str, dict[str, Any]] = {}
    ended: dict[str, datetime] = {
        row.transfer_id: row.updated_at for row in world.rows.transfers if row.status == "cancelled"
    }
    for record in world.log.of(TRANSFERS):
        transfer = record.body.get("transfer") if isinstance(record.body, dict) else None
        if not isinstance(transfer, dict):
            continue
        agreed.setdefault(str(transfer["transfer_id"]), transfer)
        if transfer.get("status") in {"completed", "cancelled"} and record.time:
            ended.setdefault(str(transfer["transfer_id"]), parse_instant(record.time))
    given_back = {
        (row.transfer_id, row.unit_id): row.ended_at
        for row in world.rows.promises
        if row.transfer_id is not None
        # A bag that a person held back is lost to its transfer, and free once the hold ends.
        and row.status in {"released", "lost"}
        and row.ended_at is not None
    }
    for transfer_id, transfer in agreed.items():
        begins_at = parse_instant(transfer["agreed_at"])
        for unit_id in map(str, transfer.get("unit_ids") or ()):
            ends = [
                at
                for what, at in reports.get(unit_id, ())
                if at >= begins_at and what in {"received", "returned", "discarded"}
            ]
            if transfer_id in ended:
                ends.append(ended[transfer_id])
            if (transfer_id, unit_id) in given_back:
                ends.append(given_back[transfer_id, unit_id])
            ends_at = min(ends, default=None)
            yield unit_id, Binding(holder=transfer_id, begins_at=begins_at, ends_at=ends_at)


def _read_reports(world: World) -> Reports:
    found: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
    for record in world.log.of(STOCK):
        if record.coordinate in world.quarantined.coordinates:
            continue
        body = record.body if isinstance(record.body, dict) else {}
        if body.get("change") in {"issued", "received", "returned", "discarded"}:
            happened_at = parse_instant(str(body["happened_at"]))
            found[str(body.get("unit_id"))].append((str(body["change"]), happened_at))
    return found
