"""The event stream: everything published that the caller may see, resumable from any position.

Each stream reads PostgreSQL behind its own position; published events wake it, and a poll is the
fallback. While PostgreSQL is away the stream stays open, sends heartbeats, and later goes on from
its position.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
import structlog
from fastapi import APIRouter, Depends, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from gateway.feed_views import View, view_of
from gateway.http.dependencies import CallDep, GatewayDep
from gateway.http.openapi import problems as documented
from gateway.http.scopes import KnownKey
from gateway.intake.waiting_calls import FOLLOWED
from gateway.invalid_content import FieldError, InvalidContent
from gateway.reason_texts import explain
from gateway.runtime import Gateway
from models.errors import TransientError
from models.texts import render
from streams.store.read_models.feed import FeedEvent, Gap, Position

log = structlog.get_logger(__name__)

router = APIRouter(tags=["events"])

PAGE = 200
SHORTEST_POLL_S = 0.02
"""Also the shortest time between two reads of PostgreSQL: a stream costs at most 50 reads a second.
"""

LONGEST_POLL_S = 1.0
"""The pause where no wake comes. A row can be read only once older transactions have ended, so
after a wake the pauses grow from the shortest to this one."""

RECONNECT_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What a caller asked for, checked before the stream begins.

    Attributes:
        view: What the caller may see, narrowed to the topics it asked for.
        after: The position behind which to go on; None for what is published from now on.
    """

    view: View
    after: Position | None


async def subscribe(
    call: CallDep,
    principal: KnownKey,
    topics: Annotated[
        str | None,
        Query(
            max_length=500,
            description="只看这些主题，逗号分隔 · only these topics, comma-separated",
            examples=["blood.decisions.v1"],
        ),
    ] = None,
) -> Subscription:
    """Read Last-Event-ID and the topics; faults are answered before the stream begins."""
    wanted = None if topics is None else [name.strip() for name in topics.split(",") if name]
    unknown = [name for name in wanted or () if name not in FOLLOWED]
    if unknown:
        rule = str(render("broken_enum", {"known": ", ".join(FOLLOWED)}))
        raise InvalidContent("fields_invalid", [FieldError("topics", rule, render("fix_enum"))])
    last = call.find_last_event_id()
    return Subscription(
        view=view_of(principal, topics=wanted),
        after=Position.parse(last) if last else None,
    )


@router.get(
    "/v1/events",
    summary="事件流，可续传 · The event stream, resumable",
    description=(
        "用 `Last-Event-ID` 从断点继续，`0-0` 从头开始；至少送达一次 · go on with `Last-Event-ID`, "
        "from the beginning with `0-0`; a heartbeat every 15 s. "
        "事件 `reset` 表示该位置之后的事件已不全，须重新读取全部状态 · the event `reset` says that "
        "what followed the position is not all kept: read the whole state again."
    ),
    response_class=EventSourceResponse,
    responses=documented(400),
)
async def stream_events(
    gateway: GatewayDep, subscription: Annotated[Subscription, Depends(subscribe)]
) -> AsyncIterator[ServerSentEvent]:
    with gateway.metrics.streams.track_inprogress():
        yield ServerSentEvent(comment="连接成功 · connected", retry=RECONNECT_MS)
        async for event in _follow(gateway, subscription):
            yield event


async def _follow(gateway: Gateway, subscription: Subscription) -> AsyncIterator[ServerSentEvent]:
    """Yield the events that the caller may see, in feed order, until the server stops."""
    reader = _StreamReader(gateway, subscription)
    view = subscription.view
    pause_s = SHORTEST_POLL_S
    with gateway.wakes.sleep(view.may_concern) as woken:
        while not gateway.wakes.closed:
            woken.clear()
            reset, events = await reader.read()
            if reset is not None:
                yield reset
            for event in events:
                if view.may_see(event):
                    yield _to_sse(event)
            if len(events) == PAGE:
                continue
            pause_s = SHORTEST_POLL_S if events else min(pause_s * 2, LONGEST_POLL_S)
            if await _is_woken(woken, within_s=pause_s):
                pause_s = SHORTEST_POLL_S
                await asyncio.sleep(SHORTEST_POLL_S)


class _StreamReader:
    """Reads page after page behind one position.

    The position is compared with the kept part of the feed at the beginning, and again after
    PostgreSQL was away, since it may have been restored to an earlier moment.
    """

    def __init__(self, gateway: Gateway, subscription: Subscription) -> None:
        self._feed = gateway.feed
        self._view = subscription.view
        self._position = subscription.after
        self._is_sure = False

    async def read(self) -> tuple[ServerSentEvent | None, list[FeedEvent]]:
        """Return a reset, if the reader must be told of a gap, and the next page.

        While PostgreSQL is away the page is empty.
        """
        reset: ServerSentEvent | None = None
        try:
            if self._position is None:
                self._position = await self._feed.find_end()
                self._is_sure = True
                return None, []
            if not self._is_sure:
                reset = await self._hold_against_kept(self._position)
                self._is_sure = True
            events = await self._feed.list_after(self._position, self._view.wanted, limit=PAGE)
        except TransientError as error:
            self._is_sure = False
            log.warning("feed_not_read", error=str(error))
            return reset, []
        if events:
            self._position = events[-1].position
        return reset, events

    async def _hold_against_kept(self, position: Position) -> ServerSentEvent | None:
        gap = await self._feed.find_gap(position)
        if gap is None:
            return None
        self._position = gap.go_on_at
        log.info("feed_reset", asked=str(position), go_on_at=str(gap.go_on_at), code=gap.code)
        return _to_reset(gap, asked=position)


async def _is_woken(woken: asyncio.Event, *, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await woken.wait()
    except TimeoutError:
        return False
    return True


RESET = "reset"
"""An SSE event that is not part of the feed: what the reader knows may be out of date."""


def _to_reset(gap: Gap, *, asked: Position) -> ServerSentEvent:
    texts = explain(gap.code, {"asked": str(asked), "from": str(gap.go_on_at)})
    told = {"type": RESET, "asked": str(asked), "kept_from": str(gap.go_on_at), "reason": texts}
    return ServerSentEvent(raw_data=orjson.dumps(told).decode(), event=RESET, id=str(gap.go_on_at))


def _to_sse(event: FeedEvent) -> ServerSentEvent:
    told: dict[str, Any] = {
        "topic": event.topic,
        "id": event.event_id,
        "type": event.event_type,
        "source": event.source,
        "subject": event.subject,
        "time": event.made_at,
        "key": event.key,
        "sequence": event.sequence,
        "causationid": event.caused_by,
        "data": orjson.Fragment(event.body),
    }
    raw = orjson.dumps(told, option=orjson.OPT_UTC_Z).decode()
    return ServerSentEvent(raw_data=raw, event=event.event_type, id=str(event.position))
