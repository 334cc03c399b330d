"""`python -m tests.measurements.audit`: what the audit's chains cost.

The statements of real decisions, one request each, are recorded once and sent again to fresh copies
of the same database. In half of the copies `append_audit` adds its rows without linking them; the
rest is the same to the byte. Copies of both kinds take turns, so that a machine whose speed drifts
is as slow for the one as for the other. Writes `build/audit/result.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import asyncpg
import psutil
import uvloop

from bench.bench_data import STATIONS, build_requests
from bench.databases import clone_database, name_database
from bench.results import MeasuredCheck, inform, print_checks, within, write_result
from cli.audit_report import verify
from deploy.local.embedded_services import EmbeddedServices
from models.requests import UrgentRequest
from models.rules.rulebook import PACKAGED
from streams.store.database import Database
from streams.store.migrate import migrate
from tests.measurements.places import fill
from tests.measurements.statements import Statement, build_records, record_decisions
from tests.support.world import FixedClock

CHAINED, PLAIN = "chained", "plain"

_WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS at"

_WITHOUT_CHAIN = """
CREATE OR REPLACE FUNCTION append_audit(the_rows jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit (
        audit_id, chain, sequence, subject_kind, subject, station_id, from_state, to_state, why,
        actor, caused_by, at, previous_hash, hash
    )
    SELECT
        audit_id, coalesce(station_id, '_system'), audit_id, subject_kind, subject, station_id,
        from_state, to_state, why, actor, caused_by, at, '', ''
    FROM (
        SELECT nextval('audit_audit_id_seq') AS audit_id, x.*
        FROM jsonb_to_recordset(the_rows) AS x (
            subject_kind text, subject text, station_id text, from_state text, to_state text,
            why text, actor text, caused_by text, at timestamptz
        )
    ) AS numbered;
END
$$
"""

_FILL = """
SELECT append_audit((
    SELECT jsonb_agg(jsonb_build_object(
        'subject_kind', 'unit', 'subject', 'unit-' || $1::int || '-' || n, 'station_id', 'bench-0',
        'from_state', 'available', 'to_state', 'reserved', 'why', 'request-' || n,
        'actor', 'hospital/bench-0-hospital', 'caused_by', 'event-' || n, 'at', now()
    )) FROM generate_series(1, $2::int) AS n
))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The number of stations, and of connections on which their decisions run at once."""

    stations: int
    writers: int

    @property
    def name(self) -> str:
        return f"{self.stations}_stations_{self.writers}_writers"


SHAPES = tuple(
    Shape(stations=stations, writers=writers) for stations in (1, 8) for writers in (1, 2)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The result of a replay; its processor time and WAL do not depend on other load.

    Attributes:
        rate: Commits a second.
        cpu_us: Processor time of PostgreSQL's sessions for one commit, microseconds.
        wal_bytes: WAL written for one commit.
    """

    rate: float
    cpu_us: float
    wal_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    rounds: int
    requests: int
    rows: int


class Server:
    """The databases of a server, by name."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def at(self, database: str) -> str:
        return name_database(self._dsn, database)

    async def clone(self, source: str, target: str) -> str:
        await clone_database(self.at("postgres"), source=source, target=target)
        return self.at(target)

    async def execute(self, database: str, statement: str) -> None:
        connection = await asyncpg.connect(self.at(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


async def measure(plan: AuditPlan, dsn: str) -> list[MeasuredCheck]:
    server, now = Server(dsn), datetime.now(UTC)
    decisions = {}
    for stations in sorted({shape.stations for shape in SHAPES}):
        _say(f"记录语句 · recording the decisions of {stations} stations")
        decisions[stations] = await _prepare(server, stations, plan=plan, now=now)
    rans: dict[tuple[str, str], list[Ran]] = {}
    for number in range(plan.rounds):
        _say(f"第 {number + 1}/{plan.rounds} 轮 · round")
        for shape in SHAPES:
            kinds = (CHAINED, PLAIN) if number % 2 else (PLAIN, CHAINED)
            for kind in kinds:
                copy = await server.clone(f"audit_{kind}_{shape.stations}", "audit_copy")
                ran = await _replay(copy, decisions[shape.stations], writers=shape.writers)
                rans.setdefault((shape.name, kind), []).append(ran)
    checks = [check for shape in SHAPES for check in _compare(shape, rans)]
    return [*checks, *await _time_verify(server, plan)]


def _compare(shape: Shape, rans: dict[tuple[str, str], list[Ran]]) -> list[MeasuredCheck]:
    chained, plain = rans[shape.name, CHAINED], rans[shape.name, PLAIN]
    pairs = list(zip(chained, plain, strict=True))
    checks = [inform(f"{shape.name}.ratio", _ratio(pairs, "rate"), unit="chained/plain")]
    for field, unit in (("rate", "commits/s"), ("cpu_us", "us/commit"), ("wal_bytes", "bytes")):
        for kind, replays in ((CHAINED, chained), (PLAIN, plain)):
            value = median(getattr(ran, field) for ran in replays)
            checks.append(inform(f"{shape.name}.{field}.{kind}", value, unit=unit))
    cpu_ratio = _ratio(pairs, "cpu_us")
    return [*checks, inform(f"{shape.name}.cpu_ratio", cpu_ratio, unit="chained/plain")]


def _ratio(pairs: Sequence[tuple[Ran, Ran]], field: str) -> float:
    return float(
        median(getattr(with_, field) / getattr(without, field) for with_, without in pairs)
    )


async def _prepare(
    server: Server, stations: int, *, plan: AuditPlan, now: datetime
) -> list[list[Statement]]:
    """Make the two databases to be copied, and record the statements of the decisions."""
    origin, recorded = f"audit_{CHAINED}_{stations}", "audit_record"
    await asyncio.to_thread(migrate, server.at(origin), PACKAGED)
    requests = _choose(plan.requests, stations, now=now)
    await fill(server.at(origin), requests=plan.requests * len(STATIONS), now=now)
    await server.clone(origin, f"audit_{PLAIN}_{stations}")
    await server.execute(f"audit_{PLAIN}_{stations}", _WITHOUT_CHAIN)
    records = [[record] for record in build_records(requests, now=now)]
    copy = await server.clone(origin, recorded)
    recording = await record_decisions(copy, records, clock=FixedClock(now))
    return _split(recording.statements)


def _choose(total: int, stations: int, *, now: datetime) -> Sequence[UrgentRequest]:
    """Return requests to the first stations, as many as `stations` says."""
    chosen = set(STATIONS[:stations])
    every = build_requests(total * len(STATIONS) // stations, now=now, prefix="audit")
    return [request for request in every if request.station_id in chosen]


def _split(statements: Sequence[Statement]) -> list[list[Statement]]:
    """Split the statements by decision: each decision ends with the statement that settles it."""
    decisions: list[list[Statement]] = [[]]
    for statement in statements:
        decisions[-1].append(statement)
        if "settle(" in statement[0]:
            decisions.append([])
    left = decisions.pop()
    if left or any("BEGIN" in query for decision in decisions for query, _ in decision):
        raise RuntimeError("a decision took more than one transaction: this is another path")
    return [decision[-1:] for decision in decisions]


async def _replay(dsn: str, decisions: Sequence[Sequence[Statement]], *, writers: int) -> Ran:
    """Settle the decisions on `writers` connections at once."""
    database = await Database.open(dsn, size=writers + 1, name="bench-audit")

    async def write(
        share: Sequence[Sequence[Statement]], ready: asyncio.Barrier
    ) -> tuple[float, float]:
        async with database.connection() as connection:
            pid = int(await connection.fetchval("SELECT pg_backend_pid()"))
            await ready.wait()
            start, busy = time.perf_counter(), _read_cpu_s(pid)
            for decision in share:
                for query, args in decision:
                    await connection.fetch(query, *args)
            return time.perf_counter() - start, _read_cpu_s(pid) - busy

    try:
        (before,) = await database.fetch(_WAL)
        ready = asyncio.Barrier(writers)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(write(decisions[number::writers], ready))
                for number in range(writers)
            ]
        (after,) = await database.fetch(_WAL)
    finally:
        await database.close()
    commits = len(decisions)
    return Ran(
        rate=commits / max(task.result()[0] for task in tasks),
        cpu_us=1e6 * sum(task.result()[1] for task in tasks) / commits,
        wal_bytes=float(after["at"] - before["at"]) / commits,
    )


def _read_cpu_s(pid: int) -> float:
    """Return the processor time that a session of PostgreSQL has used, seconds."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


async def _time_verify(server: Server, plan: AuditPlan) -> list[MeasuredCheck]:
    """Verify a chain of `plan.rows` rows; return the rows a second and the breaches."""
    _say(f"核验 · verifying {plan.rows:,} rows")
    dsn = await server.clone(f"audit_{CHAINED}_1", "audit_verify")
    connection = await asyncpg.connect(dsn)
    try:
        for number in range(plan.rows // 1000):
            await connection.execute(_FILL, number, 1000)
        await connection.execute("VACUUM ANALYZE audit")
    finally:
        await connection.close()
    database = await Database.open(dsn, size=1, name="bench-verify")
    try:
        start = time.perf_counter()
        verdict = await verify(database, kafka_bootstrap=None)
        seconds = time.perf_counter() - start
    finally:
        await database.close()
    return [
        inform("verify.rows", verdict.rows, unit="rows"),
        inform("verify.speed", verdict.rows / seconds, unit="rows/s"),
        within("verify.breaches", verdict.breached, unit="breaches", bound=0, side="<="),
    ]


def _say(text: str) -> None:
    print(f"▸ {text}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.measurements.audit", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8, help="both kinds in turn, so often")
    parser.add_argument("--requests", type=int, default=1600, help="decisions of each round")
    parser.add_argument("--rows", type=int, default=200_000, help="rows to verify")
    parser.add_argument("--out", type=Path, default=Path("build"))
    asked = parser.parse_args()
    plan = AuditPlan(rounds=asked.rounds, requests=asked.requests, rows=asked.rows)
    started_at = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="xuelian-bench-") as state:
        Path(state).chmod(0o755)  # PostgreSQL runs under its own account
        services = EmbeddedServices(Path(state), report=_say, owner_pid=os.getpid())
        try:
            checks = uvloop.run(measure(plan, services.up().postgres_dsn))
        finally:
            services.destroy()
    print_checks("血联 · 审计链的代价 · What the audit's chains cost", checks)
    path = write_result("audit", checks, started_at=started_at, folder=asked.out)
    print(f"结果 · results: {path}")
    return 0 if all(check.holds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
