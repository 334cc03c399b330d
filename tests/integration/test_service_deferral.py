"""Who can wait makes way for expected need: on real PostgreSQL, through the services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from deploy.local.embedded_services import Endpoints
from models.decisions import Decision
from models.events.requests import RequestAmended
from models.requests import Amendment, Priority, UrgentRequest
from models.rules.rulebook import PACKAGED
from tests.support.engine import Engine, build_engine
from tests.support.world import NOW, build_record, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

DYING, URGENT, ROUTINE = Priority
AHEAD_H = PACKAGED.policies.emergency_reserve.given_ahead_h
ASKED_EVERY_H = 3
LEFT = 6


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


async def learn(engine: Engine, *, days: float) -> None:
    """Let patients in danger of life ask for four bags of A+ every few hours, and leave six."""
    asked = int(days * 24 / ASKED_EVERY_H)
    units = [build_unit("A+", expires_in_h=30 * 24) for _ in range(4 * asked + LEFT)]
    await engine.feed(counted(units))
    for _ in range(asked):
        await engine.feed(opened(ask(DYING, units=4)))
        engine.clock.move(hours=ASKED_EVERY_H)
    free = await engine.one("SELECT count(*) FROM units WHERE status = 'available'")
    assert free["count"] == LEFT


def ask(
    priority: Priority,
    *,
    units: int = 2,
    group: str = "A+",
    need_h: float = 4,
    engine: Engine | None = None,
) -> UrgentRequest:
    return build_request(
        group=group,
        priority=priority,
        quantity=units,
        needed_in_h=need_h,
        now=engine.clock.now() if engine else NOW,
    )


async def open_now(engine: Engine, request: UrgentRequest) -> Decision:
    await engine.feed(opened(request))
    return await read_last(engine, request)


async def read_last(engine: Engine, request: UrgentRequest) -> Decision:
    row = await engine.one(
        "SELECT body FROM decisions WHERE request_id = $1 ORDER BY version DESC LIMIT 1",
        request.request_id,
    )
    return Decision.model_validate(row["body"])


async def test_a_station_that_is_hardly_known_keeps_nothing(engine: Engine) -> None:
    await learn(engine, days=0.9)
    found = await open_now(engine, ask(ROUTINE, need_h=24, engine=engine))
    assert found.outcome == "reserved"


async def test_a_routine_order_makes_way_and_who_dies_gets_all(engine: Engine) -> None:
    await learn(engine, days=2)
    routine = ask(ROUTINE, need_h=24, engine=engine)
    found = await open_now(engine, routine)
    assert found.outcome == "deferred"
    assert found.waiting_for == "expected_need"
    assert await engine.status_of(routine.request_id) == "open"
    dying = await open_now(engine, ask(DYING, units=LEFT, engine=engine))
    assert dying.outcome == "reserved"
    # What was kept is gone: from now on it is told that it waits for blood.
    engine.clock.move(seconds=30)
    await engine.fire_timers()
    assert (await read_last(engine, routine)).outcome in {"deferred", "waiting"}


async def test_an_urgent_order_is_served_at_the_hour_that_it_was_told(engine: Engine) -> None:
    await learn(engine, days=2)
    urgent = ask(URGENT, need_h=12, engine=engine)
    found = await open_now(engine, urgent)
    assert found.outcome == "deferred"
    until = found.deferred_until
    assert until is not None
    eta_s = urgent.needed_by - until - timedelta(hours=AHEAD_H)
    assert timedelta(0) < eta_s < timedelta(hours=6)
    engine.clock.at = until - timedelta(seconds=1)
    await engine.fire_timers()
    assert await engine.status_of(urgent.request_id) == "open"
    engine.clock.at = until + timedelta(seconds=1)
    await engine.fire_timers()
    assert await engine.status_of(urgent.request_id) == "reserved"


async def test_new_blood_serves_who_was_put_off(engine: Engine) -> None:
    await learn(engine, days=2)
    routine = ask(ROUTINE, need_h=24, engine=engine)
    assert (await open_now(engine, routine)).outcome == "deferred"
    more = [build_unit("A+", now=engine.clock.now(), expires_in_h=30 * 24) for _ in range(120)]
    await engine.feed(counted(more, at=engine.clock.now()))
    engine.clock.move(seconds=1)
    await engine.fire_timers()
    assert await engine.status_of(routine.request_id) == "reserved"


async def test_who_cannot_wait_after_all_is_served_at_once(engine: Engine) -> None:
    await learn(engine, days=2)
    routine = ask(ROUTINE, need_h=24, engine=engine)
    assert (await open_now(engine, routine)).outcome == "deferred"
    amendment = Amendment(
        request_id=routine.request_id,
        hospital_id=routine.hospital_id,
        station_id=routine.station_id,
        priority=URGENT,
        needed_by=engine.clock.now() + timedelta(hours=2),
    )
    record = build_record(
        RequestAmended(amendment=amendment), source=f"hospital/{routine.hospital_id}"
    )
    await engine.feed(record)
    assert (await read_last(engine, routine)).outcome == "reserved"


async def test_what_others_wait_for_is_not_given_away(engine: Engine) -> None:
    """An urgent order is put off; a routine one that comes later does not get its blood."""
    await learn(engine, days=2)
    urgent = ask(URGENT, need_h=12, units=LEFT, engine=engine)
    assert (await open_now(engine, urgent)).outcome == "deferred"
    routine = await open_now(engine, ask(ROUTINE, need_h=3, units=1, engine=engine))
    assert routine.outcome == "deferred"
    assert routine.deferred_until is None


async def test_o_is_not_kept_for_patients_whose_own_blood_lies_there(engine: Engine) -> None:
    """Patients of other groups are expected, and their blood lies there: O is given."""
    await learn(engine, days=2)
    now = engine.clock.now()
    groups = [*60 * ["A+"], *60 * ["B+"], *40 * ["AB+"], *40 * ["O+"]]
    more = [build_unit(group, now=now, expires_in_h=30 * 24) for group in groups]
    await engine.feed(counted(more, at=now))
    routine = ask(ROUTINE, group="O+", need_h=24, engine=engine)
    assert (await open_now(engine, routine)).outcome == "reserved"


async def test_o_is_kept_for_patients_who_have_nothing_else(engine: Engine) -> None:
    await learn(engine, days=2)
    now = engine.clock.now()
    more = [build_unit("O+", now=now, expires_in_h=30 * 24) for _ in range(40)]
    await engine.feed(counted(more, at=now))
    routine = ask(ROUTINE, group="O+", need_h=24, engine=engine)
    assert (await open_now(engine, routine)).outcome == "deferred"
