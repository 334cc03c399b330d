"""Bags given and taken back by hand, on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.errors import TransientError
from models.events.hand_work import BagGiven, BagTakenBack
from models.events.stock import StockChange, StockChanged
from models.requests import Priority, UrgentRequest
from models.rules.rulebook import PACKAGED
from streams.ports import Context, Received
from streams.store.unit_of_work import PgBegin
from tests.support.engine import Engine, build_engine
from tests.support.hand_store import check_hand_store
from tests.support.world import build_record, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

DESK, BY, WHY = "dispatcher/night-desk", "Tsering", "the child needs the freshest cells"
DYING, URGENT, ROUTINE = Priority.LIFE_THREATENING, Priority.URGENT, Priority.ROUTINE


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


def give(request: UrgentRequest, unit_id: str, *, instead_of: str | None = None) -> Received:
    event = BagGiven(
        request_id=request.request_id,
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        line_no=1,
        unit_id=unit_id,
        instead_of=instead_of,
        by=BY,
        reason=WHY,
    )
    return build_record(event, source=DESK)


def take_back(request: UrgentRequest, unit_id: str) -> Received:
    event = BagTakenBack(
        request_id=request.request_id,
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        unit_id=unit_id,
        by=BY,
        reason=WHY,
    )
    return build_record(event, source=DESK)


async def list_holders(engine: Engine) -> dict[str, str]:
    rows = await engine.fetch("SELECT unit_id, request_id FROM promises WHERE status = 'held'")
    return {row["unit_id"]: row["request_id"] for row in rows}


async def test_a_promise_by_hand_says_who_and_why(engine: Engine) -> None:
    kept = build_unit("A-")
    await engine.feed(counted([kept]))
    request = build_request(group="A+", quantity=1, priority=ROUTINE)
    await engine.feed(opened(request))
    assert await list_holders(engine) == {}
    await engine.feed(give(request, kept.unit_id))
    assert await engine.dead_letter_codes() == []
    assert await list_holders(engine) == {kept.unit_id: request.request_id}
    row = await engine.one("SELECT reason, rule FROM promises WHERE unit_id = $1", kept.unit_id)
    assert row["reason"]["code"] == "given_by_hand"
    told = row["reason"]["params"]
    assert (told["key"], told["by"], told["reason"]) == (DESK, BY, WHY)
    assert row["rule"]
    step = await engine.one(
        "SELECT why, actor FROM audit WHERE subject = $1 AND to_state = 'reserved'", kept.unit_id
    )
    assert step["actor"] == DESK
    assert step["why"] == f"{request.request_id} by hand of {BY}: {WHY}"
    assert await engine.status_of(request.request_id) == "reserved"


async def test_whoever_loses_a_bag_is_decided_again_in_the_same_transaction(
    engine: Engine,
) -> None:
    bag = build_unit("A+")
    await engine.feed(counted([bag]))
    loser = build_request(group="A+", quantity=1, priority=ROUTINE)
    winner = build_request(group="A+", quantity=1, priority=URGENT)
    await engine.feed(opened(loser))
    await engine.feed(opened(winner))
    await engine.feed(give(winner, bag.unit_id))
    assert await list_holders(engine) == {bag.unit_id: winner.request_id}
    row = await engine.one(
        "SELECT version, outcome, body FROM decisions WHERE request_id = $1 "
        "ORDER BY version DESC LIMIT 1",
        loser.request_id,
    )
    assert (row["version"], row["outcome"]) == (2, "waiting")
    (told,) = (reason for reason in row["body"]["reasons"] if reason["code"] == "taken_by_hand")
    assert told["params"] == {"unit_id": bag.unit_id, "by": BY, "reason": WHY}
    assert await engine.status_of(loser.request_id) == "open"


async def test_what_the_kernel_refuses_is_kept_with_every_reason(engine: Engine) -> None:
    wrong = build_unit("B+", expires_in_h=1)
    await engine.feed(counted([wrong]))
    request = build_request(group="A+", quantity=1)
    await engine.feed(opened(request))
    await engine.feed(give(request, wrong.unit_id))
    row = await engine.one("SELECT code, params FROM dead_letters")
    assert row["code"] == "bag_not_cleared"
    assert {"other_group", "expires_before_arrival"} & set(row["params"]["codes"].split())
    assert len(row["params"]["codes"].split()) > 1
    assert await list_holders(engine) == {}


async def test_a_bag_is_taken_back_and_another_is_chosen(engine: Engine) -> None:
    units = [build_unit("A+") for _ in range(2)]
    await engine.feed(counted(units))
    request = build_request(group="A+", quantity=1, priority=DYING)
    await engine.feed(opened(request))
    (held,) = await list_holders(engine)
    (other,) = {unit.unit_id for unit in units} - {held}
    await engine.feed(take_back(request, held))
    assert await engine.dead_letter_codes() == []
    assert await list_holders(engine) == {other: request.request_id}
    step = await engine.one(
        "SELECT why FROM audit WHERE subject = $1 AND from_state = 'reserved'", held
    )
    assert step["why"] == f"taken_back_by_hand {request.request_id} by {BY}: {WHY}"


async def test_a_bag_is_given_instead_of_another(engine: Engine) -> None:
    units = [build_unit("A+") for _ in range(2)]
    await engine.feed(counted(units))
    request = build_request(group="A+", quantity=1)
    await engine.feed(opened(request))
    (held,) = await list_holders(engine)
    (other,) = {unit.unit_id for unit in units} - {held}
    await engine.feed(give(request, other))
    assert await engine.dead_letter_codes() == ["line_needs_no_more"]
    await engine.feed(give(request, other, instead_of=held))
    assert await list_holders(engine) == {other: request.request_id}


async def test_a_dose_is_given_bag_by_bag(engine: Engine) -> None:
    """Two bags of cryoprecipitate are no dose yet; the first is not put back for the second."""
    component = Component.CRYOPRECIPITATE
    units = [build_unit("A+", component=component) for _ in range(2)]
    await engine.feed(counted(units))
    request = build_request(group="A+", quantity=10, component=component)
    await engine.feed(opened(request))
    assert await list_holders(engine) == {}
    for unit in units:
        await engine.feed(give(request, unit.unit_id))
    assert await engine.dead_letter_codes() == []
    assert await list_holders(engine) == {unit.unit_id: request.request_id for unit in units}


async def test_what_is_picked_stays(engine: Engine) -> None:
    unit = build_unit("A+")
    await engine.feed(counted([unit]))
    request = build_request(group="A+", quantity=1)
    await engine.feed(opened(request))
    picked = StockChanged(
        station_id="shigatse",
        unit_id=unit.unit_id,
        change=StockChange.PICKED,
        epoch=1,
        happened_at=engine.clock.now(),
    )
    await engine.feed(build_record(picked, source="station/shigatse"))
    await engine.feed(take_back(request, unit.unit_id))
    assert await engine.dead_letter_codes() == ["bag_not_held"]
    assert await list_holders(engine) == {unit.unit_id: request.request_id}


async def test_two_dispatchers_give_one_bag_and_one_has_it(engine: Engine) -> None:
    async def feed(record: Received) -> None:
        while True:
            try:
                await engine.feed(record)
            except TransientError:
                continue
            return

    for _ in range(10):
        bag = build_unit("A-")
        await engine.feed(counted([bag]))
        asking = [build_request(group="A+", quantity=1, priority=ROUTINE) for _ in range(2)]
        for request in asking:
            await engine.feed(opened(request))
        await asyncio.gather(*(feed(give(request, bag.unit_id)) for request in asking))
        row = await engine.one("SELECT count(*) AS n FROM promises WHERE unit_id = $1", bag.unit_id)
        assert row["n"] == 1
    assert await engine.dead_letter_codes() == ["bag_of_no_lower_priority"] * 10


async def test_the_store_does_what_hand_work_asks_of_it(engine: Engine) -> None:
    free, given, chosen = build_unit("O-"), build_unit("A-"), build_unit("A+")
    await engine.feed(counted([free, given, chosen]))
    request = build_request(group="A+", quantity=2, priority=ROUTINE)
    await engine.feed(opened(request))
    await engine.feed(give(request, given.unit_id))
    async with PgBegin(engine.database, PACKAGED)() as work:
        work.enter(_context(engine))
        await check_hand_store(
            work.stock,
            free=free.unit_id,
            given=given.unit_id,
            chosen=chosen.unit_id,
            request_id=request.request_id,
            now=engine.clock.now(),
        )


def _context(engine: Engine) -> Context:
    return Context(now=engine.clock.now(), cause="test", actor=DESK)
