"""Putting an edge on a topic of a Faust app. The same for every agent; nothing of its own."""

from __future__ import annotations

from typing import cast

import faust
from faust.types import StreamT

from models.topics import TopicName
from streams.agents.consumer_loop import Edge, EdgeDeps, Message, Stream
from streams.ports import BatchHandler


def register_edge(
    app: faust.App, *, topic: TopicName, name: str, handler: BatchHandler, deps: EdgeDeps
) -> Edge:
    """Make one agent, undecoded and acknowledged by hand, and return its edge."""

    def is_current(message: Message) -> bool:
        # Between losing partitions and getting new ones nothing is ours, whatever its number says.
        return app.flow_control.is_active() and message.generation_id == app.consumer_generation_id

    edge = Edge(name=name, handler=handler, deps=deps, is_current=is_current)

    async def agent(stream: StreamT[bytes]) -> None:
        await edge.run(cast("Stream", stream))

    source = app.topic(topic.value, key_serializer="raw", value_serializer="raw")
    app.agent(source, name=name, concurrency=1)(agent)
    return edge
