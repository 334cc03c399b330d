"""Decisions read back, on real PostgreSQL: shortages declared, changed, cleared; donors called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.donors import Answer
from models.errors import TransientError
from models.events.requests import RequestAmended
from models.events.stock import StockChange, StockChanged
from models.groups import BloodGroup
from models.patients import Patient, RhdConsent, Sex
from models.requests import Amendment, Priority
from models.rules.rulebook import PACKAGED
from streams.ports import TimerKind
from streams.store.unit_of_work import PgBegin
from tests.support.supply import make_donor
from tests.support.supply_engine import SupplyEngine, build_supply_engine
from tests.support.world import (
    LHASA,
    NOW,
    SHIGATSE,
    build_record,
    build_request,
    build_unit,
    counted,
    opened,
)

pytestmark = pytest.mark.integration

# Nothing burns, so that only what patients wait for makes a shortage.
CALM = SHIGATSE.but(daily_demand={})


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[SupplyEngine]:
    async with build_supply_engine(endpoints.postgres_dsn) as built:
        await built.put_station(CALM)
        await built.put_station(LHASA.but(daily_demand={}))
        yield built


async def open_shortages(engine: SupplyEngine) -> list[asyncpg.Record]:
    return await engine.fetch(
        "SELECT * FROM shortages WHERE status = 'open' ORDER BY component, blood_group"
    )


async def types(engine: SupplyEngine) -> list[str]:
    rows = await engine.fetch(
        "SELECT event_type FROM outbox WHERE topic = 'blood.shortages.v1' ORDER BY row_id"
    )
    return [str(row["event_type"]).split(".")[2] for row in rows]


async def assessments(engine: SupplyEngine) -> list[datetime]:
    """When decisions have their station assessed."""
    rows = await engine.fetch(
        "SELECT due_at FROM timers WHERE kind = 'shortage_assessment' "
        "AND subject LIKE 'shigatse@%' ORDER BY due_at"
    )
    return [row["due_at"] for row in rows]


async def cancel(engine: SupplyEngine, request_id: str) -> None:
    await engine.cancel(request_id)
    engine.clock.move(seconds=60)
    await engine.fire_timers()


async def test_an_uncovered_request_declares_a_shortage(engine: SupplyEngine) -> None:
    await engine.feed(counted([build_unit("A+")]))
    await engine.ask(group="A+", quantity=3)
    (row,) = await open_shortages(engine)
    assert (row["component"], row["blood_group"], row["level"]) == ("red_cells", "A+", "red")
    assert (row["units_missing"], row["body"]["uncovered_units"]) == (2, 2)
    (declared,) = await engine.events("blood.shortage.declared.v1")
    # RhD- is kept: no life is in danger.
    assert declared["shortage"]["donor_groups"] == ["A+", "O+"]


async def test_a_covered_request_declares_nothing_at_once(engine: SupplyEngine) -> None:
    await engine.feed(counted(build_unit("A+") for _ in range(2)))
    await engine.ask(group="A+", quantity=2)
    assert await open_shortages(engine) == []
    assert await assessments(engine) == [NOW + timedelta(seconds=60)]


async def test_the_grid_does_not_move_with_every_decision(engine: SupplyEngine) -> None:
    await engine.feed(counted(build_unit("A+") for _ in range(3)))
    for _ in range(3):
        await engine.feed(opened(build_request(group="A+", quantity=1, now=engine.clock.now())))
        engine.clock.move(seconds=29)
    assert await assessments(engine) == [NOW + timedelta(seconds=60)]
    engine.clock.move(seconds=29)
    await engine.feed(opened(build_request(group="A+", quantity=1, now=engine.clock.now())))
    # This one lacks a unit: its station is assessed within a second.
    assert await assessments(engine) == [NOW + timedelta(seconds=60), NOW + timedelta(seconds=117)]


async def test_a_decision_that_did_not_commit_leaves_the_assessment_to_the_next(
    engine: SupplyEngine,
) -> None:
    await engine.feed(counted(build_unit("A+") for _ in range(2)))
    async with engine.postgres_failing_at("decisions"):
        with pytest.raises(TransientError, match="postgres_away"):
            await engine.feed(opened(build_request(group="A+", quantity=1)))
    assert await assessments(engine) == []
    await engine.feed(opened(build_request(group="A+", quantity=1)))
    assert await assessments(engine) == [NOW + timedelta(seconds=60)]


async def test_low_stock_is_told_by_days_of_supply(engine: SupplyEngine) -> None:
    # 12 a day: O+ 4.08 a day. Twenty units are 4.9 days.
    await engine.put_station(SHIGATSE)
    units = [build_unit(group) for group in ("O+", "A+", "B+", "AB+") for _ in range(40)]
    await engine.feed(counted(unit for unit in units if unit.group != "O+"))
    await engine.feed(counted(build_unit("O+") for _ in range(20)))
    await engine.fire_timers()
    (row,) = await open_shortages(engine)
    assert (row["blood_group"], row["level"], row["units_missing"]) == ("O+", "yellow", 7)
    assert await types(engine) == ["declared"]
    await engine.feed(counted(build_unit("O+") for _ in range(7)))
    await engine.fire_timers()
    assert await open_shortages(engine) == []
    assert await types(engine) == ["declared", "cleared"]
    # And a new one of the same place is another.
    units_gone = "UPDATE units SET status = 'discarded' WHERE blood_group = 'O+' RETURNING 1"
    await engine.fetch(units_gone)
    await engine.feed(counted([build_unit("O+")]))
    await engine.fire_timers()
    (again,) = await open_shortages(engine)
    assert again["shortage_id"] != row["shortage_id"]


async def test_repeated_assessment_says_nothing_new(engine: SupplyEngine) -> None:
    await engine.put_reserve(9, staff=True, group="A+")
    await engine.ask(quantity=2)
    before = await engine.fetch("SELECT * FROM call_outs ORDER BY call_out_id")
    for _ in range(3):
        engine.clock.move(seconds=60)
        await engine.fetch(
            "INSERT INTO timers VALUES ('again', 'shortage_assessment', 'shigatse', $1)",
            engine.clock.now(),
        )
        await engine.fire_timers()
    assert await types(engine) == ["declared"]
    assert len(before) == 4
    assert await engine.fetch("SELECT * FROM call_outs ORDER BY call_out_id") == before


async def test_a_backlog_of_assessments_is_one(engine: SupplyEngine) -> None:
    now = engine.clock.now()
    for subject, due_s in (
        ("shigatse", -3),
        ("shigatse@a", -2),
        ("shigatse@b", 0),
        ("shigatse@ahead", 1),
        ("shigatse-2@a", -1),
        ("lhasa@a", -1),
    ):
        await engine.fetch(
            "INSERT INTO timers VALUES ($1, 'shortage_assessment', $1, $2)",
            subject,
            now + timedelta(seconds=due_s),
        )
    async with PgBegin(engine.database, PACKAGED)() as work:
        await work.timers.drop_due(TimerKind.SHORTAGE_ASSESSMENT, "shigatse", now=now)
    left = await engine.fetch("SELECT subject FROM timers ORDER BY subject")
    assert [row["subject"] for row in left] == ["lhasa@a", "shigatse-2@a", "shigatse@ahead"]
    await engine.fetch("DELETE FROM timers WHERE subject <> 'shigatse@ahead'")
    await engine.fetch(
        "INSERT INTO timers SELECT 's' || n, 'shortage_assessment', 'shigatse@' || n, $1 "
        "FROM generate_series(1, 5) AS n",
        now,
    )
    assert await engine.fire_timers() == 1


@pytest.mark.parametrize("priority", [Priority.LIFE_THREATENING, Priority.URGENT])
async def test_an_urgent_patient_who_waits_has_donors_called(
    engine: SupplyEngine, priority: Priority
) -> None:
    await engine.put_reserve(9, staff=True, group="A+")
    await engine.ask(group="A+", quantity=2, priority=priority)
    (shortage,) = await open_shortages(engine)
    (issued,) = await engine.events("blood.callout.issued.v1")
    assert issued["cause_id"] == shortage["shortage_id"]
    # ceil(2 / 0.64) calls for two donations.
    assert (issued["donations_wanted"], len(issued["calls"])) == (2, 4)


@pytest.mark.parametrize(
    ("changes", "reserve_group"),
    [
        ({"priority": Priority.ROUTINE}, "A+"),
        ({"component": Component.PLATELETS}, "A+"),
        ({}, "B+"),
    ],
)
async def test_donors_are_not_called_where_they_cannot_serve(
    engine: SupplyEngine, changes: dict[str, Any], reserve_group: str
) -> None:
    await engine.put_reserve(9, staff=True, group=reserve_group)
    await engine.ask(group="A+", **changes)
    assert len(await open_shortages(engine)) == 1
    assert await engine.events("blood.callout.issued.v1") == []


async def test_an_unknown_patient_lacks_group_o(engine: SupplyEngine) -> None:
    await engine.ask(group=None, quantity=1, priority=Priority.LIFE_THREATENING)
    (row,) = await open_shortages(engine)
    assert row["blood_group"] == "O+"


async def test_blood_that_comes_sends_donors_home(engine: SupplyEngine) -> None:
    await engine.put_reserve(9, staff=True, group="A+")
    request_id = await engine.ask(group="A+", quantity=2)
    calls = await engine.calls("called")
    await engine.answer(Answer.ACCEPTED, calls[0])
    await engine.feed(counted(build_unit("A+") for _ in range(2)))
    engine.clock.move(seconds=0.5)
    await engine.fire_timers()
    assert await engine.status_of(request_id) == "reserved"
    engine.clock.move(seconds=60)
    await engine.fire_timers()
    # Nobody waits any more; but two a week are used now, and nothing is left of them.
    (row,) = await open_shortages(engine)
    assert (row["body"]["uncovered_units"], row["units_missing"]) == (0, 2)
    assert await engine.calls("called", "accepted") == []
    await engine.feed(counted(build_unit("A+") for _ in range(2)))
    await engine.fire_timers()
    assert await types(engine) == ["declared", "changed", "changed", "cleared"]
    assert len(await engine.calls("stood_down")) == 4


async def test_who_is_on_the_way_is_kept_for_a_disaster_that_lacks_donors(
    engine: SupplyEngine,
) -> None:
    """Sent home for the one cause, they would be called again for the other."""
    await engine.put_reserve(9, staff=True, group="A+")
    request_id = await engine.ask(group="A+", quantity=2)
    calls = await engine.calls("called")
    await engine.answer(Answer.ACCEPTED, calls[0])
    await engine.alert(injured=80)
    assert len(await engine.calls("called", "accepted")) == 9
    await cancel(engine, request_id)
    assert len(await engine.calls("called", "accepted")) == 9
    await engine.alert(revision=2, injured=80, kind="cancel")
    assert len(await engine.calls("stood_down")) == 9


async def test_a_cancelled_disaster_keeps_the_donors_for_whom_a_patient_waits(
    engine: SupplyEngine,
) -> None:
    await engine.put_reserve(8, staff=True, group="A+")
    await engine.alert(injured=80)
    called = await engine.calls("called")
    assert len(called) == 8
    await engine.answer(Answer.ACCEPTED, *called[:4])
    await engine.ask(group="A+", quantity=2, priority=Priority.LIFE_THREATENING)
    await engine.alert(revision=2, injured=80, kind="cancel")
    # Two bags of three donors who said yes: the others go home, and nobody is called twice.
    assert len(await engine.calls("accepted")) == 3
    assert await engine.calls("called") == []
    assert len(await engine.calls("stood_down")) == 5


async def test_a_donor_on_the_way_is_handed_over_and_not_called_twice(
    engine: SupplyEngine,
) -> None:
    await engine.put_reserve(3, staff=True, group="O+")
    first = await engine.ask(group="A+", quantity=2)
    called = await engine.calls("called")
    await engine.answer(Answer.ACCEPTED, called[0])
    await engine.ask(group="O+", quantity=2, priority=Priority.LIFE_THREATENING)
    await cancel(engine, first)
    assert await engine.calls("stood_down") == []
    assert sorted(await engine.calls("called", "accepted")) == sorted(called)


async def test_a_donation_that_is_discarded_is_asked_for_again(engine: SupplyEngine) -> None:
    await engine.put_reserve(5, staff=True, group="O+")
    await engine.ask(group="O+", quantity=1, priority=Priority.LIFE_THREATENING)
    gives, *others = await engine.calls("called")
    await engine.answer(Answer.ACCEPTED, gives)
    await engine.answer(Answer.ARRIVED, gives)
    unit = build_unit("O+", unit_id="GIVEN", collected_ago_h=0)
    donation = unit.model_dump(exclude={"station_id", "traits"})
    await engine.answer(Answer.DONATED, gives, donation=donation)
    assert len(await engine.calls("stood_down")) == len(others)
    lost = StockChanged(
        station_id="shigatse", unit_id="GIVEN", change=StockChange.DISCARDED, happened_at=NOW,
        reason="reactive",
    )  # fmt: skip
    await engine.feed(build_record(lost, source="station/shigatse"))
    await engine.fire_timers()
    assert len(await engine.calls("called")) == 2


async def test_a_disaster_that_has_enough_sends_home_whom_it_kept(engine: SupplyEngine) -> None:
    await engine.put_reserve(9, staff=True, group="A+")
    request_id = await engine.ask(group="A+", quantity=2)
    await engine.alert(injured=80)
    await cancel(engine, request_id)
    await engine.feed(counted(build_unit("A+") for _ in range(60)))
    await engine.alert(revision=2, injured=81)
    assert len(await engine.calls("stood_down")) == 9


async def test_a_cancelled_request_clears_it(engine: SupplyEngine) -> None:
    await engine.put_reserve(9, staff=True, group="A+")
    request_id = await engine.ask(group="A+", quantity=2)
    await cancel(engine, request_id)
    assert await types(engine) == ["declared", "cleared"]
    assert len(await engine.calls("stood_down")) == 4


async def test_a_second_patient_raises_it_and_more_donors_are_called(
    engine: SupplyEngine,
) -> None:
    await engine.put_reserve(20, staff=True, group="A+")
    await engine.ask(group="A+", quantity=2)
    await engine.ask(group="A+", quantity=3)
    (row,) = await open_shortages(engine)
    assert (row["units_missing"], row["version"]) == (5, 2)
    assert await types(engine) == ["declared", "changed"]
    assert len(await engine.calls("called")) == 8  # ceil(5 / 0.64)


async def test_two_shortages_do_not_call_the_same_donor(engine: SupplyEngine) -> None:
    # O+ serves both; each donor is called once, and counted once.
    await engine.put_reserve(9, staff=True, group="O+")
    await engine.ask(group="A+", quantity=1)
    await engine.ask(group="B+", quantity=1)
    rows = await engine.fetch("SELECT donor_id, cause_id FROM call_outs")
    assert len(rows) == 4
    assert len({row["donor_id"] for row in rows}) == 4
    assert len({row["cause_id"] for row in rows}) == 2


async def test_donors_called_for_the_disaster_are_not_called_again_for_its_patients(
    engine: SupplyEngine,
) -> None:
    await engine.put_reserve(60, staff=True, group="A+")
    await engine.alert(injured=34)
    called = len(await engine.calls("called"))
    await engine.ask(group="A+", quantity=5)
    waiting = [row for row in await open_shortages(engine) if row["body"]["uncovered_units"]]
    assert len(waiting) == 1
    assert len(await engine.calls("called")) == called
    # More than the disaster's donors will bring is called for, and no more than that.
    await engine.ask(group="A+", quantity=20)
    await engine.ask(group="A+", quantity=5)
    assert len(await engine.calls("called")) - called == 26  # ceil((30 - 13.44) / 0.64)


async def test_the_donors_of_a_disaster_are_shared_among_its_patients(
    engine: SupplyEngine,
) -> None:
    await engine.put_reserve(30, staff=True, group="O+")
    await engine.alert(injured=3)  # 2 donations wanted, 4 called, 2.56 expected
    await engine.ask(group="A+", quantity=2)
    assert len(await engine.calls("called")) == 4
    await engine.ask(group="B+", quantity=2)
    # Half of them each: 1.28 of 2, and two more calls for either.
    rows = await engine.fetch(
        "SELECT s.blood_group, count(*) AS calls FROM call_outs AS c "
        "JOIN shortages AS s ON c.cause_id = s.shortage_id GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("A+", 2), ("B+", 2)]


async def test_donors_of_a_disaster_who_cannot_serve_do_not_count(engine: SupplyEngine) -> None:
    await engine.put_donors(
        [make_donor(f"b-{at}", group="B+", staff=True) for at in range(9)]
        + [make_donor(f"x-{at}", group="O-", staff=True) for at in range(9)]
    )
    await engine.alert(injured=3)
    called = await engine.fetch("SELECT donor_id FROM call_outs")
    assert {row["donor_id"][0] for row in called} == {"b"}
    await engine.ask(group="A-", quantity=1)
    called = await engine.fetch("SELECT donor_id FROM call_outs WHERE donor_id LIKE 'x%'")
    assert len(called) == 2


async def test_f60_no_rhd_negative_donor_is_called_for_what_rhd_positive_serves(
    engine: SupplyEngine,
) -> None:
    groups = {"o-1": "O+", "o-2": "O+", "a-neg": "A-", "o-neg": "O-"}
    await engine.put_donors(
        [make_donor(name, group=group, staff=True) for name, group in groups.items()]
    )
    await engine.ask(group="A+", quantity=4)
    called = await engine.fetch("SELECT donor_id FROM call_outs ORDER BY donor_id")
    assert [row["donor_id"] for row in called] == ["o-1", "o-2"]
    await engine.ask(group="O-", quantity=2, priority=Priority.LIFE_THREATENING)
    called = await engine.fetch(
        "SELECT c.donor_id FROM call_outs c JOIN shortages s ON s.shortage_id = c.cause_id "
        "WHERE s.blood_group = 'O-'"
    )
    assert [row["donor_id"] for row in called] == ["o-neg"]


async def test_f60_who_waits_in_danger_of_life_is_called_for_first(engine: SupplyEngine) -> None:
    """Two shortages want the only O+ donor: whichever is looked at first, the dying one gets it."""
    urgent = build_request(group="B+", quantity=1, priority=Priority.URGENT)
    dying = build_request(group="A+", quantity=1, priority=Priority.LIFE_THREATENING)
    also = build_request(group="AB+", quantity=1, priority=Priority.URGENT)
    await engine.feed(opened(urgent), opened(dying), opened(also))
    await engine.assess()
    await engine.put_donors([make_donor("only", group="O+", staff=True)])
    called = await engine.fetch(
        "SELECT s.blood_group FROM call_outs c JOIN shortages s ON s.shortage_id = c.cause_id"
    )
    assert [row["blood_group"] for row in called] == ["A+"]


async def test_f60_an_assessment_calls_for_the_dying_first(engine: SupplyEngine) -> None:
    await engine.put_donors([make_donor("only", group="O+", staff=True)])
    urgent = build_request(group="A+", quantity=1, priority=Priority.URGENT)
    dying = build_request(group="B+", quantity=1, priority=Priority.LIFE_THREATENING)
    await engine.feed(opened(urgent), opened(dying))
    await engine.assess()
    called = await engine.fetch(
        "SELECT s.blood_group FROM call_outs c JOIN shortages s ON s.shortage_id = c.cause_id"
    )
    assert [row["blood_group"] for row in called] == ["B+"]


async def test_f19_a_register_that_grows_is_called_for_who_waits(engine: SupplyEngine) -> None:
    await engine.ask(group="A+", quantity=2)
    assert await engine.fetch("SELECT 1 FROM call_outs") == []
    await engine.put_reserve(5, group="A+", staff=True)
    assert len(await engine.calls("called")) == 4


async def test_a_batch_assesses_each_station_once(engine: SupplyEngine) -> None:
    requests = [build_request(group="A+", quantity=at) for at in (1, 2)]
    await engine.feed(*(opened(request) for request in requests))
    assert await engine.assess() == 1
    assert await types(engine) == ["declared"]
    assert (await open_shortages(engine))[0]["units_missing"] == 3


UNKNOWN_WOMAN = Patient(group=None, sex=Sex.FEMALE, age_years=30)
NEGATIVE_WOMAN = Patient(group=BloodGroup.O_NEG, sex=Sex.FEMALE, age_years=30)
CONSENTING = Patient(
    group=BloodGroup.O_NEG,
    sex=Sex.FEMALE,
    age_years=60,
    rhd_consent=RhdConsent(physician="Dr. Pasang", signed_by="Pema"),
)


async def groups(engine: SupplyEngine, group: str) -> list[str]:
    row = await engine.one(
        "SELECT body FROM shortages WHERE status = 'open' AND blood_group = $1", group
    )
    found: list[str] = row["body"]["donor_groups"]
    return found


async def called(engine: SupplyEngine) -> list[str]:
    rows = await engine.fetch("SELECT donor_id FROM call_outs ORDER BY donor_id")
    return [row["donor_id"] for row in rows]


async def wait_for(engine: SupplyEngine, **changes: Any) -> str:  # noqa: ANN401 - any field
    request = build_request(**{"quantity": 1, "now": engine.clock.now(), **changes})
    await engine.feed(opened(request))
    await engine.assess()
    return request.request_id


@pytest.mark.parametrize(
    ("patient", "place", "donors"),
    [(UNKNOWN_WOMAN, "O+", ["o-pos"]), (CONSENTING, "O-", ["o-neg", "o-pos"])],
)
async def test_who_may_get_rhd_positive_in_danger_has_its_donors_called(
    engine: SupplyEngine, patient: Patient, place: str, donors: list[str]
) -> None:
    """RhD- donors are called for RhD- patients alone, and then beside the others."""
    await engine.put_donors(
        [make_donor("o-pos", group="O+", staff=True), make_donor("o-neg", group="O-", staff=True)]
    )
    await wait_for(engine, priority=Priority.LIFE_THREATENING, patient=patient, quantity=2)
    assert set(await groups(engine, place)) == {"O-", "O+"}
    assert await called(engine) == donors


async def test_whom_only_rhd_negative_serves_has_its_donors_called_beside_others(
    engine: SupplyEngine,
) -> None:
    """One place, two patients: what serves the one does not keep donors from the other."""
    await wait_for(engine, patient=CONSENTING, priority=Priority.LIFE_THREATENING)
    await wait_for(engine, group="O-", priority=Priority.URGENT)
    await engine.put_donors([make_donor("o-neg", group="O-", staff=True)])
    assert await groups(engine, "O-") == ["O-", "O+"]
    assert await called(engine) == ["o-neg"]


async def test_the_groups_of_a_shortage_follow_who_waits(engine: SupplyEngine) -> None:
    await wait_for(engine, group="A+", priority=Priority.ROUTINE)
    assert await groups(engine, "A+") == ["A+", "O+"]
    request_id = await wait_for(engine, group="A+", priority=Priority.LIFE_THREATENING)
    assert await groups(engine, "A+") == ["A+", "O+", "A-", "O-"]
    await cancel(engine, request_id)
    assert await groups(engine, "A+") == ["A+", "O+"]
    assert await types(engine) == ["declared", "changed", "changed"]


async def test_the_groups_change_with_one_patient_for_another(engine: SupplyEngine) -> None:
    """As many wait as before, and of as many: who they are is news all the same."""
    first = build_request(patient=NEGATIVE_WOMAN, quantity=1, priority=Priority.URGENT)
    await engine.feed(opened(first))
    await engine.assess()
    assert await groups(engine, "O-") == ["O-"]
    amendment = Amendment(
        request_id=first.request_id,
        hospital_id=first.hospital_id,
        station_id=first.station_id,
        priority=Priority.LIFE_THREATENING,
    )
    source = f"hospital/{first.hospital_id}"
    await engine.feed(build_record(RequestAmended(amendment=amendment), source=source))
    await engine.assess()
    assert await groups(engine, "O-") == ["O-", "O+"]
    *_, changed = await engine.events("blood.shortage.changed.v1")
    assert changed["shortage"]["called_groups"] == ["O-", "O+"]


async def test_c85_what_went_in_the_last_hours_counts_and_is_over_when_they_are(
    engine: SupplyEngine,
) -> None:
    await engine.feed(counted(build_unit("A+") for _ in range(120)))
    for _ in range(3):
        await engine.ask(group="A+", quantity=20)
    engine.clock.move(seconds=61)
    await engine.fire_timers()
    (row,) = await open_shortages(engine)
    told = row["body"]
    assert (row["level"], told["days_of_supply"], told["uncovered_units"]) == ("red", 0.08, 0)
    assert row["units_missing"] == 56
    await engine.fetch("DELETE FROM timers WHERE kind = 'hold_lapse'")
    # Nothing more goes: two hours later the day is looked at, and after it the week.
    engine.clock.move(seconds=3 * 3600)
    await engine.fire_timers()
    (row,) = await open_shortages(engine)
    assert row["body"]["days_of_supply"] == 1.0
    engine.clock.move(seconds=24 * 3600)
    await engine.fire_timers()
    assert await open_shortages(engine) == []


async def list_purposes(engine: SupplyEngine) -> list[str]:
    return [issued["purpose"] for issued in await engine.events("blood.callout.issued.v1")]


@pytest.mark.parametrize(("needed_in_h", "purpose"), [(12, "in_time"), (2, "late")])
async def test_c88_a_call_says_whether_its_blood_is_in_time(
    engine: SupplyEngine, needed_in_h: float, purpose: str
) -> None:
    await engine.put_reserve(9, staff=True, group="A+")
    await engine.feed(opened(build_request(group="A+", quantity=2, needed_in_h=needed_in_h)))
    await engine.assess()
    assert await list_purposes(engine) == [purpose]
    row = await engine.one("SELECT why FROM audit WHERE subject_kind = 'call_wave'")
    assert f"purpose={purpose}" in row["why"]


async def test_c88_the_way_to_the_hospital_is_part_of_the_time(engine: SupplyEngine) -> None:
    """Blood that is ready at the station when it is needed at the hospital comes late."""
    await engine.put_reserve(9, staff=True, group="A+")
    ends = ("shigatse", "shigatse-people")
    await engine.services.directory.put_routes({ends: 3600})
    ready_h = PACKAGED.donors.ready_after_s / 3600
    request = build_request(group="A+", quantity=2, needed_in_h=ready_h + 0.5)
    await engine.feed(opened(request))
    await engine.assess()
    assert await list_purposes(engine) == ["late"]


async def test_c88_who_can_be_served_in_time_only_by_a_neighbour_calls_no_donor(
    engine: SupplyEngine,
) -> None:
    """Lhasa is an hour away and has one of the three; donors' blood is ready after hours."""
    await engine.put_reserve(9, staff=True, group="A+")
    await engine.put_station(LHASA.but(daily_demand={}, location=SHIGATSE.location))
    await engine.feed(
        counted([build_unit("A+", station_id="lhasa", unit_id="L-1")], station_id="lhasa")
    )
    first = build_request(group="A+", quantity=1, needed_in_h=2)
    await engine.feed(opened(first))
    await engine.assess()
    assert len(await open_shortages(engine)) == 1
    assert await engine.calls("called") == []
    # Two more than the neighbour has: for these donors are all there is, late as they are.
    await engine.feed(opened(build_request(group="A+", quantity=2, needed_in_h=2)))
    await engine.assess()
    assert await list_purposes(engine) == ["late"]
    assert len(await engine.calls("called")) == 4


async def test_c88_a_disaster_calls_donors_to_refill_what_is_sent(engine: SupplyEngine) -> None:
    await engine.put_reserve(9, staff=True, group="A+")
    await engine.alert(injured=34)
    assert await list_purposes(engine) == ["refill"]


async def test_c88_donors_who_were_called_in_time_are_not_sent_home_when_time_passes(
    engine: SupplyEngine,
) -> None:
    await engine.put_reserve(9, staff=True, group="A+")
    await engine.put_station(LHASA.but(daily_demand={}, location=SHIGATSE.location))
    units = [build_unit("A+", station_id="lhasa", unit_id=f"L-{at}") for at in range(5)]
    await engine.feed(counted(units, station_id="lhasa"))
    await engine.feed(opened(build_request(group="A+", quantity=2, needed_in_h=7)))
    await engine.assess()
    calls = await engine.calls("called")
    assert len(calls) == 4
    await engine.answer(Answer.ACCEPTED, calls[0])
    engine.clock.move(seconds=3600)
    await engine.fire_timers()
    # The one on the way stays; nobody new is called, since only Lhasa can be in time now.
    assert await engine.calls("accepted") == [calls[0]]
    assert len(await engine.fetch("SELECT 1 FROM call_outs")) == 4


async def test_c89_donors_of_platelets_are_called_for_a_shortage_of_platelets(
    engine: SupplyEngine,
) -> None:
    givers = [
        make_donor(f"p-{at}", group="A+", staff=True, gives="apheresis_platelets")
        for at in range(6)
    ]
    await engine.put_donors([*givers, make_donor("w-1", group="A+", staff=True)])
    await engine.ask(
        group="A+", quantity=1, component=Component.PLATELETS, priority=Priority.LIFE_THREATENING
    )
    (issued,) = await engine.events("blood.callout.issued.v1")
    assert issued["gives"] == "apheresis_platelets"
    called = {call["donor_id"] for call in issued["calls"]}
    assert called
    assert "w-1" not in called
    first = await engine.one(
        "SELECT call_out_id, donor_id FROM call_outs ORDER BY donor_id LIMIT 1"
    )
    await engine.answer(Answer.ACCEPTED, first["call_out_id"])
    await engine.answer(Answer.ARRIVED, first["call_out_id"])
    unit = build_unit(
        "A+", unit_id="PLT", component=Component.PLATELETS, collected_ago_h=0, expires_in_h=20
    )
    donation = unit.model_dump(exclude={"station_id", "traits"})
    await engine.answer(Answer.DONATED, first["call_out_id"], donation=donation)
    assert await engine.dead_letter_codes() == []
    row = await engine.one("SELECT status FROM units WHERE unit_id = 'PLT'")
    assert row["status"] == "quarantined"
    donor = await engine.one(
        "SELECT body, last_whole_blood_on FROM donors WHERE donor_id = $1", first["donor_id"]
    )
    # The day of platelets is learnt, and no day of whole blood.
    assert donor["body"]["last_platelets_on"] == "2025-01-07"
    assert donor["last_whole_blood_on"] is None


async def test_c89_who_gives_platelets_is_not_called_for_red_cells(engine: SupplyEngine) -> None:
    await engine.put_reserve(9, staff=True, group="A+", gives="apheresis_platelets")
    await engine.ask(group="A+", quantity=1)
    assert await engine.calls("called") == []
