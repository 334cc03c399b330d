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
import hashlib
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from bench.databases import clone_database, name_database
from bench.percentiles import summarise
from bench.results import MeasuredCheck, inform, print_checks, within, write_result
from bench.world import list_stations, name_stations
from deploy.local.embedded_services import EmbeddedServices
from models.alerts import Alert, AlertKind, Casualties
from models.components import Component
from models.donors import Answer, Donor
from models.envelope import Envelope
from models.errors import TransientError
from models.events import EventData
from models.events.alerts import AlertReceived
from models.events.donations import DonationTested
from models.events.donors import CallOutAnswered
from models.events.requests import RequestOpened
from models.events.shortages import OfferMade
from models.events.stock import (
    UNDER_PROMISE,
    Attestation,
    CountedUnit,
    StockChange,
    StockChanged,
    StockCounted,
)
from models.facilities import Location
from models.groups import BloodGroup
from models.laboratory import LabOutcome, LabResult, LabTest
from models.patients import Patient, Sex
from models.requests import Priority, RequestLine, UrgentRequest
from models.rules.rulebook import PACKAGED
from models.shortages import Offer
from models.topics import TopicName, find_topic_of
from models.units import Unit
from streams.clock import SystemClock
from streams.composition import Services, build_services
from streams.ports import Received, Record
from streams.store.database import Database
from streams.store.directory import PgDirectory
from streams.store.donors import PgDonors
from streams.store.migrate import migrate
from tests.measurements.places import fill_places

WORKERS = 2
BATCH = 64
DONORS = 8
SUPPLY = (TopicName.STOCK, TopicName.ALERTS, TopicName.ANSWERS, TopicName.OFFERS)
ONE_LOCK = "SELECT pg_advisory_xact_lock(1, 1)"
"""What every supply transaction once began with."""

ALERT_EVERY = 8
"""Rounds of the first station between two disasters."""

OF_SEVERAL = ("transfers", "calls")
"""What only an offer or an alert leads to."""

ANSWERS = {"accepted": Answer.ARRIVED, "arrived": Answer.DEFERRED}
FIRST_ANSWERS = (Answer.DECLINED, Answer.ACCEPTED)

CLOCK = SystemClock()


@dataclass(slots=True)
class Seen:
    """What is counted in one run.

    Attributes:
        waits_s: For how long each transaction waited for its locks.
        busy_s: For how long all transactions lasted together.
        most: Transactions after which it is enough.
    """

    waits_s: list[float] = field(default_factory=list)
    busy_s: float = 0.0
    transactions: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    most: int = 0
    is_enough: asyncio.Event = field(default_factory=asyncio.Event)

    def commit(self) -> None:
        self.transactions += 1
        if self.transactions == self.most:
            self.is_enough.set()


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


class Queue:
    """The records of one topic of one worker, decided in batches as a consumer loop does."""

    def __init__(self, handle: Callable[[Sequence[Record]], Awaitable[Any]], seen: Seen) -> None:
        self._handle = handle
        self._seen = seen
        self._waiting: asyncio.Queue[tuple[Received, asyncio.Future[None]]] = asyncio.Queue()

    async def decide(self, record: Received) -> None:
        """Return once a record's transaction has committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._waiting.put((record, done))
        await done

    async def run(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            records = [record for record, _ in batch]
            while not await self._is_decided(records):
                pass
            self._seen.commit()
            self._seen.kinds[records[0].topic] += len(records)
            for _, done in batch:
                done.set_result(None)

    async def _is_decided(self, records: Sequence[Record]) -> bool:
        try:
            await self._handle(records)
        except TransientError:
            self._seen.kinds["again"] += 1
            await asyncio.sleep(0.002)
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """All that the stations' days need of the running system."""

    stations: Sequence[str]
    queues: Sequence[dict[TopicName, Queue]]
    urgent: Queue
    database: Database
    seen: Seen

    async def send(self, event: EventData, *, source: str) -> None:
        """Send an event to the worker that has its key; return once it is decided."""
        topic = find_topic_of(event.TYPE)
        if topic is None:
            raise RuntimeError(event.TYPE)
        number = self.seen.kinds["records"] = self.seen.kinds["records"] + 1
        body, now = event.to_body(), CLOCK.now()
        envelope = Envelope(
            id=f"e-{number}", type=event.TYPE, source=source, subject=event.subject,
            time=now, key=event.key, data=body,
        )  # fmt: skip
        record = Received(
            topic=topic.name, partition=0, offset=number, envelope=envelope, event=event,
            digest=hashlib.sha256(body).hexdigest(),
        )  # fmt: skip
        if topic.name is TopicName.REQUESTS:
            await self.urgent.decide(record)
            return
        at = self.stations.index(event.key) if event.key in self.stations else 0
        await self.queues[at % WORKERS][topic.name].decide(record)


class Day:
    """The days of one station, one after the other."""

    def __init__(self, town: Town, at: int) -> None:
        self._town = town
        self._at = at
        self._id = town.stations[at]
        # Every other station holds what its neighbour lacks.
        self._neighbour = town.stations[at ^ 1]
        self._lends = at % 2 == 0
        self._round = 0

    async def run(self) -> None:
        while True:
            self._round += 1
            await self._live()

    async def _live(self) -> None:
        name = f"{self._id}-{self._round}".upper()
        kept = [self._unit(f"{name}-{number}", BloodGroup.A_POS) for number in range(6)]
        lent = [self._unit(f"{name}-L{n}", BloodGroup.B_POS) for n in range(2 * self._lends)]
        await self._count([*kept, *lent])
        await self._serve(f"r-{name}", BloodGroup.A_POS, 3)
        await self._count(kept)
        await self._test(name)
        await self._answer()
        if not self._lends:
            await self._borrow(name)
        if self._at == 0 and self._round % ALERT_EVERY in {1, ALERT_EVERY // 2}:
            await self._alert()
        left = await self._town.database.fetch(
            "SELECT unit_id FROM units WHERE station_id = $1 AND status = 'available' "
            "AND blood_group = 'A+' ORDER BY unit_id LIMIT 8",
            self._id,
        )
        for row in left:
            await self._scan(row["unit_id"], StockChange.DISCARDED, reason="bench")

    def _unit(self, unit_id: str, group: BloodGroup) -> Unit:
        now = CLOCK.now()
        return Unit(
            unit_id=unit_id, donation_id=f"D{unit_id}", station_id=self._id, group=group,
            component=Component.RED_CELLS, volume_ml=200,
            collected_at=now - timedelta(days=3), expires_at=now + timedelta(days=20),
        )  # fmt: skip

    async def _count(self, units: Sequence[Unit], *, released: bool = True) -> None:
        now = CLOCK.now()
        event = StockCounted(
            station_id=self._id, counted_at=now,
            units=tuple(CountedUnit(unit=unit, released=released) for unit in units),
            attestation=Attestation(released_by="bench", released_at=now - timedelta(days=1)),
        )  # fmt: skip
        await self._town.send(event, source=f"station/{self._id}")

    async def _serve(self, request_id: str, group: BloodGroup, quantity: int) -> None:
        hospital_id = f"{self._id}-hospital"
        request = UrgentRequest(
            request_id=request_id, hospital_id=hospital_id, station_id=self._id,
            patient=Patient(group=group), priority=Priority.URGENT,
            needed_by=CLOCK.now() + timedelta(hours=6),
            lines=(RequestLine(line_no=1, component=Component.RED_CELLS, quantity=quantity),),
        )  # fmt: skip
        await self._town.send(RequestOpened(request=request), source=f"hospital/{hospital_id}")
        await self._deliver(request_id, is_patient=True)

    async def _deliver(self, bound_to: str, *, is_patient: bool) -> None:
        """Scan what was promised, step by step, until the patient or the neighbour has it."""
        rows = await self._town.database.fetch(
            "SELECT unit_id, epoch FROM promises "
            "WHERE coalesce(request_id, transfer_id) = $1 AND status = 'held'",
            bound_to,
        )
        for row in rows:
            unit_id, epoch = row["unit_id"], row["epoch"]
            giver = self._id if is_patient else self._neighbour
            for change in (StockChange.PICKED, StockChange.ISSUED):
                await self._scan(unit_id, change, epoch=epoch, station_id=giver)
            await self._scan(unit_id, StockChange.RECEIVED, epoch=epoch)
            if is_patient:
                await self._scan(unit_id, StockChange.TRANSFUSED, epoch=epoch)

    async def _scan(
        self,
        unit_id: str,
        change: StockChange,
        *,
        epoch: int | None = None,
        station_id: str | None = None,
        reason: str = "",
    ) -> None:
        event = StockChanged(
            station_id=station_id or self._id, unit_id=unit_id, change=change,
            happened_at=CLOCK.now(), epoch=epoch if change in UNDER_PROMISE else None,
            done_by="bench", reason=reason,
        )  # fmt: skip
        await self._town.send(event, source=f"station/{event.station_id}")

    async def _test(self, name: str) -> None:
        """Take a bag into quarantine and tell all of its results: it is released."""
        unit = self._unit(f"{name}-Q", BloodGroup.A_POS)
        await self._count([unit], released=False)
        for test in LabTest:
            is_grouping = test is LabTest.GROUPING
            result = LabResult(
                result_id=f"{name}-{test}", test=test,
                outcome=None if is_grouping else LabOutcome.NONREACTIVE,
                group=unit.group if is_grouping else None,
                method="bench", run_id=name, performed_at=CLOCK.now(), performed_by="bench",
            )  # fmt: skip
            event = DonationTested(station_id=self._id, donation_id=unit.donation_id, result=result)
            await self._town.send(event, source=f"station/{self._id}")

    async def _answer(self) -> None:
        """Take each call that is out a step further: no donor gives, so all can be called again."""
        calls = await self._town.database.fetch(
            "SELECT call_out_id, donor_id, status FROM call_outs WHERE station_id = $1 "
            "AND status IN ('called', 'accepted', 'arrived') ORDER BY call_out_id LIMIT 4",
            self._id,
        )
        for number, call in enumerate(calls):
            event = CallOutAnswered(
                call_out_id=call["call_out_id"], donor_id=call["donor_id"], station_id=self._id,
                answer=ANSWERS.get(call["status"], FIRST_ANSWERS[number % 2]),
                answered_at=CLOCK.now(),
            )  # fmt: skip
            await self._town.send(event, source=f"station/{self._id}")

    async def _borrow(self, name: str) -> None:
        """Ask for what the station has not; the neighbour offers it once the shortage is told."""
        shortages = await self._town.database.fetch(
            "SELECT shortage_id FROM shortages WHERE station_id = $1 AND status = 'open' "
            "AND blood_group = 'B+'",
            self._id,
        )
        if not shortages:
            await self._serve(f"r-{name}-B", BloodGroup.B_POS, 2)
            return
        offer = Offer(
            offer_id=f"o-{name}", shortage_id=shortages[0]["shortage_id"],
            from_station_id=self._neighbour, to_station_id=self._id,
            component=Component.RED_CELLS, group=BloodGroup.B_POS, quantity=2,
            valid_until=CLOCK.now() + timedelta(hours=1),
        )  # fmt: skip
        await self._town.send(OfferMade(offer=offer), source=f"station/{self._neighbour}")
        transfers = await self._town.database.fetch(
            "SELECT transfer_id FROM transfers WHERE offer_id = $1", offer.offer_id
        )
        for row in transfers:
            await self._deliver(row["transfer_id"], is_patient=False)
        waiting = await self._town.database.fetch(
            "SELECT DISTINCT request_id FROM promises INNER JOIN requests USING (request_id) "
            "WHERE station_id = $1 AND promises.status = 'held' LIMIT 4",
            self._id,
        )
        for row in waiting:
            await self._deliver(row["request_id"], is_patient=True)

    async def _alert(self) -> None:
        """A disaster, and its end half of the time later."""
        number, is_end = self._round // ALERT_EVERY, self._round % ALERT_EVERY != 1
        now = CLOCK.now()
        alert = Alert(
            alert_id=f"a-{number}-{is_end}", event_key=f"quake-{number}", revision=1 + is_end,
            kind=AlertKind.CANCEL if is_end else AlertKind.ALERT, source="bench",
            sent_at=now, occurred_at=now, location=Location(lat=29.0, lon=88.0),
            casualties=Casualties(injured=3000),
        )  # fmt: skip
        await self._town.send(AlertReceived(alert=alert), source="feed/bench")


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
