"""Neighbours' offers on real PostgreSQL: taken, declined, moved, lapsed; never a unit twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.embedded_services import Endpoints
from models.donors import Answer
from models.errors import TransientError
from models.events.stock import StockChange, StockChanged
from models.groups import BloodGroup
from models.patients import Patient, RhdConsent, Sex
from models.requests import Priority
from streams.ports import Received
from tests.support.supply_engine import (
    HOLD_S,
    SupplyEngine,
    build_offer,
    build_supply_engine,
    offered,
)
from tests.support.world import (
    LHASA,
    NOW,
    PEOPLES,
    SHIGATSE,
    build_record,
    build_request,
    build_unit,
    counted,
    opened,
)

pytestmark = pytest.mark.integration


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[SupplyEngine]:
    """Shigatse waits for four A+; Lhasa has six, the first to expire last in the list."""
    async with build_supply_engine(endpoints.postgres_dsn) as built:
        await built.put_station(SHIGATSE.but(daily_demand={}))
        await built.put_station(LHASA.but(daily_demand={}))
        units = [
            build_unit("A+", unit_id=f"L-{at}", station_id="lhasa", expires_in_h=240 - at)
            for at in range(6)
        ]
        await built.feed(counted(units, station_id="lhasa"))
        await built.ask(group="A+", quantity=4)
        yield built


async def shortage_id(engine: SupplyEngine) -> str:
    row = await engine.one("SELECT shortage_id FROM shortages")
    return str(row["shortage_id"])


async def held(engine: SupplyEngine) -> list[str]:
    rows = await engine.fetch("SELECT unit_id FROM promises WHERE status = 'held' ORDER BY unit_id")
    return [row["unit_id"] for row in rows]


async def move(engine: SupplyEngine, unit_id: str, change: StockChange, station_id: str) -> None:
    row = await engine.one("SELECT epoch FROM units WHERE unit_id = $1", unit_id)
    event = StockChanged(
        station_id=station_id,
        unit_id=unit_id,
        change=change,
        happened_at=NOW,
        epoch=row["epoch"],
    )
    await engine.feed(build_record(event, source=f"station/{station_id}"))


async def decline_codes(engine: SupplyEngine) -> list[list[str]]:
    return [
        [reason["code"] for reason in event["reasons"]]
        for event in await engine.events("blood.offer.declined.v1")
    ]


async def test_an_offer_becomes_a_transfer_of_the_first_to_expire(engine: SupplyEngine) -> None:
    offer = await engine.offer(await shortage_id(engine), quantity=3)
    assert await held(engine) == ["L-3", "L-4", "L-5"]
    (agreed,) = await engine.events("blood.transfer.agreed.v1")
    assert agreed["transfer"]["unit_ids"] == ["L-5", "L-4", "L-3"]
    assert agreed["transfer"]["status"] == "agreed"
    units = await engine.fetch("SELECT status, epoch FROM units WHERE unit_id = 'L-5'")
    assert [tuple(row) for row in units] == [("reserved", 1)]
    row = await engine.one("SELECT * FROM offers")
    assert (row["offer_id"], row["status"]) == (offer.offer_id, "accepted")
    promise = await engine.one("SELECT * FROM promises WHERE unit_id = 'L-5'")
    assert promise["transfer_id"] == agreed["transfer"]["transfer_id"]
    assert promise["request_id"] is None
    assert promise["hold_until"] == NOW + timedelta(seconds=HOLD_S)
    timer = await engine.one("SELECT due_at, subject FROM timers WHERE kind = 'hold_lapse'")
    assert timer["subject"] == f"transfer:{promise['transfer_id']}"


async def test_c68_a_transfer_claims_the_temperature_of_a_proven_box_alone(
    engine: SupplyEngine,
) -> None:
    await engine.offer(await shortage_id(engine), quantity=1)
    row = await engine.one("SELECT body -> 'reasons' AS reasons FROM offers")
    told = [reason["code"] for reason in row["reasons"]]
    assert told == ["offer_taken", "temperature_not_proven"]


async def test_no_more_is_taken_than_is_missing(engine: SupplyEngine) -> None:
    shortage = await shortage_id(engine)
    await engine.offer(shortage, quantity=3)
    await engine.offer(shortage, quantity=5)
    await engine.offer(shortage, quantity=6)
    agreed = await engine.events("blood.transfer.agreed.v1")
    assert [len(event["transfer"]["unit_ids"]) for event in agreed] == [3, 1]
    assert await decline_codes(engine) == [["nothing_missing"]]
    assert len(await held(engine)) == 4


async def test_what_left_the_giver_is_on_its_way_still(engine: SupplyEngine) -> None:
    shortage = await shortage_id(engine)
    await engine.offer(shortage, quantity=3)
    for unit_id in await held(engine):
        await move(engine, unit_id, StockChange.ISSUED, "lhasa")
    await engine.offer(shortage, quantity=5)
    agreed = await engine.events("blood.transfer.agreed.v1")
    assert [len(event["transfer"]["unit_ids"]) for event in agreed] == [3, 1]


async def test_a_transfer_from_end_to_end_serves_the_patient(engine: SupplyEngine) -> None:
    await engine.offer(await shortage_id(engine), quantity=4)
    units = await held(engine)
    for unit_id in units:
        await move(engine, unit_id, StockChange.ISSUED, "lhasa")
    row = await engine.one("SELECT status FROM transfers")
    assert row["status"] == "in_transit"
    for unit_id in units:
        await move(engine, unit_id, StockChange.RECEIVED, "shigatse")
    row = await engine.one("SELECT status FROM transfers")
    assert row["status"] == "completed"
    engine.clock.move(seconds=0.5)
    await engine.fire_timers()
    status = await engine.one("SELECT status, station_id FROM requests")
    assert status["status"] == "reserved"
    promised = await engine.fetch(
        "SELECT u.unit_id, u.station_id, u.source, u.epoch FROM promises AS p "
        "JOIN units AS u USING (unit_id) WHERE p.request_id IS NOT NULL ORDER BY 1"
    )
    assert [tuple(row) for row in promised] == [
        (unit_id, "shigatse", "neighbour", 2) for unit_id in units
    ]
    assert len(await engine.events("blood.transfer.completed.v1")) == 1
    engine.clock.move(seconds=60)
    await engine.fire_timers()
    *_, changed = await engine.events("blood.shortage.changed.v1")
    assert changed["shortage"]["uncovered_units"] == 0


async def test_what_is_never_sent_is_given_back(engine: SupplyEngine) -> None:
    shortage = await shortage_id(engine)
    await engine.offer(shortage, quantity=4)
    engine.clock.move(seconds=HOLD_S)
    await engine.fire_timers()
    assert await held(engine) == []
    row = await engine.one("SELECT status FROM transfers")
    assert row["status"] == "cancelled"
    # And it can be offered, and taken, again.
    await engine.offer(shortage, quantity=2, valid_until=NOW + timedelta(days=1))
    assert len(await held(engine)) == 2


async def test_what_is_in_transit_sends_donors_home(engine: SupplyEngine) -> None:
    await engine.put_reserve(20, staff=True, group="A+")
    await engine.ask(group="A+", quantity=1)
    calls = await engine.calls("called")
    assert len(calls) == 8  # ceil(5 / 0.64)
    await engine.answer(Answer.ACCEPTED, calls[0], calls[1])
    await engine.offer(await shortage_id(engine), quantity=5)
    await engine.fire_timers()
    assert await engine.calls("called") == []
    # Nothing is wanted of donors any more: even who is on the way is told.
    assert await engine.calls("accepted") == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"valid_until": NOW}, "offer_expired"),
        ({"component": "platelets"}, "other_component"),
        ({"group": "B+"}, "group_does_not_serve"),
        ({"group": "O+"}, "no_unit_left"),
    ],
)
async def test_declined_with_the_reason(
    engine: SupplyEngine, changes: dict[str, str], code: str
) -> None:
    offer = build_offer(
        await shortage_id(engine), quantity=2, group=changes.pop("group", "A+"), **changes
    )
    await engine.feed(offered(offer))
    assert await decline_codes(engine) == [[code]]
    row = await engine.one("SELECT status, body FROM offers")
    assert row["status"] == "declined"
    assert row["body"]["reasons"][0]["code"] == code
    assert await held(engine) == []


async def test_a_shortage_that_is_over_is_noticed_before_the_offer_is_taken(
    engine: SupplyEngine,
) -> None:
    shortage = await shortage_id(engine)
    await engine.fetch("UPDATE request_lines SET uncovered = 0 RETURNING 1")
    await engine.offer(shortage, quantity=4)
    assert await decline_codes(engine) == [["shortage_cleared"]]


async def test_a_unit_that_would_expire_on_the_road_is_not_taken(engine: SupplyEngine) -> None:
    # Lhasa to Shigatse is some six and a half hours by the estimate.
    short = build_unit("A+", unit_id="L-SHORT", station_id="lhasa", expires_in_h=3)
    await engine.feed(counted([short], station_id="lhasa"))
    await engine.offer(await shortage_id(engine), quantity=4)
    assert "L-SHORT" not in await held(engine)
    assert len(await held(engine)) == 4


@pytest.mark.parametrize(
    ("changes", "source", "code"),
    [
        ({"shortage_id": "nobody"}, None, "shortage_unknown"),
        ({"from_station_id": "mars"}, None, "station_unknown"),
        ({}, "station/ngari", "source_differs"),
        ({"from_station_id": "shigatse"}, None, "offer_to_self"),
        ({"to_station_id": "lhasa", "from_station_id": "shigatse"}, None, "shortage_elsewhere"),
    ],
)
async def test_what_contradicts_is_quarantined(
    engine: SupplyEngine, changes: dict[str, str], source: str | None, code: str
) -> None:
    offer = build_offer(await shortage_id(engine), quantity=2, group="A+").but(**changes)
    await engine.feed(offered(offer, source=source))
    assert await engine.dead_letter_codes() == [code]
    assert await engine.fetch("SELECT 1 FROM offers") == []
    assert await held(engine) == []


async def test_a_reused_offer_id_is_quarantined(engine: SupplyEngine) -> None:
    shortage = await shortage_id(engine)
    await engine.offer(shortage, quantity=1)
    await engine.offer(shortage, quantity=1)
    assert await engine.dead_letter_codes() == ["offer_id_reused"]
    assert len(await held(engine)) == 1


async def test_f62_an_offer_does_not_empty_its_giver_unless_it_says_so(
    engine: SupplyEngine,
) -> None:
    await engine.put_station(LHASA.but(daily_demand={"red_cells": 10.0}))
    shortage = await shortage_id(engine)
    await engine.offer(shortage, quantity=2)
    (declined,) = await engine.events("blood.offer.declined.v1")
    (reason,) = declined["reasons"]
    assert (reason["code"], reason["rule"]) == ("giver_may_confirm", "offer.floor_bends@2026-3")
    assert reason["params"]["spare"] == 2
    assert await held(engine) == []
    await engine.offer(shortage, quantity=3, below_floor=True, confirmed_by="Dawa")
    assert len(await held(engine)) == 3
    why = await engine.one(
        "SELECT why FROM audit WHERE subject_kind = 'offer' AND to_state = 'accepted'"
    )
    assert why["why"] == "offer_taken below_floor confirmed by Dawa"


async def test_c86_for_patients_in_danger_the_last_units_go_when_a_person_says_yes(
    engine: SupplyEngine,
) -> None:
    """Six A+ at Lhasa of 2.9 a day; four are waited for urgently, then four more in danger."""
    await engine.put_station(LHASA.but(daily_demand={"red_cells": 10.0}))
    shortage = await shortage_id(engine)
    below: dict[str, Any] = {"below_floor": True, "confirmed_by": "Dawa"}
    await engine.offer(shortage, quantity=6, offer_id="o-1", **below)
    assert len(await held(engine)) == 3
    await engine.offer(shortage, quantity=1, offer_id="o-2", **below)
    assert await decline_codes(engine) == [["giver_keeps_floor"]]
    await engine.ask(group="A+", quantity=4, priority=Priority.LIFE_THREATENING)
    await engine.offer(shortage, quantity=3, offer_id="o-3")
    assert (await decline_codes(engine))[1:] == [["giver_may_confirm"]]
    await engine.offer(shortage, quantity=3, offer_id="o-4", **below)
    # Three are on their way already: one of the four is left.
    assert len(await held(engine)) == 4


async def test_c75_rhd_negative_is_not_fetched_for_a_shelf_of_rhd_positive(
    engine: SupplyEngine,
) -> None:
    await engine.fetch("UPDATE requests SET status = 'cancelled', waiting_for = '' RETURNING 1")
    await engine.put_station(SHIGATSE.but(daily_demand={"red_cells": 14.0}))
    units = [build_unit("A-", unit_id=f"N-{at}", station_id="lhasa") for at in range(4)]
    await engine.feed(counted(units, station_id="lhasa"))
    await engine.feed(counted(build_unit("A+") for _ in range(19)))
    await engine.fire_timers()
    row = await engine.one(
        "SELECT shortage_id, donor_groups FROM shortages "
        "WHERE blood_group = 'A+' AND component = 'red_cells' AND status = 'open'"
    )
    assert row["donor_groups"] == ["A+", "O+"]
    await engine.offer(row["shortage_id"], group="A-", quantity=3)
    assert (await decline_codes(engine))[-1][0] == "group_does_not_serve"
    assert not [unit for unit in await held(engine) if unit.startswith("N-")]


async def test_c87_the_lead_of_a_disaster_gives_its_blood_to_nobody_else(
    engine: SupplyEngine,
) -> None:
    shortage = await shortage_id(engine)
    await engine.alert(
        location=LHASA.location.model_dump(),
        status="exercise",
        event_key="drill",
        alert_id="drill-1",
    )
    await engine.offer(shortage, quantity=1, offer_id="o-1")
    assert len(await held(engine)) == 1
    await engine.alert(location=LHASA.location.model_dump())
    await engine.offer(shortage, quantity=2, offer_id="o-2")
    assert await decline_codes(engine) == [["giver_leads_disaster"]]
    assert len(await held(engine)) == 1
    await engine.offer(shortage, quantity=2, offer_id="o-3", confirmed_by="Dawa")
    assert len(await held(engine)) == 3


async def test_c87_blood_comes_to_the_lead_of_a_disaster(engine: SupplyEngine) -> None:
    await engine.alert()
    (lead,) = await engine.fetch(
        "SELECT station_id FROM activations WHERE (body ->> 'lead')::boolean"
    )
    assert lead["station_id"] == "shigatse"
    await engine.offer(await shortage_id(engine), quantity=2)
    assert len(await held(engine)) == 2


async def wait_for(engine: SupplyEngine, **changes: Any) -> str:  # noqa: ANN401 - any field
    """A patient who waits, and the shortage that this makes; nobody else waits."""
    await engine.fetch("UPDATE requests SET status = 'cancelled', waiting_for = '' RETURNING 1")
    request = build_request(**{"quantity": 2, "now": engine.clock.now(), **changes})
    await engine.feed(opened(request))
    await engine.assess()
    row = await engine.one(
        "SELECT shortage_id FROM shortages WHERE (body ->> 'uncovered_units')::int > 0"
    )
    return str(row["shortage_id"])


@pytest.mark.parametrize(
    "patient",
    [
        Patient(group=None, sex=Sex.FEMALE, age_years=30),
        Patient(
            group=BloodGroup.O_NEG,
            sex=Sex.FEMALE,
            age_years=60,
            rhd_consent=RhdConsent(physician="Dr. Pasang", signed_by="Pema"),
        ),
    ],
)
async def test_rhd_positive_is_taken_for_who_may_get_it_and_leaves_when_nobody_waits(
    engine: SupplyEngine, patient: Patient
) -> None:
    shortage = await wait_for(engine, priority=Priority.LIFE_THREATENING, patient=patient)
    units = [build_unit("O+", unit_id=f"P-{at}", station_id="lhasa") for at in range(4)]
    await engine.feed(counted(units, station_id="lhasa"))
    await engine.offer(shortage, group="O+", quantity=2)
    assert await decline_codes(engine) == []
    assert await held(engine) == ["P-0", "P-1"]
    # She is served otherwise; what was agreed leaves all the same, whatever the shortage now says.
    await engine.fetch("UPDATE requests SET status = 'cancelled', waiting_for = '' RETURNING 1")
    await engine.fetch(
        "UPDATE shortages SET donor_groups = '{O-}', "
        "body = jsonb_set(body, '{donor_groups}', '[\"O-\"]') RETURNING 1"
    )
    await move(engine, "P-0", StockChange.ISSUED, "lhasa")
    assert await engine.dead_letter_codes() == []
    unit = await engine.one("SELECT status FROM units WHERE unit_id = 'P-0'")
    assert unit["status"] in {"issued", "in_transit"}


async def test_rhd_negative_is_not_fetched_for_a_routine_order_of_rhd_positive(
    engine: SupplyEngine,
) -> None:
    """Nor for an urgent one: RhD- is kept for RhD- patients unless a life is in danger."""
    units = [build_unit("A-", unit_id=f"N-{at}", station_id="lhasa") for at in range(4)]
    await engine.feed(counted(units, station_id="lhasa"))
    for priority in (Priority.ROUTINE, Priority.URGENT):
        shortage = await wait_for(engine, group="A+", priority=priority)
        await engine.offer(shortage, group="A-", quantity=2, offer_id=f"o-{priority}")
    assert await decline_codes(engine) == [["group_does_not_serve"]] * 2
    assert await held(engine) == []
    shortage = await wait_for(engine, group="A+", priority=Priority.LIFE_THREATENING)
    await engine.offer(shortage, group="A-", quantity=1)
    assert await held(engine) == ["N-0"]


async def test_two_offers_at_once_never_take_more_than_is_missing(engine: SupplyEngine) -> None:
    shortage = await shortage_id(engine)
    first = offered(build_offer(shortage, quantity=4, group="A+", offer_id="one"))
    second = offered(build_offer(shortage, quantity=4, group="A+", offer_id="two"))
    await asyncio.gather(engine.feed(first), engine.feed(second))
    assert len(await held(engine)) == 4
    assert len(await decline_codes(engine)) == 1


async def until_done(engine: SupplyEngine, record: Received) -> None:
    """As the edge does it: what lost a race decides again on what is left."""
    for _ in range(20):
        try:
            await engine.feed(record)
        except TransientError:
            continue
        return
    raise AssertionError("never decided")


async def test_an_offer_and_a_patient_who_want_the_same_units(engine: SupplyEngine) -> None:
    """Ten rounds of a race; a loser decides again, and no unit is promised twice."""
    hospital = PEOPLES.but(hospital_id="lhasa-1", station_id="lhasa")
    await engine.services.directory.put_hospital(hospital)
    engine.clock.move(seconds=2)
    await engine.services.directory.refresh()
    shortage = await shortage_id(engine)
    for number in range(10):
        request = build_request(group="A+", quantity=5, hospital=hospital, now=engine.clock.now())
        offer = build_offer(
            shortage,
            quantity=4,
            group="A+",
            offer_id=f"race-{number}",
            below_floor=True,
            confirmed_by="Dawa",
        )
        await asyncio.gather(
            until_done(engine, opened(request)), until_done(engine, offered(offer))
        )
        live = await engine.fetch("SELECT unit_id FROM promises WHERE status = 'held'")
        # The offer keeps what the patient's five are a day of, if it is decided after them.
        assert len(live) == len({row["unit_id"] for row in live})
        assert len(live) in {5, 6}
        await engine.fetch("UPDATE promises SET status = 'released' RETURNING 1")
        await engine.fetch("UPDATE units SET status = 'available' RETURNING 1")
        await engine.fetch(
            "UPDATE requests SET status = 'cancelled', waiting_for = '' "
            "WHERE hospital_id = 'lhasa-1' RETURNING 1"
        )
