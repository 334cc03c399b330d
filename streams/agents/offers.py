"""What neighbouring stations offer against a shortage, into transfers."""

from __future__ import annotations

import faust

from models.topics import TopicName
from streams.agents.consumer_loop import Edge, EdgeDeps
from streams.agents.registration import register_edge
from streams.ports import BatchHandler


def register(app: faust.App, *, handler: BatchHandler, deps: EdgeDeps) -> Edge:
    return register_edge(app, topic=TopicName.OFFERS, name="offers", handler=handler, deps=deps)
