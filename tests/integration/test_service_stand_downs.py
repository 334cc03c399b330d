"""Calls of donors and transfers that a person stands down, on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.embedded_services import Endpoints
from models.donors import Answer
from models.events.hand_work import CallsResumed, CallsStoodDown, TransferStoodDown
from models.events.stock import StockChange, StockChanged
from streams.ports import Record
from tests.support.supply import make_donor
from tests.support.supply_engine import SupplyEngine, build_supply_engine
from tests.support.world import LHASA, SHIGATSE, build_record, build_unit, counted

pytestmark = pytest.mark.integration

DESK = "dispatcher/night-desk"
SIGNED = {"by": "Tsering", "reason": "the patient died"}


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[SupplyEngine]:
    """Shigatse waits for four A+ and calls its donors; Lhasa has six bags."""
    async with build_supply_engine(endpoints.postgres_dsn) as built:
        await built.put_station(SHIGATSE.but(daily_demand={}))
        await built.put_station(LHASA.but(daily_demand={}))
        units = [
            build_unit("A+", unit_id=f"L-{at}", station_id="lhasa", expires_in_h=240 - at)
            for at in range(6)
        ]
        await built.feed(counted(units, station_id="lhasa"))
        await built.put_reserve(20, staff=True, group="A+")
        await built.ask(group="A+", quantity=4)
        yield built


async def find_shortage(engine: SupplyEngine) -> str:
    row = await engine.one("SELECT shortage_id FROM shortages WHERE status = 'open'")
    return str(row["shortage_id"])


def stand_down(cause_id: str, *, station_id: str = "shigatse", source: str = DESK) -> Record:
    event = CallsStoodDown(station_id=station_id, cause_id=cause_id, **SIGNED)
    return build_record(event, source=source)


def resume(cause_id: str) -> Record:
    return build_record(
        CallsResumed(station_id="shigatse", cause_id=cause_id, **SIGNED), source=DESK
    )


async def test_whoever_was_called_is_told_that_it_is_over(engine: SupplyEngine) -> None:
    cause_id = await find_shortage(engine)
    called = await engine.calls("called")
    assert len(called) > 2
    await engine.answer(Answer.ACCEPTED, called[0])
    await engine.answer(Answer.ACCEPTED, called[1])
    await engine.answer(Answer.ARRIVED, called[1])
    await engine.feed(stand_down(cause_id))
    assert await engine.dead_letter_codes() == []
    assert await engine.calls("called", "accepted") == []
    assert await engine.calls("arrived") == [called[1]], "who has come is not sent away"
    *_, closed = await engine.events("blood.callout.closed.v1")
    assert closed["status"] == "stood_down"
    assert (closed["by"], closed["reason"]) == (SIGNED["by"], SIGNED["reason"])
    assert set(closed["call_out_ids"]) == {*called} - {called[1]}
    row = await engine.one(
        "SELECT why, actor FROM audit WHERE subject_kind = 'calls' AND subject = $1", cause_id
    )
    assert (row["why"], row["actor"]) == ("by Tsering: the patient died", DESK)


async def test_nobody_more_is_called_until_it_is_taken_back(engine: SupplyEngine) -> None:
    cause_id = await find_shortage(engine)
    await engine.feed(stand_down(cause_id))
    before = len(await engine.fetch("SELECT FROM call_outs"))
    for _ in range(3):
        engine.clock.move(seconds=1800)
        await engine.fire_timers()
    await engine.ask(group="A+", quantity=2)
    assert len(await engine.fetch("SELECT FROM call_outs")) == before
    await engine.feed(resume(cause_id))
    assert await engine.dead_letter_codes() == []
    assert len(await engine.fetch("SELECT FROM call_outs")) > before
    assert await engine.calls("called")
    row = await engine.one("SELECT ended_by, ended_why FROM call_stops")
    assert (row["ended_by"], row["ended_why"]) == (DESK, "by Tsering: the patient died")


async def test_another_cause_calls_as_before(engine: SupplyEngine) -> None:
    cause_id = await find_shortage(engine)
    await engine.feed(stand_down(cause_id))
    others = [make_donor(f"o-{at:02}", staff=True, group="O+") for at in range(9)]
    await engine.put_donors(others)
    await engine.ask(group="O+", quantity=2)
    rows = await engine.fetch("SELECT DISTINCT cause_id FROM call_outs WHERE status = 'called'")
    assert [row["cause_id"] for row in rows] != []
    assert cause_id not in {row["cause_id"] for row in rows}


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (stand_down("nothing"), "call_cause_unknown"),
        (stand_down("nothing", source="station/lhasa"), "source_differs"),
        (stand_down("nothing", source="hospital/shigatse-people"), "source_differs"),
        (resume("nothing"), "call_cause_unknown"),
    ],
)
async def test_what_is_wrong_is_refused(engine: SupplyEngine, record: Record, code: str) -> None:
    await engine.feed(record)
    assert await engine.dead_letter_codes() == [code]


async def test_it_is_stood_down_once_and_resumed_once(engine: SupplyEngine) -> None:
    cause_id = await find_shortage(engine)
    await engine.feed(resume(cause_id))
    assert await engine.dead_letter_codes() == ["calls_not_stopped"]
    await engine.feed(stand_down(cause_id))
    await engine.feed(stand_down(cause_id))
    assert "calls_stopped_already" in await engine.dead_letter_codes()
    await engine.feed(stand_down(cause_id, station_id="lhasa"))
    assert "call_cause_unknown" in await engine.dead_letter_codes()


async def find_transfer(engine: SupplyEngine) -> TransferStoodDown:
    row = await engine.one("SELECT transfer_id, from_station_id, to_station_id FROM transfers")
    return TransferStoodDown.model_validate({**dict(row), **SIGNED})


async def move(engine: SupplyEngine, unit_id: str, change: StockChange) -> None:
    row = await engine.one("SELECT epoch FROM units WHERE unit_id = $1", unit_id)
    event = StockChanged(
        station_id="lhasa",
        unit_id=unit_id,
        change=change,
        happened_at=engine.clock.now(),
        epoch=row["epoch"],
    )
    await engine.feed(build_record(event, source="station/lhasa"))


async def list_held(engine: SupplyEngine) -> list[str]:
    rows = await engine.fetch("SELECT unit_id FROM promises WHERE status = 'held' ORDER BY unit_id")
    return [row["unit_id"] for row in rows]


async def test_what_has_not_left_stays_at_the_giver(engine: SupplyEngine) -> None:
    await engine.offer(await find_shortage(engine), quantity=3)
    first, *_ = await list_held(engine)
    await move(engine, first, StockChange.PICKED)
    await engine.feed(build_record(await find_transfer(engine), source=DESK))
    assert await engine.dead_letter_codes() == []
    assert await list_held(engine) == []
    row = await engine.one("SELECT status FROM transfers")
    assert row["status"] == "cancelled"
    (ended,) = await engine.events("blood.transfer.completed.v1")
    assert ended["transfer"]["status"] == "cancelled"
    assert (ended["by"], ended["reason"]) == (SIGNED["by"], SIGNED["reason"])
    states = await engine.fetch("SELECT DISTINCT status FROM units WHERE station_id = 'lhasa'")
    assert [state["status"] for state in states] == ["available"]
    step = await engine.one(
        "SELECT why FROM audit WHERE subject = $1 AND from_state = 'picked'", first
    )
    assert step["why"] == "stood down by Tsering: the patient died"
    await engine.feed(build_record(await find_transfer(engine), source=DESK))
    assert await engine.dead_letter_codes() == ["transfer_ended"]


async def test_what_has_left_goes_on(engine: SupplyEngine) -> None:
    await engine.offer(await find_shortage(engine), quantity=2)
    first, _second = await list_held(engine)
    await move(engine, first, StockChange.ISSUED)
    await engine.feed(build_record(await find_transfer(engine), source=DESK))
    assert await list_held(engine) == []
    row = await engine.one("SELECT status FROM transfers")
    assert row["status"] == "in_transit"
    await engine.feed(build_record(await find_transfer(engine), source=DESK))
    assert await engine.dead_letter_codes() == ["transfer_has_left"]


async def test_no_station_stands_a_transfer_down(engine: SupplyEngine) -> None:
    await engine.offer(await find_shortage(engine), quantity=2)
    event = await find_transfer(engine)
    await engine.feed(build_record(event, source="station/lhasa"))
    assert await engine.dead_letter_codes() == ["source_differs"]
    wrong = event.model_copy(update={"transfer_id": "nothing"})
    await engine.feed(build_record(wrong, source=DESK))
    assert "transfer_unknown" in await engine.dead_letter_codes()
    assert len(await list_held(engine)) == 2
