"""Takes urgent requests in: open, amend, cancel. This is the urgent path.

Between the body and Kafka there is only the validation; an opening is published without a look at
PostgreSQL before it. The supplying station is known from the directory in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from gateway.explanations import explain, explain_decision, explain_waiting
from gateway.http.calls import HttpCall, validate
from gateway.http.dependencies import CallDep, GatewayDep
from gateway.http.event_intake import answer_refused, render_wait
from gateway.http.examples import AMENDMENT, CANCELLATION, REQUEST
from gateway.http.openapi import body
from gateway.http.openapi import problems as documented
from gateway.http.request_targets import find_station, get_target, name_hospital
from gateway.http.responses import to_response
from gateway.http.scopes import allow
from gateway.intake.acceptance import Acceptance, Caller
from gateway.intake.accepted_requests import AcceptedRequest
from gateway.invalid_content import FieldError, InvalidContent
from gateway.runtime import Gateway
from models.access import KeyScope, Principal
from models.base import Identifier, derive_id
from models.errors import DomainRefusal
from models.events import EventData
from models.events.requests import RequestAmended, RequestCancelled, RequestOpened
from models.requests import TERMINAL_REQUEST_STATUSES, Amendment, Cancellation, UrgentRequest
from models.rules.types.antigens import AntigenRules, list_unusual
from models.texts import render

router = APIRouter(tags=["requests"])

MAY_ASK = frozenset({KeyScope.HOSPITAL, KeyScope.DISPATCHER})
Asker = Annotated[Principal, Depends(allow(*MAY_ASK))]

_STATUS_AFTER = {"partly_reserved": "open", "waiting": "open", "deferred": "open"}
"""Maps the outcome of a decision to the status of its request, where the words differ."""

_HEADERS = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "description": "重发同一内容时用同一个 · the same for a repeat of the same content",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"},
        "example": "dingri-2025-0107-0001",
    },
    {
        "name": "Prefer",
        "in": "header",
        "required": False,
        "description": "`wait=N`：最多等 N 秒决定 · wait for the decision, 30 s at most",
        "schema": {"type": "string"},
        "example": "wait=2",
    },
]
_DECIDED: dict[int | str, dict[str, Any]] = {
    200: {"description": "已决定 · decided"},
    202: {"description": "已受理，等待决定 · kept in the log, not decided yet"},
}
_CREATED: dict[int | str, dict[str, Any]] = {
    **_DECIDED,
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
    openapi_extra={"requestBody": body("NewRequest", REQUEST), "parameters": _HEADERS},
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
    return _answer(acceptance, event, caller, rules=gateway.rules.antigens)


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
    responses={**_DECIDED, **documented(400, 404, 409, 413, 422)},
    openapi_extra={"requestBody": body("RequestChange", AMENDMENT), "parameters": _HEADERS},
)
async def amend_request(
    request_id: Identifier, gateway: GatewayDep, call: CallDep, principal: Asker
) -> Response:
    return await _change(
        gateway,
        call,
        request_id,
        principal,
        make=lambda fields, ids: RequestAmended(
            amendment=validate(
                Amendment,
                _ensure_no_null(fields),
                **ids,
                amended_by=_name_speaker(principal),
            )
        ),
        event_kind="amended",
    )


@router.post(
    "/v1/requests/{request_id}/cancel",
    summary="取消申请 · Cancel a request",
    description="已预留而未发出的退回库存 · what is reserved and not issued goes back to stock.",
    responses={**_DECIDED, **documented(400, 404, 409, 413, 422)},
    openapi_extra={
        "requestBody": body("RequestCancellation", CANCELLATION),
        "parameters": _HEADERS,
    },
)
async def cancel_request(
    request_id: Identifier, gateway: GatewayDep, call: CallDep, principal: Asker
) -> Response:
    return await _change(
        gateway,
        call,
        request_id,
        principal,
        make=lambda fields, ids: RequestCancelled(
            cancellation=validate(
                Cancellation,
                fields,
                **ids,
                cancelled_by=_name_speaker(principal),
            )
        ),
        event_kind="cancelled",
    )


async def _change(
    gateway: Gateway,
    call: HttpCall,
    request_id: str,
    principal: Principal,
    *,
    make: Callable[[dict[str, Any], dict[str, str]], EventData],
    event_kind: str,
) -> Response:
    key = call.get_idempotency_key()
    call.get_wait_s()  # a header that cannot be meant is refused before the body is read
    fields = await call.read_object()
    target, status = await get_target(gateway, principal, request_id)
    event = make(
        fields,
        {
            "request_id": target.request_id,
            "hospital_id": target.hospital_id,
            "station_id": target.station_id,
        },
    )
    event_id = derive_id(event_kind, target.hospital_id, target.request_id, key)
    caller = call.to_caller(f"hospital/{target.hospital_id}")
    if status in TERMINAL_REQUEST_STATUSES:
        # A repeat of the call that ended the request is answered as before; others come too late.
        acceptance = await gateway.submissions.find_known(event, caller, event_id=event_id)
        if not (acceptance.refused or acceptance.is_done):
            raise DomainRefusal("request_ended", request_id=request_id, status=str(status))
    else:
        acceptance = await gateway.submissions.accept([event], caller, ids=[event_id])
    return _answer(acceptance, event, caller, rules=gateway.rules.antigens)


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


def _warn(event: EventData, rules: AntigenRules) -> dict[str, Any]:
    """Return a warning for antigens that are probably misspelt; they are never refused."""
    match event:
        case RequestOpened(request=stated) | RequestAmended(amendment=stated):
            pass
        case _:
            return {}
    antibodies = stated.patient.antibodies if stated.patient else ()
    demanded = [name for line in stated.lines or () for name in line.attributes.antigen_negative]
    unusual = list_unusual([*antibodies, *demanded], rules=rules)
    if not unusual:
        return {}
    known = ", ".join(rules.east_asia.antigens)
    return {
        "warnings": [explain("antigen_unusual", {"antigens": ", ".join(unusual), "known": known})]
    }


def _answer(
    acceptance: Acceptance, event: EventData, caller: Caller, *, rules: AntigenRules
) -> Response:
    if acceptance.refused is not None:
        return answer_refused(acceptance.refused)
    (fate,) = acceptance.fates
    # A repeat was taken in before it was sent again. Clocks that differ by more than the event's
    # travel time only make the answer to a first call look like the answer to a repeat.
    is_repeat = fate is not None and fate.taken_at < acceptance.accepted_at
    told = {
        "request_id": event.subject,
        "event_id": acceptance.event_ids[0],
        "source": caller.source,
        **_warn(event, rules),
    }
    headers = {"Location": f"/v1/requests/{event.subject}"}
    # What was decided during the look at repeats is no answer to a call that does not wait.
    if fate is None or fate.decision is None or not (caller.wait_s or is_repeat):
        waiting_for = explain_waiting("being_taken_in")
        content = {**told, "status": "accepted", "waiting_for": waiting_for}
        return to_response(content, status=202, headers=headers)
    decision = explain_decision(fate.decision)
    word = decision["outcome"]
    content = {
        **told,
        "status": fate.status or _STATUS_AFTER.get(word, word),
        "waiting_for": decision["waiting_for"],
        "decision": decision,
    }
    created = not is_repeat and isinstance(event, RequestOpened)
    return to_response(
        content, status=201 if created else 200, headers={**headers, **render_wait(caller)}
    )
