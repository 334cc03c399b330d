"""Describes the bags that a line has: why each, from which station, and when it is there. Pure."""

from __future__ import annotations

from typing import Any

from gateway.reason_texts import explain, explain_reason
from gateway.requests.record import LineStand, RequestVersion, Row

Told = dict[str, Any]


def describe_bags(version: RequestVersion, line: LineStand) -> list[Told]:
    """Describe the bags of a line, those that were promised first first."""
    reserved = {
        unit["promise_id"]: (decision["version"], unit)
        for decision in version.decisions
        for told in decision.get("lines", ())
        for unit in told.get("reserved", ())
    }
    newest: tuple[int, Row] = (version.decision["version"], {})
    return [
        _describe_bag(version, bag, *reserved.get(bag["promise_id"], newest)) for bag in line.bags
    ]


def _describe_bag(version: RequestVersion, bag: Row, since: int, unit: Row) -> Told:
    station_id = version.record.request.station_id
    arrives_at = version.find_arrival(bag)
    return {
        "unit_id": bag["unit_id"],
        "component": bag["component"],
        "group": bag["blood_group"],
        "volume_ml": bag["volume_ml"],
        "expires_at": bag["expires_at"],
        "station_id": station_id,
        "source": bag["unit_source"],
        "status": bag["status"] if version.is_newest else "held",
        "since_version": since,
        "leaves_by": unit.get("leaves_by"),
        "arrives_at": arrives_at,
        "why": explain_reason(bag["reason"]),
        "way": _describe_way(version, bag, station_id, arrives_at.isoformat()),
    }


def _describe_way(version: RequestVersion, bag: Row, station_id: str, arrives_at: str) -> Told:
    params = {"station_id": station_id, "at": arrives_at}
    if not version.is_newest or bag["status"] == "held":
        return explain("bag_waits_to_leave", params)
    if bag["status"] == "received":
        return explain("bag_received", params)
    if version.find_arrival(bag) < version.at:
        return explain("bag_not_confirmed", params)
    return explain("bag_on_its_way", params)
