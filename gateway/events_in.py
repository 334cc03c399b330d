"""From a caller's words to events that the engine reads: identifiers, moments, the 202."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from gateway import problems
from gateway.bodies import find_traceparent
from gateway.headers import find_idempotency_key
from gateway.rendering import to_response
from gateway.runtime import get_gateway
from gateway.submitting import Sent, Submission
from models.base import derive_id
from models.errors import ContractError
from models.events import EventData


def settle_moment(request: Request, given: datetime | None, *, field: str) -> datetime:
    """Return the moment that was given, or now where no Idempotency-Key asks for the same again.

    Raises:
        ContractError: `moment_needed`: with a key, a repeat must say the same moment.
    """
    if given is not None:
        return given
    if find_idempotency_key(request) is not None:
        raise ContractError("moment_needed", field=field)
    return get_gateway(request).clock.now()


async def publish(
    request: Request, events: Sequence[Sent], *, source: str, key: str | None = None
) -> Response:
    """Publish events of one call, in order, and answer 202 once Kafka has them all.

    Args:
        request: Its Idempotency-Key, if any, makes a repeat the same events; without one, equal
            content does.
        events: One or more of one topic.
        source: Who says so.
        key: Stands in for a missing Idempotency-Key.
    """
    found = await send(request, events, source=source, key=find_idempotency_key(request) or key)
    if isinstance(found, Response):
        return found
    return to_response(tell_sent(found, source=source), status=202)


async def send(
    request: Request,
    events: Sequence[Sent],
    *,
    source: str,
    key: str | None,
    first_part: int = 0,
) -> list[str] | Response:
    """Publish events; return their ids, or the problem that one of them met when it came before.

    Args:
        request: Its trace goes with the events.
        events: One or more of one topic, in order.
        source: Who says so.
        key: Makes a repeat the same events; without one, equal content does.
        first_part: Number of the first event among all of one call.

    Raises:
        ContractError: `fields_invalid`: a moment that cannot be true.
    """
    gateway = get_gateway(request)
    now, traceparent = gateway.clock.now(), find_traceparent(request)
    for event in events:
        # A count's rows were judged where its file was read.
        if isinstance(event, EventData):
            problems.ensure_possible(event, now=now)
    submissions = [
        Submission(
            event=event,
            event_id=derive_id(
                event.TYPE, source, part, key or sha256(event.to_body()).hexdigest()
            ),
            source=source,
            time=now,
            traceparent=traceparent,
        )
        for part, event in enumerate(events, start=first_part)
    ]
    refused = await gateway.submitter.submit_plain(submissions)
    if refused is not None:
        code = refused.code or "internal_error"
        return problems.build(
            status=problems.status_of_code(code), code=code, params=refused.params
        )
    return [submission.event_id for submission in submissions]


def tell_sent(event_ids: Sequence[str], *, source: str) -> dict[str, object]:
    """Return what a 202 says of events."""
    return {
        "status": "accepted",
        "source": source,
        "event_id": event_ids[0],
        "event_ids": list(event_ids),
    }
