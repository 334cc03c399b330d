"""Explain why an alert leads to nothing, or is held until a dispatcher confirms it.

Pure and deterministic: no IO, no clock. An alert that leads to nothing is reported with its
reason, so that somebody can correct it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from models.alerts import Alert, AlertKind, AlertStatus
from models.decisions import Reason
from models.facilities import Location, Station
from models.rules.types.disasters import DisasterRules

MOST_LATITUDE = 90.0


def list_in_reach(location: Location, stations: Iterable[Station]) -> list[Station]:
    """List the stations that take part in a disaster at a place, nearest first."""
    near = [
        (station.location.distance_km(location), station.station_id, station)
        for station in stations
        if station.location.distance_km(location) <= station.policy.activation_radius_km
    ]
    return [station for _, _, station in sorted(near, key=lambda entry: entry[:2])]


def find_unreached(location: Location, stations: Iterable[Station]) -> tuple[Reason, ...]:
    """Report that no station is in reach of a place, and why; empty if a station is."""
    known = sorted(stations, key=lambda station: station.station_id)
    if list_in_reach(location, known):
        return ()
    if not known:
        return (Reason(code="no_station_registered"),)
    nearest = min(known, key=lambda station: station.location.distance_km(location))
    reasons = [
        Reason(
            code="no_station_in_reach",
            params={
                "station_id": nearest.station_id,
                "distance_km": round(nearest.location.distance_km(location)),
            },
        )
    ]
    if abs(location.lon) <= MOST_LATITUDE:
        swapped = Location(lat=location.lon, lon=location.lat)
        if in_reach := list_in_reach(swapped, known):
            reasons.append(
                Reason(
                    code="latitude_and_longitude_swapped",
                    params={
                        "lat": swapped.lat,
                        "lon": swapped.lon,
                        "station_id": in_reach[0].station_id,
                    },
                )
            )
    return tuple(reasons)


def list_untimely(
    alert: Alert, *, is_open: bool, now: datetime, rules: DisasterRules
) -> tuple[Reason, ...]:
    """List why an alert is held because of its times; empty if it is not.

    A cancellation, an exercise and an alert that a dispatcher has confirmed are never held. While
    the disaster is open, only the age of the message counts, not how long ago the disaster began.
    """
    is_free = alert.kind is AlertKind.CANCEL or alert.status is not AlertStatus.ACTUAL
    if is_free or alert.confirmed_by:
        return ()
    timely = rules.timely
    rule = rules.cite(timely)
    moments = (alert.sent_at, alert.occurred_at)
    oldest, latest = alert.sent_at if is_open else min(moments), max(moments)
    reasons = []
    if now - oldest > timedelta(hours=timely.oldest_h):
        told = {"at": oldest.isoformat(), "oldest_h": timely.oldest_h}
        reasons.append(Reason(code="alert_out_of_date", params=told, rule=rule))
    if latest - now > timedelta(seconds=timely.ahead_s):
        told = {"at": latest.isoformat(), "ahead_s": timely.ahead_s}
        reasons.append(Reason(code="alert_ahead_of_time", params=told, rule=rule))
    return tuple(reasons)
