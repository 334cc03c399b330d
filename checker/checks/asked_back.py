"""Checks of what is held back of an order until somebody says that so much is meant.

Nobody in danger of life waits for a word beside blood that lies there: what an order asks beyond
its first part follows as the part before leaves. Nobody else gets more than a part unasked.

Source: London 2005, where 25 patients were given 13 units of red cells each (NHS Blood and
Transplant) and three times as much was ordered as used (Glasgow 2012). In ordering units.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from checker.bag_content import WHOLE, measure_content
from checker.checks.waiting_at_end import OpenNeed, fits, list_free
from checker.database_rows import Line, Request
from checker.evidence import World
from checker.expected_need import EMERGENCY
from checker.report import Finding
from checker.request_versions import Version

AT_ONCE = {
    "red_cells": 20,
    "plasma": 20,
    "cryoprecipitate": 20,
    "platelets": 10,
    "concentrates": 40,
}
AT_ONCE_IN_DANGER = {kind: 2 * units for kind, units in AT_ONCE.items()}
UNNAMED = 3
"""Patients whom an order in danger of life is for that names none."""

MULTIPLE = 2.0
"""Of what a hospital usually orders; here of the most that it ever ordered, which is no less."""

FROM_UNITS = 3
"""From so many units on, an order that repeats another is held against it."""

KINDS = {
    "fresh_frozen_plasma": "plasma",
    "frozen_plasma": "plasma",
    "cryoprecipitate": "cryoprecipitate",
    "platelets": "platelets",
    "platelet_concentrate": "concentrates",
    "pooled_platelets": "concentrates",
}
_HOUR_S = 3600
_OPEN = frozenset({"open", "reserved", "partly_refused"})


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What is ahead of a patient and did not reach the hospital, in hundredths of a unit."""

    at_station: Counter[tuple[str, str]]
    on_the_way: Counter[tuple[str, str]]
    largest: int


def find_part(component: str, request: Request) -> int:
    """Return the units of a component that an order is given at once."""
    kind = KINDS.get(component, "red_cells")
    if request.priority != EMERGENCY:
        return AT_ONCE[kind]
    is_named = (request.body.get("patient") or {}).get("reference")
    return AT_ONCE_IN_DANGER[kind] * (1 if is_named else UNNAMED)


def find_danger_asked_back(
    world: World, histories: Mapping[str, list[Version]]
) -> Iterator[Finding]:
    """Yield who is in danger of life and waits for a word, or a turn, beside blood that fits."""
    now = world.now
    if now is None:
        return
    ahead, shelf = _read_ahead(world), list_free(world)
    for line in world.rows.lines:
        request = world.requests.get(line.request_id)
        if request is None or request.status != "open" or request.priority != EMERGENCY:
            continue
        if not _waits_for_a_word(world, ahead, request, line):
            continue
        version = histories[request.request_id][-1]
        need = OpenNeed(request=request, line=line, version=version, now=now)
        fit = [
            unit
            for since, unit in shelf[request.station_id, line.component]
            if max(since, request.decided_at) + world.reaction <= now and fits(world, unit, need)
        ]
        if fit:
            told = f"{line.component}，{fit[0].unit_id} 空闲 · lies free, asked back"
            yield Finding(subject=request.request_id, told=told)


def _waits_for_a_word(world: World, ahead: _Ahead, request: Request, line: Line) -> bool:
    """Return whether too little is ahead, and what others hold for the patient is no reason."""
    if not line.unconfirmed:
        return False
    mine = ahead.at_station[request.request_id, line.component]
    others = sum(
        ahead.at_station[other.request_id, line.component]
        for other in world.rows.requests
        if other.request_id != request.request_id and _is_same_patient(request, other)
    )
    unconfirmed = line.unconfirmed * WHOLE
    if line.measure == "ml":
        unconfirmed = measure_content(line.component, line.unconfirmed, "unit")
    return 2 * mine < find_part(line.component, request) * WHOLE and unconfirmed > others


def _is_same_patient(one: Request, other: Request) -> bool:
    references = [
        str((request.body.get("patient") or {}).get("reference") or "").lower()
        for request in (one, other)
    ]
    is_same = references[0] == references[1] != ""
    return is_same and one.hospital_id == other.hospital_id and other.status in _OPEN


def find_given_unasked(world: World) -> Iterator[Finding]:
    """Yield orders of which more is ahead than a part, though nobody said that so much is meant."""
    ahead, asked, hours = _read_ahead(world), _read_asked(world), _read_hours(world)
    for request in world.rows.requests:
        if request.status not in _OPEN or request.body.get("quantity_confirmed_by"):
            continue
        if request.request_id not in hours:
            continue
        for component, units in asked[request.request_id].items():
            is_in_danger = request.priority == EMERGENCY
            part = find_part(component, request)
            part *= hours[request.request_id] if is_in_danger else 1
            most = max(part, MULTIPLE * _find_most(world, asked, request, component))
            key = request.request_id, component
            there = ahead.at_station[key] + (0 if is_in_danger else ahead.on_the_way[key])
            if units > most and there > most * WHOLE + ahead.largest:
                told = f"{component}：{there / WHOLE:g} > {most:g}，无人确认 · nobody confirmed"
                yield Finding(subject=request.request_id, told=told)


def _find_most(
    world: World, asked: Mapping[str, Counter[str]], request: Request, component: str
) -> int:
    """Return the most that the hospital ordered of a component otherwise, at this priority."""
    return max(
        (
            asked[other.request_id][component]
            for other in world.rows.requests
            if other.request_id != request.request_id
            and (other.hospital_id, other.priority) == (request.hospital_id, request.priority)
        ),
        default=0,
    )


def _read_asked(world: World) -> Mapping[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for line in world.rows.lines:
        units = line.quantity
        if line.measure == "ml":
            units = ceil(measure_content(line.component, line.quantity, "unit") / WHOLE)
        found[line.request_id][line.component] += units
    return found


def _read_hours(world: World) -> Mapping[str, int]:
    """Return the started hours of each request's journey, of those under the packaged rules."""
    found: dict[str, int] = {}
    own = set()
    for decision in world.rows.decisions:
        if "+" in str(decision.body.get("rules_version", "")):
            own.add(decision.request_id)
        hours = ceil(int(decision.body.get("eta_s") or 0) / _HOUR_S)
        found[decision.request_id] = max(1, hours, found.get(decision.request_id, 1))
    return {request_id: hours for request_id, hours in found.items() if request_id not in own}


def _read_ahead(world: World) -> _Ahead:
    at_station: Counter[tuple[str, str]] = Counter()
    on_the_way: Counter[tuple[str, str]] = Counter()
    largest = WHOLE
    for promise in world.rows.promises:
        unit = world.units.get(promise.unit_id)
        line = world.lines.get((promise.request_id or "", promise.line_no or 0))
        if unit is None or line is None or promise.status not in {"held", "issued"}:
            continue
        holds = measure_content(unit.component, unit.volume_ml, "unit")
        largest = max(largest, holds)
        counted = at_station if promise.status == "held" else on_the_way
        counted[line.request_id, line.component] += holds
    return _Ahead(at_station, on_the_way, largest)
