"""The plan of a benchmark: floors and the system in turn, on one running system.

The machine's speed drifts; measured in turn, both drift alike and the ratio stays.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import aiohttp
import asyncpg

from bench.floors import KafkaFloor, Rate, count_commits, count_fsyncs, time_commits, time_http
from bench.latency import DecisionLog, time_requests
from bench.percentiles import Summary, summarise
from bench.results import MeasuredCheck, inform, within
from bench.shares import Shares
from bench.throughput import BATCH, SqlFloor, fill_backlog, time_drain
from bench.world import build_requests, lay_out
from deploy.local.local_system import LocalSystem
from models.events.requests import RequestOpened
from streams.clock import SystemClock
from streams.settings import Settings

P50_GOAL = 1.5
P99_GOAL = 3.0
THROUGHPUT_GOAL = 0.6
GOAL_RATE_HZ = 200.0
WARM_UP_S = 5.0
"""After this the JVM and the caches are warm, as in a system that has been running for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchPlan:
    rounds: int
    seconds: float
    backlog: int
    rates: tuple[float, ...]


@dataclass(slots=True)
class _Samples:
    """Samples of all rounds at one rate, by name: latencies in seconds, shares in cores."""

    by_name: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def summary(self, name: str) -> Summary:
        return summarise(self.by_name[name])


async def measure(plan: BenchPlan, *, state: Path) -> list[MeasuredCheck]:
    """Run the whole plan on a system of its own and return its checks.

    Raises:
        LostDecisionsError: The system lost a request; then no figure of it counts.
    """
    settings = Settings(state_dir=state, gateway_port=0)
    system = LocalSystem(settings, report=_say)
    await asyncio.to_thread(system.start)
    try:
        return await _measure(plan, system, state)
    finally:
        await asyncio.to_thread(system.stop)


async def _measure(plan: BenchPlan, system: LocalSystem, state: Path) -> list[MeasuredCheck]:
    at = system.endpoints
    total = sum(round(rate * plan.seconds * plan.rounds) for rate in plan.rates)
    drained = plan.backlog * plan.rounds
    await lay_out(at.postgres_dsn, requests=total + drained + 3000, now=SystemClock().now())
    key = await asyncio.to_thread(system.create_key, "dispatcher")
    checks: list[MeasuredCheck] = []
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        DecisionLog.follow(at.kafka_bootstrap) as log,
        KafkaFloor.open(at.kafka_bootstrap) as kafka,
    ):
        bench = _Bench(plan=plan, system=system, session=session, log=log, kafka=kafka, state=state)
        await bench.warm_up()
        for rate_hz in plan.rates:
            checks += await bench.compare_latency(rate_hz)
        checks += await bench.compare_throughput()
    wal_bytes = bench.wal_bytes
    commits = await count_commits(at.postgres_dsn, seconds=plan.seconds / 2, wal_bytes=wal_bytes)
    checks.append(inform("postgres.commits", commits, unit="1/s"))
    fsyncs = await asyncio.to_thread(count_fsyncs, state, seconds=plan.seconds / 2)
    checks.append(inform("disk.fsync", fsyncs, unit="1/s"))
    checks.append(inform("decision.wal", wal_bytes, unit="bytes"))
    return checks


@dataclass(slots=True, kw_only=True)
class _Bench:
    plan: BenchPlan
    system: LocalSystem
    session: aiohttp.ClientSession
    log: DecisionLog
    kafka: KafkaFloor
    state: Path
    wal_bytes: int = 8192

    async def warm_up(self) -> None:
        _say("预热 · warming up")
        rate = Rate(rate_hz=100.0, seconds=WARM_UP_S)
        before = await self._read_wal()
        await time_requests(self.session, self.system.endpoints.gateway_url, self.log, rate)
        written = await self._read_wal() - before
        self.wal_bytes = max(1024, round(written / (rate.rate_hz * rate.seconds)))
        body = self._body()
        await self.kafka.time_round_trips(rate, body=body)

    async def compare_latency(self, rate_hz: float) -> list[MeasuredCheck]:
        rate = Rate(rate_hz=rate_hz, seconds=self.plan.seconds)
        samples = _Samples()
        for round_no in range(self.plan.rounds):
            _say(f"延迟 · latency at {rate_hz:g}/s, round {round_no + 1}/{self.plan.rounds}")
            await self._take_floors(samples, rate)
            shares = Shares(
                children={
                    name: child.pid
                    for name, child in self.system.children.items()
                    if child.pid is not None
                },
                state=self.state,
            )
            with shares.taken():
                decided, answered = await time_requests(
                    self.session, self.system.endpoints.gateway_url, self.log, rate
                )
            samples.by_name["decided"] += decided
            samples.by_name["answered"] += answered
            for name, share in shares.of_a_core.items():
                samples.by_name[f"share.{name}"].append(share)
        return [*_check_latency(samples, rate_hz), *_check_shares(samples, rate_hz)]

    async def _take_floors(self, samples: _Samples, rate: Rate) -> None:
        at = self.system.endpoints
        third = Rate(rate_hz=rate.rate_hz, seconds=rate.seconds / 2)
        url = f"{at.gateway_url}/healthz"
        samples.by_name["http"] += await time_http(self.session, url, third)
        samples.by_name["kafka"] += await self.kafka.time_round_trips(third, body=self._body())
        samples.by_name["commit"] += await time_commits(
            at.postgres_dsn, third, wal_bytes=self.wal_bytes
        )

    async def compare_throughput(self) -> list[MeasuredCheck]:
        now = SystemClock().now()
        at = self.system.endpoints
        floor = SqlFloor(at.postgres_dsn)
        _say("记录 SQL · recording the SQL of real decisions")
        recording = await floor.record(requests=self.plan.backlog, now=now)
        drained, floors = [], []
        for round_no in range(self.plan.rounds):
            _say(f"吞吐 · throughput, round {round_no + 1}/{self.plan.rounds}")
            floors.append(await floor.measure())
            await asyncio.to_thread(self.system.kill, "urgent", hard=False)
            ids = await fill_backlog(
                at.kafka_bootstrap, total=self.plan.backlog, now=now, prefix=f"drain-{round_no}"
            )
            restarting = asyncio.create_task(asyncio.to_thread(self.system.restart, "urgent"))
            drained.append(await time_drain(self.log, ids, limit_s=120))
            await restarting
        ratios = [rate / floor_rate for rate, floor_rate in zip(drained, floors, strict=True)]
        return [
            inform("throughput.system", median(drained), unit="requests/s"),
            inform(f"throughput.sql_floor.batch_{BATCH}", median(floors), unit="requests/s"),
            inform(
                "throughput.in_process", recording.requests / recording.seconds, unit="requests/s"
            ),
            within("throughput.ratio", median(ratios), unit="×", bound=THROUGHPUT_GOAL, side=">="),
        ]

    async def _read_wal(self) -> int:
        connection = await asyncpg.connect(self.system.endpoints.postgres_dsn)
        try:
            position = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
            return int(await connection.fetchval(position))
        finally:
            await connection.close()

    @staticmethod
    def _body() -> bytes:
        (request,) = build_requests(1, now=SystemClock().now(), prefix="floor")
        return RequestOpened(request=request).to_body()


def _check_latency(samples: _Samples, rate_hz: float) -> list[MeasuredCheck]:
    """Compare the latencies with the floor: an HTTP call, two Kafka round trips and a commit."""
    http, kafka, commit = (samples.summary(name) for name in ("http", "kafka", "commit"))
    decided, answered = samples.summary("decided"), samples.summary("answered")
    name = f"latency.{rate_hz:g}"
    checks = []
    for percentile, goal in (("p50", P50_GOAL), ("p99", P99_GOAL)):
        read: Callable[[Summary], float]
        read = _reader(percentile)
        floor_ms = read(http) + 2 * read(kafka) + read(commit)
        checks += [
            inform(f"{name}.{percentile}.http", read(http), unit="ms"),
            inform(f"{name}.{percentile}.kafka_round_trip", read(kafka), unit="ms"),
            inform(f"{name}.{percentile}.commit", read(commit), unit="ms"),
            inform(f"{name}.{percentile}.floor", floor_ms, unit="ms"),
            inform(f"{name}.{percentile}.answered_202", read(answered), unit="ms"),
            inform(f"{name}.{percentile}.decided", read(decided), unit="ms"),
        ]
        ratio = read(decided) / floor_ms
        if rate_hz == GOAL_RATE_HZ:
            checks.append(
                within(f"{name}.{percentile}.ratio", ratio, unit="×", bound=goal, side="<=")
            )
        else:
            checks.append(inform(f"{name}.{percentile}.ratio", ratio, unit="×"))
    return checks


def _check_shares(samples: _Samples, rate_hz: float) -> list[MeasuredCheck]:
    """List each process's share of a core, as the median of the rounds."""
    shares = {
        name.removeprefix("share."): median(values)
        for name, values in samples.by_name.items()
        if name.startswith("share.")
    }
    checks = [
        inform(f"processor.{rate_hz:g}.{name}", share, unit="cores")
        for name, share in shares.items()
    ]
    total = sum(shares.values())
    return [*checks, inform(f"processor.{rate_hz:g}.total", total, unit="cores")]


def _reader(percentile: str) -> Callable[[Summary], float]:
    def read(summary: Summary) -> float:
        found: float = getattr(summary, f"{percentile}_ms")
        return found

    return read


def _say(message: str) -> None:
    sys.stderr.write(f"▸ {message}\n")
    sys.stderr.flush()
