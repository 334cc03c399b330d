"""The calls of donors on the reserve, and what the donors answer.

Names and contacts are shown only to the donor's own station, and each look is recorded.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import Field
from starlette.responses import Response

from gateway.http.calls import validate
from gateway.http.dependencies import LOOK_LIMIT_S, CallDep, GatewayDep
from gateway.http.event_intake import publish
from gateway.http.examples import ANSWER
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import Holder
from gateway.reason_texts import explain
from gateway.runtime import Gateway
from models.access import KeyScope, Principal
from models.base import Identifier, Instant, Line, Value
from models.donors import Answer, CallOutStatus, Donation
from models.errors import ContractError, DomainRefusal, TransientError
from models.events.donors import CallOutAnswered
from streams.store.read_models.pages import CallOutFilter

router = APIRouter(tags=["donors"])


class NewAnswer(Value):
    """What a donor answered, or what became of the visit.

    Attributes:
        donor_id: Needed only while PostgreSQL is away; must agree with the call.
        answered_at: Needed with an Idempotency-Key; else now.
        eta_s: Seconds until arrival; with `accepted`.
        donation: What was given; with `donated` and no other answer.
    """

    donor_id: Identifier | None = None
    answer: Answer
    answered_at: Instant | None = None
    eta_s: int | None = Field(default=None, ge=0, le=86_400)
    donation: Donation | None = None
    reason: Line = ""


class CallQuery(Value):
    status: tuple[CallOutStatus, ...] = ()
    cause_id: Identifier | None = None
    limit: int = Field(default=200, ge=1, le=1000)


@router.get(
    "/v1/stations/{station_id}/call-outs",
    summary="召集名单 · The station's calls",
    description=(
        "只有本血站看到姓名和联系方式，每次查看都有记录 · names and contacts are shown to the "
        "station itself alone, and each look is recorded."
    ),
    responses=documented(400),
)
async def list_call_outs(
    station_id: Identifier,
    gateway: GatewayDep,
    principal: Holder,
    query: Annotated[CallQuery, Query()],
) -> Response:
    principal.ensure_speaks_for(station_id)
    wanted = CallOutFilter(
        station_id=station_id, statuses=query.status or None, cause_id=query.cause_id
    )
    rows = await gateway.pages.list_call_outs(
        wanted,
        limit=query.limit,
        contacts_for=principal.key_id if principal.scope is KeyScope.STATION else None,
        actor=principal.actor,
    )
    stops = await gateway.hand_work.list_stops(station_id)
    return to_response({"call_outs": rows, "stood_down": stops})


@router.get(
    "/v1/call-outs/{call_out_id}",
    summary="一次召集 · One call",
    responses=documented(404),
)
async def get_call_out(call_out_id: Identifier, gateway: GatewayDep, principal: Holder) -> Response:
    pages = gateway.pages
    found = await pages.find_call_out(call_out_id)
    own = principal.own_station
    if found is None or (own is not None and own != found["station_id"]):
        raise DomainRefusal("call_out_unknown", call_out_id=call_out_id)
    (row,) = await pages.list_call_outs(
        CallOutFilter(station_id=found["station_id"], call_out_id=call_out_id),
        limit=1,
        contacts_for=principal.key_id if principal.scope is KeyScope.STATION else None,
        actor=principal.actor,
    )
    return to_response(row)


@router.post(
    "/v1/call-outs/{call_out_id}/answers",
    summary="献血者的答复或到站结果 · A donor's answer, or what became of the visit",
    description=(
        "采血时间早于这次召集的献血拒绝：那是库存，盘点入库。"
        "袋上血型与登记不符时 `warnings` 里写明。\n\n"
        "A donation that was collected before the call is refused: it is stock, to be counted in. "
        "`warnings` name a bag whose group is not its donor's."
    ),
    responses={202: {"description": "已受理 · accepted"}, **documented(400, 404, 422)},
)
async def answer_call_out(
    call_out_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Holder,
    answer: Annotated[NewAnswer, Body(openapi_examples=ANSWER)],
) -> Response:
    known = await _get_call(gateway, principal, call_out_id, answer.donor_id)
    fields = {**dict(answer), **known}
    fields["answered_at"] = call.settle_moment(answer.answered_at, field="answered_at")
    registered = fields.pop("registered_group", None)
    event = validate(CallOutAnswered, fields, call_out_id=call_out_id)
    source = principal.actor if principal.is_dispatcher else f"station/{event.station_id}"
    beside = {"warnings": _list_doubts(event, registered)}
    return await publish(gateway, call.to_caller(source), [event], beside=beside)


def _list_doubts(event: CallOutAnswered, registered: str | None) -> list[dict[str, Any]]:
    """Warn at once that a bag's group contradicts its donor's record, if that record was read."""
    donation = event.donation
    if donation is None or registered is None or donation.group == registered:
        return []
    told = {"unit_id": donation.unit_id, "donated": donation.group, "registered": registered}
    return [explain("donation_group_differs", told)]


async def _get_call(
    gateway: Gateway, principal: Principal, call_out_id: str, donor_id: str | None
) -> dict[str, Any]:
    """Return the donor and station of a call.

    While PostgreSQL is away, a station that names the donor is believed; the engine checks again.
    """
    try:
        async with asyncio.timeout(LOOK_LIMIT_S):
            row = await gateway.pages.find_call_out(call_out_id)
    except (TransientError, TimeoutError) as error:
        if principal.own_station is None or donor_id is None:
            raise TransientError("postgres_away") from error
        return {"donor_id": donor_id, "station_id": principal.own_station}
    own = principal.own_station
    if row is None or (own is not None and own != row["station_id"]):
        raise DomainRefusal("call_out_unknown", call_out_id=call_out_id)
    if donor_id is not None and donor_id != row["donor_id"]:
        raise ContractError("donor_differs", call_out_id=call_out_id, donor_id=donor_id)
    return {
        "donor_id": row["donor_id"],
        "station_id": row["station_id"],
        "registered_group": row["blood_group"],
    }
