"""Bags held back by hand, on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from deploy.local.embedded_services import Endpoints
from models.errors import InvariantViolation, TransientError
from models.events.hand_work import BagGiven, HoldEnded, HoldPlaced
from models.requests import Priority
from streams.ports import Record
from tests.support.engine import Engine, build_engine
from tests.support.world import build_record, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

DESK, BY, WHY = "dispatcher/night-desk", "Tsering", "the bag looks damp"


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


def hold(unit_id: str, *, until: datetime | None = None) -> Record:
    event = HoldPlaced(station_id="shigatse", unit_id=unit_id, until=until, by=BY, reason=WHY)
    return build_record(event, source=DESK)


def end_hold(unit_id: str, *, source: str = DESK) -> Record:
    event = HoldEnded(station_id="shigatse", unit_id=unit_id, by=BY, reason="it was only water")
    return build_record(event, source=source)


async def find_state(engine: Engine, unit_id: str) -> str:
    row = await engine.one("SELECT status FROM units WHERE unit_id = $1", unit_id)
    return str(row["status"])


async def test_a_hold_and_its_end_say_who_and_why(engine: Engine) -> None:
    bag = build_unit("A+")
    await engine.feed(counted([bag]))
    await engine.feed(hold(bag.unit_id))
    request = build_request(group="A+", quantity=1, priority=Priority.LIFE_THREATENING)
    await engine.feed(opened(request))
    assert await find_state(engine, bag.unit_id) == "on_hold"
    assert await engine.status_of(request.request_id) == "open"
    await engine.feed(end_hold(bag.unit_id, source="station/shigatse"))
    row = await engine.one("SELECT * FROM unit_holds")
    assert (row["actor"], row["by"], row["reason"]) == (DESK, BY, WHY)
    assert row["ended_by"] == "station/shigatse"
    assert row["ended_why"] == f"hold ended by {BY}: it was only water"
    steps = await engine.fetch(
        "SELECT from_state, to_state, why, actor FROM audit WHERE subject = $1 ORDER BY audit_id",
        bag.unit_id,
    )
    assert [(step["from_state"], step["to_state"]) for step in steps[1:]] == [
        ("available", "on_hold"),
        ("on_hold", "available"),
    ]
    assert steps[1]["why"] == f"on hold by {BY}: {WHY}"
    engine.clock.move(seconds=1)
    await engine.fire_timers()
    assert await find_state(engine, bag.unit_id) == "reserved"
    assert await engine.dead_letter_codes() == []


async def test_a_hold_ends_by_its_timer(engine: Engine) -> None:
    bag = build_unit("A+", expires_in_h=300)
    await engine.feed(counted([bag]))
    await engine.feed(hold(bag.unit_id, until=engine.clock.now() + timedelta(hours=2)))
    engine.clock.move(seconds=7100)
    await engine.fire_timers()
    assert await find_state(engine, bag.unit_id) == "on_hold"
    engine.clock.move(seconds=200)
    await engine.fire_timers()
    assert await find_state(engine, bag.unit_id) == "available"
    row = await engine.one("SELECT ended_by, ended_why FROM unit_holds")
    assert (row["ended_by"], row["ended_why"]) == ("timer", "hold_over")


async def test_who_loses_a_bag_to_a_hold_is_decided_again(engine: Engine) -> None:
    bag = build_unit("A+")
    await engine.feed(counted([bag]))
    request = build_request(group="A+", quantity=1)
    await engine.feed(opened(request))
    await engine.feed(hold(bag.unit_id))
    row = await engine.one(
        "SELECT outcome, body FROM decisions WHERE request_id = $1 ORDER BY version DESC LIMIT 1",
        request.request_id,
    )
    assert row["outcome"] == "waiting"
    (told,) = (reason for reason in row["body"]["reasons"] if reason["code"] == "unit_put_on_hold")
    assert told["params"] == {"unit_id": bag.unit_id, "by": BY, "reason": WHY}
    promise = await engine.one("SELECT status FROM promises")
    assert promise["status"] == "lost"


async def test_a_bag_on_hold_is_given_by_hand(engine: Engine) -> None:
    bag = build_unit("A+")
    await engine.feed(counted([bag]))
    await engine.feed(hold(bag.unit_id, until=engine.clock.now() + timedelta(hours=2)))
    request = build_request(group="A+", quantity=1)
    await engine.feed(opened(request))
    given = BagGiven(
        request_id=request.request_id,
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        line_no=1,
        unit_id=bag.unit_id,
        by=BY,
        reason=WHY,
    )
    await engine.feed(build_record(given, source=DESK))
    assert await engine.dead_letter_codes() == []
    assert await find_state(engine, bag.unit_id) == "reserved"
    assert await engine.fetch("SELECT FROM unit_holds WHERE ended_at IS NULL") == []
    assert await engine.fetch("SELECT FROM timers WHERE kind = 'unit_hold_end'") == []


async def test_a_count_confirms_what_is_on_hold_and_frees_nothing(engine: Engine) -> None:
    bag = build_unit("A+")
    await engine.feed(counted([bag]))
    await engine.feed(hold(bag.unit_id))
    engine.clock.move(seconds=60)
    await engine.feed(counted([bag]))
    assert await find_state(engine, bag.unit_id) == "on_hold"
    assert await engine.fetch("SELECT FROM reconciliation_differences") == []


async def test_postgresql_promises_nothing_that_is_on_hold(engine: Engine) -> None:
    bag = build_unit("A+")
    await engine.feed(counted([bag]))
    await engine.feed(hold(bag.unit_id))
    with pytest.raises(InvariantViolation, match="cannot become reserved"):
        await engine.fetch("UPDATE units SET status = 'reserved'")
    with pytest.raises(InvariantViolation, match="unit_holds_live_uq"):
        await engine.fetch(
            "INSERT INTO unit_holds (unit_id, station_id, actor, by, reason, placed_at, caused_by) "
            "SELECT unit_id, station_id, actor, by, reason, placed_at, caused_by FROM unit_holds"
        )
    with pytest.raises(InvariantViolation, match="unit_holds_signed_ck"):
        await engine.fetch("UPDATE unit_holds SET by = ' '")


async def test_a_hold_and_a_request_race_for_one_bag(engine: Engine) -> None:
    async def feed(record: Record) -> None:
        while True:
            try:
                await engine.feed(record)
            except TransientError:
                continue
            return

    for _ in range(10):
        bag = build_unit("A+")
        await engine.feed(counted([bag]))
        request = build_request(group="A+", quantity=1)
        await asyncio.gather(feed(opened(request)), feed(hold(bag.unit_id)))
        assert await find_state(engine, bag.unit_id) == "on_hold"
        assert await engine.status_of(request.request_id) == "open"
    live = await engine.fetch("SELECT FROM promises WHERE status IN ('held', 'issued')")
    assert live == []
    assert await engine.dead_letter_codes() == []
