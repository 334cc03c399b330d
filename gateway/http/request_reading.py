"""Reads a request with what was done for it, for a caller who may see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

from gateway.requests.line_amounts import list_missing
from gateway.runtime import Gateway
from gateway.uncovered_needs import (
    BloodSources,
    Want,
    depends_on_reserve,
    list_done,
    list_neighbours,
    list_serving_calls,
    list_serving_transfers,
    list_sought,
    list_wants,
)
from models.access import KeyScope, Principal
from models.errors import DomainRefusal
from models.facilities import StationPolicy
from models.requests import TERMINAL_REQUEST_STATUSES, RequestStatus, UrgentRequest
from streams.store.read_models.pages import RequestDetail

Row = dict[str, Any]

_STOCK_READERS = frozenset({KeyScope.DISPATCHER, KeyScope.STATION})
"""Who may be told what lies at other stations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReading:
    """A request that was taken in, as it was read.

    Attributes:
        steps: What was done for what it lacks, or lacked when it ended.
    """

    row: Row
    asked: UrgentRequest
    detail: RequestDetail
    wants: Sequence[Want]
    calls: Sequence[Mapping[str, Any]]
    transfers: Sequence[Mapping[str, Any]]
    steps: Sequence[Row]


def may_see(principal: Principal, *, hospital_id: str, station_id: str) -> bool:
    return (
        principal.is_dispatcher
        or principal.own_hospital == hospital_id
        or principal.own_station == station_id
    )


async def read_detail(gateway: Gateway, principal: Principal, request_id: str) -> RequestDetail:
    own = principal.own_hospital
    return await gateway.pages.read_request(request_id, source=f"hospital/{own}" if own else None)


async def complete_reading(
    gateway: Gateway, principal: Principal, detail: RequestDetail, row: Row
) -> RequestReading:
    """Read what was done for a request.

    Args:
        gateway: The gateway.
        principal: Who asks.
        detail: What is on record of it.
        row: The request's own row.

    Raises:
        DomainRefusal: `request_unknown`, also where it is not the caller's.
    """
    if not may_see(principal, hospital_id=row["hospital_id"], station_id=row["station_id"]):
        raise DomainRefusal("request_unknown", request_id=row["request_id"])
    asked = UrgentRequest.of_row(row["body"])
    stations = gateway.directories.current().stations
    station = stations.get(asked.station_id)
    policy = station.policy if station else StationPolicy()
    wants = list_wants(asked, _list_wanted(detail, asked, row), policy, gateway.rules)
    calls = list_serving_calls(wants, detail.calls)
    transfers = list_serving_transfers(wants, detail.transfers)
    is_open = row["status"] == RequestStatus.OPEN
    is_reserve_told = is_open and depends_on_reserve(asked, wants, calls)
    sources = BloodSources(
        calls=calls,
        transfers=transfers,
        shortages=detail.shortages,
        offers=detail.offers,
        reserve=await gateway.pages.list_reserve(asked.station_id) if is_reserve_told else (),
        neighbours=list_neighbours(asked.station_id, stations),
    )
    steps = (
        list_sought(
            asked,
            wants,
            sources,
            eta_s=find_way_s(gateway, asked.station_id, asked.hospital_id),
            now=gateway.clock.now(),
            rules=gateway.rules.donors,
        )
        if is_open
        else list_done(wants, sources)
    )
    return RequestReading(
        row=row,
        asked=asked,
        detail=detail,
        wants=wants,
        calls=calls,
        transfers=transfers,
        steps=steps,
    )


def _list_wanted(detail: RequestDetail, asked: UrgentRequest, row: Row) -> list[Row]:
    """List what lines wait for; of an ended request, what they never got."""
    if row["status"] not in TERMINAL_REQUEST_STATUSES:
        return detail.lines
    missing = list_missing(asked, detail.list_bags())
    return [{"line_no": line.line_no, "uncovered": amount} for line, amount in missing]


def find_way_s(gateway: Gateway, *facility_ids: str) -> int:
    """Return the seconds of a way through facilities; 0 if one of them is not known yet."""
    directory = gateway.directories.current()
    if any(directory.find_location(each) is None for each in facility_ids):
        return 0
    return sum(directory.get_journey(*ends).eta_s for ends in pairwise(facility_ids))


async def list_beside(gateway: Gateway, principal: Principal, reading: RequestReading) -> list[Row]:
    """List what lies free at neighbours for what an open request lacks.

    Who may not see the stock of other stations is told nothing of it.
    """
    lacking = [want for want in reading.wants if want.missing]
    if principal.scope not in _STOCK_READERS or reading.row["status"] != RequestStatus.OPEN:
        return []
    asked, now = reading.asked, gateway.clock.now()
    beside = list_neighbours(asked.station_id, gateway.directories.current().stations)
    counted = await gateway.free_stock.count(
        beside, [want.component for want in lacking], usable_at=max(now, asked.needed_by)
    )
    found = []
    for station_id in beside:
        way = find_way_s(gateway, station_id, asked.station_id, asked.hospital_id)
        for want in lacking:
            fitting = [
                row
                for row in counted
                if (row["station_id"], row["component"]) == (station_id, want.component)
                and row["blood_group"] in want.groups
            ]
            if fitting:
                found.append(
                    {
                        "station_id": station_id,
                        "component": want.component,
                        "groups": " ".join(row["blood_group"] for row in fitting),
                        "bags": sum(row["bags"] for row in fitting),
                        "arrives_at": now + timedelta(seconds=way),
                    }
                )
    return found
