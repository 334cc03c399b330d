"""Lists what was in fact done for the part of a request that stock did not cover. Pure.

It is read from the present state: calls that went out, neighbours that are told of the shortage,
transfers that were agreed. The decision cannot contain this, because it was made before any of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.reason_texts import explain
from gateway.requests.neighbour_steps import list_neighbour_steps
from models.components import Component
from models.donation_kinds import DonationKind
from models.doses import WHOLE, content_of, round_up
from models.facilities import Station, StationPolicy
from models.groups import BloodGroup
from models.requests import Priority, UrgentRequest
from models.rules.rulebook import Rulebook
from models.rules.types.donors import DonorRules
from streams.matching.donor_eligibility import DonorRecord, list_obstacles
from streams.matching.donor_waves import list_each_once
from streams.matching.offers import is_agreed
from streams.matching.shortage import (
    find_wanted_group,
    list_called_groups,
    list_given_groups,
    list_serving_groups,
)

Row = Mapping[str, Any]

_ZONE = ZoneInfo("Asia/Shanghai")
_ENDED = frozenset({"completed", "cancelled"})
_LIVE = frozenset({"called", "accepted", "arrived"})
_CAME_TO_NOTHING = frozenset({"declined", "no_answer", "no_show", "deferred"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A line, the shortage that it is part of, and the groups that serve it.

    Attributes:
        missing: Ordering units that the line still waits for.
        place: The group under which its need is counted; None if no group is allowed.
        groups: The groups that may be given for the line.
        gives: What donors give for it; None if none is called for its component.
    """

    component: Component
    missing: int
    place: BloodGroup | None
    groups: tuple[BloodGroup, ...]
    gives: DonationKind | None

    def is_served_by(self, row: Row, group: str) -> bool:
        """Return whether blood of a group, obtained for a row's shortage, serves this line."""
        place = (row["component"], row["blood_group"])
        return place == (self.component, self.place) and group in self.groups


@dataclass(frozen=True, slots=True, kw_only=True)
class BloodSources:
    """What may bring the units that a request lacks.

    Attributes:
        calls: The calls that serve it, each donor once.
        transfers: The transfers that serve it, with `volumes_live`, `arrived`, `agreed_at` and
            `eta_s`.
        shortages: Those of its components at its station that were announced.
        offers: What neighbours offered for them, the oldest first: `from_station_id`, `status`,
            `reasons`, `units_group`.
        reserve: The register of the station; given only where `depends_on_reserve`.
        neighbours: The stations that are told of its shortages.
    """

    calls: Sequence[Row] = ()
    transfers: Sequence[Row] = ()
    shortages: Sequence[Row] = ()
    offers: Sequence[Row] = ()
    reserve: Sequence[DonorRecord] = ()
    neighbours: Sequence[str] = ()


def list_wants(
    request: UrgentRequest, lines: Sequence[Row], policy: StationPolicy, rules: Rulebook
) -> tuple[Want, ...]:
    """List what the lines of a request want; lines that are covered are included.

    Args:
        request: The request as it now stands.
        lines: Its lines: `line_no`, and what is `uncovered` in the line's measure.
        policy: The policy of the station that supplies the hospital.
        rules: The station's rulebook.
    """
    missing = {row["line_no"]: row["uncovered"] for row in lines}
    wants = []
    for line in request.lines:
        place = find_wanted_group(line.component, request.patient, request.priority, policy, rules)
        groups = list_given_groups(line, request.patient, request.priority, policy, rules)
        if not groups and place is not None:
            # Blood may be given only on special terms, so the shortage's own groups are used.
            groups = list_serving_groups(line.component, place, policy, rules)
        wants.append(
            Want(
                component=line.component,
                missing=line.to_units(missing.get(line.line_no, 0)),
                place=place,
                groups=groups,
                gives=rules.donors.find_kind(line.component),
            )
        )
    return tuple(wants)


def list_serving_calls(wants: Sequence[Want], calls: Sequence[Row]) -> list[Row]:
    """List the last call of each donor whose blood serves a line with missing units.

    Args:
        wants: What the lines of the request want.
        calls: Calls for shortages of its station, oldest first: `component`, `blood_group`,
            `donor_id`, `donor_group`, `status`, and whether the call `counts`.
    """
    serving = {
        row["donor_id"]: row
        for row in calls
        if any(want.missing and want.is_served_by(row, row["donor_group"]) for want in wants)
    }
    return [row for row in serving.values() if row["counts"]]


def count_calls(serving: Sequence[Row]) -> list[dict[str, Any]]:
    """Count calls by shortage and status; the hospital does not learn who the donors are."""
    names = ("shortage_id", "component", "blood_group", "status")
    counted = Counter(tuple(row[name] for name in names) for row in serving)
    return [
        {**dict(zip(names, key, strict=True)), "calls": calls}
        for key, calls in sorted(counted.items())
    ]


def list_serving_transfers(wants: Sequence[Want], transfers: Sequence[Row]) -> list[Row]:
    """List the transfers whose units may be given for a line, whether it is covered or not."""
    return [
        row
        for row in transfers
        if any(want.is_served_by(row, row["units_group"]) for want in wants)
    ]


def list_neighbours(station_id: str, stations: Mapping[str, Station]) -> list[str]:
    """List the neighbours of a station: the station names them, or they name the station."""
    own = stations.get(station_id)
    if own is None:
        return []
    return sorted(
        other.station_id
        for other in stations.values()
        if other.station_id != station_id and is_agreed(other, own)
    )


def depends_on_reserve(
    request: UrgentRequest, wants: Sequence[Want], serving: Sequence[Row]
) -> bool:
    """Return whether the register of donors must be read to say what was done."""
    return (
        request.priority is not Priority.ROUTINE
        and bool(_list_from_donors(wants))
        and not _list_under_way(serving)
    )


def list_sought(
    request: UrgentRequest,
    wants: Sequence[Want],
    sources: BloodSources,
    *,
    eta_s: int,
    now: datetime,
    rules: DonorRules,
) -> list[dict[str, Any]]:
    """List what was done for the missing units, in order; empty if no unit is missing.

    Args:
        request: The request as it now stands.
        wants: What its lines want.
        sources: What may bring the missing units.
        eta_s: Seconds from the station to the hospital.
        now: The instant at which it is judged who may give.
        rules: Who may give.
    """
    lacking = [want for want in wants if want.missing]
    if not lacking:
        return []
    live = _list_live(sources.transfers)
    return [
        *_list_donors(request, lacking, sources, now=now, rules=rules),
        *_list_too_late(
            request,
            _list_callable(lacking, sources),
            there_at=now + timedelta(seconds=rules.ready_after_s + eta_s),
        ),
        *list_neighbour_steps(lacking, sources),
        *_list_transfers(live),
        _render_missing(lacking, live),
    ]


def list_done(wants: Sequence[Want], sources: BloodSources) -> list[dict[str, Any]]:
    """List what was done for the units that an ended request never got, and nothing that could be.

    Args:
        wants: What its lines wanted.
        sources: What was called, announced, offered and sent for it until it ended.
    """
    lacking = [want for want in wants if want.missing]
    if not lacking:
        return []
    return [
        *_list_called(sources.calls),
        *list_neighbour_steps(lacking, sources),
        *_list_transfers(_list_live(sources.transfers)),
    ]


def _list_live(transfers: Sequence[Row]) -> list[Row]:
    return [row for row in transfers if row["status"] not in _ENDED and row["volumes_live"]]


def join_texts(told: Sequence[Row]) -> dict[str, Any]:
    """Join the texts of all that was done, under the code of what the request waits for."""
    return {
        "code": "donors_and_neighbours",
        "params": {},
        "zh": "；".join(step["zh"] for step in told),
        "en": "; ".join(step["en"] for step in told),
    }


def _render_missing(lacking: Sequence[Want], live: Sequence[Row]) -> dict[str, Any]:
    missing: Counter[str] = Counter()
    for want in lacking:
        missing[want.component] += want.missing
    on_the_way: Counter[str] = Counter()
    for row in live:
        component = Component(row["component"])
        on_the_way[component] += sum(content_of(component, ml) for ml in row["volumes_live"])
    if not missing.keys() & on_the_way.keys():
        return explain("sought_still_missing", {"missing": missing.total()})
    # A transfer serves the shortage, so other requests that wait for the same blood share it.
    left = sum(
        round_up(units * WHOLE - on_the_way[component]) for component, units in missing.items()
    )
    return explain("sought_transfer_leaves", {"missing": missing.total(), "left": left})


def _list_from_donors(wants: Sequence[Want]) -> list[Want]:
    """List the wants with missing units for whose component donors are called."""
    return [want for want in wants if want.missing and want.gives is not None]


def _list_callable(wants: Sequence[Want], sources: BloodSources) -> list[Want]:
    """List the wants for which somebody is called.

    Where no donor of platelets is registered, the station arranges the appointments itself.
    """
    kinds = {record.donor.gives for record in sources.reserve} | {DonationKind.WHOLE_BLOOD}
    called = bool(_list_under_way(sources.calls))
    return [want for want in _list_from_donors(wants) if called or want.gives in kinds]


def _list_under_way(calls: Sequence[Row]) -> list[Row]:
    return [row for row in calls if row["status"] in _LIVE or row["status"] == "donated"]


def _list_donors(
    request: UrgentRequest,
    lacking: Sequence[Want],
    sources: BloodSources,
    *,
    now: datetime,
    rules: DonorRules,
) -> Iterator[dict[str, Any]]:
    under_way = _list_under_way(sources.calls)
    from_donors = _list_callable(lacking, sources)
    by_appointment = {want.component for want in lacking} - {want.component for want in from_donors}
    for component in sorted(by_appointment):
        yield explain("sought_by_appointment", {"component": component})
    if not from_donors:
        return
    if request.priority is Priority.ROUTINE:
        yield explain("sought_routine_calls_nobody")
        return
    yield from _list_answers(sources.calls)
    if not under_way:
        asked = {row["donor_id"] for row in _list_in_vain(sources.calls)}
        yield _render_reserve(from_donors, sources.reserve, asked, now=now, rules=rules)


def _list_called(calls: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Say who was called while the request was open."""
    told = list(_list_answers(calls))
    if told:
        yield from told
    elif calls:
        yield explain("sought_called_and_stood_down", {"calls": len(calls)})
    else:
        yield explain("sought_nobody_was_called")


def _list_answers(calls: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Say how many were called, answered and gave, and how many did not come."""
    under_way, in_vain = _list_under_way(calls), len(_list_in_vain(calls))
    if under_way:
        yield _render_called(under_way)
        if in_vain:
            yield explain("sought_others_did_not_come", {"calls": in_vain})
    elif in_vain:
        yield explain("sought_calls_came_to_nothing", {"calls": in_vain})


def _list_in_vain(calls: Sequence[Row]) -> list[Row]:
    return [row for row in calls if row["status"] in _CAME_TO_NOTHING]


def _list_too_late(
    request: UrgentRequest, from_donors: Sequence[Want], *, there_at: datetime
) -> Iterator[dict[str, Any]]:
    """Say when no donor who is called now can give what the request needs in time."""
    is_called_for = request.priority is not Priority.ROUTINE and from_donors
    if is_called_for and there_at > request.needed_by:
        yield explain("sought_donors_too_late", {"at": _render_instant(there_at)})


def _render_called(under_way: Sequence[Row]) -> dict[str, Any]:
    donated = sum(row["status"] == "donated" for row in under_way)
    accepted = sum(row["status"] != "called" for row in under_way)
    params = {"calls": len(under_way), "accepted": accepted}
    if donated:
        return explain("sought_called_and_donated", {**params, "donated": donated})
    return explain("sought_called", params)


def _render_reserve(
    wants: Sequence[Want],
    reserve: Sequence[DonorRecord],
    asked: set[str],
    *,
    now: datetime,
    rules: DonorRules,
) -> dict[str, Any]:
    """Say how many donors of the register may still be called, or why none may."""
    groups = {group for want in wants for group in list_called_groups(want.groups)}
    kinds = {want.gives for want in wants}
    serving = [
        record for record in reserve if record.donor.group in groups and record.donor.gives in kinds
    ]
    left = list_each_once(
        (
            record
            for record in serving
            if record.donor.donor_id not in asked
            and not list_obstacles(replace(record, on_live_call=False), now=now, rules=rules)
        ),
        called_before=(record for record in reserve if record.donor.donor_id in asked),
    )
    free = [record for record in left if not record.on_live_call]
    if free:
        return explain("sought_not_called", {"donors": len(free)})
    if left:
        return explain("sought_donors_on_other_calls", {"donors": len(left)})
    if serving:
        return explain("sought_nobody_left", {"donors": len(serving)})
    if reserve:
        return explain("sought_no_donor_serves", {"donors": len(reserve)})
    return explain("sought_no_donors")


def _list_transfers(live: Sequence[Row]) -> Iterator[dict[str, Any]]:
    for row in live:
        agreed_at: datetime = row["agreed_at"]
        at = _render_instant(agreed_at + timedelta(seconds=row["eta_s"]))
        params = {"from_id": row["from_station_id"], "count": len(row["volumes_live"]), "at": at}
        yield explain("sought_transfer", params)


def _render_instant(at: datetime) -> str:
    return f"{at.astimezone(_ZONE):%m-%d %H:%M}"
