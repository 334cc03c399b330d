"""Takes what dispatchers decide by hand of one bag: each with who and why."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from gateway.http.calls import HttpCall, validate
from gateway.http.dependencies import CallDep, GatewayDep, ensure_station
from gateway.http.event_intake import publish
from gateway.http.examples import (
    BAG_GIVEN,
    BAG_TAKEN_BACK,
    HOLD,
    HOLD_END,
    RESUMED,
    STOOD_DOWN,
    TRANSFER_STOOD_DOWN,
)
from gateway.http.openapi import body
from gateway.http.openapi import problems as documented
from gateway.http.request_changes import DECIDED, HEADERS, RequestChange, change_request
from gateway.http.responses import to_response
from gateway.http.scopes import Dispatcher, Holder
from gateway.runtime import Gateway
from models.access import Principal
from models.base import Identifier, Value
from models.errors import DomainRefusal
from models.events.hand_work import (
    BagGiven,
    BagTakenBack,
    CallsResumed,
    CallsStoodDown,
    HoldEnded,
    HoldPlaced,
    TransferStoodDown,
)

router = APIRouter(tags=["hand work"])

_RESPONSES: dict[int | str, dict[str, Any]] = {
    **DECIDED,
    **documented(400, 404, 409, 413, 422),
}


_HELD: dict[int | str, dict[str, Any]] = {
    200: {"description": "引擎已执行 · the engine has done it"},
    202: {"description": "已受理 · accepted"},
    **documented(400, 413, 422),
}


@router.post(
    "/v1/requests/{request_id}/bags",
    summary="把这袋血给这位患者 · Give this bag to that patient",
    description=(
        "血袋须空闲，或许给了可以等得更久的申请而未拣。安全内核照常判断："
        "不合适的以 422 拒绝，写明每一条理由。失去血袋的申请立即重新配血并得知原因。"
        "一行只收它还缺的；要换一袋，在 `instead_of` 里写换下的那袋。"
        "`by` 和 `reason` 必填，随预留一直可见。\n\n"
        "The bag is free, or promised to a request that can wait longer and not picked. The safety "
        "kernel judges as ever: what does not fit is refused with 422 and every reason. Whoever "
        "loses the bag is matched again at once and told why. A line takes no more than it lacks; "
        "to change a bag, name the one that goes back in `instead_of`. `by` and `reason` are "
        "needed and stay to be seen with the promise."
    ),
    responses=_RESPONSES,
    openapi_extra={"requestBody": body("BagGift", BAG_GIVEN), "parameters": HEADERS},
)
async def give_bag(
    request_id: Identifier, gateway: GatewayDep, call: CallDep, principal: Dispatcher
) -> Response:
    return await change_request(
        gateway,
        call,
        request_id,
        principal,
        RequestChange(
            make=lambda fields, ids: validate(BagGiven, fields, **ids),
            event_kind="bag-given",
            source=principal.actor,
        ),
    )


@router.post(
    "/v1/requests/{request_id}/bags/{unit_id}/take-back",
    summary="收回预留而未拣的血袋 · Take back a bag that is not picked",
    description=(
        "这份申请立即重新配血，同一步里不再得到这袋；血袋回到库存，等着的申请随后可以得到它。"
        "谁也不该得到它时，先暂留（hold）。\n\n"
        "The request is matched again at once and does not get the same bag in that step. The bag "
        "is stock again, and whoever waits may get it soon after: hold it where nobody should."
    ),
    responses=_RESPONSES,
    openapi_extra={"requestBody": body("BagReturn", BAG_TAKEN_BACK), "parameters": HEADERS},
)
async def take_bag_back(
    request_id: Identifier,
    unit_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Dispatcher,
) -> Response:
    return await change_request(
        gateway,
        call,
        request_id,
        principal,
        RequestChange(
            make=lambda fields, ids: validate(BagTakenBack, fields, **ids, unit_id=unit_id),
            event_kind="bag-taken-back",
            source=principal.actor,
        ),
    )


class HoldQuery(Value):
    limit: int = Field(default=200, ge=1, le=1000)


@router.get(
    "/v1/stations/{station_id}/holds",
    summary="暂留的血袋 · Bags on hold",
    description="何人、何故、到何时，最早的在前 · who, why and until when, the oldest first.",
    responses=documented(400, 422),
)
async def list_holds(
    station_id: Identifier,
    gateway: GatewayDep,
    principal: Holder,
    query: Annotated[HoldQuery, Query()],
) -> Response:
    principal.ensure_speaks_for(station_id)
    await ensure_station(gateway, station_id)
    holds = await gateway.hand_work.list_holds(station_id, limit=query.limit)
    return to_response({"station_id": station_id, "holds": holds})


@router.post(
    "/v1/stations/{station_id}/holds",
    summary="暂留一袋血 · Hold a bag",
    description=(
        "谁也不会得到它，直到解除或到 `until`；血袋留在原处。"
        "已许出而未拣的，失去它的申请立即重新配血并得知原因。\n\n"
        "Nobody is given it until the hold ends, by hand or at `until`; the bag stays where it "
        "is. If it is promised and not picked, whoever loses it is matched again at once and told "
        "why."
    ),
    responses=_HELD,
    openapi_extra={"requestBody": body("NewHold", HOLD), "parameters": HEADERS},
)
async def hold_bag(
    station_id: Identifier, gateway: GatewayDep, call: CallDep, principal: Holder
) -> Response:
    principal.ensure_speaks_for(station_id)
    # Without a key of its own, the same words about the same bag would be a repeat for good.
    call.get_idempotency_key()
    event = validate(HoldPlaced, await call.read_object(), station_id=station_id)
    await ensure_station(gateway, station_id)
    return await publish(gateway, call.to_caller(principal.actor), [event])


@router.post(
    "/v1/stations/{station_id}/holds/{unit_id}/end",
    summary="解除暂留 · End the hold of a bag",
    description=(
        "血袋又是库存，等着的申请随后可以得到它 · the bag is stock again, and whoever waits may "
        "get it soon after."
    ),
    responses=_HELD,
    openapi_extra={"requestBody": body("HoldEnd", HOLD_END), "parameters": HEADERS},
)
async def end_hold(
    station_id: Identifier,
    unit_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Holder,
) -> Response:
    principal.ensure_speaks_for(station_id)
    call.get_idempotency_key()
    event = validate(HoldEnded, await call.read_object(), station_id=station_id, unit_id=unit_id)
    await ensure_station(gateway, station_id)
    return await publish(gateway, call.to_caller(principal.actor), [event])


@router.post(
    "/v1/stations/{station_id}/calls/{cause_id}/stand-down",
    summary="终止一个起因的召集 · Stand down the calls for one cause",
    description=(
        "起因是应急启动或短缺的编号。已呼叫、已答应而未到站的献血者都被告知不必来；"
        "别的起因还需要的除外。此后不再为它召集，直到恢复或起因结束。\n\n"
        "The cause is the number of an activation or a shortage. Every donor who was called and "
        "has not arrived is told that it is over, except whom another cause needs. Nobody more is "
        "called for it until that is taken back or the cause ends."
    ),
    responses=_HELD,
    openapi_extra={"requestBody": body("CallStandDown", STOOD_DOWN), "parameters": HEADERS},
)
async def stand_calls_down(
    station_id: Identifier,
    cause_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Holder,
) -> Response:
    return await _publish_of_cause(gateway, call, principal, CallsStoodDown, station_id, cause_id)


@router.post(
    "/v1/stations/{station_id}/calls/{cause_id}/resume",
    summary="恢复一个起因的召集 · Call donors for a cause again",
    description="按现在的需要召集 · donors are called as it needs them now.",
    responses=_HELD,
    openapi_extra={"requestBody": body("CallResumption", RESUMED), "parameters": HEADERS},
)
async def resume_calls(
    station_id: Identifier,
    cause_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Holder,
) -> Response:
    return await _publish_of_cause(gateway, call, principal, CallsResumed, station_id, cause_id)


async def _publish_of_cause(  # noqa: PLR0917 - what a route is given
    gateway: Gateway,
    call: HttpCall,
    principal: Principal,
    event_class: type[CallsStoodDown | CallsResumed],
    station_id: str,
    cause_id: str,
) -> Response:
    principal.ensure_speaks_for(station_id)
    call.get_idempotency_key()
    fields = await call.read_object()
    event = validate(event_class, fields, station_id=station_id, cause_id=cause_id)
    await ensure_station(gateway, station_id)
    return await publish(gateway, call.to_caller(principal.actor), [event])


@router.post(
    "/v1/transfers/{transfer_id}/stand-down",
    summary="终止调拨 · Stand down a transfer",
    description=(
        "没有发出的血袋留在供血方，又是它的库存；都已发出的追不回来 · what has not left the giving "
        "station stays there and is its stock again; what has left cannot be called back."
    ),
    responses={**_HELD, **documented(404)},
    openapi_extra={
        "requestBody": body("TransferStandDown", TRANSFER_STOOD_DOWN),
        "parameters": HEADERS,
    },
)
async def stand_transfer_down(
    transfer_id: Identifier, gateway: GatewayDep, call: CallDep, principal: Dispatcher
) -> Response:
    call.get_idempotency_key()
    fields = await call.read_object()
    ends = await gateway.hand_work.find_ends(transfer_id)
    if ends is None:
        raise DomainRefusal("transfer_unknown", transfer_id=transfer_id)
    event = validate(TransferStoodDown, fields, transfer_id=transfer_id, **ends)
    return await publish(gateway, call.to_caller(principal.actor), [event])
