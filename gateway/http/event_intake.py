"""Makes the events that the engine reads from calls: identifiers, moments, and the 202 answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.http import problems
from gateway.http.app_state import get_gateway
from gateway.http.bodies import find_traceparent
from gateway.http.headers import find_idempotency_key, get_wait_s
from gateway.http.responses import to_response
from gateway.intake.acceptance import Caller
from gateway.intake.submission import IDEMPOTENCY_KEY, Sent
from models.errors import ContractError
from streams.store.read_models.pages import EventFate


def settle_moment(request: Request, given: datetime | None, *, field: str) -> datetime:
    """Return the given moment; where none is given and no Idempotency-Key is used, return now.

    Raises:
        ContractError: `moment_needed`: a repeat under a key must state the same moment.
    """
    if given is not None:
        return given
    if find_idempotency_key(request) is not None:
        raise ContractError("moment_needed", field=field)
    return get_gateway(request).clock.now()


def read_caller(
    request: Request, *, source: str, key: str | None = None, named_by: str = IDEMPOTENCY_KEY
) -> Caller:
    """Read the headers of a call: its key, what it waits for, its trace.

    Args:
        request: A repeat under its Idempotency-Key is the same events; without a key, equal content
            is.
        source: The source of the events.
        key: Replaces a missing Idempotency-Key.
        named_by: The field that `key` was taken from.

    Raises:
        ContractError: `idempotency_key_invalid`, `prefer_invalid`.
    """
    own = find_idempotency_key(request)
    return Caller(
        source=source,
        key=own or key,
        named_by=IDEMPOTENCY_KEY if own else named_by,
        traceparent=find_traceparent(request),
        wait_s=get_wait_s(request),
    )


async def publish(
    request: Request,
    events: Sequence[Sent],
    *,
    source: str,
    key: str | None = None,
    named_by: str = IDEMPOTENCY_KEY,
    beside: Mapping[str, Any] | None = None,
    read_outcome: Callable[[], Awaitable[Mapping[str, Any]]] | None = None,
) -> Response:
    """Publish events of one call, in order, and answer 202 once Kafka has them all.

    With `Prefer: wait=N` the engine is waited for: the answer is 200 and `done` once it has acted
    on all events, its refusal if it refuses an event, and 202 if it has not answered within N
    seconds.

    Args:
        request: The call.
        events: One or more events of one topic.
        source: As in `read_caller`.
        key: As in `read_caller`.
        named_by: As in `read_caller`.
        beside: Further fields of the answer.
        read_outcome: Reads further fields of the answer once the engine has acted.

    Raises:
        ContractError: `fields_invalid`: a moment that cannot be true.
    """
    caller = read_caller(request, source=source, key=key, named_by=named_by)
    acceptance = await get_gateway(request).submissions.accept(events, caller)
    if acceptance.refused is not None:
        return answer_refused(acceptance.refused)
    told = {**render_sent(acceptance.event_ids, source=source), **(beside or {})}
    headers = render_wait(caller)
    if caller.wait_s and acceptance.is_done:
        became = await read_outcome() if read_outcome else {}
        return to_response({**told, "status": "done", **became}, headers=headers)
    return to_response(told, status=202, headers=headers)


def render_wait(caller: Caller) -> dict[str, str]:
    """Return the header that says how long the engine's word was waited for."""
    return {"Preference-Applied": f"wait={caller.wait_s}"} if caller.wait_s else {}


def answer_refused(refused: EventFate) -> Response:
    """Make the problem of an event that was sent and refused."""
    code = refused.code or "internal_error"
    return problems.build(status=problems.status_of_code(code), code=code, params=refused.params)


def render_sent(event_ids: Sequence[str], *, source: str) -> dict[str, object]:
    """Return what a 202 answer says of the events."""
    return {
        "status": "accepted",
        "source": source,
        "event_id": event_ids[0],
        "event_ids": list(event_ids),
    }
