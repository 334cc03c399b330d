"""Large and repeated orders on PostgreSQL: a part at once, the next by itself, or by a word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.embedded_services import Endpoints
from models.doses import OrderMeasure
from models.events.requests import RequestAmended, RequestCancelled
from models.events.stock import StockChange
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import (
    Amendment,
    Cancellation,
    Priority,
    QuantityConfirmation,
    UrgentRequest,
)
from models.rules.rulebook import PACKAGED
from streams.ports.requests import PastOrders
from streams.store.unit_of_work import PgBegin
from tests.support.life import LifeEngine, build_life_engine
from tests.support.world import build_record, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

DYING, URGENT = Priority.LIFE_THREATENING, Priority.URGENT
OF_A = Patient(group=BloodGroup.A_POS, reference="bed-9")


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[LifeEngine]:
    async with build_life_engine(endpoints.postgres_dsn) as built:
        yield built


async def lay(engine: LifeEngine, units: int) -> None:
    await engine.feed(counted(build_unit("A+", expires_in_h=400) for _ in range(units)))


async def held(engine: LifeEngine, request: UrgentRequest) -> list[str]:
    rows = await engine.fetch(
        "SELECT unit_id FROM promises WHERE status = 'held' AND request_id = $1 ORDER BY unit_id",
        request.request_id,
    )
    return [row["unit_id"] for row in rows]


async def last(engine: LifeEngine, request: UrgentRequest) -> dict[str, Any]:
    row = await engine.one(
        "SELECT body FROM decisions WHERE request_id = $1 ORDER BY version DESC LIMIT 1",
        request.request_id,
    )
    body: dict[str, Any] = row["body"]
    return body


async def confirm(engine: LifeEngine, request: UrgentRequest) -> None:
    word = QuantityConfirmation(
        request_id=request.request_id,
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        quantity_confirmed_by="Dr Tashi",
    )
    event = RequestAmended(amendment=word.to_amendment())
    await engine.feed(build_record(event, source=f"hospital/{request.hospital_id}"))


async def send(engine: LifeEngine, *unit_ids: str) -> None:
    for unit_id in unit_ids:
        await engine.scan_all(unit_id, StockChange.PICKED, StockChange.ISSUED)


async def test_a_large_order_gets_a_part_and_the_rest_by_a_word(engine: LifeEngine) -> None:
    await lay(engine, 70)
    request = build_request(patient=OF_A, quantity=30)
    await engine.feed(opened(request))
    first = await held(engine, request)
    assert len(first) == 20
    told = await last(engine, request)
    assert (told["outcome"], told["waiting_for"]) == ("partly_reserved", "confirmation")
    assert told["lines"][0]["unconfirmed"] == 10
    row = await engine.one("SELECT uncovered, unconfirmed FROM request_lines")
    assert tuple(row.values()) == (0, 10)
    # Neither the sweep nor free units give what waits for a word.
    await lay(engine, 1)
    engine.clock.move(seconds=60)
    await engine.fire_timers()
    assert await held(engine, request) == first

    await confirm(engine, request)
    assert {*first} < {*await held(engine, request)}
    told = await last(engine, request)
    assert told["outcome"] == "reserved"
    assert told["reasons"][0]["code"] == "quantity_confirmed"
    assert told["reasons"][0]["params"] == {"by": "Dr Tashi"}
    assert await engine.status_of(request.request_id) == "reserved"


async def test_a_word_in_the_order_itself_is_enough(engine: LifeEngine) -> None:
    await lay(engine, 70)
    request = build_request(patient=OF_A, quantity=30).but(quantity_confirmed_by="Dr Tashi")
    await engine.feed(opened(request))
    assert len(await held(engine, request)) == 30
    more = Amendment(
        request_id=request.request_id,
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        lines=(request.lines[0].but(quantity=40),),
    )
    event = RequestAmended(amendment=more)
    await engine.feed(build_record(event, source=f"hospital/{request.hospital_id}"))
    assert len(await held(engine, request)) == 20
    assert (await last(engine, request))["lines"][0]["unconfirmed"] == 20


async def test_nobody_in_danger_waits_for_a_word(engine: LifeEngine) -> None:
    """The next part is there when half of the one before has left, and so on to the last bag."""
    await lay(engine, 100)
    request = build_request(patient=OF_A, quantity=90, priority=DYING)
    await engine.feed(opened(request))
    sent = 0
    while bags := await held(engine, request):
        assert len(bags) >= min(20, 90 - sent)
        await send(engine, *bags[:20])
        sent += len(bags[:20])
    assert sent == 90
    assert await engine.status_of(request.request_id) == "reserved"
    assert (await last(engine, request))["waiting_for"] == "delivery"
    rows = await engine.fetch("SELECT why FROM audit WHERE subject = $1", request.request_id)
    assert [row["why"] for row in rows].count("next_part") == 3


async def test_the_next_part_that_nobody_has_is_looked_for(engine: LifeEngine) -> None:
    await lay(engine, 40)
    request = build_request(patient=OF_A, quantity=60, priority=DYING)
    await engine.feed(opened(request))
    bags = await held(engine, request)
    await send(engine, *bags[:20])
    told = await last(engine, request)
    assert (told["waiting_for"], told["lines"][0]["uncovered"]) == ("donors_and_neighbours", 20)
    assert told["lines"][0]["unconfirmed"] == 0


async def test_who_can_wait_gets_the_next_part_when_the_first_has_arrived(
    engine: LifeEngine,
) -> None:
    await lay(engine, 70)
    request = build_request(patient=OF_A, quantity=25)
    await engine.feed(opened(request))
    bags = await held(engine, request)
    await send(engine, *bags)
    assert await held(engine, request) == []
    assert await engine.status_of(request.request_id) == "open"
    for unit_id in bags:
        await engine.scan_all(
            unit_id, StockChange.RECEIVED, source=f"hospital/{request.hospital_id}"
        )
    assert len(await held(engine, request)) == 5
    assert await engine.status_of(request.request_id) == "reserved"


async def test_parts_that_flow_keep_an_order_alive_and_one_that_rests_ends(
    engine: LifeEngine,
) -> None:
    await lay(engine, 100)
    request = build_request(patient=OF_A, quantity=90, priority=DYING, needed_in_h=0.5)
    await engine.feed(opened(request))
    for _ in range(2):
        engine.clock.move(seconds=3000)
        await send(engine, *(await held(engine, request))[:20])
        await engine.fire_timers_of("request_expiry")
    assert await engine.status_of(request.request_id) == "open"
    engine.clock.move(seconds=3700)
    await engine.fire_timers_of("request_expiry")
    told = await last(engine, request)
    assert [reason["code"] for reason in told["reasons"]][:1] == ["needed_by_passed"]
    assert told["reasons"][0]["params"] == {"units_uncovered": 10}


async def test_a_second_order_for_a_patient_is_held_against_the_first(engine: LifeEngine) -> None:
    await lay(engine, 40)
    first = build_request(patient=OF_A, quantity=6, needed_in_h=4)
    second = build_request(patient=OF_A.but(reference="BED-9"), quantity=8, needed_in_h=4)
    await engine.feed(opened(first))
    await engine.feed(opened(second))
    assert (len(await held(engine, first)), len(await held(engine, second))) == (6, 2)
    (reason,) = (await last(engine, second))["lines"][0]["asked_back"]
    assert reason["code"] == "order_overlaps"
    assert reason["params"] == {"requests": first.request_id, "units": 6}
    # Whoever ordered first is told, once.
    for _ in range(2):
        await engine.fire_timers()
    reasons = (await last(engine, first))["reasons"]
    assert {"code": "order_repeated", "params": {"requests": second.request_id}, "rule": ""} in [
        {**told, "rule": ""} for told in reasons
    ]
    assert (await last(engine, first))["version"] == 2

    # A word on the first answers for both.
    await confirm(engine, first)
    await engine.fire_timers()
    assert (len(await held(engine, first)), len(await held(engine, second))) == (6, 8)
    assert await engine.status_of(second.request_id) == "reserved"


@pytest.mark.parametrize("priority", [DYING, URGENT])
async def test_a_second_order_follows_when_the_first_is_cancelled(
    engine: LifeEngine, priority: Priority
) -> None:
    await lay(engine, 40)
    first, second = (build_request(patient=OF_A, quantity=6, priority=priority) for _ in range(2))
    await engine.feed(opened(first), opened(second))
    assert await held(engine, second) == []
    assert await engine.status_of(second.request_id) == "open"
    cancellation = Cancellation(
        request_id=first.request_id,
        hospital_id=first.hospital_id,
        station_id=first.station_id,
        reason="twice",
    )
    event = RequestCancelled(cancellation=cancellation)
    await engine.feed(build_record(event, source=f"hospital/{first.hospital_id}"))
    await engine.fire_timers()
    assert len(await held(engine, second)) == 6


async def test_a_second_order_in_danger_follows_as_the_first_leaves(engine: LifeEngine) -> None:
    await lay(engine, 40)
    first, second = (build_request(patient=OF_A, quantity=6, priority=DYING) for _ in range(2))
    await engine.feed(opened(first), opened(second))
    await send(engine, *await held(engine, first))
    await engine.fire_timers()
    assert len(await held(engine, second)) == 6


async def test_where_nothing_is_left_the_second_order_is_looked_for(engine: LifeEngine) -> None:
    """Nothing frees a unit, so no rematch comes: the look at the patient's orders tells it."""
    await lay(engine, 6)
    first, second = (build_request(patient=OF_A, quantity=6, priority=DYING) for _ in range(2))
    await engine.feed(opened(first), opened(second))
    assert (await last(engine, second))["waiting_for"] == "confirmation"
    await send(engine, *await held(engine, first))
    await engine.fire_timers()
    told = await last(engine, second)
    assert (told["waiting_for"], told["lines"][0]["uncovered"]) == ("donors_and_neighbours", 6)


async def test_what_a_hospital_orders_is_learned_from_its_own_orders(engine: LifeEngine) -> None:
    await lay(engine, 10)
    past = [build_request(quantity=30) for _ in range(10)]
    await engine.feed(*(opened(request.but(quantity_confirmed_by="x")) for request in past))
    since = engine.clock.now() - timedelta(days=1)
    async with PgBegin(engine.database, PACKAGED)() as work:
        found = await work.requests.count_orders(
            "shigatse-people", priority=URGENT, since=since, besides=past[0].request_id
        )
        others = await work.requests.count_orders(
            "shigatse-people", priority=DYING, since=since, besides=""
        )
        late = await work.requests.count_orders(
            "shigatse-people", priority=URGENT, since=since + timedelta(days=2), besides=""
        )
    cells = past[0].lines[0].component
    assert found == [PastOrders(component=cells, measure=OrderMeasure.UNIT, quantity=30, orders=9)]
    assert others == late == []
    await engine.fetch("UPDATE requests SET status = 'cancelled', waiting_for = '' RETURNING 1")
    async with PgBegin(engine.database, PACKAGED)() as work:
        gone = await work.requests.count_orders(
            "shigatse-people", priority=URGENT, since=since, besides=""
        )
    assert gone == []
    await engine.fetch(
        "UPDATE requests SET status = 'reserved', waiting_for = 'picking' RETURNING 1"
    )

    await lay(engine, 200)
    usual, unusual = build_request(quantity=60), build_request(quantity=61)
    await engine.feed(opened(usual))
    await engine.feed(opened(unusual))
    assert len(await held(engine, usual)) == 60
    (reason,) = (await last(engine, unusual))["lines"][0]["asked_back"]
    assert reason["code"] == "quantity_above_usual"
    assert reason["params"] == {"asked": 61, "at_once": 30, "usual": 30, "orders": 11}
