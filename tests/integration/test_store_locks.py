"""Supply transactions of two processes: who waits for whom, and who is begun again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from deploy.local.embedded_services import Endpoints
from models.donors import CallOut, CallPurpose
from models.events.stock import StockChange
from models.laboratory import LabOutcome
from models.rules.rulebook import PACKAGED
from models.topics import AppName
from streams.composition import build_services
from streams.ports import Context, Received, Timer, TimerKind, UnitOfWork
from streams.ports.locks import LocksMissingError
from streams.services.record_intake import TRIES_TOGETHER, Intake, one_by_one
from streams.services.record_locks import list_record_locks
from streams.store.database import Database
from streams.store.locks import PgLocks
from streams.store.unit_of_work import PgBegin
from tests.support.database import fresh_dsn
from tests.support.engine import Engine
from tests.support.laboratory import build_result, from_laboratory
from tests.support.life import LifeEngine
from tests.support.supply import make_donor
from tests.support.supply_engine import build_offer, offered
from tests.support.waiting import stopped_at, until_waiting
from tests.support.world import (
    LHASA,
    NOW,
    PEOPLES,
    SHIGATSE,
    FixedClock,
    build_unit,
    counted,
)

pytestmark = pytest.mark.integration


@asynccontextmanager
async def process_on(dsn: str) -> AsyncIterator[LifeEngine]:
    """The services with a pool and a clock of their own, as another process has them."""
    database = await Database.open(dsn, size=8, name="process")
    clock = FixedClock()
    try:
        services = build_services(database=database, clock=clock, hold_s=3600, rules=PACKAGED)
        for station in (SHIGATSE, LHASA):
            await services.directory.put_station(station.but(daily_demand={}))
        await services.directory.put_hospital(PEOPLES)
        await services.directory.refresh()
        yield LifeEngine(database=database, clock=clock, services=services)
    finally:
        await database.close()


@pytest.fixture
async def two(endpoints: Endpoints) -> AsyncIterator[tuple[LifeEngine, LifeEngine]]:
    async with (
        fresh_dsn(endpoints.postgres_dsn) as dsn,
        process_on(dsn) as first,
        process_on(dsn) as second,
    ):
        yield first, second


@asynccontextmanager
async def held_open(engine: Engine, *records: Received) -> AsyncIterator[None]:
    """A supply transaction that has decided these records and does not commit before the end."""
    decided, ended = asyncio.Event(), asyncio.Event()

    async def decide(_work: UnitOfWork, _records: Sequence[Received]) -> None:
        decided.set()
        await ended.wait()

    handle = Intake(
        begin=PgBegin(engine.database, PACKAGED),
        clock=engine.clock,
        reader=AppName.SUPPLY,
        decide=decide,
        locks=lambda batch: list_record_locks(batch, engine.services.directory.current()),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(handle(records))
        await decided.wait()
        try:
            yield
        finally:
            ended.set()


def count_of(station_id: str, **fields: object) -> Received:
    return counted([build_unit(station_id=station_id, **fields)], station_id=station_id)  # type: ignore[arg-type]


async def test_a_station_waits_for_its_own_transactions_alone(
    two: tuple[LifeEngine, LifeEngine],
) -> None:
    first, second = two
    async with held_open(first, count_of("lhasa")):
        async with asyncio.timeout(10):
            await second.feed(count_of("shigatse", unit_id="S-1"))
        waits = asyncio.create_task(second.feed(count_of("lhasa", unit_id="L-1")))
        await until_waiting(first.database, 1)
        # It is not to write an instant that is older than what it waited for.
        second.clock.move(seconds=7)
        assert not waits.done()
    await waits
    rows = await first.fetch("SELECT subject, at FROM audit ORDER BY subject")
    assert [tuple(row) for row in rows] == [("L-1", NOW + timedelta(seconds=7)), ("S-1", NOW)]


async def test_a_timer_of_a_busy_station_is_passed_over(
    two: tuple[LifeEngine, LifeEngine],
) -> None:
    first, second = two
    async with PgBegin(first.database, PACKAGED)() as work:
        for seconds, station_id in enumerate(("lhasa", "shigatse")):
            due_at = NOW + timedelta(seconds=seconds)
            kind = TimerKind.SHORTAGE_ASSESSMENT
            work.schedule(Timer(kind=kind, subject=station_id, due_at=due_at))
    second.clock.move(seconds=5)
    async with held_open(first, count_of("lhasa")):
        async with asyncio.timeout(10):
            assert (await second.services.timers.fire_one())[0] == 1
        left = await first.one("SELECT subject FROM timers")
        assert left["subject"] == "lhasa"
        waits = asyncio.create_task(second.services.timers.fire_one())
        await until_waiting(first.database, 1)
        assert not waits.done()
    assert (await waits)[0] == 1
    assert not await first.fetch("SELECT FROM timers")


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str] | None]:
    """The locks that each transaction began with, in order."""
    noted: list[list[str] | None] = []
    take_first = PgLocks.take_first

    async def take_and_note(self: PgLocks) -> None:
        noted.append(self.names)
        await take_first(self)

    monkeypatch.setattr(PgLocks, "take_first", take_and_note)
    return noted


async def test_who_comes_to_another_station_is_begun_again_and_writes_once(
    two: tuple[LifeEngine, LifeEngine], begun: list[list[str] | None]
) -> None:
    engine, _ = two
    units = [build_unit("A+", unit_id=f"L-{at}", station_id="lhasa") for at in range(2)]
    await engine.feed(counted(units, station_id="lhasa"))
    await engine.ask(group="A+", quantity=1)
    (shortage,) = await engine.fetch("SELECT shortage_id FROM shortages")
    await engine.feed(offered(build_offer(shortage["shortage_id"], quantity=1, group="A+")))
    (promised,) = await engine.fetch("SELECT unit_id FROM promises")
    unit_id = promised["unit_id"]
    await engine.scan_all(unit_id, StockChange.PICKED, StockChange.ISSUED, station_id="lhasa")
    begun.clear()
    await engine.scan_all(unit_id, StockChange.RECEIVED, station_id="shigatse")
    # The scan names the station that received it; the unit still lies at the one that sent it.
    assert begun == [["shigatse"], ["lhasa", "shigatse"]]
    row = await engine.one("SELECT station_id, status FROM units WHERE unit_id = $1", unit_id)
    assert tuple(row) == ("shigatse", "available")
    for once in (
        "SELECT FROM unit_scans WHERE change = 'received'",
        "SELECT FROM audit WHERE subject_kind = 'unit' AND from_state = 'issued'",
        "SELECT FROM audit WHERE subject_kind = 'transfer' AND to_state = 'completed'",
        "SELECT FROM outbox WHERE event_type = 'blood.transfer.completed.v1'",
        "SELECT FROM promises WHERE status = 'received'",
    ):
        assert len(await engine.fetch(once)) == 1, once
    taken = "SELECT FROM inbox WHERE event_id IN (SELECT caused_by FROM unit_scans)"
    assert len(await engine.fetch(taken)) == 3


async def test_a_batch_that_comes_to_ever_more_stations_is_decided_record_by_record(
    two: tuple[LifeEngine, LifeEngine], begun: list[list[str] | None]
) -> None:
    engine, _ = two
    seen: list[str] = []

    async def act(work: UnitOfWork, record: Received) -> None:
        await work.lock_stations(f"other-of-{record.envelope.id}")
        seen.append(record.envelope.id)

    handle = Intake(
        begin=PgBegin(engine.database, PACKAGED),
        clock=engine.clock,
        reader=AppName.SUPPLY,
        decide=one_by_one(act, reader=AppName.SUPPLY),
        locks=lambda _: frozenset(),
    )
    records = [count_of("lhasa") for _ in range(TRIES_TOGETHER + 1)]
    await handle(records)
    ids = [record.envelope.id for record in records]
    assert seen[-len(ids) :] == ids
    assert len(begun) == TRIES_TOGETHER + 2 * len(ids)
    assert len(await engine.fetch("SELECT FROM inbox")) == len(ids)
    await handle(records)
    assert seen[-len(ids) :] == ids, "what was decided is known again"


async def test_what_nobody_knew_before_is_told_by_one_at_a_time(
    two: tuple[LifeEngine, LifeEngine],
) -> None:
    """A bag cannot enter while another station tells the first finding of its donation."""
    first, second = two
    unit = build_unit(unit_id="S-1")
    reactive = build_result(outcome=LabOutcome.REACTIVE)
    finding = from_laboratory(unit.donation_id, [reactive], station_id="lhasa")
    async with stopped_at(first.database, "test_results"):
        tells = asyncio.create_task(first.feed(*finding))
        await until_waiting(second.database, 1)
        enters = asyncio.create_task(second.feed(counted([unit])))
        await until_waiting(second.database, 2)
        assert not enters.done()
    await tells
    await enters
    assert await second.dead_letter_codes() == ["results_forbid_release"]
    assert not await second.fetch("SELECT FROM units")


async def test_one_person_with_two_numbers_is_called_under_the_locks_of_both_stations(
    two: tuple[LifeEngine, LifeEngine],
) -> None:
    engine, _ = two
    same = {"name": "Test", "contact": "test:one"}
    await engine.put_donors([make_donor("d-1", **same)])
    elsewhere = [make_donor("e-1", station_id="lhasa", **same)]
    await engine.put_donors(elsewhere, station_id="lhasa")
    call = CallOut(
        call_out_id="c-1",
        donor_id="d-1",
        station_id="shigatse",
        cause_id="cause",
        wave=1,
        called_at=NOW,
    )
    with pytest.raises(LocksMissingError, match="lhasa"):
        async with PgBegin(engine.database, PACKAGED)(["shigatse"]) as work:
            await work.reserve.add_calls([call], purpose=CallPurpose.REFILL)


async def test_an_undone_savepoint_gives_back_what_it_took(
    two: tuple[LifeEngine, LifeEngine],
) -> None:
    engine, _ = two
    async with PgBegin(engine.database, PACKAGED)(["lhasa"]) as work:
        with pytest.raises(UndoneError):
            await take_and_undo(work, "shigatse")
        with pytest.raises(LocksMissingError):
            await work.lock_stations("shigatse")


class UndoneError(Exception):
    """Ends a savepoint."""


async def take_and_undo(work: UnitOfWork, name: str) -> None:
    async with work.savepoint():
        assert await work.try_lock([name])
        await work.lock_stations(name)
        raise UndoneError


async def test_a_scan_waits_for_the_request_before_it_has_the_unit(
    two: tuple[LifeEngine, LifeEngine],
) -> None:
    """A hospital's change has the request first and its units then: no circle with a scan."""
    first, second = two
    await first.feed(counted([build_unit("A+", unit_id="S-1")]))
    request_id = await first.ask(group="A+", quantity=1)
    async with PgBegin(second.database, PACKAGED)() as work:
        await work.requests.lock_requests([request_id])
        scan = asyncio.create_task(first.scan("S-1", StockChange.ISSUED))
        await until_waiting(second.database, 1)
        async with second.database.transaction() as connection:
            await connection.execute("SELECT FROM units WHERE unit_id = 'S-1' FOR UPDATE NOWAIT")
    assert await scan == []


async def test_who_waits_for_a_timer_has_no_key_of_the_outbox(
    two: tuple[LifeEngine, LifeEngine],
) -> None:
    """A cancellation sets the assessment that is being fired, which publishes by the same key."""
    first, second = two
    record = count_of("shigatse")
    context = Context.of_record(record, now=NOW)
    timer = Timer(kind=TimerKind.SHORTAGE_ASSESSMENT, subject="shigatse", due_at=NOW)

    async def set_and_publish() -> None:
        async with PgBegin(second.database, PACKAGED)() as work:
            work.enter(context)
            work.schedule(timer)
            work.emit(record.event)

    await set_and_publish()
    async with first.database.transaction() as firing:
        await firing.execute("DELETE FROM timers")
        waits = asyncio.create_task(set_and_publish())
        await until_waiting(first.database, 1)
        key = "SELECT FROM outbox_keys WHERE key = 'shigatse' FOR UPDATE NOWAIT"
        await firing.execute(key)
    await waits


async def test_a_timer_of_a_request_waits_for_the_request_before_it_is_claimed(
    two: tuple[LifeEngine, LifeEngine],
) -> None:
    """A hospital's change has the request first and sets the timer then: no circle with a lapse."""
    first, second = two
    await first.feed(counted([build_unit("A+", unit_id="S-1")]))
    request_id = await first.ask(group="A+", quantity=1)
    await first.fetch("DELETE FROM timers WHERE kind <> 'hold_lapse'")
    first.clock.move(days=1)
    later = NOW + timedelta(days=2)
    async with asyncio.timeout(30), PgBegin(second.database, PACKAGED)() as work:
        await work.requests.lock_requests([request_id])
        fired = asyncio.create_task(first.services.timers.fire_one())
        await until_waiting(second.database, 1)
        work.schedule(Timer(kind=TimerKind.HOLD_LAPSE, subject=request_id, due_at=later))
    assert (await fired)[0] == 0
    (left,) = await first.fetch("SELECT due_at FROM timers")
    assert left["due_at"] == later


async def test_a_cancellation_waits_for_no_rematch(two: tuple[LifeEngine, LifeEngine]) -> None:
    """A rematch may wait for a bag of the cancellation, which frees it and sets another."""
    first, second = two
    await first.feed(counted([build_unit("A+", unit_id="S-1")]))
    request_id = await first.ask(group="A+", quantity=1)
    second.clock.move(seconds=5)
    async with asyncio.timeout(30), PgBegin(second.database, PACKAGED)(["shigatse"]) as work:
        await first.fetch("DELETE FROM timers WHERE kind <> 'rematch'")
        assert await work.timers.claim_due(second.clock.now()) is not None
        await first.cancel(request_id)
    assert await first.status_of(request_id) == "cancelled"
