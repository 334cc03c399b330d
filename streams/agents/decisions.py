"""Our own decisions, read back: what stock could not cover is called out and published."""

from __future__ import annotations

import faust

from models.topics import TopicName
from streams.agents.edge import Edge, EdgeDeps
from streams.agents.registration import register_edge
from streams.ports import BatchHandler


def register(app: faust.App, *, handler: BatchHandler, deps: EdgeDeps) -> Edge:
    return register_edge(
        app, topic=TopicName.DECISIONS, name="decisions", handler=handler, deps=deps
    )
