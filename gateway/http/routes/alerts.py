"""Disasters: alerts come in, activations are shown, and a dispatcher confirms or ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Body, Depends, Query
from pydantic import Field
from starlette.responses import Response

from gateway.http.calls import HttpCall
from gateway.http.dependencies import LOOK_LIMIT_S, CallDep, GatewayDep
from gateway.http.event_intake import publish
from gateway.http.examples import ALERT, CONFIRMATION
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import Dispatcher, allow
from gateway.reason_texts import explain_reason
from gateway.runtime import Gateway
from gateway.shortage_order import find_uncalled
from models.access import KeyScope, Principal
from models.alerts import ActivationStatus, Alert, AlertKind, AlertStatus
from models.base import Identifier, Line, Value, derive_id
from models.errors import DomainRefusal, TransientError
from models.events.alerts import AlertReceived
from streams.matching.alert_doubts import find_unreached, list_in_reach, list_untimely
from streams.matching.disaster_need import estimate_need
from streams.ports.alerts import AlertOutcome

log = structlog.get_logger(__name__)
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


class AlertQuery(Value):
    event_key: Identifier | None = None
    outcome: tuple[AlertOutcome, ...] = ()
    limit: int = Field(default=100, ge=1, le=500)


class Confirmation(Value):
    """The person who confirms an alert whose time is doubtful, so that it is acted on."""

    by: Line = Field(min_length=1)


@router.post(
    "/v1/alerts",
    summary="灾害警报、更新或取消 · A disaster alert, its update or its cancellation",
    description=(
        "同一灾害的修订用同一个 `event_key` 和更大的 `revision`；`alert_id` 相同即为重发。"
        "没有通报的人数不写，不写 0。回答写明哪些血站在范围内（`stations_in_reach`），"
        "以及不会自行启动的原因（`doubts`）。\n\n"
        "Revisions share `event_key`; the same `alert_id` is a repeat. Leave out a count that "
        "nobody reported: zero is a report. The answer tells which stations are in reach and, as "
        "`doubts`, why the alert will open nothing by itself: no station in reach, or its time."
    ),
    responses={202: {"description": "已受理 · accepted"}, **documented(400, 403, 422)},
)
async def send_alert(
    gateway: GatewayDep,
    call: CallDep,
    principal: Feed,
    alert: Annotated[Alert, Body(openapi_examples=ALERT)],
) -> Response:
    if alert.confirmed_by and not principal.is_dispatcher:
        raise DomainRefusal("confirmation_not_yours", scope=principal.scope)
    return await _send(gateway, call, principal, alert, key=alert.alert_id)


@router.get(
    "/v1/alerts",
    summary="警报及其结果，最新在前 · Alerts and what became of them, newest first",
    description=(
        "`outcome`：answered 已启动，superseded 已有更新的，unanswered 没有血站响应，"
        "held 等调度确认 · "
        "`held` ones wait for a dispatcher, for their time or because another source tells of the "
        "disaster: confirm them, or send them again with a right time."
    ),
    responses=documented(400),
)
async def list_alerts(
    gateway: GatewayDep, principal: Feed, query: Annotated[AlertQuery, Query()]
) -> Response:
    del principal  # Every disaster feed and dispatcher may see every alert.
    rows = await gateway.pages.list_alerts(
        event_key=query.event_key, outcomes=query.outcome or None, limit=query.limit
    )
    return to_response(
        {
            "alerts": [
                {
                    **row["body"],
                    "received_at": row["received_at"],
                    "outcome": row["outcome"],
                    "reasons": [explain_reason(reason) for reason in row["reasons"]],
                }
                for row in rows
            ]
        }
    )


@router.post(
    "/v1/alerts/{alert_id}/confirm",
    summary="确认一条被搁置的警报 · Act on an alert that was held",
    description=(
        "因时间可疑，或因另一来源在通报这场灾害而被搁置的 · held because its time is doubtful, or "
        "because another source tells of that disaster."
    ),
    responses={202: {"description": "已受理 · accepted"}, **documented(400, 404, 409)},
)
async def confirm_alert(
    alert_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Dispatcher,
    confirmation: Annotated[Confirmation, Body(openapi_examples=CONFIRMATION)],
) -> Response:
    row = await gateway.pages.find_alert(alert_id)
    if row is None:
        raise DomainRefusal("alert_unknown", alert_id=alert_id)
    if row["outcome"] != AlertOutcome.HELD:
        raise DomainRefusal("alert_not_held", alert_id=alert_id, outcome=row["outcome"])
    alert = Alert.model_validate(row["body"]).but(
        alert_id=derive_id("confirmed", alert_id), confirmed_by=confirmation.by
    )
    return await _send(gateway, call, principal, alert, key=alert.alert_id)


@router.post(
    "/v1/exercises/{event_key}/end",
    summary="结束演练 · End an exercise",
    description="发出取消；实际灾害用警报的 cancel 结束 · sends its cancellation.",
    responses={202: {"description": "已受理 · accepted"}, **documented(404, 409)},
)
async def end_exercise(
    event_key: Identifier, gateway: GatewayDep, call: CallDep, principal: Feed
) -> Response:
    row = await gateway.pages.find_newest_alert(event_key)
    if row is None:
        raise DomainRefusal("disaster_unknown", event_key=event_key)
    newest = Alert.model_validate(row["body"])
    if newest.status is AlertStatus.ACTUAL:
        raise DomainRefusal("not_an_exercise", event_key=event_key)
    end = newest.but(
        alert_id=derive_id("end-of-exercise", event_key, newest.revision),
        revision=newest.revision + 1,
        kind=AlertKind.CANCEL,
        sent_at=gateway.clock.now(),
    )
    return await _send(gateway, call, principal, end, key=end.alert_id)


@router.get(
    "/v1/activations",
    summary="各血站的应急启动 · Activations",
    description=(
        "血站只看到自己的。演练另列在 `exercises`。`donors_wanted` 需要、`donors_callable` 可召集、"
        "`donors_missing` 无人可补的人次；缺得最多的在前。\n\n"
        "A station sees its own; exercises stand apart. Donations wanted, donors who may be "
        "called, and what none of them covers are three numbers; who misses most comes first."
    ),
    responses=documented(400),
)
async def list_activations(
    gateway: GatewayDep, principal: Viewer, query: Annotated[ActivationQuery, Query()]
) -> Response:
    rows = await gateway.pages.list_activations(
        station_id=principal.own_station or query.station_id,
        status=query.status,
        event_key=query.event_key,
        limit=query.limit,
    )
    told = [
        {
            **row["body"],
            "opened_at": row["opened_at"],
            "donors_not_called": find_uncalled(
                (need["component"] for need in row["body"].get("needs", ())), gateway.rules
            ),
        }
        for row in rows
    ]
    return to_response(
        {
            "activations": [row for row in told if not row.get("exercise")],
            "exercises": [row for row in told if row.get("exercise")],
        }
    )


async def _send(
    gateway: Gateway, call: HttpCall, principal: Principal, alert: Alert, *, key: str
) -> Response:
    """Publish an alert; the answer names the stations in reach and the doubts about the alert."""
    source = principal.actor if principal.is_dispatcher else f"feed/{principal.key_id}"
    return await publish(
        gateway,
        call.to_caller(source, key=key, named_by="alert_id"),
        [AlertReceived(alert=alert)],
        beside=await _render_prospects(gateway, alert),
    )


async def _render_prospects(gateway: Gateway, alert: Alert) -> Mapping[str, Any]:
    """Return what the engine will probably find, as far as it is known here."""
    stations = list(gateway.directories.current().stations.values())
    is_open = await _is_open(gateway, alert.event_key)
    doubts = [
        *list_untimely(
            alert, is_open=is_open, now=gateway.clock.now(), rules=gateway.rules.disasters
        ),
        *find_unreached(alert.location, stations),
    ]
    estimate = estimate_need(alert, rules=gateway.rules.disasters)
    if alert.kind is AlertKind.ALERT and not estimate.needs:
        doubts.extend(estimate.reasons)
    return {
        "stations_in_reach": [
            station.station_id for station in list_in_reach(alert.location, stations)
        ],
        "doubts": [explain_reason(reason.model_dump(mode="json")) for reason in doubts],
    }


async def _is_open(gateway: Gateway, event_key: str) -> bool:
    """Return whether a disaster is open.

    False also while PostgreSQL is away and it is not known.
    """
    try:
        async with asyncio.timeout(LOOK_LIMIT_S):
            found = await gateway.pages.list_activations(
                station_id=None, status=ActivationStatus.OPEN, event_key=event_key, limit=1
            )
    except (TransientError, TimeoutError) as error:
        log.info("disaster_not_looked_up", event_key=event_key, error=str(error))
        return False
    return bool(found)
