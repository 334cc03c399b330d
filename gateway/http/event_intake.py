"""Makes the events that the engine reads from calls: identifiers, moments, and the 202 answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.http import problems
from gateway.http.app_state import get_gateway
from gateway.http.bodies import find_traceparent
from gateway.http.headers import find_idempotency_key, get_wait_s
from gateway.http.responses import to_response
from gateway.intake.submissions import IDEMPOTENCY_KEY, Sent, Submission
from gateway.invalid_content import ensure_possible
from models.base import derive_id
from models.errors import ContractError
from models.events import EventData
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
        request: A repeat under its Idempotency-Key is the same events; without a key, equal content
            is.
        events: One or more events of one topic.
        source: The source of the events.
        key: Replaces a missing Idempotency-Key.
        named_by: The field that `key` was taken from.
        beside: Further fields of the answer.
        read_outcome: Reads further fields of the answer once the engine has acted.

    Raises:
        ContractError: `fields_invalid`: a moment that cannot be true.
    """
    own, wait_s = find_idempotency_key(request), get_wait_s(request)
    submissions = _submissions(
        request,
        events,
        source=source,
        key=own or key,
        named_by=IDEMPOTENCY_KEY if own else named_by,
    )
    submitter = get_gateway(request).submitter
    refused, done = await submitter.submit_plain(submissions), False
    if refused is None and wait_s:
        done, refused = await submitter.await_engine(submissions, wait_s=wait_s)
    if refused is not None:
        return _refuse(refused)
    told = {
        **render_sent([submission.event_id for submission in submissions], source=source),
        **(beside or {}),
    }
    headers = {"Preference-Applied": f"wait={wait_s}"} if wait_s else None
    if done:
        became = await read_outcome() if read_outcome else {}
        return to_response({**told, "status": "done", **became}, headers=headers)
    return to_response(told, status=202, headers=headers)


async def send(
    request: Request,
    events: Sequence[Sent],
    *,
    source: str,
    key: str | None,
    named_by: str = IDEMPOTENCY_KEY,
    first_part: int = 0,
) -> list[str] | Response:
    """Publish events; return their ids, or the problem if an event was sent and refused before.

    Args:
        request: Its trace context goes with the events.
        events: One or more events of one topic, in order.
        source: The source of the events.
        key: A repeat under it is the same events; without a key, equal content is.
        named_by: The header or field that `key` was taken from.
        first_part: The number of the first event among all events of the call.

    Raises:
        ContractError: `fields_invalid`: a moment that cannot be true.
    """
    submissions = _submissions(
        request, events, source=source, key=key, named_by=named_by, first_part=first_part
    )
    refused = await get_gateway(request).submitter.submit_plain(submissions)
    if refused is not None:
        return _refuse(refused)
    return [submission.event_id for submission in submissions]


def _submissions(
    request: Request,
    events: Sequence[Sent],
    *,
    source: str,
    key: str | None,
    named_by: str = IDEMPOTENCY_KEY,
    first_part: int = 0,
) -> list[Submission]:
    now, traceparent = get_gateway(request).clock.now(), find_traceparent(request)
    for event in events:
        # The moments of a count's rows were checked when its file was read.
        if isinstance(event, EventData):
            ensure_possible(event, now=now)
    return [
        Submission(
            event=event,
            event_id=derive_id(
                event.TYPE, source, part, key or sha256(event.to_body()).hexdigest()
            ),
            source=source,
            time=now,
            traceparent=traceparent,
            named_by=named_by,
        )
        for part, event in enumerate(events, start=first_part)
    ]


def _refuse(refused: EventFate) -> Response:
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
