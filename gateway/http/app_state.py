"""The state of the app: the gateway that its routes use, and the stations that it knows."""

from __future__ import annotations

from starlette.requests import Request

from gateway.runtime import Gateway
from models.errors import DomainRefusal
from models.facilities import Station

LOOK_LIMIT_S = 1.0
"""PostgreSQL counts as away for a call that can do without it after this time."""


def get_gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


async def ensure_station(gateway: Gateway, station_id: str) -> Station:
    """Return a registered station, as it is now.

    Raises:
        DomainRefusal: `station_unknown`.
    """
    station = (await gateway.directories.refresh()).stations.get(station_id)
    if station is None:
        raise DomainRefusal("station_unknown", station_id=station_id)
    return station
