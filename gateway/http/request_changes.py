"""Changes requests that exist: by events on the log, answered with the decision that follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from gateway.http.calls import HttpCall
from gateway.http.event_intake import answer_refused, render_wait
from gateway.http.request_targets import get_target
from gateway.http.responses import to_response
from gateway.intake.acceptance import Acceptance, Caller
from gateway.reason_texts import explain, explain_decision, explain_waiting
from gateway.runtime import Gateway
from models.access import Principal
from models.base import derive_id
from models.errors import DomainRefusal
from models.events import EventData
from models.events.requests import RequestAmended, RequestOpened
from models.requests import TERMINAL_REQUEST_STATUSES
from models.rules.types.antigens import AntigenRules, list_unusual

_STATUS_AFTER = {"partly_reserved": "open", "waiting": "open", "deferred": "open"}
"""Maps the outcome of a decision to the status of its request, where the words differ."""

HEADERS = [
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
DECIDED: dict[int | str, dict[str, Any]] = {
    200: {"description": "已决定 · decided"},
    202: {"description": "已受理，等待决定 · kept in the log, not decided yet"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestChange:
    """A change of a request.

    Attributes:
        make: Makes the event of the body's fields and the ids of the request.
        event_kind: Keeps a key that is used for two kinds of change apart.
        source: The source of the event; by default the hospital of the request.
    """

    make: Callable[[dict[str, Any], dict[str, str]], EventData]
    event_kind: str
    source: str | None = None


async def change_request(
    gateway: Gateway,
    call: HttpCall,
    request_id: str,
    principal: Principal,
    change: RequestChange,
) -> Response:
    """Publish what changes a request, and answer with the decision if it is waited for.

    Args:
        gateway: Where it is accepted.
        call: Its Idempotency-Key is needed.
        request_id: The request.
        principal: Who calls.
        change: What is changed.

    Raises:
        DomainRefusal: `request_ended`, `request_unknown`.
    """
    key = call.get_idempotency_key()
    call.get_wait_s()  # a header that cannot be meant is refused before the body is read
    fields = await call.read_object()
    target, status = await get_target(gateway, principal, request_id)
    event = change.make(
        fields,
        {
            "request_id": target.request_id,
            "hospital_id": target.hospital_id,
            "station_id": target.station_id,
        },
    )
    event_id = derive_id(change.event_kind, target.hospital_id, target.request_id, key)
    caller = call.to_caller(change.source or f"hospital/{target.hospital_id}")
    if status in TERMINAL_REQUEST_STATUSES:
        # A repeat of the call that ended the request is answered as before; others come too late.
        acceptance = await gateway.submissions.find_known(event, caller, event_id=event_id)
        if not (acceptance.refused or acceptance.is_done):
            raise DomainRefusal("request_ended", request_id=request_id, status=str(status))
    else:
        acceptance = await gateway.submissions.accept([event], caller, ids=[event_id])
    return answer_decided(acceptance, event, caller, rules=gateway.rules.antigens)


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


def answer_decided(
    acceptance: Acceptance, event: EventData, caller: Caller, *, rules: AntigenRules
) -> Response:
    """Make the answer to an event about a request: its decision, its refusal, or 202."""
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
