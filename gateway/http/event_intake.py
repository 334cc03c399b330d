"""Publishes the events that calls are made of, and makes the answer: 202, or the engine's word."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from gateway.http import problems
from gateway.http.responses import to_response
from gateway.intake.acceptance import Caller, Sent
from gateway.runtime import Gateway
from streams.store.read_models.pages import EventFate


async def publish(
    gateway: Gateway,
    caller: Caller,
    events: Sequence[Sent],
    *,
    beside: Mapping[str, Any] | None = None,
    read_outcome: Callable[[], Awaitable[Mapping[str, Any]]] | None = None,
) -> Response:
    """Publish events of one call, in order, and answer 202 once Kafka has them all.

    With `Prefer: wait=N` the engine is waited for: the answer is 200 and `done` once it has acted
    on all events, its refusal if it refuses an event, and 202 if it has not answered within N
    seconds.

    Args:
        gateway: Where they are accepted.
        caller: On whose behalf they are sent (`HttpCall.to_caller`).
        events: One or more events of one topic.
        beside: Further fields of the answer.
        read_outcome: Reads further fields of the answer once the engine has acted.

    Raises:
        ContractError: `fields_invalid`: a moment that cannot be true.
    """
    acceptance = await gateway.submissions.accept(events, caller)
    if acceptance.refused is not None:
        return answer_refused(acceptance.refused)
    told = {**render_sent(acceptance.event_ids, source=caller.source), **(beside or {})}
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
