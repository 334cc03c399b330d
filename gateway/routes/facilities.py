"""Stations, hospitals and routes: written by dispatchers, straight to PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Body, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from gateway.access import Principal, allow
from gateway.documents import problems as documented
from gateway.examples import HOSPITAL, ROUTES, STATION
from gateway.rendering import to_response
from gateway.runtime import get_gateway
from models.base import Identifier, Value
from models.errors import ContractError, DomainRefusal
from models.facilities import Hospital, Station
from streams.store.keys import KeyScope

router = APIRouter(tags=["facilities"])

Dispatcher = Annotated[Principal, Depends(allow(KeyScope.DISPATCHER))]


class Route(Value):
    """A known journey, one direction; whole seconds, handing over included."""

    from_id: Identifier
    to_id: Identifier
    eta_s: int = Field(ge=0, le=604_800)


class Routes(Value):
    routes: tuple[Route, ...] = Field(min_length=1, max_length=5000)


@router.put(
    "/v1/stations/{station_id}",
    summary="登记或更改血站 · Register or change a station",
    response_class=Response,
    responses=documented(400),
)
async def put_station(
    station_id: Identifier,
    request: Request,
    principal: Dispatcher,
    station: Annotated[Station, Body(openapi_examples=STATION)],
) -> Response:
    del principal
    if station.station_id != station_id:
        raise ContractError("id_differs", field="station_id")
    directories = get_gateway(request).directories
    _ensure_one_spelling(station_id, (await directories.refresh()).stations)
    await directories.put_station(station)
    return to_response(station.model_dump(mode="json"))


@router.put(
    "/v1/hospitals/{hospital_id}",
    summary="登记或更改医院 · Register or change a hospital",
    response_class=Response,
    responses=documented(400, 422),
)
async def put_hospital(
    hospital_id: Identifier,
    request: Request,
    principal: Dispatcher,
    hospital: Annotated[Hospital, Body(openapi_examples=HOSPITAL)],
) -> Response:
    del principal
    if hospital.hospital_id != hospital_id:
        raise ContractError("id_differs", field="hospital_id")
    directories = get_gateway(request).directories
    directory = await directories.refresh()
    if hospital.station_id not in directory.stations:
        raise DomainRefusal("station_unknown", station_id=hospital.station_id)
    _ensure_one_spelling(hospital_id, directory.hospitals)
    await directories.put_hospital(hospital)
    return to_response(hospital.model_dump(mode="json"))


def _ensure_one_spelling(facility_id: str, registered: Collection[str]) -> None:
    """Refuse a name that differs in case alone from one that is registered: it is a slip."""
    for known in registered:
        if known != facility_id and known.casefold() == facility_id.casefold():
            raise DomainRefusal("facility_other_spelling", facility_id=facility_id, known=known)


@router.put(
    "/v1/routes",
    summary="登记行程时间 · Record journeys",
    description="没有登记的按坐标估算并标明 · without one, the estimate is used and marked.",
    response_class=Response,
    responses=documented(400),
)
async def put_routes(
    request: Request,
    principal: Dispatcher,
    routes: Annotated[Routes, Body(openapi_examples=ROUTES)],
) -> Response:
    del principal
    known = {(route.from_id, route.to_id): route.eta_s for route in routes.routes}
    await get_gateway(request).directories.put_routes(known)
    return to_response({"recorded": len(known)})
