"""The table of agents: the topic and name of each, and how an agent is put on a Faust app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import faust
from faust.types import StreamT

from models.topics import TopicName
from streams.agents.consumer_loop import ConsumerLoop, LoopDependencies, Message, Stream
from streams.ports import BatchHandler

AGENTS: Mapping[TopicName, str] = {
    TopicName.REQUESTS: "requests",
    TopicName.STOCK: "stock",
    TopicName.ALERTS: "alerts",
    TopicName.ANSWERS: "answers",
    TopicName.OFFERS: "offers",
}
"""Topic to the name of its agent, which labels logs, metrics and readiness."""


def register(
    app: faust.App, topic: TopicName, *, handler: BatchHandler, deps: LoopDependencies
) -> ConsumerLoop:
    """Put the agent of a topic on an app, to read raw and acknowledge by hand; return its loop."""

    def is_current(message: Message) -> bool:
        # Between losing partitions and getting new ones no message is ours, of any generation.
        return app.flow_control.is_active() and message.generation_id == app.consumer_generation_id

    name = AGENTS[topic]
    loop = ConsumerLoop(name=name, handler=handler, deps=deps, is_current=is_current)

    async def agent(stream: StreamT[bytes]) -> None:
        await loop.run(cast("Stream", stream))

    source = app.topic(topic.value, key_serializer="raw", value_serializer="raw")
    app.agent(source, name=name, concurrency=1)(agent)
    return loop
