"""Takes urgent requests in: open, amend, cancel. This is the urgent path.

Between the body and Kafka there is only the validation; an opening is published without a look at
PostgreSQL before it. The supplying station is known from the directory in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from gateway.http import problems
from gateway.http.app_state import LOOK_LIMIT_S, get_gateway
from gateway.http.bodies import find_traceparent, read_object, validate
from gateway.http.examples import AMENDMENT, CANCELLATION, REQUEST
from gateway.http.headers import get_idempotency_key, get_wait_s
from gateway.http.openapi import body
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import allow
from gateway.intake.accepted_requests import AcceptedRequest
from gateway.intake.submissions import Answered, Submission
from gateway.invalid_content import FieldError, InvalidContent, ensure_possible
from gateway.rendering import explain, explain_decision, explain_waiting
from gateway.runtime import Gateway
from models.access import KeyScope, Principal
from models.base import Identifier, derive_id
from models.errors import ContractError, DomainRefusal, TransientError
from models.events import EventData
from models.events.requests import RequestAmended, RequestCancelled, RequestOpened
from models.requests import TERMINAL_REQUEST_STATUSES, Amendment, Cancellation, UrgentRequest
from models.rules.types.antigens import AntigenRules, list_unusual
from models.texts import render
from streams.store.read_models.pages import EventFate

router = APIRouter(tags=["requests"])

MAY_ASK = frozenset({KeyScope.HOSPITAL, KeyScope.DISPATCHER})
Asker = Annotated[Principal, Depends(allow(*MAY_ASK))]

_STATUS_AFTER = {"partly_reserved": "open", "waiting": "open"}
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
    response_class=Response,
    responses={**_CREATED, **documented(400, 413, 422)},
    openapi_extra={"requestBody": body("NewRequest", REQUEST), "parameters": _HEADERS},
)
async def open_request(request: Request, principal: Asker) -> Response:
    key, wait_s = get_idempotency_key(request), get_wait_s(request)
    gateway = get_gateway(request)
    fields = await read_object(request)
    hospital_id = _name_hospital(principal, fields)
    station_id = await _find_station(gateway, hospital_id)
    request_id = derive_id("request", hospital_id, key)
    urgent = validate(UrgentRequest, fields, request_id=request_id, station_id=station_id)
    accepted = AcceptedRequest(
        request_id=request_id, hospital_id=hospital_id, station_id=station_id
    )
    event = RequestOpened(request=urgent, opened_by=_name_speaker(principal) or None)
    submission = _submission(gateway, request, event, accepted, event_kind="opened", key=key)
    outcome = await gateway.submitter.submit(submission, wait_s=wait_s)
    gateway.accepted.add(accepted)
    return _answer(outcome, submission, wait_s=wait_s, rules=gateway.rules.antigens)


@router.patch(
    "/v1/requests/{request_id}",
    summary="更改申请 · Amend a request",
    description=(
        "没有写的字段保持原样，`patient` 和同号同品种的行之内也一样；"
        "在这两处和 `note` 写 null 表示取消该值。"
        "`lines` 要写全：没有列出的行不再要。抗体只增不减：录错的，取消申请后重新提出。\n\n"
        "A missing field stays as it was, inside `patient` and inside a line of the same number "
        "and component too; in these two, and for `note`, null takes a value away. `lines` are "
        "stated whole: a line that is not listed is asked for no more. Antibodies are added, never "
        "taken away: for one told in error, cancel the request and ask anew."
    ),
    response_class=Response,
    responses={**_DECIDED, **documented(400, 404, 409, 413, 422)},
    openapi_extra={"requestBody": body("RequestChange", AMENDMENT), "parameters": _HEADERS},
)
async def amend_request(request_id: Identifier, request: Request, principal: Asker) -> Response:
    return await _change(
        request,
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
    response_class=Response,
    responses={**_DECIDED, **documented(400, 404, 409, 413, 422)},
    openapi_extra={
        "requestBody": body("RequestCancellation", CANCELLATION),
        "parameters": _HEADERS,
    },
)
async def cancel_request(request_id: Identifier, request: Request, principal: Asker) -> Response:
    return await _change(
        request,
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
    request: Request,
    request_id: str,
    principal: Principal,
    *,
    make: Callable[[dict[str, Any], dict[str, str]], EventData],
    event_kind: str,
) -> Response:
    key, wait_s = get_idempotency_key(request), get_wait_s(request)
    gateway = get_gateway(request)
    fields = await read_object(request)
    target, status = await _get_target(gateway, principal, request_id)
    event = make(
        fields,
        {
            "request_id": target.request_id,
            "hospital_id": target.hospital_id,
            "station_id": target.station_id,
        },
    )
    submission = _submission(gateway, request, event, target, event_kind=event_kind, key=key)
    if status in TERMINAL_REQUEST_STATUSES:
        # A repeat of the call that ended the request is answered as before; others come too late.
        outcome = await gateway.submitter.find_known(submission)
        if outcome is None:
            raise DomainRefusal("request_ended", request_id=request_id, status=str(status))
    else:
        outcome = await gateway.submitter.submit(submission, wait_s=wait_s)
    return _answer(outcome, submission, wait_s=wait_s, rules=gateway.rules.antigens)


def _name_hospital(principal: Principal, fields: dict[str, object]) -> str:
    """Return the hospital for which blood is asked, and write it into the fields."""
    named = fields.get("hospital_id")
    if principal.own_hospital is not None:
        if named is not None and named != principal.own_hospital:
            raise DomainRefusal("facility_not_yours", facility_id=str(named)[:64])
        fields["hospital_id"] = principal.own_hospital
        return principal.own_hospital
    if not isinstance(named, str) or not named:
        raise ContractError("hospital_needed")
    return named


async def _find_station(gateway: Gateway, hospital_id: str) -> str:
    """Return the supplying station; PostgreSQL is read only for a hospital not in memory."""
    hospital = gateway.directories.current().hospitals.get(hospital_id)
    if hospital is None:
        hospital = (await gateway.directories.refresh()).hospitals.get(hospital_id)
    if hospital is None:
        raise DomainRefusal("hospital_unknown", hospital_id=hospital_id[:64])
    return hospital.station_id


async def _get_target(
    gateway: Gateway, principal: Principal, request_id: str
) -> tuple[AcceptedRequest, str | None]:
    """Return the request that is to change, and its status if that is known.

    While PostgreSQL is away, a hospital that names a request is believed; the engine decides
    whether the request is its own.

    Raises:
        DomainRefusal: `request_unknown`, also for a request of another hospital.
        TransientError: It cannot be known now whose request it is.
    """
    own = principal.own_hospital
    recent = gateway.accepted.find(request_id)
    status: str | None = None
    try:
        async with asyncio.timeout(LOOK_LIMIT_S):
            row = await gateway.reading.find_request(request_id)
    except (TransientError, TimeoutError) as error:
        if recent is None and own is None:
            raise TransientError("postgres_away") from error
        if recent is None and own is not None:
            station_id = await _find_station(gateway, own)
            recent = AcceptedRequest(request_id=request_id, hospital_id=own, station_id=station_id)
    else:
        if row is not None:
            status = row["status"]
            recent = AcceptedRequest(
                request_id=request_id, hospital_id=row["hospital_id"], station_id=row["station_id"]
            )
    if recent is None or (own is not None and own != recent.hospital_id):
        raise DomainRefusal("request_unknown", request_id=request_id)
    return recent, status


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


def _submission(
    gateway: Gateway,
    request: Request,
    event: EventData,
    target: AcceptedRequest,
    *,
    event_kind: str,
    key: str,
) -> Submission:
    now = gateway.clock.now()
    ensure_possible(event, now=now)
    return Submission(
        event=event,
        event_id=derive_id(event_kind, target.hospital_id, target.request_id, key),
        source=f"hospital/{target.hospital_id}",
        time=now,
        traceparent=find_traceparent(request),
    )


def _warn(submission: Submission, rules: AntigenRules) -> dict[str, Any]:
    """Return a warning for antigens that are probably misspelt; they are never refused."""
    match submission.event:
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
    outcome: Answered | EventFate | None,
    submission: Submission,
    *,
    wait_s: int,
    rules: AntigenRules,
) -> Response:
    request_id = submission.event.subject
    identity = {"event_id": submission.event_id, "source": submission.source}
    location = {"Location": f"/v1/requests/{request_id}"}
    if outcome is None:
        content = {
            "request_id": request_id,
            **identity,
            "status": "accepted",
            "waiting_for": explain_waiting("being_taken_in"),
            **_warn(submission, rules),
        }
        return to_response(content, status=202, headers=location)
    if isinstance(outcome, EventFate):
        code = outcome.code or "internal_error"
        return problems.build(
            status=problems.status_of_code(code), code=code, params=outcome.params
        )
    decision = explain_decision(outcome.decision)
    word = decision["outcome"]
    content = {
        "request_id": request_id,
        **identity,
        "status": outcome.status or _STATUS_AFTER.get(word, word),
        "waiting_for": decision["waiting_for"],
        "decision": decision,
        **_warn(submission, rules),
    }
    if wait_s:
        location["Preference-Applied"] = f"wait={wait_s}"
    created = outcome.fresh and isinstance(submission.event, RequestOpened)
    return to_response(content, status=201 if created else 200, headers=location)
