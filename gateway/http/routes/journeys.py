"""The recorded journeys between stations and hospitals; without one, an estimate is used."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter, Body
from pydantic import Field, model_validator
from starlette.responses import Response

from gateway.http.dependencies import CallDep, GatewayDep
from gateway.http.examples import ROUTES
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.routes.facilities import build_author
from gateway.http.scopes import Dispatcher, Reader
from models.base import Identifier, Value
from models.broken_rule import BrokenRuleError
from models.errors import DomainRefusal

router = APIRouter(tags=["facilities"])


class RouteBody(Value):
    """A known journey, one direction; whole seconds, handing over included.

    Attributes:
        proven_box: The box that goes this way is proven to keep the temperature, in frost too;
            left out, it stays as it was, and nobody said so of a new one.
    """

    from_id: Identifier
    to_id: Identifier
    eta_s: int = Field(ge=1, le=604_800)
    proven_box: bool | None = None

    @model_validator(mode="after")
    def _lead_elsewhere(self) -> Self:
        if self.from_id == self.to_id:
            raise BrokenRuleError("route_to_itself", "to_id", facility_id=self.from_id)
        return self


class Routes(Value):
    routes: tuple[RouteBody, ...] = Field(min_length=1, max_length=5000)

    @model_validator(mode="after")
    def _one_time_each(self) -> Self:
        known: dict[tuple[str, str], int] = {}
        for route in self.routes:
            told = known.setdefault((route.from_id, route.to_id), route.eta_s)
            if told != route.eta_s:
                raise BrokenRuleError(
                    "route_twice",
                    "routes",
                    from_id=route.from_id,
                    to_id=route.to_id,
                    eta_s=told,
                    other_s=route.eta_s,
                )
        return self


@router.get(
    "/v1/routes",
    summary="登记的行程时间 · The recorded journeys",
    responses=documented(),
)
async def list_routes(gateway: GatewayDep, principal: Reader) -> Response:
    del principal
    directory = await gateway.directories.refresh()
    return to_response(
        {
            "routes": [
                {
                    "from_id": from_id,
                    "to_id": to_id,
                    "eta_s": eta_s,
                    "proven_box": (from_id, to_id) in directory.proven,
                }
                for (from_id, to_id), eta_s in sorted(directory.routes.items())
            ]
        }
    )


@router.put(
    "/v1/routes",
    summary="登记行程时间 · Record journeys",
    description="没有登记的按坐标估算并标明 · without one, the estimate is used and marked.",
    responses=documented(400, 422),
)
async def put_routes(
    gateway: GatewayDep,
    call: CallDep,
    principal: Dispatcher,
    routes: Annotated[Routes, Body(openapi_examples=ROUTES)],
) -> Response:
    directories = gateway.directories
    directory = await directories.refresh()
    for end in sorted({end for route in routes.routes for end in (route.from_id, route.to_id)}):
        if directory.find_location(end) is None:
            raise DomainRefusal("facility_unknown", facility_id=end)
    known = {(route.from_id, route.to_id): route.eta_s for route in routes.routes}
    proven = {
        (route.from_id, route.to_id): route.proven_box
        for route in routes.routes
        if route.proven_box is not None
    }
    await directories.put_routes(known, proven=proven, changed_by=build_author(call, principal))
    await directories.refresh()
    return to_response({"recorded": len(known)})
