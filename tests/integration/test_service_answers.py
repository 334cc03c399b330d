"""Donors' answers on real PostgreSQL: from the call to the quarantined unit, and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.donors import Answer
from models.events.donations import DonationSplit
from models.events.donors import CallOutAnswered
from models.events.stock import StockChange, StockChanged
from models.groups import BloodGroup
from tests.support.laboratory import from_laboratory, list_clear
from tests.support.supply import make_donor
from tests.support.supply_engine import SupplyEngine, build_supply_engine
from tests.support.world import NOW, build_record

pytestmark = pytest.mark.integration


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[SupplyEngine]:
    """An activation that wants 2 donations, of twelve staff; four are called."""
    async with build_supply_engine(endpoints.postgres_dsn) as built:
        await built.put_reserve(12, staff=True)
        await built.alert(injured=3)
        assert len(await built.calls("called")) == 4
        yield built


def donation(unit_id: str = "UNIT-1", **changes: object) -> dict[str, object]:
    return {
        "unit_id": unit_id,
        "donation_id": f"DIN-{unit_id}",
        "component": Component.WHOLE_BLOOD,
        "group": BloodGroup.O_POS,
        "volume_ml": 400,
        "collected_at": NOW,
        "expires_at": NOW + timedelta(days=35),
        **changes,
    }


async def bring(engine: SupplyEngine, call: str, **changes: object) -> None:
    """From accepted to donated."""
    await engine.answer(Answer.ACCEPTED, call)
    await engine.answer(Answer.ARRIVED, call)
    await engine.answer(Answer.DONATED, call, donation=donation(**changes))  # type: ignore[arg-type] # any field


async def status_of(engine: SupplyEngine, call: str) -> str:
    row = await engine.one("SELECT status FROM call_outs WHERE call_out_id = $1", call)
    return str(row["status"])


async def test_a_donor_who_gives_becomes_a_quarantined_unit(engine: SupplyEngine) -> None:
    call, *_ = await engine.calls("called")
    await bring(engine, call)
    row = await engine.one("SELECT * FROM units")
    assert (row["unit_id"], row["status"], row["source"], row["station_id"]) == (
        "UNIT-1",
        "collected",
        "donor",
        "shigatse",
    )
    assert row["released_at"] is None
    called = await engine.one("SELECT * FROM call_outs WHERE call_out_id = $1", call)
    assert (called["status"], called["unit_id"]) == ("donated", "UNIT-1")
    assert called["answered_at"] == NOW
    assert called["ended_at"] == NOW
    donor = await engine.one("SELECT * FROM donors WHERE donor_id = $1", called["donor_id"])
    assert (donor["called"], donor["accepted"]) == (1, 1)
    assert donor["last_whole_blood_on"] == date(2025, 1, 7)
    assert donor["body"]["last_whole_blood_on"] == "2025-01-07"
    moves = await engine.fetch(
        "SELECT from_state, to_state FROM audit WHERE subject = $1 ORDER BY audit_id", call
    )
    assert [tuple(row) for row in moves] == [
        ("", "called"),
        ("called", "accepted"),
        ("accepted", "arrived"),
        ("arrived", "donated"),
    ]


async def test_who_gave_is_not_called_for_six_months(engine: SupplyEngine) -> None:
    for number, call in enumerate((await engine.calls("called"))[:2]):
        await bring(engine, call, unit_id=f"UNIT-{number}")
    gave = {
        row["donor_id"]
        for row in await engine.fetch("SELECT donor_id FROM call_outs WHERE status = 'donated'")
    }
    assert len(gave) == 2
    engine.clock.move(days=180)
    then = NOW + timedelta(days=180)
    await engine.alert(
        event_key="another", alert_id="another-1", injured=300, sent_at=then, occurred_at=then
    )
    called = {
        row["donor_id"]
        for row in await engine.fetch("SELECT donor_id FROM call_outs WHERE status = 'called'")
    }
    assert len(called) == 10
    assert not gave & called


async def test_the_unit_is_released_only_by_its_tests(engine: SupplyEngine) -> None:
    call, *_ = await engine.calls("called")
    await bring(engine, call)
    assert await engine.ask(group="O+", quantity=1, component=Component.WHOLE_BLOOD)
    assert await engine.fetch("SELECT 1 FROM promises") == []
    unit = await engine.one("SELECT donation_id, status FROM units WHERE unit_id = 'UNIT-1'")
    assert unit["status"] == "collected"
    await engine.feed(*from_laboratory(unit["donation_id"], list_clear("O+")))
    assert await engine.fetch("SELECT 1 FROM units WHERE status = 'available'") == []
    taken_in = StockChanged(
        station_id="shigatse",
        unit_id="UNIT-1",
        change=StockChange.QUARANTINED,
        happened_at=NOW,
    )
    await engine.feed(build_record(taken_in, source="station/shigatse"))
    engine.clock.move(seconds=0.5)
    await engine.fire_timers()
    promise = await engine.one("SELECT unit_id, status FROM promises")
    assert (promise["unit_id"], promise["status"]) == ("UNIT-1", "held")


async def test_f61_a_donor_who_may_not_give_any_more_is_stood_down_and_replaced(
    engine: SupplyEngine,
) -> None:
    calls = await engine.calls("called")
    await engine.answer(Answer.ACCEPTED, calls[0])
    donor_ids = {
        call: (await engine.one("SELECT donor_id FROM call_outs WHERE call_out_id = $1", call))[
            "donor_id"
        ]
        for call in calls
    }
    await engine.put_donors(
        [
            make_donor(donor_ids[calls[0]], staff=True, deferred_until="2099-01-01T00:00:00Z"),
            make_donor(donor_ids[calls[1]], staff=True, consented_at=None),
        ]
    )
    assert await engine.calls("stood_down") == sorted(calls[:2])
    closed = await engine.events("blood.callout.closed.v1")
    assert {call_out_id for event in closed for call_out_id in event["call_out_ids"]} == set(
        calls[:2]
    )
    assert {event["status"] for event in closed} == {"stood_down"}
    whys = await engine.fetch("SELECT why FROM audit WHERE to_state = 'stood_down'")
    assert {row["why"] for row in whys} == {"may_not_give"}
    # The wave is filled up to what it is to bring: 2 donations, of donors at 0.64.
    assert len(await engine.calls("called", "accepted")) == 4
    await engine.answer(Answer.ACCEPTED, calls[0])
    assert await engine.dead_letter_codes() == ["call_out_state_forbids"]


async def test_f61_a_yes_of_who_may_not_give_is_not_counted_on(engine: SupplyEngine) -> None:
    """The answer may be quicker than the look at the register."""
    call, *_ = await engine.calls("called")
    await engine.fetch(
        'UPDATE donors SET body = body || \'{"deferred_until": "2099-01-01T00:00:00Z"}\' '
        "WHERE donor_id = (SELECT donor_id FROM call_outs WHERE call_out_id = $1)",
        call,
    )
    await engine.answer(Answer.ACCEPTED, call)
    assert await status_of(engine, call) == "stood_down"
    (closed,) = await engine.events("blood.callout.closed.v1")
    assert closed["call_out_ids"] == [call]
    why = await engine.one("SELECT why FROM audit WHERE to_state = 'stood_down'")
    assert why["why"] == "may_not_give deferred"
    row = await engine.one("SELECT sum(accepted) AS accepted FROM donors")
    assert row["accepted"] == 0


async def test_f57_a_bag_that_contradicts_its_donors_record_waits_until_it_is_settled(
    engine: SupplyEngine,
) -> None:
    call, *_ = await engine.calls("called")
    await bring(engine, call, group=BloodGroup.AB_NEG, component=Component.RED_CELLS)
    (told,) = await engine.events("blood.callout.group-differs.v1")
    row = await engine.one("SELECT donor_id FROM call_outs WHERE call_out_id = $1", call)
    assert (told["unit_id"], told["donor_id"]) == ("UNIT-1", row["donor_id"])
    assert "O+" not in str(told)
    flagged = await engine.one("SELECT subject, why FROM audit WHERE to_state = 'group_disputed'")
    assert tuple(flagged) == (row["donor_id"], "donated UNIT-1")

    await engine.feed(*from_laboratory("DIN-UNIT-1", list_clear("AB-")))
    unit = await engine.one("SELECT status FROM units WHERE unit_id = 'UNIT-1'")
    assert unit["status"] == "quarantined"
    # An import that changes nothing settles nothing; the register's correction does.
    await engine.put_donors([make_donor(row["donor_id"], staff=True)])
    unit = await engine.one("SELECT status FROM units WHERE unit_id = 'UNIT-1'")
    assert unit["status"] == "quarantined"
    await engine.put_donors([make_donor(row["donor_id"], staff=True, group="AB-")])
    unit = await engine.one("SELECT status FROM units WHERE unit_id = 'UNIT-1'")
    assert unit["status"] == "available"


async def test_f57_a_bag_that_agrees_says_nothing(engine: SupplyEngine) -> None:
    call, *_ = await engine.calls("called")
    await bring(engine, call, component=Component.RED_CELLS)
    assert await engine.events("blood.callout.group-differs.v1") == []
    await engine.feed(*from_laboratory("DIN-UNIT-1", list_clear("O+")))
    unit = await engine.one("SELECT status FROM units WHERE unit_id = 'UNIT-1'")
    assert unit["status"] == "available"


async def test_enough_acceptances_stand_the_open_calls_down(engine: SupplyEngine) -> None:
    calls = await engine.calls("called")
    await engine.answer(Answer.ACCEPTED, *calls[:2])
    assert len(await engine.calls("called")) == 2  # 1.6 expected of 2
    await engine.answer(Answer.ACCEPTED, calls[2])
    assert await engine.calls("called") == []
    assert await engine.calls("stood_down") == [calls[3]]
    (closed,) = await engine.events("blood.callout.closed.v1")
    assert (closed["status"], closed["call_out_ids"]) == ("stood_down", [calls[3]])


async def test_a_met_need_sends_home_who_is_on_the_way(engine: SupplyEngine) -> None:
    calls = await engine.calls("called")
    await engine.answer(Answer.ACCEPTED, *calls[:3])
    await engine.answer(Answer.ARRIVED, *calls[:2])
    assert await engine.calls("arrived") == sorted(calls[:2])
    assert await status_of(engine, calls[2]) == "stood_down"
    engine.clock.move(hours=6)
    await engine.fire_timers()
    assert await status_of(engine, calls[2]) == "stood_down"
    assert len(await engine.fetch("SELECT 1 FROM call_outs")) == 4


async def test_refusals_lead_to_one_more_wave_when_all_have_answered(
    engine: SupplyEngine,
) -> None:
    calls = await engine.calls("called")
    await engine.answer(Answer.DECLINED, *calls[:3])
    await engine.fire_timers()
    assert len(await engine.events("blood.callout.issued.v1")) == 1
    await engine.answer(Answer.NO_ANSWER, calls[3])
    await engine.fire_timers()
    first, second = await engine.events("blood.callout.issued.v1")
    assert (second["wave"], len(second["calls"])) == (2, 4)
    donors = [call["donor_id"] for wave in (first, second) for call in wave["calls"]]
    assert len(set(donors)) == len(donors)
    closed = await engine.events("blood.callout.closed.v1")
    assert [event["status"] for event in closed] == ["declined"] * 3 + ["no_answer"]


async def test_silence_leads_to_the_next_wave_after_the_window(engine: SupplyEngine) -> None:
    engine.clock.move(minutes=29)
    await engine.fire_timers()
    assert len(await engine.calls("called")) == 4
    engine.clock.move(minutes=1)
    await engine.fire_timers()
    assert len(await engine.calls("called")) == 8
    # A late yes still counts.
    await engine.answer(Answer.ACCEPTED, (await engine.calls("called"))[0])
    assert len(await engine.calls("accepted")) == 1
    # The reserve runs out, and the timer stays: the activation still says what it waits for.
    for _ in range(3):
        engine.clock.move(minutes=30)
        await engine.fire_timers()
    assert len(await engine.fetch("SELECT 1 FROM call_outs")) == 12
    assert await engine.fetch("SELECT 1 FROM timers WHERE kind = 'call_wave'")


async def test_a_no_show_is_noticed_and_replaced(engine: SupplyEngine) -> None:
    calls = await engine.calls("called")
    await engine.answer(Answer.ACCEPTED, *calls[:3], eta_s=1200)
    # 20 minutes to come, 45 minutes of grace.
    engine.clock.move(minutes=64)
    await engine.fire_timers()
    assert len(await engine.calls("accepted")) == 3
    engine.clock.move(minutes=1)
    await engine.fire_timers()
    assert await engine.calls("accepted") == []
    assert sorted(await engine.calls("no_show")) == sorted(calls[:3])
    first, *later = await engine.events("blood.callout.issued.v1")
    replaced = {call["donor_id"] for wave in later for call in wave["calls"]}
    assert len(replaced) == 4
    assert not replaced & {call["donor_id"] for call in first["calls"]}
    row = await engine.one("SELECT sum(accepted) AS accepted FROM donors")
    assert row["accepted"] == 3


async def test_who_accepts_and_arrives_in_one_batch_is_no_no_show(engine: SupplyEngine) -> None:
    call, *_ = await engine.calls("called")
    row = await engine.one("SELECT donor_id FROM call_outs WHERE call_out_id = $1", call)
    events = [
        CallOutAnswered(
            call_out_id=call,
            donor_id=row["donor_id"],
            station_id="shigatse",
            answer=answer,
            answered_at=NOW,
        )
        for answer in (Answer.ACCEPTED, Answer.ARRIVED)
    ]
    await engine.feed(*(build_record(event, source="notifier/test") for event in events))
    assert await status_of(engine, call) == "arrived"
    engine.clock.move(hours=3)
    await engine.fire_timers()
    assert await status_of(engine, call) == "arrived"


async def test_a_deferred_donor_is_replaced(engine: SupplyEngine) -> None:
    calls = await engine.calls("called")
    await engine.answer(Answer.ACCEPTED, *calls[:3])
    await engine.answer(Answer.ARRIVED, *calls[:2])
    await engine.answer(Answer.DEFERRED, calls[0], reason="Hb 105 g/L")
    assert await status_of(engine, calls[0]) == "deferred"
    await engine.fire_timers()
    assert (await engine.events("blood.callout.issued.v1"))[-1]["wave"] == 2
    audit = await engine.one("SELECT why FROM audit WHERE to_state = 'deferred'")
    assert audit["why"] == "Hb 105 g/L"


@pytest.mark.parametrize(
    ("before", "answer"),
    [
        ((), Answer.ARRIVED),
        ((), Answer.DEFERRED),
        ((Answer.DECLINED,), Answer.ACCEPTED),
        ((Answer.ACCEPTED,), Answer.ACCEPTED),
        ((Answer.ACCEPTED,), Answer.DECLINED),
        ((Answer.ACCEPTED, Answer.ARRIVED), Answer.ARRIVED),
        ((Answer.ACCEPTED, Answer.ARRIVED, Answer.DEFERRED), Answer.ARRIVED),
    ],
)
async def test_an_impossible_answer_is_refused_and_changes_nothing(
    engine: SupplyEngine, before: tuple[Answer, ...], answer: Answer
) -> None:
    call, *_ = await engine.calls("called")
    for earlier in before:
        await engine.answer(earlier, call)
    row = await engine.one("SELECT * FROM call_outs WHERE call_out_id = $1", call)
    donors = await engine.fetch("SELECT * FROM donors ORDER BY donor_id")
    await engine.answer(answer, call)
    assert await engine.dead_letter_codes() == ["call_out_state_forbids"]
    assert await engine.one("SELECT * FROM call_outs WHERE call_out_id = $1", call) == row
    assert await engine.fetch("SELECT * FROM donors ORDER BY donor_id") == donors


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"call_out_id": "nobody"}, "call_out_unknown"),
        ({"donor_id": "d-99"}, "donor_differs"),
        ({"station_id": "lhasa"}, "call_out_elsewhere"),
    ],
)
async def test_an_answer_that_contradicts_is_quarantined(
    engine: SupplyEngine, changes: dict[str, object], code: str
) -> None:
    call, *_ = await engine.calls("called")
    row = await engine.one("SELECT donor_id FROM call_outs WHERE call_out_id = $1", call)
    event = CallOutAnswered.model_validate(
        {
            "call_out_id": call,
            "donor_id": row["donor_id"],
            "station_id": "shigatse",
            "answer": "accepted",
            "answered_at": NOW,
            **changes,
        }
    )
    await engine.feed(build_record(event, source="notifier/test"))
    assert await engine.dead_letter_codes() == [code]
    assert len(await engine.calls("called")) == 4


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expires_at": NOW + timedelta(days=99)}, "donation_invalid"),
        ({"component": Component.PLATELETS, "expires_at": NOW + timedelta(days=5)},
         "component_not_of_whole_blood"),
        ({"unit_id": "TAKEN"}, "unit_id_reused"),
        ({"collected_at": NOW - timedelta(minutes=1)}, "donation_before_call"),
    ],
)  # fmt: skip
async def test_a_wrong_donation_leaves_the_donor_arrived(
    engine: SupplyEngine, changes: dict[str, Any], code: str
) -> None:
    first, second, *_ = await engine.calls("called")
    await bring(engine, first, unit_id="TAKEN")
    await bring(engine, second, **changes)
    assert await engine.dead_letter_codes() == [code]
    assert await status_of(engine, second) == "arrived"
    assert len(await engine.fetch("SELECT 1 FROM units")) == 1


async def test_one_bad_answer_does_not_spoil_its_batch(engine: SupplyEngine) -> None:
    first, second, *_ = await engine.calls("called")
    await engine.answer(Answer.ACCEPTED, first)
    await engine.answer(Answer.ACCEPTED, first, second)
    assert await engine.dead_letter_codes() == ["call_out_state_forbids"]
    assert sorted(await engine.calls("accepted")) == sorted([first, second])


async def test_a_unit_that_failed_its_tests_is_asked_for_again(engine: SupplyEngine) -> None:
    calls = await engine.calls("called")
    await bring(engine, calls[0])
    await bring(engine, calls[1], unit_id="UNIT-2")
    assert await engine.calls("called", "accepted") == []
    discarded = StockChanged(
        station_id="shigatse",
        unit_id="UNIT-1",
        change=StockChange.DISCARDED,
        happened_at=NOW,
        reason="HBsAg",
    )
    await engine.feed(build_record(discarded, source="station/shigatse"))
    await engine.alert(revision=2, injured=3)
    assert len(await engine.calls("called")) == 2


async def test_a_donation_of_which_nothing_is_left_is_asked_for_again(engine: SupplyEngine) -> None:
    calls = await engine.calls("called")
    await bring(engine, calls[0], component=Component.WHOLE_BLOOD)
    await bring(engine, calls[1], unit_id="UNIT-2")
    split = DonationSplit.model_validate(
        {
            "station_id": "shigatse",
            "donation_id": "DIN-UNIT-1",
            "unit_id": "UNIT-1",
            "split_at": NOW,
            "components": [{"unit_id": "RC-1", "component": "red_cells", "volume_ml": 200}],
        }
    )
    discarded = StockChanged(
        station_id="shigatse",
        unit_id="RC-1",
        change=StockChange.DISCARDED,
        happened_at=NOW,
        reason="HBsAg",
    )
    for event in (split, discarded):
        await engine.feed(build_record(event, source="station/shigatse"))
    assert await engine.dead_letter_codes() == []
    await engine.alert(revision=2, injured=3)
    assert len(await engine.calls("called")) == 2


@pytest.mark.parametrize("source", ["station/lhasa", "feed/x", "hospital/h", "neighbour/lhasa"])
async def test_who_is_not_the_donors_station_answers_for_nobody(
    engine: SupplyEngine, source: str
) -> None:
    call, *_ = await engine.calls("called")
    row = await engine.one("SELECT donor_id FROM call_outs WHERE call_out_id = $1", call)
    event = CallOutAnswered(
        call_out_id=call,
        donor_id=row["donor_id"],
        station_id="shigatse",
        answer=Answer.DECLINED,
        answered_at=NOW,
    )
    await engine.feed(build_record(event, source=source))
    assert await status_of(engine, call) == "called"
    (letter,) = await engine.fetch("SELECT code FROM dead_letters")
    assert letter["code"] == "source_differs"
