"""The dependencies of routes: the gateway that serves the call, and the call itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from gateway.http.calls import HttpCall
from gateway.runtime import Gateway
from models.errors import DomainRefusal
from models.facilities import Station

LOOK_LIMIT_S = 1.0
"""PostgreSQL counts as away for a call that can do without it after this time."""


async def get_gateway(request: Request) -> Gateway:
    """Return the gateway of this app. A coroutine, because others are run in a thread."""
    gateway: Gateway = request.app.state.gateway
    return gateway


GatewayDep = Annotated[Gateway, Depends(get_gateway)]


async def get_call(request: Request, gateway: GatewayDep) -> HttpCall:
    return HttpCall(request, clock=gateway.clock)


CallDep = Annotated[HttpCall, Depends(get_call)]


async def ensure_station(gateway: Gateway, station_id: str) -> Station:
    """Return a registered station, as it is now.

    Raises:
        DomainRefusal: `station_unknown`.
    """
    station = (await gateway.directories.refresh()).stations.get(station_id)
    if station is None:
        raise DomainRefusal("station_unknown", station_id=station_id)
    return station
