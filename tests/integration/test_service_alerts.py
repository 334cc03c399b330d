"""Alerts on real PostgreSQL: activations, revisions, cancels, and the calls that follow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.embedded_services import Endpoints
from models.alerts import MOST_EXPOSED, Exposure
from models.donors import Answer
from models.events.alerts import AlertReceived
from models.facilities import Location
from tests.support.laboratory import from_laboratory, list_clear
from tests.support.supply import make_alert, make_donor
from tests.support.supply_engine import SupplyEngine, build_supply_engine
from tests.support.world import LHASA, NOW, SHIGATSE, build_record, build_unit, counted

pytestmark = pytest.mark.integration

LATE = NOW + timedelta(days=4)
"""A report of this time is late: a smaller one is believed."""

# Staff answer at 0.8 x 0.8 = 0.64 a call; 13 red cells are needed for 34 injured.
SMALL = 34


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[SupplyEngine]:
    async with build_supply_engine(endpoints.postgres_dsn) as built:
        yield built


async def activation(engine: SupplyEngine, station_id: str = "shigatse") -> dict[str, object]:
    row = await engine.one(
        "SELECT status, revision, donors_wanted FROM activations WHERE station_id = $1", station_id
    )
    return dict(row)


async def test_an_alert_opens_activations_and_calls_one_wave(engine: SupplyEngine) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.alert(injured=SMALL)
    opened = await engine.events("blood.activation.opened.v1")
    assert [(e["activation"]["station_id"], e["activation"]["lead"]) for e in opened] == [
        ("shigatse", True),
        ("lhasa", False),
    ]
    # All donors are Shigatse's, so all 13 are asked of it: ceil(13 / 0.64) = 21 calls.
    assert await activation(engine) == {"status": "open", "revision": 1, "donors_wanted": 13}
    assert (await activation(engine, "lhasa"))["donors_wanted"] == 0
    (issued,) = await engine.events("blood.callout.issued.v1")
    assert (issued["wave"], issued["donations_wanted"], len(issued["calls"])) == (1, 13, 21)
    assert issued["cause_id"] == opened[0]["activation"]["activation_id"]
    assert len(await engine.calls("called")) == 21
    row = await engine.one("SELECT sum(called) AS called, sum(accepted) AS accepted FROM donors")
    assert (row["called"], row["accepted"]) == (21, 0)
    timer = await engine.one("SELECT subject FROM timers WHERE kind = 'call_wave'")
    assert timer["subject"] == issued["cause_id"]


async def test_no_personal_data_leaves_in_events(engine: SupplyEngine) -> None:
    await engine.put_reserve(5, staff=True, name="Tenzin Secret", contact="tel:+86-secret")
    await engine.alert()
    rows = await engine.fetch("SELECT body FROM outbox")
    assert rows
    assert not [row for row in rows if b"ecret" in row["body"]]


async def test_stock_comes_before_donors(engine: SupplyEngine) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.feed(counted(build_unit("O+") for _ in range(10)))
    await engine.alert(injured=SMALL)
    assert (await activation(engine))["donors_wanted"] == 3


async def test_blood_that_served_the_disaster_is_not_asked_for_again(
    engine: SupplyEngine,
) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.feed(counted(build_unit("O+") for _ in range(10)))
    await engine.alert(injured=SMALL)
    await engine.ask(group="O+", quantity=10)
    assert len(await engine.fetch("SELECT 1 FROM promises")) == 10
    await engine.alert(revision=2, injured=SMALL)
    assert (await activation(engine))["donors_wanted"] == 3


async def test_what_its_own_donors_gave_is_counted_once(engine: SupplyEngine) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.alert(injured=SMALL)
    call, *_ = await engine.calls("called")
    await engine.answer(Answer.ACCEPTED, call)
    await engine.answer(Answer.ARRIVED, call)
    unit = build_unit("O+", collected_ago_h=0)
    donation = unit.model_dump(exclude={"station_id", "traits"})
    await engine.answer(Answer.DONATED, call, donation=donation)
    await engine.feed(*from_laboratory(unit.donation_id, list_clear("O+")))
    await engine.alert(revision=2, injured=SMALL)
    # 13 in all, of which one is given: not 12, of which one is given.
    assert (await activation(engine))["donors_wanted"] == 13


async def test_only_eligible_donors_are_called(engine: SupplyEngine) -> None:
    await engine.put_donors(
        [
            make_donor("ok", staff=True),
            make_donor("light", weight_kg=40),
            make_donor("recent", last_whole_blood_on="2024-12-01"),
            make_donor("silent", consented_at=None),
        ]
    )
    await engine.alert(injured=SMALL)
    rows = await engine.fetch("SELECT donor_id FROM call_outs")
    assert [row["donor_id"] for row in rows] == ["ok"]
    wave = await engine.one("SELECT why FROM audit WHERE subject_kind = 'call_wave'")
    assert "weight_too_low=1[donor.weight@2026-3]" in wave["why"]
    assert "whole_blood_too_recent=1" in wave["why"]
    assert "no_consent=1" in wave["why"]
    assert "called=1 expected=0.64 short=1" in wave["why"]


async def test_a_smaller_revision_stands_donors_down(engine: SupplyEngine) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.alert(injured=SMALL)
    await engine.answer(Answer.ACCEPTED, *(await engine.calls("called"))[:3])
    # Two red cells are needed now; three said yes, which is 2.4 expected.
    engine.clock.move(seconds=(LATE - NOW).total_seconds())
    await engine.alert(revision=2, injured=3, sent_at=LATE)
    assert await activation(engine) == {"status": "open", "revision": 2, "donors_wanted": 2}
    assert await engine.calls("called") == []
    assert len(await engine.calls("accepted")) == 3
    (closed,) = await engine.events("blood.callout.closed.v1")
    assert (closed["status"], len(closed["call_out_ids"])) == ("stood_down", 18)


async def test_a_larger_revision_calls_more(engine: SupplyEngine) -> None:
    await engine.put_reserve(60, staff=True)
    await engine.alert(injured=SMALL)
    await engine.alert(revision=2, injured=2 * SMALL)
    first, second = await engine.events("blood.callout.issued.v1")
    assert (second["wave"], second["cause_id"]) == (2, first["cause_id"])
    called = {call["donor_id"] for wave in (first, second) for call in wave["calls"]}
    assert len(called) == len(first["calls"]) + len(second["calls"])
    assert (await activation(engine))["donors_wanted"] == 25
    assert 25 <= 0.64 * len(called) < 25 + 0.64 * 2


async def test_an_older_revision_changes_nothing_and_is_recorded(engine: SupplyEngine) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.alert(revision=3, injured=SMALL)
    before = await engine.fetch("SELECT * FROM activations ORDER BY station_id")
    events = await engine.one("SELECT count(*) AS events FROM outbox")
    await engine.alert(revision=2, injured=3_400)
    await engine.alert(revision=3, injured=3_400, alert_id="another-of-the-same-revision")
    assert await engine.fetch("SELECT * FROM activations ORDER BY station_id") == before
    assert await engine.one("SELECT count(*) AS events FROM outbox") == events
    whys = await engine.fetch(
        "SELECT why FROM audit WHERE subject_kind = 'alert' ORDER BY audit_id"
    )
    assert [row["why"] for row in whys] == ["alert", "superseded", "superseded"]
    kept = await engine.one("SELECT count(*) AS alerts FROM alerts")
    assert kept["alerts"] == 3


async def test_a_cancel_stands_everything_down(engine: SupplyEngine) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.alert(injured=SMALL)
    await engine.answer(Answer.ACCEPTED, (await engine.calls("called"))[0])
    await engine.alert(revision=2, kind="cancel")
    stood_down = await engine.events("blood.activation.stood-down.v1")
    assert len(stood_down) == 2
    assert await activation(engine) == {"status": "stood_down", "revision": 2, "donors_wanted": 0}
    assert await engine.calls("called", "accepted", "arrived") == []
    assert len(await engine.calls("stood_down")) == 21
    assert await engine.fetch("SELECT 1 FROM timers WHERE kind = 'call_wave'") == []
    engine.clock.move(hours=8)
    await engine.fire_timers()
    assert len(await engine.calls("stood_down")) == 21


async def test_an_exercise_opens_a_marked_activation_and_calls_nobody(
    engine: SupplyEngine,
) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.alert(status="exercise")
    opened = await engine.events("blood.activation.opened.v1")
    assert [e["activation"]["exercise"] for e in opened] == [True, True]
    assert [e["activation"]["donors_callable"] for e in opened] == [40, 0]
    assert await engine.fetch("SELECT 1 FROM call_outs") == []


async def test_an_exercise_cannot_end_the_real_thing(engine: SupplyEngine) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.alert(injured=SMALL)
    await engine.alert(revision=2, status="exercise", kind="cancel")
    assert await engine.dead_letter_codes() == ["exercise_revises_actual"]
    assert (await activation(engine))["status"] == "open"
    assert len(await engine.calls("called")) == 21


async def test_a_repeat_changes_nothing_and_a_reused_id_is_quarantined(
    engine: SupplyEngine,
) -> None:
    await engine.put_reserve(40, staff=True)
    alert = make_alert(injured=SMALL)
    record = build_record(AlertReceived(alert=alert), source="feed/test", event_id="e-alert")
    await engine.feed(record)
    again = build_record(AlertReceived(alert=alert), source="feed/test", event_id="e-alert")
    await engine.feed(again)
    assert len(await engine.events("blood.callout.issued.v1")) == 1
    assert await engine.dead_letter_codes() == []
    await engine.alert(revision=2, alert_id=alert.alert_id)
    assert await engine.dead_letter_codes() == ["alert_id_reused"]
    assert (await activation(engine))["revision"] == 1


async def outcomes(engine: SupplyEngine) -> list[tuple[str, list[str]]]:
    rows = await engine.fetch("SELECT outcome, reasons FROM alerts ORDER BY received_at, alert_id")
    return [(row["outcome"], [reason["code"] for reason in row["reasons"]]) for row in rows]


async def test_f23_an_alert_that_no_station_answers_is_told_and_can_be_mended(
    engine: SupplyEngine,
) -> None:
    await engine.alert(location={"lat": 87.4, "lon": 28.6})
    assert await engine.events("blood.activation.opened.v1") == []
    assert await engine.dead_letter_codes() == []
    codes = ["no_station_in_reach", "latitude_and_longitude_swapped"]
    assert await outcomes(engine) == [("unanswered", codes)]
    (told,) = await engine.events("blood.alert.unanswered.v1")
    assert (told["event_key"], told["held"], [reason["code"] for reason in told["reasons"]]) == (
        "us6000pi9w",
        False,
        codes,
    )
    await engine.alert(revision=2)
    assert len(await engine.events("blood.activation.opened.v1")) == 2
    assert len(await engine.events("blood.alert.unanswered.v1")) == 1


async def test_f23_an_alert_with_nothing_to_go_by_is_told_too(engine: SupplyEngine) -> None:
    await engine.alert(hazard="flood", casualties=None)
    assert await outcomes(engine) == [("unanswered", ["no_basis_for_need"])]
    assert len(await engine.events("blood.alert.unanswered.v1")) == 1


@pytest.mark.parametrize(
    ("moved", "code"),
    [(timedelta(days=-700), "alert_out_of_date"), (timedelta(days=30), "alert_ahead_of_time")],
)
async def test_f49_an_old_or_future_alert_calls_nobody_until_a_dispatcher_confirms(
    engine: SupplyEngine, moved: timedelta, code: str
) -> None:
    await engine.put_reserve(40, staff=True)
    then: dict[str, Any] = {"sent_at": NOW + moved, "occurred_at": NOW + moved}
    await engine.alert(revision=5, **then)
    assert await engine.fetch("SELECT 1 FROM activations") == []
    assert await outcomes(engine) == [("held", [code])]
    (told,) = await engine.events("blood.alert.unanswered.v1")
    assert told["held"]
    # It counts as not sent: the same with its right time, of whatever revision, is acted on.
    await engine.alert(revision=1, alert_id="right-time", injured=SMALL)
    assert (await activation(engine))["revision"] == 1
    confirmed = {**then, "confirmed_by": "duty officer", "told_by": "dispatcher/night"}
    await engine.alert(event_key="other", alert_id="other-1", **confirmed)
    assert sorted(outcome for outcome, _ in await outcomes(engine)) == [
        "answered",
        "answered",
        "held",
    ]
    assert await engine.fetch("SELECT 1 FROM activations WHERE event_key = 'other'") != []
    why = await engine.one("SELECT why FROM audit WHERE subject = 'other' AND subject_kind='alert'")
    assert why["why"] == "alert confirmed by duty officer"


async def test_f49_an_update_of_an_open_disaster_is_acted_on_however_late(
    engine: SupplyEngine,
) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.alert(injured=SMALL)
    engine.clock.move(days=20)
    await engine.alert(revision=2, injured=3, sent_at=NOW + timedelta(days=20))
    assert (await activation(engine))["donors_wanted"] == 2


async def test_f49_an_old_or_future_update_of_an_open_disaster_is_held_too(
    engine: SupplyEngine,
) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.alert(injured=SMALL)
    before = await activation(engine)
    for revision, days in ((2, -700), (3, 30)):
        at = NOW + timedelta(days=days)
        await engine.alert(revision=revision, injured=9000, sent_at=at, occurred_at=at)
        assert await activation(engine) == before
    assert [outcome for outcome, _ in await outcomes(engine)].count("held") == 2
    # What is sent at the right time is acted on, whatever revision was held.
    await engine.alert(revision=2, alert_id="in-time", injured=SMALL + 40)
    assert (await activation(engine))["revision"] == 2


async def test_one_feed_neither_ends_nor_revises_what_another_tells(engine: SupplyEngine) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.alert(injured=SMALL)
    before = await activation(engine)
    await engine.alert(revision=7, kind="cancel", alert_id="c-7", told_by="feed/other")
    await engine.alert(revision=9, injured=900, alert_id="c-9", told_by="feed/other")
    assert await activation(engine) == before
    assert [outcome for outcome, _ in await outcomes(engine)].count("held") == 2
    await engine.alert(revision=2, injured=SMALL + 40)
    assert (await activation(engine))["revision"] == 2
    await engine.alert(revision=3, kind="cancel", alert_id="d-3", told_by="dispatcher/night")
    assert (await activation(engine))["status"] == "stood_down"


@pytest.mark.parametrize(
    ("told_by", "changes", "code"),
    [
        ("hospital/shigatse-people", {}, "source_differs"),
        ("station/lhasa", {}, "source_differs"),
        ("feed/test", {"confirmed_by": "duty officer"}, "confirmation_not_yours"),
    ],
)
async def test_who_is_no_feed_tells_of_no_disaster(
    engine: SupplyEngine, told_by: str, changes: dict[str, Any], code: str
) -> None:
    await engine.alert(told_by=told_by, **changes)
    assert await engine.fetch("SELECT 1 FROM activations") == []
    (letter,) = await engine.fetch("SELECT code FROM dead_letters")
    assert letter["code"] == code


async def test_f51_f52_low_dead_only_and_empty_reports_send_nobody_home(
    engine: SupplyEngine,
) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.alert(injured=SMALL, magnitude=6.8)
    called = await engine.calls("called")
    assert len(called) == 40
    for revision, counts in enumerate(
        [{"dead": 7, "injured": 40}, {"dead": 0, "injured": 1}, {}, {"dead": 12}], start=2
    ):
        await engine.alert(revision=revision, kind="update", casualties=counts)
        assert await activation(engine) == {
            "status": "open",
            "revision": revision,
            "donors_wanted": 58,
        }
    assert await engine.calls("called") == called
    await engine.alert(revision=9, kind="cancel")
    assert (await activation(engine))["status"] == "stood_down"
    assert await engine.calls("called") == []


async def test_f19_what_no_donor_covers_is_told_and_a_register_that_grows_is_called(
    engine: SupplyEngine,
) -> None:
    await engine.feed(counted(build_unit("O+") for _ in range(20)))
    await engine.alert(injured=345)
    assert (await activation(engine))["donors_wanted"] == 100
    (told,) = await engine.events("blood.activation.donors-missing.v1")
    numbers = ("wanted", "callable", "missing")
    assert (told["station_id"], *(told[name] for name in numbers)) == ("shigatse", 100, 0, 100)

    await engine.put_reserve(12, staff=True)
    await engine.fire_timers()
    assert len(await engine.calls("called")) == 12
    _, told = await engine.events("blood.activation.donors-missing.v1")
    assert tuple(told[name] for name in numbers) == (100, 12, 88)
    revised = (await engine.events("blood.activation.revised.v1"))[-1]["activation"]
    assert (revised["donors_wanted"], revised["donors_callable"], revised["donors_missing"]) == (
        100,
        12,
        88,
    )
    # Looked at again with nothing new, it says nothing new.
    events = len(await engine.events("blood.activation.revised.v1"))
    await engine.put_reserve(12, staff=True)
    await engine.fire_timers()
    assert len(await engine.events("blood.activation.revised.v1")) == events
    assert len(await engine.calls("called")) == 12


async def test_f56_one_person_under_two_numbers_is_called_once(engine: SupplyEngine) -> None:
    same = {"staff": True, "contact": "+86 138-0000-0001", "born_on": "1988-08-08"}
    await engine.put_donors(
        [make_donor("a", **same), make_donor("b", **(same | {"contact": "13800000001"}))]
    )
    await engine.alert(injured=3000)
    rows = await engine.fetch("SELECT donor_id FROM call_outs")
    assert [row["donor_id"] for row in rows] == ["a"]
    wave = await engine.one("SELECT why FROM audit WHERE subject_kind = 'call_wave'")
    assert "contact_called=1[donor.one_contact@2026-3]" in wave["why"]
    # Nor later, when the first call has come to nothing.
    await engine.answer(Answer.DECLINED, *(await engine.calls("called")))
    engine.clock.move(hours=1)
    await engine.fire_timers()
    assert len(await engine.fetch("SELECT 1 FROM call_outs")) == 1


async def test_f56_one_person_with_two_contacts_is_called_once(engine: SupplyEngine) -> None:
    same = {"staff": True, "born_on": "1988-08-08"}
    await engine.put_donors(
        [make_donor("a", **same, name="李四"), make_donor("b", **same, name="李 四")]
    )
    await engine.alert(injured=3000)
    rows = await engine.fetch("SELECT donor_id FROM call_outs")
    assert [row["donor_id"] for row in rows] == ["a"]
    wave = await engine.one("SELECT why FROM audit WHERE subject_kind = 'call_wave'")
    assert "person_called=1[donor.same_person@2026-3]" in wave["why"]
    told = (await engine.events("blood.activation.donors-missing.v1"))[-1]
    assert told["callable"] == 1
    await engine.answer(Answer.DECLINED, *(await engine.calls("called")))
    engine.clock.move(hours=1)
    await engine.fire_timers()
    assert len(await engine.fetch("SELECT 1 FROM call_outs")) == 1


async def test_f56_what_is_known_under_another_number_counts(engine: SupplyEngine) -> None:
    """A person who gave or is deferred under one number is not called under another, anywhere."""
    same = {"staff": True, "name": "示例 某人", "born_on": "1988-08-08"}
    lately = "2024-12-01"
    await engine.put_donors(
        [make_donor("here", **same), make_donor("fit", staff=True, name="Other")]
    )
    other = make_donor("there", **same, station_id="lhasa", last_whole_blood_on=lately)
    await engine.put_donors([other], station_id="lhasa")
    await engine.alert(injured=3000)
    rows = await engine.fetch("SELECT donor_id FROM call_outs")
    assert [row["donor_id"] for row in rows] == ["fit"]


async def test_f60_a_disaster_calls_no_rhd_negative_donor(engine: SupplyEngine) -> None:
    await engine.put_donors(
        [make_donor("pos", staff=True), make_donor("neg", staff=True, group="O-")]
    )
    await engine.alert(injured=3000)
    rows = await engine.fetch("SELECT donor_id FROM call_outs")
    assert [row["donor_id"] for row in rows] == ["pos"]
    (told,) = await engine.events("blood.activation.donors-missing.v1")
    assert told["callable"] == 1


async def test_f70_an_exercise_ends_by_itself(engine: SupplyEngine) -> None:
    await engine.alert(status="exercise", event_key="drill", alert_id="drill-1")
    await engine.alert(injured=SMALL)
    opened = await engine.events("blood.activation.opened.v1")
    assert opened[0]["activation"]["ends_at"] == "2025-01-07T13:30:00Z"
    engine.clock.move(hours=12)
    await engine.fire_timers()
    rows = await engine.fetch("SELECT DISTINCT event_key, status FROM activations ORDER BY 1")
    assert [tuple(row) for row in rows] == [("drill", "stood_down"), ("us6000pi9w", "open")]
    stood_down = await engine.events("blood.activation.stood-down.v1")
    assert {event["activation"]["event_key"] for event in stood_down} == {"drill"}


async def test_a_station_that_is_new_to_us_is_seen(engine: SupplyEngine) -> None:
    ngari = SHIGATSE.but(station_id="ngari", location={"lat": 28.7, "lon": 87.3})
    engine.clock.move(seconds=2)
    await engine.services.directory.put_station(ngari)
    await engine.alert()
    opened = await engine.events("blood.activation.opened.v1")
    assert opened[0]["activation"]["station_id"] == "ngari"
    assert opened[0]["activation"]["lead"]


async def test_a_number_that_no_column_takes_is_a_dead_letter_and_the_rest_goes_on(
    engine: SupplyEngine,
) -> None:
    """What slips through every bound is the fault of its record: the worker does not end of it."""
    beyond = make_alert(injured=340).model_copy(update={"revision": 2**31})
    bad = build_record(AlertReceived(alert=beyond), source="feed/test")
    good = build_record(
        AlertReceived(alert=make_alert(injured=340, alert_id="al-2")), source="feed/test"
    )
    await engine.feed(bad, good)
    await engine.feed(bad)  # read again after a crash
    assert await engine.dead_letter_codes() == ["value_unstorable"]
    assert (await activation(engine))["revision"] == 1


async def test_a_need_that_grows_beyond_every_bound_is_a_dead_letter(
    engine: SupplyEngine,
) -> None:
    exposed = tuple(Exposure(mmi=12, population=MOST_EXPOSED) for _ in range(100))
    alert = make_alert(injured=340).model_copy(update={"casualties": None, "exposures": exposed})
    await engine.feed(build_record(AlertReceived(alert=alert), source="feed/test"))
    assert await engine.dead_letter_codes() == ["value_unstorable"]


async def test_c84_blood_moves_towards_the_need_before_the_first_patient_waits(
    engine: SupplyEngine,
) -> None:
    """The lead asks its neighbours for what its shelf lacks; what is sent spares donors."""
    await engine.put_station(SHIGATSE.but(daily_demand={}))
    # Three hours away: sooner than the blood of donors who are called now.
    near = Location(lat=29.4, lon=89.9)
    await engine.put_station(LHASA.but(daily_demand={}, location=near))
    await engine.put_reserve(40, staff=True)
    units = [build_unit("O+", station_id="lhasa", unit_id=f"L-{at:02}") for at in range(20)]
    await engine.feed(counted(units, station_id="lhasa"))
    await engine.alert(injured=SMALL)
    assert (await activation(engine))["donors_wanted"] == 0
    await engine.fire_timers()
    row = await engine.one(
        "SELECT shortage_id, body FROM shortages "
        "WHERE component = 'red_cells' AND blood_group = 'O+' AND station_id = 'shigatse'"
    )
    told = row["body"]
    # 13 red cells, of which 34.2 % O: five, and nobody waits for them yet.
    assert (told["level"], told["units_missing"], told["uncovered_units"]) == ("orange", 5, 0)
    assert told["expected_units"] == 5
    await engine.offer(row["shortage_id"], group="O+", quantity=5)
    assert len(await engine.fetch("SELECT 1 FROM promises WHERE status = 'held'")) == 5
    # On its way it is no less there: no donor is called in its place.
    await engine.alert(revision=2, injured=SMALL)
    assert (await activation(engine))["donors_wanted"] == 0
    assert await engine.calls("called") == []
    # The disaster is over: nothing is expected, and nothing is asked for.
    await engine.alert(revision=3, injured=SMALL, kind="cancel")
    engine.clock.move(seconds=1)
    await engine.fire_timers()
    open_now = await engine.fetch("SELECT 1 FROM shortages WHERE status = 'open'")
    assert open_now == []


async def test_c84_an_exercise_asks_no_neighbour_for_blood(engine: SupplyEngine) -> None:
    await engine.put_station(SHIGATSE.but(daily_demand={}))
    await engine.alert(injured=SMALL, status="exercise")
    await engine.fire_timers()
    assert await engine.fetch("SELECT 1 FROM shortages WHERE station_id = 'shigatse'") == []
