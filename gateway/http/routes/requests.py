"""Takes urgent requests in: open, amend, confirm, cancel. This is the urgent path.

Between the body and Kafka there is only the validation; an opening is published without a look at
PostgreSQL before it. The supplying station is known from the directory in memory.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from gateway.http.calls import validate
from gateway.http.dependencies import CallDep, GatewayDep
from gateway.http.examples import AMENDMENT, CANCELLATION, CONFIRMATION, REQUEST
from gateway.http.openapi import body
from gateway.http.openapi import problems as documented
from gateway.http.request_changes import (
    DECIDED,
    HEADERS,
    RequestChange,
    answer_decided,
    change_request,
)
from gateway.http.request_targets import find_station, name_hospital
from gateway.http.scopes import allow
from gateway.intake.accepted_requests import AcceptedRequest
from gateway.invalid_content import FieldError, InvalidContent
from models.access import KeyScope, Principal
from models.base import Identifier, derive_id
from models.events.requests import RequestAmended, RequestCancelled, RequestOpened
from models.requests import Amendment, Cancellation, QuantityConfirmation, UrgentRequest
from models.texts import render

router = APIRouter(tags=["requests"])

MAY_ASK = frozenset({KeyScope.HOSPITAL, KeyScope.DISPATCHER})
Asker = Annotated[Principal, Depends(allow(*MAY_ASK))]

_CREATED: dict[int | str, dict[str, Any]] = {
    **DECIDED,
    200: {"description": "先前已有决定 · decided before: a repeat"},
    201: {"description": "已决定 · decided"},
}


@router.post(
    "/v1/requests",
    summary="紧急用血申请 · Ask for blood",
    description=(
        "系统提出方案并预留；它不替代医院的交叉配血，也不替代血站的法定放行。\n\n"
        "Answered once the log has the request for good. The system proposes and reserves; it "
        "does not replace the hospital's crossmatch or the station's legal release."
    ),
    responses={**_CREATED, **documented(400, 413, 422)},
    openapi_extra={"requestBody": body("NewRequest", REQUEST), "parameters": HEADERS},
)
async def open_request(gateway: GatewayDep, call: CallDep, principal: Asker) -> Response:
    key = call.get_idempotency_key()
    call.get_wait_s()  # a header that cannot be meant is refused before the body is read
    fields = await call.read_object()
    hospital_id = name_hospital(principal, fields)
    station_id = await find_station(gateway, hospital_id)
    request_id = derive_id("request", hospital_id, key)
    urgent = validate(UrgentRequest, fields, request_id=request_id, station_id=station_id)
    target = AcceptedRequest(request_id=request_id, hospital_id=hospital_id, station_id=station_id)
    event = RequestOpened(request=urgent, opened_by=_name_speaker(principal) or None)
    caller = call.to_caller(f"hospital/{hospital_id}")
    acceptance = await gateway.submissions.accept(
        [event], caller, ids=[derive_id("opened", hospital_id, request_id, key)]
    )
    gateway.accepted.add(target)
    return answer_decided(acceptance, event, caller, rules=gateway.rules.antigens)


@router.patch(
    "/v1/requests/{request_id}",
    summary="更改申请 · Amend a request",
    description=(
        "没有写的字段保持原样，`patient` 和同号同品种的行之内也一样；"
        "在这两处和 `note` 写 null 表示取消该值。"
        "`lines` 要写全：没有列出的行不再要；原以毫升或袋计的行，改数量时须再写 `measure`。"
        "抗体和特殊需要只增不减，另报一个血型则两个都不作数："
        "撤回和裁定写在 `correction` 里，须有具名的人和理由。\n\n"
        "A missing field stays as it was, inside `patient` and inside a line of the same number "
        "and component too; in these two, and for `note`, null takes a value away. `lines` are "
        "stated whole: a line that is not listed is asked for no more, and one in millilitres or "
        "bags states its `measure` again with another quantity. Antibodies and special "
        "needs are added, never taken away, and a second group makes both doubtful: what is to "
        "go, or which is right, stands in `correction` with a named person and a reason."
    ),
    responses={**DECIDED, **documented(400, 404, 409, 413, 422)},
    openapi_extra={"requestBody": body("RequestChange", AMENDMENT), "parameters": HEADERS},
)
async def amend_request(
    request_id: Identifier, gateway: GatewayDep, call: CallDep, principal: Asker
) -> Response:
    return await change_request(
        gateway,
        call,
        request_id,
        principal,
        RequestChange(
            make=lambda fields, ids: RequestAmended(
                amendment=validate(
                    Amendment,
                    _ensure_no_null(fields),
                    **ids,
                    amended_by=_name_speaker(principal),
                )
            ),
            event_kind="amended",
        ),
    )


@router.post(
    "/v1/requests/{request_id}/confirm",
    summary="确认数量 · Confirm a quantity",
    description=(
        "所要数量无误，也不是另一份申请的重复：被问回的部分随即预留。同一病人的两份申请，确认任何一份即可。"
        "写明是谁确认的。\n\n"
        "So much is meant, and it is no repeat of another order: what was asked back is reserved. "
        "Of two orders for one patient either may be confirmed. Name who says so. It ends where an "
        "amendment asks for more."
    ),
    responses={**DECIDED, **documented(400, 404, 409, 413, 422)},
    openapi_extra={
        "requestBody": body("RequestConfirmation", CONFIRMATION),
        "parameters": HEADERS,
    },
)
async def confirm_request(
    request_id: Identifier, gateway: GatewayDep, call: CallDep, principal: Asker
) -> Response:
    return await change_request(
        gateway,
        call,
        request_id,
        principal,
        RequestChange(
            make=lambda fields, ids: RequestAmended(
                amendment=validate(
                    QuantityConfirmation, fields, **ids, amended_by=_name_speaker(principal)
                ).to_amendment()
            ),
            event_kind="confirmed",
        ),
    )


@router.post(
    "/v1/requests/{request_id}/cancel",
    summary="取消申请 · Cancel a request",
    description="已预留而未发出的退回库存 · what is reserved and not issued goes back to stock.",
    responses={**DECIDED, **documented(400, 404, 409, 413, 422)},
    openapi_extra={
        "requestBody": body("RequestCancellation", CANCELLATION),
        "parameters": HEADERS,
    },
)
async def cancel_request(
    request_id: Identifier, gateway: GatewayDep, call: CallDep, principal: Asker
) -> Response:
    return await change_request(
        gateway,
        call,
        request_id,
        principal,
        RequestChange(
            make=lambda fields, ids: RequestCancelled(
                cancellation=validate(
                    Cancellation,
                    fields,
                    **ids,
                    cancelled_by=_name_speaker(principal),
                )
            ),
            event_kind="cancelled",
        ),
    )


def _ensure_no_null(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an amendment's fields; refuse null for a field that a request must have."""
    wrong = [name for name in sorted(Amendment.NEEDED & fields.keys()) if fields[name] is None]
    if wrong:
        told, fix = str(render("broken_null")), render("fix_null")
        raise InvalidContent("fields_invalid", [FieldError(name, told, fix) for name in wrong])
    return fields


def _name_speaker(principal: Principal) -> str:
    """Return the dispatcher who acts for the hospital; empty where the hospital acts itself."""
    return principal.actor if principal.is_dispatcher else ""
