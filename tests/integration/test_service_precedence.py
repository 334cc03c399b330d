"""Who gets which bag on PostgreSQL: the order of choice, what is taken back, what may have left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.errors import TransientError
from models.events.requests import RequestCancelled
from models.events.stock import StockChange, StockChanged
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Cancellation, HardAttributes, Priority, RequestLine, UrgentRequest
from models.rules.rulebook import PACKAGED
from models.units import UnitTraits
from streams.matching.available_units import Cell
from streams.matching.choice_order import count_rare, place_of
from streams.store.unit_of_work import PgBegin
from tests.support.engine import Engine, build_engine
from tests.support.world import build_record, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

DYING, ROUTINE = Priority.LIFE_THREATENING, Priority.ROUTINE
SOURCE = "hospital/shigatse-people"
TRAITS = (
    UnitTraits(),
    UnitTraits(irradiated=True),
    UnitTraits(cmv_negative=True, leukoreduced=True),
    UnitTraits(low_titre=True),
    UnitTraits(antigen_negative=("E", "Jka")),
    UnitTraits(hla=("A2", "B7")),
    UnitTraits(washed=True),
)


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


async def holders(engine: Engine) -> dict[str, str]:
    """Unit to the request that it is held for."""
    rows = await engine.fetch("SELECT unit_id, request_id FROM promises WHERE status = 'held'")
    return {row["unit_id"]: row["request_id"] for row in rows}


async def told(engine: Engine, request: UrgentRequest) -> list[dict[str, Any]]:
    """The reasons of the newest decision on a request."""
    row = await engine.one(
        "SELECT body FROM decisions WHERE request_id = $1 ORDER BY version DESC LIMIT 1",
        request.request_id,
    )
    body = row["body"] if isinstance(row["body"], dict) else orjson.loads(row["body"])
    reasons: list[dict[str, Any]] = body["reasons"]
    return reasons


async def scan(engine: Engine, unit_id: str, change: StockChange) -> None:
    row = await engine.one("SELECT epoch FROM units WHERE unit_id = $1", unit_id)
    event = StockChanged(
        station_id="shigatse",
        unit_id=unit_id,
        change=change,
        epoch=row["epoch"],
        happened_at=engine.clock.now(),
        done_by="tester",
    )
    await engine.feed(build_record(event, source="station/shigatse"))


async def cancel(engine: Engine, request: UrgentRequest) -> None:
    cancellation = Cancellation(
        request_id=request.request_id,
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        reason="x",
    )
    await engine.feed(build_record(RequestCancelled(cancellation=cancellation), source=SOURCE))


async def test_c76_postgresql_reads_a_shelf_in_the_order_of_choice(engine: Engine) -> None:
    units = [
        build_unit("A+", traits=traits, expires_in_h=200 - number)
        for number, traits in enumerate(TRAITS)
    ]
    await engine.feed(counted(units))
    rows = await engine.fetch("SELECT unit_id, rarity FROM units")
    rare = {unit.unit_id: count_rare(unit.traits) for unit in units}
    assert {row["unit_id"]: row["rarity"] for row in rows} == rare

    place = Cell(station_id="shigatse", component=Component.RED_CELLS, group=BloodGroup.A_POS)
    async with PgBegin(engine.database, PACKAGED)() as work:
        read = await work.stock.list_shelf({place: None}, now=engine.clock.now())
        first = await work.stock.list_shelf({place: 3}, now=engine.clock.now())
    assert read == sorted(read, key=place_of)
    assert first == read[:3]


async def test_c76_a_plain_bag_behind_many_rare_ones_is_seen(engine: Engine) -> None:
    """More rare bags than are read of a place end before the plain one does."""
    rare = [
        build_unit("A+", traits=UnitTraits(irradiated=True), expires_in_h=100) for _ in range(20)
    ]
    plain = build_unit("A+", expires_in_h=200)
    await engine.feed(counted([*rare, plain]))
    request = build_request(group="A+", quantity=1)
    await engine.feed(opened(request))
    assert await holders(engine) == {plain.unit_id: request.request_id}


async def test_c77_the_whole_batch_is_served(engine: Engine) -> None:
    await engine.feed(counted([build_unit(group) for group in ("A+", "A+", "B+", "B+")]))
    flexible = build_request(group="AB+", quantity=2, needed_in_h=1)
    other = build_request(group="A+", quantity=2, needed_in_h=2)
    await engine.feed(opened(flexible), opened(other))
    assert await engine.status_of(flexible.request_id) == "reserved"
    assert await engine.status_of(other.request_id) == "reserved"


async def test_c77_who_wait_are_matched_together(engine: Engine) -> None:
    attributes = HardAttributes(irradiated=True)
    line = RequestLine(line_no=1, component=Component.RED_CELLS, quantity=1, attributes=attributes)
    needs = build_request(patient=Patient(group=BloodGroup.A_POS), lines=(line,), needed_in_h=5)
    takes = build_request(group="A+", quantity=1, needed_in_h=1)
    await engine.feed(opened(needs), opened(takes))
    bags = [
        build_unit("A+", traits=UnitTraits(irradiated=True), expires_in_h=100),
        build_unit("O+", expires_in_h=200),
    ]
    await engine.feed(counted(bags))
    engine.clock.move(seconds=1)
    await engine.fire_timers()
    assert await holders(engine) == {
        bags[0].unit_id: needs.request_id,
        bags[1].unit_id: takes.request_id,
    }


async def test_c72_danger_of_life_takes_what_is_not_picked(engine: Engine) -> None:
    units = [build_unit("O-") for _ in range(3)]
    await engine.feed(counted(units))
    routine = build_request(group="O-", quantity=3, priority=ROUTINE, needed_in_h=72)
    await engine.feed(opened(routine))
    picked = units[0].unit_id
    await scan(engine, picked, StockChange.PICKED)
    dying = build_request(group="O-", quantity=3, priority=DYING, needed_in_h=2)
    await engine.feed(opened(dying))

    taken = {unit.unit_id for unit in units[1:]}
    assert await holders(engine) == {
        picked: routine.request_id,
        **dict.fromkeys(taken, dying.request_id),
    }
    assert await engine.status_of(routine.request_id) == "open"
    assert await engine.status_of(dying.request_id) == "open"
    reasons = await told(engine, routine)
    assert {
        reason["params"]["unit_id"]
        for reason in reasons
        if reason["code"] == "taken_for_life_threatening"
    } == taken
    rows = await engine.fetch(
        "SELECT subject, from_state, to_state, why FROM audit "
        "WHERE subject = ANY($1) AND from_state <> '' ORDER BY audit_id",
        sorted(taken),
    )
    steps = [(row["from_state"], row["to_state"], row["why"]) for row in rows]
    assert steps.count(("reserved", "available", "taken_for_life_threatening")) == 2
    assert steps.count(("available", "reserved", dying.request_id)) == 2
    rows = await engine.fetch("SELECT epoch FROM units WHERE unit_id = ANY($1)", sorted(taken))
    assert {row["epoch"] for row in rows} == {2}


async def test_c72_what_another_transaction_has_is_left_to_it(engine: Engine) -> None:
    """Nobody in danger waits for a lock; the rematch that follows takes it if it may."""
    unit = build_unit("A+")
    await engine.feed(counted([unit]))
    routine = build_request(group="A+", quantity=1, priority=ROUTINE, needed_in_h=72)
    await engine.feed(opened(routine))
    dying = build_request(group="A+", quantity=1, priority=DYING, needed_in_h=2)
    async with engine.database.transaction() as connection:
        await connection.execute(
            "SELECT 1 FROM requests WHERE request_id = $1 FOR UPDATE", routine.request_id
        )
        async with asyncio.timeout(10):
            await engine.feed(opened(dying))
        assert await engine.status_of(dying.request_id) == "open"
    engine.clock.move(seconds=1)
    await engine.fire_timers()
    assert await holders(engine) == {unit.unit_id: dying.request_id}


async def test_c72_two_who_are_dying_never_get_one_bag(engine: Engine) -> None:
    await engine.feed(counted([build_unit("A+") for _ in range(4)]))
    await engine.feed(opened(build_request(group="A+", quantity=4, priority=ROUTINE)))
    dying = [build_request(group="A+", quantity=2, priority=DYING) for _ in range(3)]

    async def feed_like_the_loop(request: UrgentRequest) -> None:
        record = opened(request)
        for _ in range(20):
            try:
                await engine.feed(record)
            except TransientError:
                continue
            return
        raise AssertionError("contended for ever")

    await asyncio.gather(*(feed_like_the_loop(request) for request in dying))
    engine.clock.move(seconds=1)
    await engine.fire_timers()
    held = await holders(engine)
    assert len(held) == 4
    assert set(held.values()) <= {request.request_id for request in dying}


async def test_c72_the_sweep_finds_who_could_take(engine: Engine) -> None:
    """As if no timer had been set: nothing is free, and somebody in danger could take a bag."""
    unit = build_unit("A+")
    await engine.feed(counted([unit]))
    holder = build_request(group="A+", quantity=1, priority=DYING)
    await engine.feed(opened(holder))
    dying = build_request(group="A+", quantity=1, priority=DYING)
    await engine.feed(opened(dying))
    async with PgBegin(engine.database, PACKAGED)() as work:
        assert await work.requests.list_waiting_stations(now=engine.clock.now()) == []
    await engine.fetch("UPDATE requests SET priority = 'routine' WHERE request_id = $1",
                       holder.request_id)  # fmt: skip
    async with PgBegin(engine.database, PACKAGED)() as work:
        assert await work.requests.list_waiting_stations(now=engine.clock.now()) == ["shigatse"]


async def test_c81_what_may_have_left_is_asked_for_until_it_is_seen(engine: Engine) -> None:
    unit = build_unit("A+")
    await engine.feed(counted([unit]))
    request = build_request(group="A+", quantity=1, needed_in_h=1)
    await engine.feed(opened(request))
    engine.clock.move(hours=3)
    await engine.fire_timers()
    engine.clock.move(seconds=1)
    await engine.fire_timers()
    # It is promised again, as the last resort, and marked.
    assert await holders(engine) == {unit.unit_id: request.request_id}
    assert "may_have_left" in [reason["code"] for reason in await told(engine, request)]

    async def list_marked() -> list[str]:
        rows = await engine.fetch(
            "SELECT request_id FROM list_overdue($1) WHERE mark = 'may_have_left'",
            engine.clock.now(),
        )
        return [row["request_id"] for row in rows]

    assert await list_marked() == [request.request_id]
    await cancel(engine, request)
    assert await list_marked() == [request.request_id]
    sure = build_unit("A+", expires_in_h=400)
    await engine.feed(counted([sure]))
    other = build_request(group="A+", quantity=1, now=engine.clock.now())
    await engine.feed(opened(other))
    assert await holders(engine) == {sure.unit_id: other.request_id}
    # A count that names it says that it is still there.
    await engine.feed(counted([unit], at=engine.clock.now()))
    assert await list_marked() == []
    row = await engine.one("SELECT doubted_at FROM units WHERE unit_id = $1", unit.unit_id)
    assert row["doubted_at"] is None
