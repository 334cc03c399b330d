"""Disasters, shortages and the register over HTTP: what is doubtful is said at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from models.base import derive_id
from models.components import Component
from models.donors import Answer
from models.events import decode_event
from models.events.shortages import OfferMade
from models.requests import Priority
from models.rules.rulebook import PACKAGED
from models.shortages import Offer
from streams.composition import build_services
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.kafka import read_all, unique
from tests.support.supply import make_donor
from tests.support.supply_engine import SupplyEngine
from tests.support.world import NOW, build_record, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway:
        yield gateway


@pytest_asyncio.fixture(scope="module")
async def engine(world: RunningGateway) -> SupplyEngine:
    """The engine on the gateway's database, fed by hand."""
    services = build_services(
        database=world.database, clock=world.clock, hold_s=3600, rules=PACKAGED
    )
    await services.directory.refresh()
    return SupplyEngine(database=world.database, clock=world.clock, services=services)


def alert(**changes: object) -> dict[str, Any]:
    name = unique("ev")
    return {
        "alert_id": f"{name}-1",
        "event_key": name,
        "revision": 1,
        "source": "example feed",
        "sent_at": NOW.isoformat(),
        "occurred_at": NOW.isoformat(),
        "location": {"lat": 28.6, "lon": 87.4},
        "casualties": {"injured": 900},
        **changes,
    }


async def send(world: RunningGateway, body: dict[str, Any], role: str = "disaster") -> Any:  # noqa: ANN401 - JSON
    answer = await world.client(role).post("/v1/alerts", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def find_sent(world: RunningGateway, event_id: str) -> Any:  # noqa: ANN401 - an event
    (record,) = [
        record
        for record in await read_all(world.bootstrap, "blood.alerts.v1")
        if dict(record.headers)["ce_id"].decode() == event_id
    ]
    return decode_event("blood.alert.received.v1", record.value)


def codes(told: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in told["doubts"]]


async def test_f23_the_answer_tells_that_no_station_is_in_reach(world: RunningGateway) -> None:
    told = await send(world, alert())
    assert (told["stations_in_reach"], told["doubts"]) == (["shigatse", "lhasa"], [])
    told = await send(world, alert(hazard="flood", casualties={}))
    assert codes(told) == ["no_basis_for_need"]
    told = await send(world, alert(location={"lat": 87.4, "lon": 28.6}))
    assert told["stations_in_reach"] == []
    assert codes(told) == ["no_station_in_reach", "latitude_and_longitude_swapped"]
    assert "颠倒" in told["doubts"][1]["zh"]


async def test_f23_f49_what_nobody_answers_is_listed_and_confirmed_by_a_dispatcher(
    world: RunningGateway, engine: SupplyEngine
) -> None:
    old = alert(sent_at="2023-02-01T00:00:00Z", occurred_at="2023-02-01T00:00:00Z")
    assert codes(await send(world, old)) == ["alert_out_of_date"]
    await engine.alert(**old)
    client = world.client("dispatcher")
    listed = (await client.get("/v1/alerts", params={"outcome": "held"})).json()["alerts"]
    (one,) = [row for row in listed if row["alert_id"] == old["alert_id"]]
    assert [reason["code"] for reason in one["reasons"]] == ["alert_out_of_date"]
    assert "须由调度确认" in one["reasons"][0]["zh"]

    path = f"/v1/alerts/{old['alert_id']}/confirm"
    assert (await world.client("disaster").post(path, json={"by": "x"})).status_code == 403
    confirmed = await client.post(path, json={"by": "duty officer"})
    assert confirmed.status_code == 202, confirmed.text
    assert confirmed.json()["doubts"] == []
    event = await find_sent(world, confirmed.json()["event_id"])
    assert (event.alert.confirmed_by, event.alert.revision) == ("duty officer", 1)

    acted = alert()
    await engine.alert(**acted)
    refused = await client.post(f"/v1/alerts/{acted['alert_id']}/confirm", json={"by": "x"})
    assert (refused.status_code, refused.json()["code"]) == (409, "alert_not_held")
    feed = await world.client("disaster").post("/v1/alerts", json=alert(confirmed_by="a feed"))
    assert (feed.status_code, feed.json()["code"]) == (403, "confirmation_not_yours")


async def test_f70_an_exercise_stands_apart_and_ends_by_a_command(
    world: RunningGateway, engine: SupplyEngine
) -> None:
    drill, real = alert(status="exercise"), alert()
    await engine.alert(**drill)
    await engine.alert(**real)
    listed = (await world.client("dispatcher").get("/v1/activations")).json()
    assert drill["event_key"] in {activation["event_key"] for activation in listed["exercises"]}
    assert real["event_key"] in {activation["event_key"] for activation in listed["activations"]}
    assert not [activation for activation in listed["activations"] if activation["exercise"]]
    assert {activation["ends_at"] for activation in listed["exercises"]} == {"2025-01-07T13:30:00Z"}

    # Platelets are needed and nobody is called for them: that is said.
    told = listed["activations"][0]["donors_not_called"]
    assert (told["code"], told["params"]) == (
        "donors_not_called_for",
        {"components": "platelets"},
    )

    ended = await world.client("dispatcher").post(f"/v1/exercises/{drill['event_key']}/end")
    assert ended.status_code == 202, ended.text
    event = await find_sent(world, ended.json()["event_id"])
    assert (event.alert.kind, event.alert.status, event.alert.revision) == ("cancel", "exercise", 2)
    for event_key, status, code in (
        (real["event_key"], 409, "not_an_exercise"),
        ("nowhere", 404, "disaster_unknown"),
    ):
        answer = await world.client("disaster").post(f"/v1/exercises/{event_key}/end")
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_f71_a_hazard_in_chinese(world: RunningGateway) -> None:
    told = await send(world, alert(hazard="地震"))
    assert (await find_sent(world, told["event_id"])).alert.hazard == "earthquake"
    refused = await world.client("disaster").post("/v1/alerts", json=alert(hazard="外星人"))
    assert refused.status_code == 400
    assert "地震 (earthquake)" in refused.text


async def test_f21_shortages_are_listed_worst_first_with_who_waits(
    world: RunningGateway, engine: SupplyEngine
) -> None:
    red_and_nobody = build_request(group="B+", quantity=1, priority=Priority.ROUTINE)
    many = build_request(group="A+", quantity=40, priority=Priority.URGENT)
    dying = build_request(
        group="O-",
        quantity=2,
        priority=Priority.LIFE_THREATENING,
        now=NOW + timedelta(minutes=5),
    )
    await engine.feed(opened(red_and_nobody), opened(many), opened(dying))
    await engine.assess()
    listed = (await world.client("station").get("/v1/shortages")).json()["shortages"]
    assert listed[0]["group"] == "O-"
    assert listed[0]["waiting"] == [
        {
            "request_id": dying.request_id,
            "hospital_id": dying.hospital_id,
            "priority": "life_threatening",
            "units": 2,
            "needed_by": dying.needed_by.isoformat().replace("+00:00", "Z"),
        }
    ]
    assert [bool(shortage["waiting"]) for shortage in listed] == sorted(
        (bool(shortage["waiting"]) for shortage in listed), reverse=True
    )
    assert {shortage["donors_not_called"] for shortage in listed} == {None}
    overview = (await world.client("station").get("/v1/overview")).json()["shortages"]
    assert overview[0] == listed[0]
    # A neighbour learns how much and until when, and no name.
    seen = (await world.client("neighbour").get("/v1/shortages")).json()["shortages"]
    assert set(seen[0]["waiting"][0]) == {"priority", "units", "needed_by"}
    (only,) = (await world.client("dispatcher").get("/v1/shortages?limit=1")).json()["shortages"]
    assert only["shortage_id"] == listed[0]["shortage_id"]

    offer = {
        "shortage_id": listed[0]["shortage_id"],
        "to_station_id": "shigatse",
        "component": "red_cells",
        "group": "O-",
        "quantity": 500,
        "valid_until": "2025-01-07T06:00:00Z",
    }
    refused = await world.client("neighbour").post("/v1/offers", json=offer)
    assert (refused.status_code, refused.json()["code"]) == (422, "offer_exceeds_missing")
    below = {**offer, "quantity": 1, "below_floor": True}
    refused = await world.client("neighbour").post("/v1/offers", json=below)
    assert refused.status_code == 400
    (violation,) = refused.json()["errors"]
    assert "confirmed_by" in str(violation)
    below["confirmed_by"] = "Dawa"
    assert (await world.client("neighbour").post("/v1/offers", json=below)).status_code == 202


async def test_urgent_ones_stand_before_routine_ones_and_the_sooner_needed_first(
    world: RunningGateway, engine: SupplyEngine
) -> None:
    """Below danger of life: neither the colour nor the age of a shortage goes before who waits."""
    wanted = [
        ("AB-", Priority.ROUTINE, 24 * 20),
        ("B-", Priority.URGENT, 9),
        ("A-", Priority.URGENT, 3),
        ("AB+", Priority.ROUTINE, 30),
    ]
    for group, priority, hours in wanted:
        request = build_request(
            group=group,
            quantity=3,
            priority=priority,
            component=Component.WASHED_RED_CELLS,
            needed_in_h=hours,
        )
        await engine.feed(opened(request))
        await engine.assess()
        engine.clock.move(seconds=1)
    listed = await world.client("station").get("/v1/shortages?component=washed_red_cells")
    groups = [shortage["group"] for shortage in listed.json()["shortages"]]
    assert groups == ["A-", "B-", "AB+", "AB-"]


async def test_an_offer_is_answered_with_its_outcome_and_why(
    world: RunningGateway, engine: SupplyEngine
) -> None:
    """A neighbour whose offer was declined is not told that all is done and nothing more."""
    await engine.feed(opened(build_request(group="AB-", quantity=2)))
    await engine.assess()
    shortage = await engine.one(
        "SELECT shortage_id FROM shortages "
        "WHERE blood_group = 'AB-' AND component = 'red_cells' AND status = 'open'"
    )
    told = []
    for group in ("AB+", "AB-"):
        if group == "AB-":
            units = [build_unit("AB-", station_id="lhasa") for _ in range(2)]
            await engine.feed(counted(units, station_id="lhasa"))
        key = unique("offer")
        offer = Offer.model_validate(
            {
                "offer_id": derive_id("offer", "lhasa", key),
                "shortage_id": shortage["shortage_id"],
                "from_station_id": "lhasa",
                "to_station_id": "shigatse",
                "component": "red_cells",
                "group": group,
                "quantity": 1,
                "valid_until": "2025-01-07T23:00:00Z",
                "below_floor": True,
                "confirmed_by": "Dawa",
            }
        )
        source, event = "station/lhasa", OfferMade(offer=offer)
        event_id = derive_id(event.TYPE, source, 0, key)
        # The engine has decided by the time the answer is written.
        await engine.feed(build_record(event, source=source, event_id=event_id))
        mine = offer.model_dump(mode="json", exclude={"offer_id", "from_station_id"})
        answer = await world.client("neighbour").post(
            "/v1/offers", json=mine, headers={"Idempotency-Key": key, "Prefer": "wait=5"}
        )
        assert answer.status_code == 200, answer.text
        told.append(answer.json())
    declined, accepted = told
    assert (declined["status"], declined["outcome"]) == ("done", "declined")
    assert declined["reasons"] == [
        {
            "code": "group_does_not_serve",
            "params": {"offered": "AB+"},
            "zh": "血型 AB+ 不能补这个短缺",
            "en": "group AB+ does not serve this shortage",
            "rule": "",
        }
    ]
    assert accepted["outcome"] == "accepted"
    codes = [reason["code"] for reason in accepted["reasons"]]
    # No box of this road has been proven, which who carries them must know.
    assert codes == ["offer_taken", "temperature_not_proven"]


def donor(donor_id: str, **changes: object) -> dict[str, Any]:
    body = make_donor(donor_id, **changes).model_dump(mode="json", exclude_none=True)
    return {name: value for name, value in body.items() if name != "station_id"}


async def test_f56_one_person_under_two_numbers_is_named_on_import(
    world: RunningGateway, engine: SupplyEngine
) -> None:
    await engine.put_donors(
        [make_donor("elsewhere", contact="139 0000 0002", station_id="lhasa")], station_id="lhasa"
    )
    rows = [
        donor("p-1", name="示例一", contact="+86 138 0000 0001", born_on="1988-08-08"),
        donor("p-2", name="示例一", contact="13800000001", born_on="1988-08-08"),
        donor("p-3", name="示例二", contact="138-0000-0001", born_on="1990-01-01"),
        donor("p-4", name="示例四", contact="13900000002"),
        donor("p-5", name="示例五"),
    ]
    answer = await world.client("station").post(
        "/v1/stations/shigatse/donors", json={"donors": rows}
    )
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["imported"] == 5
    assert [(warning["code"], warning["donor_ids"]) for warning in told["warnings"]] == [
        ("donor_registered_twice", ["p-1", "p-2"]),
        ("donor_contact_shared", ["p-1", "p-3"]),
        ("donor_contact_shared", ["p-2", "p-3"]),
        ("donor_at_other_station", ["p-4"]),
    ]
    assert "elsewhere" not in answer.text


async def test_f57_a_bag_that_contradicts_the_register_is_told_in_the_answer(
    world: RunningGateway, engine: SupplyEngine
) -> None:
    await engine.put_donors([make_donor("g-1", staff=True)])
    await engine.alert(**alert())
    row = await engine.one("SELECT call_out_id FROM call_outs WHERE donor_id = 'g-1'")
    call = row["call_out_id"]
    await engine.answer(Answer.ACCEPTED, call)
    await engine.answer(Answer.ARRIVED, call)
    donation = {
        "unit_id": "x1",
        "donation_id": "x1",
        "component": "whole_blood",
        "group": "AB-",
        "volume_ml": 400,
        "collected_at": engine.clock.now().isoformat(),
        "expires_at": (NOW + timedelta(days=35)).isoformat(),
    }
    answer = await world.client("station").post(
        f"/v1/call-outs/{call}/answers", json={"answer": "donated", "donation": donation}
    )
    assert answer.status_code == 202, answer.text
    await engine.answer(Answer.DONATED, call, donation=donation)
    seen = (await world.client("station").get("/v1/donations/x1")).json()["units"][0]
    assert "donor_group_differs" in {reason["code"] for reason in seen["results_against"]}
    (warning,) = answer.json()["warnings"]
    assert (warning["code"], warning["params"]["registered"]) == ("donation_group_differs", "O+")


async def test_f66_one_call_is_shown_with_a_name_to_its_own_station_alone(
    world: RunningGateway, engine: SupplyEngine
) -> None:
    await engine.put_donors([make_donor("s-1", staff=True, contact="shown:1")])
    await engine.alert(**alert())
    row = await engine.one("SELECT call_out_id FROM call_outs WHERE donor_id = 's-1'")
    path = f"/v1/call-outs/{row['call_out_id']}"
    told = (await world.client("station").get(path)).json()
    assert (told["donor_id"], told["contact"]) == ("s-1", "shown:1")
    seen = (await world.client("dispatcher").get(path)).json()
    assert (seen["donor_id"], "contact" in seen) == ("s-1", False)
    unknown = await world.client("station").get("/v1/call-outs/none-such")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "call_out_unknown")


async def test_f79_another_alert_of_one_number_is_told_by_its_field(world: RunningGateway) -> None:
    feed, told = world.client("disaster"), alert()
    assert (await feed.post("/v1/alerts", json=told)).status_code == 202
    again = await feed.post("/v1/alerts", json={**told, "magnitude": 6.0})
    assert (again.status_code, again.json()["code"]) == (422, "identity_reused")
    assert again.json()["errors"][0]["field"] == "alert_id"
    assert "Idempotency-Key" not in again.text
