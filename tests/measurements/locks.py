"""`make bench-locks`: how long the supply side waits, to `build/locks/result.json`.

Two supply workers and an urgent one, each with a pool of its own, live through the days of 8 and of
64 stations on one PostgreSQL: stock comes in, is counted again, tested, promised, scanned until it
is transfused, lent to a neighbour; alerts call donors and are cancelled; timers fire. Every run
takes place twice: under one lock for the whole supply side, as it once was, and under the locks of
the stations. PostgreSQL itself counts the deadlocks.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from bench.bench_data import list_stations, name_stations
from bench.databases import clone_database, name_database
from bench.percentiles import summarise
from bench.results import MeasuredCheck, inform, print_checks, within, write_result
from deploy.local.embedded_services import EmbeddedServices
from models.donors import Donor
from models.errors import TransientError
from models.groups import BloodGroup
from models.patients import Sex
from models.rules.rulebook import PACKAGED
from models.topics import TopicName
from streams.composition import Services, build_services
from streams.store.database import Database
from streams.store.directory import PgDirectory
from streams.store.donors import PgDonors
from streams.store.migrate import migrate
from tests.measurements.places import fill_places
from tests.measurements.supply_days import CLOCK, Day, Queue, Seen, Town

DONORS = 8
SUPPLY = (TopicName.STOCK, TopicName.ALERTS, TopicName.ANSWERS, TopicName.OFFERS)
ONE_LOCK = "SELECT pg_advisory_xact_lock(1, 1)"
"""What every supply transaction once began with."""

OF_SEVERAL = ("transfers", "calls")
"""What only an offer or an alert leads to."""


class _TimedConnection:
    """A connection that notes how long the statement takes that waits for locks."""

    def __init__(self, connection: Any, seen: Seen) -> None:  # noqa: ANN401 - a pool's proxy
        self._connection = connection
        self._seen = seen

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._connection, name)

    async def execute(self, query: str, *args: object) -> str:
        if "pg_advisory_xact_lock" not in query:
            done: str = await self._connection.execute(query, *args)
            return done
        start = time.perf_counter()
        done = await self._connection.execute(query, *args)
        self._seen.waits_s.append(time.perf_counter() - start)
        return done


class TimedDatabase(Database):
    """A pool whose transactions tell how long they waited, and wait in turn if they are told to."""

    seen: Seen
    in_turn: bool = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        start = time.perf_counter()
        async with super().transaction() as connection:
            timed = _TimedConnection(connection, self.seen)
            if self.in_turn:
                await timed.execute(ONE_LOCK)
                yield connection
            else:
                yield timed
        self.seen.busy_s += time.perf_counter() - start


async def _fire(services: Services, seen: Seen) -> None:
    while True:
        try:
            fired, _, _ = await services.timers.fire_one()
        except TransientError:
            seen.kinds["again"] += 1
            fired = 0
        if fired:
            seen.commit()
            seen.kinds["timers"] += 1
        else:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def _services_on(database: Database) -> AsyncIterator[Services]:
    try:
        services = build_services(database=database, clock=CLOCK, hold_s=3600, rules=PACKAGED)
        await services.directory.refresh()
        yield services
    finally:
        await database.close()


async def run_days(
    dsn: str, stations: Sequence[str], *, in_turn: bool, transactions: int, seconds: float
) -> Seen:
    """Live until so many supply transactions have committed, or so long."""
    seen = Seen(most=transactions)
    async with asyncio.TaskGroup() as group:
        queues, tasks = [], []
        async with (
            _services_on(await Database.open(dsn, size=8, name="bench-urgent")) as urgent,
            _services_on(await _open_timed(dsn, seen, in_turn=in_turn)) as first,
            _services_on(await _open_timed(dsn, seen, in_turn=in_turn)) as second,
        ):
            look = await Database.open(dsn, size=8, name="bench-look")
            for services in (first, second):
                own = {topic: Queue(services.handlers[topic], seen) for topic in SUPPLY}
                queues.append(own)
                tasks += [group.create_task(queue.run()) for queue in own.values()]
                tasks.append(group.create_task(_fire(services, seen)))
            requests = Queue(urgent.handlers[TopicName.REQUESTS], Seen())
            tasks.append(group.create_task(requests.run()))
            town = Town(stations=stations, queues=queues, urgent=requests, database=look, seen=seen)
            tasks += [group.create_task(Day(town, at).run()) for at in range(len(stations))]
            with suppress(TimeoutError):
                await asyncio.wait_for(seen.is_enough.wait(), seconds)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await look.close()
    return seen


async def _open_timed(dsn: str, seen: Seen, *, in_turn: bool) -> Database:
    database = await TimedDatabase.open(dsn, size=12, name="bench-supply")
    database.seen, database.in_turn = seen, in_turn
    return database


async def measure(
    server_dsn: str, *, stations: Sequence[int], transactions: int, seconds: float
) -> list[MeasuredCheck]:
    """Run each number of stations both ways; the locks of stations get nine tenths of it all."""
    checks: list[MeasuredCheck] = []
    deadlocks = committed = 0
    of_several: Counter[str] = Counter()
    for many in stations:
        names = name_stations(many)
        await _prepare(server_dsn, names)
        for kind, share in (("one_lock", 0.1), ("station_locks", 0.9)):
            target = f"bench_locks_{many}_{kind}"
            await clone_database(
                name_database(server_dsn, "postgres"), source=f"bench_locks_{many}", target=target
            )
            _say(f"{many} 个血站 · stations, {kind}")
            start = time.monotonic()
            seen = await run_days(
                name_database(server_dsn, target),
                names,
                in_turn=kind == "one_lock",
                transactions=round(transactions * share / len(stations)),
                seconds=seconds * share / len(stations),
            )
            lasted = time.monotonic() - start
            counts = await _count(name_database(server_dsn, target))
            checks += _list_checks(f"{many}_stations.{kind}", seen, counts, lasted)
            deadlocks += counts["deadlocks"]
            of_several.update({key: counts[key] for key in OF_SEVERAL})
            committed += seen.transactions
    return [
        *checks,
        inform("transactions", committed, unit=""),
        # Without these no transaction would have come to a second station.
        *(within(key, of_several[key], unit="", bound=1, side=">=") for key in OF_SEVERAL),
        within("deadlocks", deadlocks, unit="", bound=0, side="<="),
    ]


async def _prepare(server_dsn: str, names: Sequence[str]) -> None:
    """Make the database that both runs begin with: stations, hospitals, donors."""
    database_name = f"bench_locks_{len(names)}"
    server = name_database(server_dsn, "postgres")
    await clone_database(server, source="template1", target=database_name)
    dsn = name_database(server_dsn, database_name)
    await asyncio.to_thread(migrate, dsn, PACKAGED)
    await fill_places(dsn, names)
    database = await Database.open(dsn, size=1, name="bench")
    try:
        directory = PgDirectory(database, PACKAGED)
        for at, station in enumerate(list_stations(names)):
            policy = station.policy.but(neighbours=(names[at ^ 1],))
            await directory.put_station(station.but(policy=policy))
        register = PgDonors(database, CLOCK)
        for station_id in names:
            donors = [_build_donor(station_id, number) for number in range(DONORS)]
            await register.put(donors, station_id=station_id, by="bench", actor="bench")
    finally:
        await database.close()


def _build_donor(station_id: str, number: int) -> Donor:
    now = CLOCK.now()
    donor_id = f"{station_id}-d{number}"
    return Donor(
        donor_id=donor_id, station_id=station_id, name=donor_id, contact=donor_id,
        group=BloodGroup.O_POS, sex=Sex.FEMALE, born_on=now.date() - timedelta(days=12_000),
        weight_kg=60, consented_at=now - timedelta(days=90),
    )  # fmt: skip


async def _count(dsn: str) -> dict[str, int]:
    """Read what PostgreSQL counted in a database; its sessions are gone and have told all."""
    connection = await asyncpg.connect(dsn)
    try:
        row = await connection.fetchrow(
            "SELECT deadlocks, xact_rollback AS rollbacks, "
            "(SELECT count(*) FROM dead_letters) AS refused, "
            "(SELECT count(*) FROM transfers) AS transfers, "
            "(SELECT count(*) FROM call_outs) AS calls "
            "FROM pg_stat_database WHERE datname = current_database()"
        )
        return dict(row or {})
    finally:
        await connection.close()


def _list_checks(
    name: str, seen: Seen, counts: dict[str, int], lasted_s: float
) -> list[MeasuredCheck]:
    waits = summarise(seen.waits_s)
    told = [
        inform(f"{name}.wait.p50", waits.p50_ms, unit="ms"),
        inform(f"{name}.wait.p99", waits.p99_ms, unit="ms"),
        inform(f"{name}.wait.max", waits.max_ms, unit="ms"),
        inform(f"{name}.wait.share", sum(seen.waits_s) / seen.busy_s, unit="of their time"),
        inform(f"{name}.rate", seen.transactions / lasted_s, unit="transactions/s"),
        inform(f"{name}.records", seen.kinds["records"] / lasted_s, unit="records/s"),
        inform(f"{name}.transactions", seen.transactions, unit=""),
        inform(f"{name}.timers", seen.kinds["timers"], unit=""),
        inform(f"{name}.again", seen.kinds["again"], unit="contended"),
    ]
    return told + [inform(f"{name}.{key}", value, unit="") for key, value in counts.items()]


def _say(text: str) -> None:
    print(f"▸ {text}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.measurements.locks", description=__doc__)
    parser.add_argument("--stations", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--transactions", type=int, default=100_000, help="in all, at most")
    parser.add_argument("--seconds", type=float, default=1800.0, help="in all, at most")
    parser.add_argument("--out", type=Path, default=Path("build"))
    asked = parser.parse_args()
    started_at = CLOCK.now()
    with tempfile.TemporaryDirectory(prefix="xuelian-bench-") as state:
        Path(state).chmod(0o755)  # PostgreSQL runs under its own account
        services = EmbeddedServices(Path(state), report=_say, owner_pid=os.getpid())
        try:
            checks = uvloop.run(
                measure(
                    services.up().postgres_dsn,
                    stations=asked.stations,
                    transactions=asked.transactions,
                    seconds=asked.seconds,
                )
            )
        finally:
            services.destroy()
    print_checks("血联 · 供血侧的等待 · How long the supply side waits", checks)
    path = write_result("locks", checks, started_at=started_at, folder=asked.out)
    print(f"结果 · results: {path}")
    return 0 if all(check.holds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
