"""Takes what dispatchers decide by hand of one bag: each with who and why."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from gateway.http.calls import validate
from gateway.http.dependencies import CallDep, GatewayDep, ensure_station
from gateway.http.event_intake import publish
from gateway.http.examples import BAG_GIVEN, BAG_TAKEN_BACK, HOLD, HOLD_END
from gateway.http.openapi import body
from gateway.http.openapi import problems as documented
from gateway.http.request_changes import DECIDED, HEADERS, change_request
from gateway.http.responses import to_response
from gateway.http.scopes import Dispatcher, Holder
from models.base import Identifier, Value
from models.events.hand_work import BagGiven, BagTakenBack, HoldEnded, HoldPlaced

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
        make=lambda fields, ids: validate(BagGiven, fields, **ids),
        event_kind="bag-given",
        source=principal.actor,
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
        make=lambda fields, ids: validate(BagTakenBack, fields, **ids, unit_id=unit_id),
        event_kind="bag-taken-back",
        source=principal.actor,
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
    holds = await gateway.holds.list_of(station_id, limit=query.limit)
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
    return await publish(gateway, call, [event], source=principal.actor)


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
    return await publish(gateway, call, [event], source=principal.actor)
