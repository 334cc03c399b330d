"""Checks whether every accepted message arrived: requests, all other messages, reused event ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from checker.evidence import INBOUND, World
from checker.kafka_log import LogRecord
from checker.report import Finding
from checker.sent_log import REQUEST_OPENED, SentMessage


def find_lost_requests(world: World) -> Iterator[Finding]:
    """Find requests, accepted or on the log, that were neither kept nor quarantined."""
    lost: dict[str, str] = {}
    for sent in world.sent:
        if sent.type in REQUEST_OPENED and sent.accepted and not _is_kept(world, sent):
            lost[sent.subject] = f"已受理 · accepted as {sent.event_id}"
    for record in _inbound(world):
        if record.type in REQUEST_OPENED and not _is_settled_request(world, record):
            lost.setdefault(
                record.subject or record.event_id or str(record.coordinate),
                f"在日志中 · on the log at {record.coordinate}",
            )
    for request_id, where in lost.items():
        yield Finding(
            subject=request_id, told=f"{where}，既无记录也未隔离 · neither kept nor quarantined"
        )


def find_lost_events(world: World) -> Iterator[Finding]:
    """Find other messages, accepted or on the log, that were neither taken in nor quarantined."""
    taken_ids = {event_id for _, event_id in world.inbox}
    for sent in world.sent:
        if sent.type in REQUEST_OPENED or not sent.accepted:
            continue
        # The gateway may set the source itself, so the source that the sender noted is not used.
        if sent.event_id not in taken_ids and not _is_quarantined(world, sent):
            yield Finding(
                subject=sent.event_id, told=f"{sent.type} 已受理而丢失 · accepted and lost"
            )
    for record in _inbound(world):
        if record.type in REQUEST_OPENED or record.identity in world.inbox:
            continue
        if record.coordinate not in world.quarantined.coordinates:
            yield Finding(
                subject=record.event_id or str(record.coordinate),
                told=f"{record.type} 未被读取 · not taken in, {record.coordinate}",
            )


def find_reused_ids(world: World) -> Iterator[Finding]:
    """Find event ids that have two contents without the second being quarantined."""
    for topic_group in (list(_inbound(world)), list(_own(world))):
        seen: dict[tuple[str, str], list[LogRecord]] = defaultdict(list)
        for record in topic_group:
            seen[record.identity].append(record)
        for (_, event_id), records in seen.items():
            kept = [
                record
                for record in records
                if record.coordinate not in world.quarantined.coordinates
            ]
            if len({(record.value, record.type, record.key) for record in kept}) > 1:
                yield Finding(
                    subject=event_id, told=f"同一编号两种内容 · two contents: {_where(kept)}"
                )


def _inbound(world: World) -> Iterator[LogRecord]:
    for topic in INBOUND:
        yield from world.log.of(topic)


def _own(world: World) -> Iterator[LogRecord]:
    return (record for record in world.log.all() if record.sequence is not None)


def _is_kept(world: World, sent: SentMessage) -> bool:
    return sent.subject in world.requests or _is_quarantined(world, sent)


def _is_quarantined(world: World, sent: SentMessage) -> bool:
    return world.quarantined.has(event_id=sent.event_id, subject=sent.subject, body=sent.body)


def _is_settled_request(world: World, record: LogRecord) -> bool:
    return record.subject in world.requests or record.coordinate in world.quarantined.coordinates


def _where(records: Iterable[LogRecord]) -> str:
    return ", ".join(f"{r.topic}/{r.partition}@{r.offset}" for r in records)
