"""The gateway's event stream as a client reads it: typed events, resumed where it broke off.

Owns only the position of the last event. Delivery is at least once: an event may come again after
a reconnect.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import httpx
from httpx_sse import aconnect_sse

from demo.http_clients import DemoClient
from models.events import EventData, decode_event

_RECONNECT_S = 0.2
_READ_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRecord:
    """An event of the stream."""

    event: EventData
    at: datetime


async def follow_events(
    door: DemoClient, *, topics: tuple[str, ...] = (), connected: asyncio.Event | None = None
) -> AsyncIterator[FeedRecord]:
    """Yield every event that the key may see, from now on, without end.

    Args:
        door: The client whose key is used.
        topics: Only these; all that the key may see if empty.
        connected: Set once the stream is connected.
    """
    position: str | None = None
    params = {"topics": ",".join(topics)} if topics else {}
    while True:
        headers = {"Last-Event-ID": position} if position else {}
        try:
            async with aconnect_sse(
                door.client,
                "GET",
                "/v1/events",
                params=params,
                headers=headers,
                timeout=_READ_TIMEOUT_S,
            ) as source:
                source.response.raise_for_status()
                if connected is not None:
                    connected.set()
                async for sse in source.aiter_sse():
                    position = sse.id or position
                    # A reset concerns clients that keep a state; the demo reads only new events.
                    if sse.data and sse.event != "reset":
                        yield _read(sse.data)
        except httpx.TransportError:
            await asyncio.sleep(_RECONNECT_S)


def _read(text: str) -> FeedRecord:
    told = json.loads(text)
    event = decode_event(told["type"], json.dumps(told["data"]).encode())
    return FeedRecord(event=event, at=datetime.fromisoformat(told["time"]))
