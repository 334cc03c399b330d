"""Times how fast a backlog drains, and the same SQL without Kafka as its floor."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

from bench.latency import DecisionLog
from bench.replay import FixedClock, Recording, clone_database, record_decisions, replay
from bench.world import build_requests, lay_out
from models.envelope import Envelope
from models.events.requests import RequestOpened
from models.requests import UrgentRequest
from models.rules.rulebook import PACKAGED
from models.topics import TopicName
from streams.kafka.producer import KafkaPublisher
from streams.ports import Received
from streams.store.migrate import migrate

BATCH = 64


def build_records(requests: Sequence[UrgentRequest], *, now: datetime) -> list[Received]:
    """Build the records as the codec would decode them."""
    records = []
    for number, request in enumerate(requests):
        event = RequestOpened(request=request)
        body = event.to_body()
        envelope = Envelope(
            id=f"e-{request.request_id}",
            type=event.TYPE,
            source=f"hospital/{request.hospital_id}",
            subject=request.request_id,
            time=now,
            key=request.station_id,
            data=body,
        )
        records.append(
            Received(
                topic=TopicName.REQUESTS,
                partition=0,
                offset=number,
                envelope=envelope,
                event=event,
                digest=hashlib.sha256(body).hexdigest(),
            )
        )
    return records


async def fill_backlog(bootstrap: str, *, total: int, now: datetime, prefix: str) -> list[str]:
    """Publish `total` requests at once; return their ids."""
    records = build_records(build_requests(total, now=now, prefix=prefix), now=now)
    publisher = KafkaPublisher(bootstrap=bootstrap, timeout_s=30, client_id="bench-backlog")
    await publisher.start()
    try:
        for start in range(0, total, 500):
            envelopes = [record.envelope for record in records[start : start + 500]]
            await publisher.publish(TopicName.REQUESTS, envelopes)
    finally:
        await publisher.stop()
    return [record.envelope.subject for record in records]


async def time_drain(log: DecisionLog, request_ids: Sequence[str], *, limit_s: float) -> float:
    """Return decisions a second from the first tenth to the last: the start-up is left out."""
    end = time.perf_counter() + limit_s
    while any(key not in log.seen_at for key in request_ids):
        if time.perf_counter() > end:
            missing = sum(key not in log.seen_at for key in request_ids)
            raise TimeoutError(f"{missing} of {len(request_ids)} not decided in {limit_s} s")
        await asyncio.sleep(0.05)
    seen = sorted(log.seen_at[key] for key in request_ids)
    first = len(seen) // 10
    return (len(seen) - first) / (seen[-1] - seen[first])


class SqlFloor:
    """The statements of real decisions, recorded once and replayed any number of times.

    Args:
        server_dsn: Of a server on which databases may be created.
    """

    def __init__(self, server_dsn: str) -> None:
        self._server_dsn = server_dsn
        self._recording = Recording()

    async def record(self, *, requests: int, now: datetime) -> Recording:
        dsn = self._at("xuelian_bench_record")
        server = self._at("postgres")
        await clone_database(server, source="template1", target="xuelian_bench_record")
        await asyncio.to_thread(migrate, dsn, PACKAGED)
        await lay_out(dsn, requests=requests, now=now)
        await clone_database(server, source="xuelian_bench_record", target="xuelian_bench_origin")
        records = build_records(build_requests(requests, now=now, prefix="floor"), now=now)
        batches = [records[start : start + BATCH] for start in range(0, requests, BATCH)]
        self._recording = await record_decisions(dsn, batches, clock=FixedClock(at=now))
        return self._recording

    async def measure(self) -> float:
        """Replay on a fresh copy; return requests a second."""
        server = self._at("postgres")
        await clone_database(server, source="xuelian_bench_origin", target="xuelian_bench_replay")
        return await replay(self._at("xuelian_bench_replay"), self._recording)

    def _at(self, database: str) -> str:
        return urlunsplit(urlsplit(self._server_dsn)._replace(path=f"/{database}"))
