"""Follows the gateway's event feed over lost connections.

Delivery is at least once: after a reconnect the feed goes on behind the last event that was seen.
If the events behind it are no longer kept, a `reset` comes first: a reader that keeps a state of
its own must read it again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx_sse

from cli.gateway import GatewayClient
from cli.output import console
from models.errors import TransientError
from streams.settings import Settings

_AGAIN_S = 1.0


def follow_feed(
    settings: Settings, *, topics: Sequence[str] = (), after: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield events as they come, each with its `position`; never ends by itself.

    A gap is an item too, of type `reset`, with its `reason` in both languages.

    Args:
        settings: `gateway_url` and `api_key`.
        topics: Only these; all that the key may see when empty.
        after: The position to go on behind; None follows from now on.

    Raises:
        TransientError: The first connection failed. Later ones are tried again, for ever.
        GatewayRefusedError: The key or a topic is not accepted.
    """
    position, connected = after, False
    with GatewayClient(settings) as gateway:
        while True:
            try:
                for sse in _read_once(gateway, topics, position):
                    connected = True
                    if not sse.data:
                        continue
                    position = sse.id or position
                    yield {"position": position, **json.loads(sse.data)}
            except TransientError:
                if not connected:
                    raise
            _report_lost()
            time.sleep(_AGAIN_S)


def _read_once(
    gateway: GatewayClient, topics: Sequence[str], position: str | None
) -> Iterator[httpx_sse.ServerSentEvent]:
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if position is not None:
        headers["Last-Event-ID"] = position
    params = {"topics": ",".join(topics) or None}
    with gateway.stream("/v1/events", params=params, headers=headers) as answer:
        yield from httpx_sse.EventSource(answer).iter_sse()


def _report_lost() -> None:
    console(to_stderr=True).print(
        "连接断开，正在重连 · connection lost, trying again", style="yellow", highlight=False
    )
