"""The plan of a benchmark: floors and the system in turn, on one running system.

The machine's speed drifts; measured in turn, both drift alike and the ratio stays.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import aiohttp

from bench.bench_data import BenchClient, build_requests
from bench.cost_floors import KafkaFloor, Rate, count_commits, count_fsyncs, time_commits, time_http
from bench.databases import analyse, read_wal_position
from bench.kafka import DecisionLog
from bench.latency import time_requests
from bench.percentiles import Summary, summarise
from bench.processor_shares import Shares
from bench.results import MeasuredCheck, inform, within
from deploy.local.local_system import LocalSystem
from deploy.local.resolved_settings import load_settings
from models.events.requests import RequestOpened

P50_GOAL = 1.5
P99_GOAL = 3.0
GOAL_RATE_HZ = 200.0
WARM_UP = Rate(rate_hz=100.0, seconds=5.0)
"""After this the JVM and the caches are warm, as in a system that has been running for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchPlan:
    rounds: int
    seconds: float
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
    total = sum(round(rate * plan.seconds * plan.rounds) for rate in plan.rates)
    checks: list[MeasuredCheck] = []
    async with started(state, requests=total) as measured:
        dsn = measured.system.endpoints.postgres_dsn
        wal_bytes = await measured.warm_up()
        async with KafkaFloor.open(measured.system.endpoints.kafka_bootstrap) as kafka:
            latency = _LatencyBench(plan=plan, measured=measured, kafka=kafka, wal_bytes=wal_bytes)
            await latency.warm_up()
            for rate_hz in plan.rates:
                checks += await latency.compare(rate_hz)
        commits = await count_commits(dsn, seconds=plan.seconds / 2, wal_bytes=wal_bytes)
        fsyncs = await asyncio.to_thread(count_fsyncs, state, seconds=plan.seconds / 2)
    return [
        *checks,
        inform("postgres.commits", commits, unit="1/s"),
        inform("disk.fsync", fsyncs, unit="1/s"),
        inform("decision.wal", wal_bytes, unit="bytes"),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSystem:
    """A running system with places and stock, its client, and a reader of its decisions."""

    system: LocalSystem
    client: BenchClient
    log: DecisionLog
    state: Path

    async def warm_up(self) -> int:
        """Send requests for a while; return the bytes of WAL that a decision writes."""
        say("预热 · warming up")
        dsn = self.system.endpoints.postgres_dsn
        before = await read_wal_position(dsn)
        await self.time_requests(WARM_UP)
        written = await read_wal_position(dsn) - before
        return max(1024, round(written / (WARM_UP.rate_hz * WARM_UP.seconds)))

    async def time_requests(self, rate: Rate) -> tuple[list[float], list[float]]:
        return await time_requests(self.client.session, self.client.url, self.log, rate)


@asynccontextmanager
async def started(state: Path, *, requests: int) -> AsyncIterator[MeasuredSystem]:
    """Start a system in the folder, with stock for so many requests and the warming up."""
    settings = load_settings(state_dir=state, gateway_port=0)
    system = LocalSystem(settings, report=say)
    await asyncio.to_thread(system.start)
    try:
        at = system.endpoints
        key = await asyncio.to_thread(system.create_key, "dispatcher")
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session,
            DecisionLog.follow(at.kafka_bootstrap) as log,
        ):
            client = BenchClient(session, at.gateway_url)
            say("登记与盘点 · registering places, counting stock")
            await client.lay_out(requests=requests + 3000, now=datetime.now(UTC))
            await analyse(at.postgres_dsn)
            yield MeasuredSystem(system=system, client=client, log=log, state=state)
    finally:
        await asyncio.to_thread(system.stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class _LatencyBench:
    plan: BenchPlan
    measured: MeasuredSystem
    kafka: KafkaFloor
    wal_bytes: int

    async def warm_up(self) -> None:
        await self.kafka.time_round_trips(WARM_UP, body=_make_body())

    async def compare(self, rate_hz: float) -> list[MeasuredCheck]:
        rate = Rate(rate_hz=rate_hz, seconds=self.plan.seconds)
        samples = _Samples()
        for round_no in range(self.plan.rounds):
            say(f"延迟 · latency at {rate_hz:g}/s, round {round_no + 1}/{self.plan.rounds}")
            await self._take_floors(samples, rate)
            shares = Shares(
                children={
                    name: child.pid
                    for name, child in self.measured.system.children.items()
                    if child.pid is not None
                },
                state=self.measured.state,
            )
            with shares.taken():
                decided, answered = await self.measured.time_requests(rate)
            samples.by_name["decided"] += decided
            samples.by_name["answered"] += answered
            for name, share in shares.of_a_core.items():
                samples.by_name[f"share.{name}"].append(share)
        return [*_check_latency(samples, rate_hz), *_check_shares(samples, rate_hz)]

    async def _take_floors(self, samples: _Samples, rate: Rate) -> None:
        client = self.measured.client
        third = Rate(rate_hz=rate.rate_hz, seconds=rate.seconds / 2)
        url = f"{client.url}/healthz"
        samples.by_name["http"] += await time_http(client.session, url, third)
        samples.by_name["kafka"] += await self.kafka.time_round_trips(third, body=_make_body())
        samples.by_name["commit"] += await time_commits(
            self.measured.system.endpoints.postgres_dsn, third, wal_bytes=self.wal_bytes
        )


def _make_body() -> bytes:
    (request,) = build_requests(1, now=datetime.now(UTC), prefix="floor")
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


def say(message: str) -> None:
    sys.stderr.write(f"▸ {message}\n")
    sys.stderr.flush()
