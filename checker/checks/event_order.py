"""Checks whether our own events lie on Kafka in the order of their keys, without gaps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from checker.evidence import World
from checker.kafka_log import LogRecord
from checker.report import Finding


def find_out_of_order(world: World) -> Iterator[Finding]:
    """Find events that were first published after a later event of their key, in one partition.

    The log may repeat an event (it is sent again after a crash); only its first place counts.
    """
    for records in world.log.topics.values():
        newest: dict[tuple[int, str], LogRecord] = {}
        seen: set[tuple[int, str, str]] = set()
        for record in records:
            if record.sequence is None or record.key is None:
                continue
            identity = (record.partition, *record.identity)
            if identity in seen:
                continue
            seen.add(identity)
            before = newest.get((record.partition, record.key))
            if before is not None and (before.sequence or 0) >= record.sequence:
                yield Finding(
                    subject=record.key,
                    told=f"{record.coordinate}: {record.sequence} 在后 · after {before.sequence}",
                )
            else:
                newest[record.partition, record.key] = record


def find_gaps(world: World) -> Iterator[Finding]:
    """Find sequence numbers of a key that no event carries, or that two events share.

    A number whose event is in the outbox, published or not, is left to the checks of the outbox.
    """
    carried: dict[str, dict[int, set[tuple[str, str]]]] = defaultdict(lambda: defaultdict(set))
    for record in world.log.all():
        if record.sequence is not None and record.key is not None:
            carried[record.key][record.sequence].add(record.identity)
    kept: dict[str, set[int]] = defaultdict(set)
    for row in world.rows.outbox:
        if row.sequence is not None:
            kept[row.key].add(row.sequence)
    newest = {row.key: row.sequence for row in world.rows.keys}
    for key in carried.keys() | newest.keys():
        on_log = carried.get(key, {})
        first = min(on_log, default=1) if world.log.trimmed else 1
        last = max([newest.get(key, 0), *on_log])
        for number in range(first, last + 1):
            if number not in on_log and number not in kept[key]:
                yield Finding(subject=key, told=f"缺 {number} · {number} of {last} is missing")
        for number, events in on_log.items():
            if len(events) > 1:
                yield Finding(subject=key, told=f"{number} 重号 · carried by {len(events)} events")


def find_duplicates(world: World) -> Iterator[Finding]:
    """Find own events that lie on the log more than once, as at-least-once delivery allows."""
    for topic, records in world.log.topics.items():
        seen: set[tuple[str, str]] = set()
        for record in records:
            if record.sequence is None:
                continue
            if record.identity in seen:
                yield Finding(subject=record.event_id or "", told=f"{topic} @{record.offset}")
            seen.add(record.identity)
