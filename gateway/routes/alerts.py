"""Disasters: alerts in, activations out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from gateway.access import Principal, allow
from gateway.documents import problems as documented
from gateway.events_in import publish
from gateway.examples import ALERT
from gateway.rendering import to_response
from gateway.runtime import get_gateway
from models.alerts import ActivationStatus, Alert
from models.base import Identifier, Value
from models.events.alerts import AlertReceived
from streams.store.keys import KeyScope

router = APIRouter(tags=["disasters"])

Feed = Annotated[Principal, Depends(allow(KeyScope.DISASTER, KeyScope.DISPATCHER))]
Viewer = Annotated[
    Principal, Depends(allow(KeyScope.DISASTER, KeyScope.DISPATCHER, KeyScope.STATION))
]


class ActivationQuery(Value):
    station_id: Identifier | None = None
    status: ActivationStatus | None = None
    event_key: Identifier | None = None
    limit: int = Field(default=100, ge=1, le=500)


@router.post(
    "/v1/alerts",
    summary="灾害警报、更新或取消 · A disaster alert, its update or its cancellation",
    description=(
        "同一灾害的修订用同一个 `event_key` 和更大的 `revision`；`alert_id` 相同即为重发 · "
        "revisions share `event_key`; the same `alert_id` is a repeat."
    ),
    response_class=Response,
    responses={202: {"description": "已受理 · accepted"}, **documented(400, 422)},
)
async def send_alert(
    request: Request, principal: Feed, alert: Annotated[Alert, Body(openapi_examples=ALERT)]
) -> Response:
    source = f"feed/{principal.key_id}"
    event = AlertReceived(alert=alert)
    return await publish(request, [event], source=source, key=alert.alert_id, named_by="alert_id")


@router.get(
    "/v1/activations",
    summary="各血站的应急启动 · Activations",
    description="血站只看到自己的 · a station sees its own.",
    response_class=Response,
    responses=documented(400),
)
async def list_activations(
    request: Request, principal: Viewer, query: Annotated[ActivationQuery, Query()]
) -> Response:
    rows = await get_gateway(request).reading.list_activations(
        station_id=principal.own_station or query.station_id,
        status=query.status,
        event_key=query.event_key,
        limit=query.limit,
    )
    return to_response(
        {"activations": [{**row["body"], "opened_at": row["opened_at"]} for row in rows]}
    )
