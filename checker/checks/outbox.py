"""Checks whether everything that was committed for publication is on Kafka."""

from __future__ import annotations

from collections.abc import Iterator

from checker.evidence import World
from checker.report import Finding


def find_left(world: World) -> Iterator[Finding]:
    for row in world.rows.outbox:
        if row.published_at is None:
            yield Finding(
                subject=row.event_id,
                told=f"{row.event_type} 未发布 · unpublished since {row.made_at.isoformat()}",
            )


def find_unpublished(world: World) -> Iterator[Finding]:
    """Find rows that are marked as published but whose event is not on its topic."""
    on_log = {(record.topic, *record.identity) for record in world.log.all()}
    for row in world.rows.outbox:
        if row.published_at is None or row.topic in world.log.trimmed:
            continue
        if (row.topic, row.source, row.event_id) not in on_log:
            told = f"{row.event_type} 不在 Kafka · marked published, not on {row.topic}"
            yield Finding(subject=row.event_id, told=told)
