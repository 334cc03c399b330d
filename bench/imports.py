"""`python -m bench.imports`: a CSV of 100,000 units through gateway, Kafka and worker.

Measures preview, sending and taking in on one running system, beside the floor: COPY of the same
rows into an empty table of the same schema. Then the same file with one bad row at its end, which
must change nothing. Prints, writes `build/imports/result.json`; exit 1 on a missed goal.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import uvloop

from bench.bench_data import STATIONS, BenchClient
from bench.cost_floors import time_copy
from bench.databases import clone_database, name_database
from bench.kafka import count_records
from bench.processor_shares import Shares
from bench.results import MeasuredCheck, inform, print_checks, within, write_result
from deploy.local.local_system import LocalSystem
from deploy.local.resolved_settings import load_settings
from models.texts.instants import BEIJING
from models.topics import TopicName

TOTAL_GOAL_S = 20.0
STATION = STATIONS[0]
HEAD = "血袋号,献血码,品种,ABO,RhD,规格,采血日期,失效日期,状态,去白细胞"
_GROUPS = ("O", "A", "B", "AB")
_PULSE_S = 0.02
CALL_LIMIT_S = 120.0
RELEASED_AGO = timedelta(hours=20)


def build_rows(units: int, *, now: datetime) -> list[str]:
    """Build the lines of a stock count as a station's system writes them."""
    collected = now.astimezone(BEIJING) - timedelta(days=5)
    days = [
        (f"{at:%Y-%m-%d}", f"{at + timedelta(days=35):%Y-%m-%d}")
        for at in (collected - timedelta(days=ago) for ago in range(20))
    ]
    return [
        f"W{number:08d}-1,W{number:08d},悬浮红细胞,{_GROUPS[number % 4]},阳性,1U,"
        f"{days[number % 20][0]},{days[number % 20][1]},在库,{'是' if number % 3 else '否'}"
        for number in range(units)
    ]


@dataclass(slots=True, kw_only=True)
class Pauses:
    """Durations of empty calls to the gateway: how long an urgent caller would have waited."""

    seconds: list[float] = field(default_factory=list)

    def list_checks(self) -> list[MeasuredCheck]:
        ordered = sorted(self.seconds)
        return [
            inform("urgent.empty_call.p50", ordered[len(ordered) // 2] * 1000, unit="ms"),
            inform("urgent.empty_call.p99", ordered[len(ordered) * 99 // 100] * 1000, unit="ms"),
            inform("urgent.empty_call.max", ordered[-1] * 1000, unit="ms"),
        ]


@dataclass(slots=True, kw_only=True)
class Stopwatch:
    preview_s: float = 0.0
    sending_s: float = 0.0
    taking_in_s: float = 0.0

    @property
    def total_s(self) -> float:
        return self.preview_s + self.sending_s + self.taking_in_s


class ImportClient(BenchClient):
    """A client that sends counts as files."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, now: datetime) -> None:
        super().__init__(session, url)
        self._released_at = (now - RELEASED_AGO).isoformat()

    async def count(
        self, content: bytes, path: str = "", **params: str
    ) -> tuple[int, dict[str, object]]:
        """Post a stock count, for which a single attestation of release covers all units."""
        word = {"released_by": "质管科", "released_at": self._released_at}
        async with self.session.post(
            f"{self.url}/v1/stations/{STATION}/stock{path}",
            data=content,
            params={**word, **params},
            headers={"Content-Type": "text/csv"},
            timeout=aiohttp.ClientTimeout(total=CALL_LIMIT_S),
        ) as answer:
            return answer.status, await answer.json()

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[Pauses]:
        """Call the gateway for an empty answer at intervals while the block runs."""
        pauses, over = Pauses(), asyncio.Event()

        async def beat() -> None:
            while not over.is_set():
                start = time.perf_counter()
                async with self.session.get(f"{self.url}/healthz") as answer:
                    await answer.read()
                pauses.seconds.append(time.perf_counter() - start)
                await asyncio.sleep(_PULSE_S)

        async with asyncio.TaskGroup() as group:
            group.create_task(beat())
            try:
                yield pauses
            finally:
                over.set()


async def measure(units: int, *, state: Path) -> list[MeasuredCheck]:
    """Run the whole benchmark on a system of its own.

    Raises:
        RuntimeError: The system did something else than what is to be measured.
    """
    system = LocalSystem(load_settings(state_dir=state, gateway_port=0), report=_say)
    await asyncio.to_thread(system.start)
    try:
        at = system.endpoints
        key = await asyncio.to_thread(system.create_key, "dispatcher")
        headers = {"Authorization": f"Bearer {key}"}
        now = datetime.now(UTC)
        rows = build_rows(units, now=now)
        async with aiohttp.ClientSession(headers=headers) as session:
            door = ImportClient(session, at.gateway_url, now=now)
            await door.register_places()
            _say(f"破损的文件 · the broken file, {units} units")
            checks = await _try_broken(door, rows, kafka=at.kafka_bootstrap)
            _say(f"导入 · importing {units} units")
            pids = {name: child.pid for name, child in system.children.items() if child.pid}
            shares = Shares(children=pids, state=state)
            with shares.taken():
                checks += await _import(door, rows, units=units)
            spent = shares.seconds.items()
            checks += [inform(f"processor.{name}", taken, unit="s") for name, taken in spent]
            _say("再导入一次 · the same file again")
            checks += await _import_again(door, rows, units=units)
        _say("下限 · the floor")
        floor_s = await _time_copy(system)
    finally:
        await asyncio.to_thread(system.stop)
    total = next(check.value for check in checks if check.name == "import.total")
    return [
        *checks,
        inform("floor.copy", floor_s, unit="s"),
        inform("import.over_floor", total / floor_s, unit="×"),
    ]


async def _try_broken(
    door: ImportClient, rows: Sequence[str], *, kafka: str
) -> list[MeasuredCheck]:
    """Send the file with a faulty last row, which must be refused and change nothing."""
    bad = rows[-1].replace("阳性", "未知")
    content = "\n".join([HEAD, *rows[:-1], bad]).encode()
    before = await _count_everything(door, kafka)
    start = time.perf_counter()
    status, told = await door.count(content)
    took_s = time.perf_counter() - start
    changed = await _count_everything(door, kafka) - before
    if (status, told["code"]) != (400, "rows_invalid"):
        raise RuntimeError(f"the broken file was answered with {status}: {told}")
    return [
        inform("broken.refused", took_s, unit="s"),
        within("broken.changes", changed, unit="rows and records", bound=0, side="<="),
    ]


async def _count_everything(door: ImportClient, kafka: str) -> int:
    """Count what a count could have left: units, counts, and records on the log."""
    units = sum((await door.read_stock(STATION)).values())
    counts = len(await door.read_counts(STATION))
    return units + counts + await count_records(kafka, TopicName.STOCK)


async def _import(door: ImportClient, rows: Sequence[str], *, units: int) -> list[MeasuredCheck]:
    content = "\n".join([HEAD, *rows]).encode()
    watch = Stopwatch()
    async with door.beating() as pauses:
        start = time.perf_counter()
        status, preview = await door.count(content, "/preview", full="true")
        watch.preview_s = time.perf_counter() - start
        if status != 200 or preview["outcomes"] != {"new": units}:  # noqa: PLR2004 - the status
            raise RuntimeError(f"the preview was answered with {status}: {preview}")
        start = time.perf_counter()
        digest = str(preview["digest"])
        status, sent = await door.count(content, full="true", preview=digest)
        watch.sending_s = time.perf_counter() - start
        if status != 202:  # noqa: PLR2004 - the status
            raise RuntimeError(f"the import was answered with {status}: {sent}")
        start = time.perf_counter()
        taken = await door.wait_taken(STATION, str(sent["count_id"]))
        watch.taking_in_s = time.perf_counter() - start
    found = (await door.read_stock(STATION))["available"]
    if (found, taken["outcomes"]) != (units, {"new": units}):
        raise RuntimeError(f"{found} of {units} units were taken in: {taken}")
    return [
        inform("import.units", units, unit="units"),
        inform("import.file", len(content) / 1e6, unit="MB"),
        inform("import.preview", watch.preview_s, unit="s"),
        inform("import.sending", watch.sending_s, unit="s"),
        inform("import.taking_in_after", watch.taking_in_s, unit="s"),
        within("import.total", watch.total_s, unit="s", bound=TOTAL_GOAL_S, side="<="),
        *pauses.list_checks(),
    ]


async def _import_again(
    door: ImportClient, rows: Sequence[str], *, units: int
) -> list[MeasuredCheck]:
    content = "\n".join([HEAD, *rows]).encode()
    start = time.perf_counter()
    _, preview = await door.count(content, "/preview")
    status, sent = await door.count(content, preview=str(preview["digest"]))
    took_s = time.perf_counter() - start
    if (status, sent["status"], preview["outcomes"]) != (200, "unchanged", {"confirmed": units}):
        raise RuntimeError(f"the second import was answered with {status}: {sent}")
    return [inform("again.total", took_s, unit="s")]


async def _time_copy(system: LocalSystem) -> float:
    """Time a COPY of the imported rows into an empty table of the same schema with its indexes."""
    dsn = system.endpoints.postgres_dsn
    target_dsn = name_database(dsn, "xuelian_bench_copy")
    server_dsn = name_database(dsn, "postgres")
    await clone_database(server_dsn, source="template1", target="xuelian_bench_copy")
    await asyncio.to_thread(system.run, "migrate", XUELIAN_POSTGRES_DSN=target_dsn)
    return await time_copy(dsn, target_dsn)


def _say(message: str) -> None:
    sys.stderr.write(f"▸ {message}\n")
    sys.stderr.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description=__doc__)
    parser.add_argument("--units", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=Path("build"))
    asked = parser.parse_args()
    started_at = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="xuelian-bench-") as state:
        Path(state).chmod(0o755)  # PostgreSQL runs under its own account
        checks = uvloop.run(measure(asked.units, state=Path(state)))
    print_checks("血联 · 盘点导入 · Importing a count", checks)
    path = write_result("imports", checks, started_at=started_at, folder=asked.out)
    print(f"结果 · results: {path}")
    return 0 if all(check.holds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
