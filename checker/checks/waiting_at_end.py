"""Checks whether a request waits, or expired, while a unit that fits was free at its station.

Judged as of now, or as of the end of a request. Judged leniently where the rows do not tell
everything: a unit counts as free only if it has been free for some time (`World.reaction`),
expires well after the need, was never out of temperature control, and is not kept for others by
what a station may set: RhD- for whoever is given RhD+, the last O for who can wait, some for need
that is expected. Whoever is in
danger of life may also have what is promised to another and not picked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from checker.bag_content import WHOLE, measure_content
from checker.checks.patients import describe, find_terms
from checker.compatibility import O_NEGATIVE_CAP, is_kept_as_del
from checker.database_rows import Line, Promise, Request, Unit
from checker.evidence import World
from checker.expected_need import EMERGENCY, GIVEN_AHEAD, find_most_kept
from checker.report import Finding
from checker.request_versions import Version
from checker.shelf_lives import find_duration, find_end
from checker.unit_attributes import is_beyond_hospital, list_lacking

ON_THE_WAY = timedelta(hours=24)
"""Longer than any journey to a hospital; the real duration is not looked up."""

LEAST_OF_USE = {"cryoprecipitate": 6}
"""Ordering units below which a part of what was asked helps nobody (1 U per 10 kg)."""

SHARE_OF_USE = 0.6
"""Of what was asked, where that is less."""

_COVERING = {"held", "issued", "received"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenNeed:
    """A line with uncovered units, as of some instant."""

    request: Request
    line: Line
    version: Version
    now: datetime


def find_waiting_beside_blood(
    world: World, histories: Mapping[str, list[Version]]
) -> Iterator[Finding]:
    now = world.now
    if now is None:
        return
    shelf = list_free(world)
    missing = _count_missing(world)
    for line in world.rows.lines:
        request = world.requests.get(line.request_id)
        if request is None or request.status not in {"open", "expired"}:
            continue
        if missing[line.request_id, line.line_no] <= 0:
            continue
        need = OpenNeed(
            request=request,
            line=line,
            version=histories[request.request_id][-1],
            now=now if request.status == "open" else request.decided_at,
        )
        fit = [
            unit
            for since, unit in shelf[request.station_id, line.component]
            if since + world.reaction <= need.now and fits(world, unit, need)
        ]
        lacking = missing[line.request_id, line.line_no]
        if is_useful(need, fit, lacking) and not is_kept_for_expected(world, need, fit):
            told = f"{request.priority}，{fit[0].unit_id} {fit[0].blood_group} 空闲 · lies free"
            yield Finding(subject=request.request_id, told=told)


def find_danger_beside_promised(
    world: World, histories: Mapping[str, list[Version]]
) -> Iterator[Finding]:
    """Yield who waits in danger of life beside what another could give up: promised, not picked."""
    now = world.now
    if now is None:
        return
    missing = _count_missing(world)
    promised = _read_promised(world)
    for line in world.rows.lines:
        request = world.requests.get(line.request_id)
        if request is None or request.status != "open" or request.priority != EMERGENCY:
            continue
        version = histories[request.request_id][-1]
        need = OpenNeed(request=request, line=line, version=version, now=now)
        lacking = missing[line.request_id, line.line_no]
        fit = [
            unit
            for since, unit in promised[request.station_id, line.component]
            if since + world.reaction <= now and fits(world, unit, need)
        ]
        since = request.decided_at + world.reaction
        if lacking > 0 and since <= now and is_useful(need, fit, lacking):
            told = f"{fit[0].unit_id} {fit[0].blood_group} 未拣 · is promised and not picked"
            yield Finding(subject=request.request_id, told=told)


def is_kept_for_expected(world: World, need: OpenNeed, fit: Sequence[Unit]) -> bool:
    """Return whether all that fits may be kept from the line for need that is expected."""
    most = find_most_kept(world, need.request, need.line.line_no, at=need.now)
    units = sum(measure_content(unit.component, unit.volume_ml, "unit") for unit in fit)
    return units <= most


def is_useful(need: OpenNeed, fit: Sequence[Unit], lacking: int) -> bool:
    """Return whether some units that fit are of use to who lacks so many hundredths."""
    line = need.line
    units = sum(measure_content(unit.component, unit.volume_ml, "unit") for unit in fit)
    if line.component not in LEAST_OF_USE or not units:
        return bool(units)
    covered = line.quantity * WHOLE - lacking
    there = covered + sum(
        measure_content(bag.component, bag.volume_ml, line.measure) for bag in fit
    )
    # What a bag that was promised holds beside the line's own measure is not looked up.
    units += covered if line.measure == "unit" else 0
    share = ceil(SHARE_OF_USE * line.quantity) * WHOLE
    return there >= share or units >= LEAST_OF_USE[line.component] * WHOLE


def _read_promised(world: World) -> Mapping[tuple[str, str], list[tuple[datetime, Unit]]]:
    """Return what is promised to who is not in danger and was not picked, with the time since."""
    found: dict[tuple[str, str], list[tuple[datetime, Unit]]] = defaultdict(list)
    for promise in world.rows.promises:
        unit = world.units.get(promise.unit_id)
        loser = world.requests.get(promise.request_id or "")
        if unit is None or loser is None or promise.status != "held":
            continue
        if unit.status != "reserved" or loser.priority == EMERGENCY or was_warm(world, unit):
            continue
        found[unit.station_id, unit.component].append((promise.held_at, unit))
    return found


def list_free(world: World) -> Mapping[tuple[str, str], list[tuple[datetime, Unit]]]:
    """Return the free units of each station and component, each with the time since when."""
    moved_at = {row.subject: row.at for row in sorted(world.rows.trail, key=lambda row: row.at)}
    shelf: dict[tuple[str, str], list[tuple[datetime, Unit]]] = defaultdict(list)
    for unit in world.rows.units:
        if unit.status != "available" or unit.released_at is None:
            continue
        if unit.donation_id in world.recalled_at or was_warm(world, unit):
            continue
        since = max(unit.released_at, moved_at.get(unit.unit_id, unit.released_at))
        shelf[unit.station_id, unit.component].append((since, unit))
    return shelf


def was_warm(world: World, unit: Unit) -> bool:
    return any(scan.out_of_control_s for scan in world.scans.get(unit.unit_id, ()))


def _count_missing(world: World) -> Counter[tuple[str, int]]:
    missing: Counter[tuple[str, int]] = Counter()
    asked_back = _read_asked_back(world)
    for line in world.rows.lines:
        # What is asked back is judged by `asked_back`.
        waits = asked_back.get((line.request_id, line.line_no), line.unconfirmed)
        missing[line.request_id, line.line_no] += (line.quantity - waits) * WHOLE
    for promise in world.rows.promises:
        request = world.requests.get(promise.request_id or "")
        unit = world.units.get(promise.unit_id)
        of = world.lines.get((promise.request_id or "", promise.line_no or 0))
        if request is None or unit is None or of is None or not _is_covering(promise, request):
            continue
        holds = measure_content(unit.component, unit.volume_ml, of.measure)
        missing[of.request_id, of.line_no] -= holds
    return missing


def _read_asked_back(world: World) -> Mapping[tuple[str, int], int]:
    """Return what was asked back of each line of an expired request, by its last full decision."""
    found: dict[tuple[str, int], int] = {}
    for decision in sorted(world.rows.decisions, key=lambda row: row.version):
        request = world.requests.get(decision.request_id)
        if request is None or request.status != "expired":
            continue
        for told in decision.body.get("lines") or ():
            key = decision.request_id, int(told["line_no"])
            found[key] = int(told.get("unconfirmed") or 0)
    return found


def _is_covering(promise: Promise, request: Request) -> bool:
    """Return whether a promise covers the request now, or covered it when the request ended."""
    if request.status != "expired":
        return promise.status in _COVERING
    return promise.ended_at is None or promise.ended_at >= request.decided_at


def fits(world: World, unit: Unit, need: OpenNeed) -> bool:
    """Return whether every rule of the checker allows this unit, with time to spare."""
    used_at = max(need.now, need.request.needed_by) + ON_THE_WAY
    return (
        _is_of_use(world, unit, need)
        and _is_of_group(world, unit, need)
        and not list_lacking(
            unit=unit,
            wanted=need.version.wanted(need.line.line_no),
            patient=need.version.patient,
            used_at=used_at,
            done_at=used_at + find_duration(unit.component),
            emergency=need.version.priority == "life_threatening",
        )
    )


def _is_of_use(world: World, unit: Unit, need: OpenNeed) -> bool:
    """Return whether the hospital can use the unit, and the unit does not expire too soon."""
    hospital = world.hospitals.get(need.request.hospital_id)
    return (
        hospital is not None
        and unit.component not in (hospital.body.get("cannot_use") or ())
        and not is_beyond_hospital(unit=unit, hospital=hospital.body)
        and find_end(unit) > max(need.request.needed_by, need.now) + ON_THE_WAY
    )


def _is_of_group(world: World, unit: Unit, need: OpenNeed) -> bool:
    if _may_be_kept(unit, need):
        return False
    terms = find_terms(world, unit, need.request, need.version)
    if terms is None or terms.lacks_titre(unit.traits):
        return False
    situation = describe(world, unit, need.request, need.version)
    if is_kept_as_del(blood_group=unit.blood_group, traits=unit.traits, situation=situation):
        return False
    return not terms.capped or _count_capped(world, need.request) < O_NEGATIVE_CAP


def _may_be_kept(unit: Unit, need: OpenNeed) -> bool:
    """Return whether the scarce unit may be kept for others: who asks is not in danger."""
    seen = need.version.patient.seen_by(unit.component)
    if need.version.priority == EMERGENCY:
        return False
    if unit.blood_group.endswith("-"):
        needs_negative = seen.has_anti_d or (seen.group or seen.untyped_rhd).endswith("-")
        return not needs_negative or seen.asian_del
    may_wait = need.version.needed_by > need.now + GIVEN_AHEAD
    is_other = seen.group is not None and not seen.group.startswith("O")
    return unit.blood_group == "O+" and is_other and may_wait


def _count_capped(world: World, request: Request) -> int:
    """Count O RhD- units ever promised to the hospital: an upper bound for its patient."""
    mine = {
        other.request_id
        for other in world.rows.requests
        if other.hospital_id == request.hospital_id
    }
    return sum(
        promise.request_id in mine and promise.blood_group == "O-"
        for promise in world.rows.promises
    )
