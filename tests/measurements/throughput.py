"""`python -m tests.measurements.throughput`: how fast a backlog drains, beside its floor.

The floor is the same SQL without Kafka and without deciding, replayed in turn with the draining.
Writes `build/throughput/result.json`; exit 1 on a missed goal.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import uvloop
from aiokafka import AIOKafkaProducer

from bench.bench_data import build_requests
from bench.kafka import DecisionLog
from bench.results import MeasuredCheck, inform, print_checks, within, write_result
from bench.run import MeasuredSystem, say, started
from models.topics import TopicName
from tests.measurements.statements import BATCH, SqlFloor, build_records

THROUGHPUT_GOAL = 0.6


async def measure(*, rounds: int, backlog: int, state: Path) -> list[MeasuredCheck]:
    """Drain a backlog `rounds` times on a system of its own, floor and system in turn."""
    async with started(state, requests=backlog * rounds) as measured:
        await measured.warm_up()
        return await _compare(measured, rounds=rounds, backlog=backlog)


async def _compare(measured: MeasuredSystem, *, rounds: int, backlog: int) -> list[MeasuredCheck]:
    now, at = datetime.now(UTC), measured.system.endpoints
    floor = SqlFloor(at.postgres_dsn)
    say("记录 SQL · recording the SQL of real decisions")
    recording = await floor.record(requests=backlog, now=now)
    drained, floors = [], []
    for round_no in range(rounds):
        say(f"吞吐 · throughput, round {round_no + 1}/{rounds}")
        floors.append(await floor.measure())
        await asyncio.to_thread(measured.system.kill, "urgent", hard=False)
        ids = await fill_backlog(
            at.kafka_bootstrap, total=backlog, now=now, prefix=f"drain-{round_no}"
        )
        restarting = asyncio.create_task(asyncio.to_thread(measured.system.restart, "urgent"))
        drained.append(await time_drain(measured.log, ids, limit_s=120))
        await restarting
    ratios = [rate / floor_rate for rate, floor_rate in zip(drained, floors, strict=True)]
    return [
        inform("throughput.system", median(drained), unit="requests/s"),
        inform(f"throughput.sql_floor.batch_{BATCH}", median(floors), unit="requests/s"),
        inform("throughput.in_process", recording.requests / recording.seconds, unit="requests/s"),
        within("throughput.ratio", median(ratios), unit="×", bound=THROUGHPUT_GOAL, side=">="),
    ]


async def fill_backlog(bootstrap: str, *, total: int, now: datetime, prefix: str) -> list[str]:
    """Publish `total` requests at once; return their ids."""
    records = build_records(build_requests(total, now=now, prefix=prefix), now=now)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, client_id="bench-backlog", acks="all", enable_idempotence=True
    )
    async with producer:
        for record in records:
            sent = record.envelope
            await producer.send(
                TopicName.REQUESTS,
                key=sent.key.encode(),
                value=sent.data,
                headers=sent.to_headers(),
            )
        await producer.flush()
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


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.measurements.throughput", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=4, help="floor and system in turn, so often")
    parser.add_argument("--backlog", type=int, default=6400, help="requests to drain at once")
    parser.add_argument("--out", type=Path, default=Path("build"))
    asked = parser.parse_args()
    started_at = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="xuelian-bench-") as state:
        Path(state).chmod(0o755)  # PostgreSQL runs under its own account
        checks = uvloop.run(measure(rounds=asked.rounds, backlog=asked.backlog, state=Path(state)))
    print_checks("血联 · 吞吐与下限 · Draining a backlog beside its floor", checks)
    path = write_result("throughput", checks, started_at=started_at, folder=asked.out)
    print(f"结果 · results: {path}")
    return 0 if all(check.holds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
