"""Alerts on real PostgreSQL: activations, revisions, cancels, and the calls that follow."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.embedded.services import Endpoints
from models.donors import Answer
from models.events.alerts import AlertReceived
from tests.support.laboratory import from_laboratory, list_clear
from tests.support.supply import make_alert, make_donor
from tests.support.supply_engine import SupplyEngine, build_supply_engine
from tests.support.world import SHIGATSE, build_record, build_unit, counted

pytestmark = pytest.mark.integration

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
    assert "weight_too_low=1[donor.weight@2026-1]" in wave["why"]
    assert "whole_blood_too_recent=1" in wave["why"]
    assert "no_consent=1" in wave["why"]
    assert "called=1 expected=0.64 short=1" in wave["why"]


async def test_a_smaller_revision_stands_donors_down(engine: SupplyEngine) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.alert(injured=SMALL)
    await engine.answer(Answer.ACCEPTED, *(await engine.calls("called"))[:3])
    # Two red cells are needed now; three said yes, which is 2.4 expected.
    await engine.alert(revision=2, injured=3)
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
    assert (await activation(engine))["donors_wanted"] == 40
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


async def test_far_from_every_station_nothing_opens(engine: SupplyEngine) -> None:
    await engine.alert(location={"lat": -30.0, "lon": 20.0})
    assert await engine.events("blood.activation.opened.v1") == []
    assert await engine.dead_letter_codes() == []


async def test_a_station_that_is_new_to_us_is_seen(engine: SupplyEngine) -> None:
    ngari = SHIGATSE.but(station_id="ngari", location={"lat": 28.7, "lon": 87.3})
    engine.clock.move(seconds=2)
    await engine.services.directory.put_station(ngari)
    await engine.alert()
    opened = await engine.events("blood.activation.opened.v1")
    assert opened[0]["activation"]["station_id"] == "ngari"
    assert opened[0]["activation"]["lead"]
