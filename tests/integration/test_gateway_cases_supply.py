"""Disasters, shortages, neighbours and donors: what is told over HTTP. Cases by their number."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from tests.support.clinic import Clinic, Clinics, Told, given, keyed, running_clinics
from tests.support.kafka import unique

pytestmark = pytest.mark.integration

DYING = "life_threatening"


@pytest_asyncio.fixture(scope="module")
async def clinics(endpoints: Endpoints) -> AsyncIterator[Clinics]:
    async with running_clinics(endpoints) as running:
        yield running


@pytest_asyncio.fixture
async def clinic(clinics: Clinics) -> Clinic:
    return await clinics.open()


async def open_neighbour(
    clinics: Clinics, clinic: Clinic, *, daily_demand: Told | None = None
) -> Clinic:
    """Another station next door."""
    near: Told = {"lat": clinic.place["lat"] + 0.01, "lon": clinic.place["lon"]}
    policy: Told = {"neighbours": [clinic.name]}
    return await clinics.open(place=near, policy=policy, daily_demand=daily_demand or {})


class Disaster:
    """One earthquake beside a station, told in revisions."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic, self.key, self.revision = clinic, unique("quake"), 0

    async def revise(self, **alert: object) -> Told:
        """Send a revision; the activation of the station that leads."""
        self.revision += 1
        now = self.clinic.now.isoformat()
        body = {
            "alert_id": f"{self.key}-{self.revision}",
            "event_key": self.key,
            "revision": self.revision,
            "source": "example feed",
            "sent_at": now,
            "occurred_at": now,
            "location": dict(self.clinic.place),
            **alert,
        }
        feed = self.clinic.world.client("disaster")
        answer = await feed.post("/v1/alerts", json=body, headers=keyed())
        assert answer.status_code == 200, answer.text
        return await self.see()

    async def see(self) -> Told:
        listed = await self.clinic.world.client("dispatcher").get(
            "/v1/activations", params={"event_key": self.key}
        )
        (lead,) = [activation for activation in listed.json()["activations"] if activation["lead"]]
        assert lead["station_id"] == self.clinic.name
        return dict(lead)


def needs(activation: Told) -> dict[str, int]:
    return {need["component"]: need["units"] for need in activation["needs"]}


async def find_shortage(clinic: Clinic, group: str, component: str = "red_cells") -> Told:
    listed = await clinic.station.get("/v1/shortages", params={"station_id": clinic.name})
    (found,) = [
        shortage
        for shortage in listed.json()["shortages"]
        if (shortage["group"], shortage["component"]) == (group, component)
    ]
    return dict(found)


async def offer(giver: Clinic, shortage: Told, group: str, quantity: int, **more: object) -> Told:
    """Offer units for a shortage; what became of the offer."""
    body = {
        "shortage_id": shortage["shortage_id"],
        "to_station_id": shortage["station_id"],
        "component": shortage["component"],
        "group": group,
        "quantity": quantity,
        "valid_until": giver.after(hours=6),
        **more,
    }
    answer = await giver.station.post("/v1/offers", json=body, headers=keyed())
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def codes(told: Told) -> list[str]:
    return [reason["code"] for reason in told["reasons"]]


async def test_c82_no_report_of_the_first_day_goes_below_the_model(clinic: Clinic) -> None:
    quake = Disaster(clinic)
    magnitude = {"magnitude": 7.1, "depth_km": 10}
    first = await quake.revise(**magnitude)
    for dead, injured in ((32, 38), (53, 62), (95, 130), (126, 188)):
        told = await quake.revise(**magnitude, casualties={"dead": dead, "injured": injured})
        assert needs(told) == needs(first)
    more = await quake.revise(**magnitude, casualties={"dead": 126, "injured": 340})
    assert needs(more)["red_cells"] > needs(first)["red_cells"]


async def test_c83_the_dead_alone_stand_nobody_down(clinic: Clinic) -> None:
    """32 dead are at least 96 injured, of whom 29 are admitted."""
    told = await Disaster(clinic).revise(casualties={"dead": 32})
    assert (told["status"], needs(told)["red_cells"]) == ("open", 34)


async def test_c27_platelets_are_told_in_doses(clinic: Clinic) -> None:
    told = await Disaster(clinic).revise(magnitude=7.1, casualties={"injured": 333})
    assert needs(told) == {"red_cells": 115, "fresh_frozen_plasma": 63, "platelets": 19}


async def test_c28_an_old_event_follows_its_newest_report(clinic: Clinic) -> None:
    quake = Disaster(clinic)
    begun = clinic.now.isoformat()
    first = await quake.revise(magnitude=7.1)
    low = {"casualties": {"injured": 38}, "magnitude": 7.1, "occurred_at": begun}
    assert needs(await quake.revise(**low)) == needs(first)
    await clinic.pass_time(hours=72.1)
    late = await quake.revise(**low)
    assert needs(late)["red_cells"] < needs(first)["red_cells"] / 5


async def test_c84_blood_moves_towards_the_need_before_anybody_waits(
    clinics: Clinics, clinic: Clinic
) -> None:
    neighbour = await open_neighbour(clinics, clinic)
    await neighbour.lay(*["O+"] * 20, left=20)
    await Disaster(clinic).revise(casualties={"injured": 38})
    await clinic.pass_time(seconds=1)
    shortage = await find_shortage(clinic, "O+")
    assert shortage["waiting"] == []
    taken = await offer(neighbour, shortage, "O+", shortage["units_missing"])
    assert taken["outcome"] == "accepted"


async def test_c85_60_promised_in_two_hours_are_no_week_of_supply(clinic: Clinic) -> None:
    await clinic.lay(*["A+"] * 120, left=20)
    for _ in range(3):
        assert len(given(await clinic.ask(quantity=20, group="A+"))) == 20
    stock = (await clinic.station.get(clinic.stock)).json()
    (supply,) = [entry for entry in stock["supply"] if entry["group"] == "A+"]
    assert (supply["available"], supply["level"], supply["days_of_supply"]) == (60, "red", 0.08)
    await clinic.pass_time(seconds=61)
    assert (await find_shortage(clinic, "A+"))["level"] == "red"


async def test_c75_rhd_negative_fills_no_shelf_of_rhd_positive(
    clinics: Clinics, clinic: Clinic
) -> None:
    await clinic.register_station(daily_demand={"red_cells": 14})
    neighbour = await open_neighbour(clinics, clinic, daily_demand={"red_cells": 3})
    await neighbour.lay(*["O-"] * 8, *["A-"] * 6, left=20)
    await clinic.lay(*["A+"] * 19, left=20)
    await clinic.pass_time(seconds=61)
    shortage = await find_shortage(clinic, "A+")
    for group in ("A-", "O-"):
        told = await offer(neighbour, shortage, group, 2)
        assert (told["outcome"], codes(told)) == ("declined", ["group_does_not_serve"])


async def test_c86_the_floor_bends_for_patients_in_danger_when_a_person_says_yes(
    clinics: Clinics, clinic: Clinic
) -> None:
    neighbour = await open_neighbour(clinics, clinic, daily_demand={"red_cells": 10})
    await neighbour.lay(*["A+"] * 12, left=20)
    await clinic.ask(quantity=4, priority=DYING, group="A+")
    await clinic.pass_time(seconds=1)
    shortage = await find_shortage(clinic, "A+")
    told = await offer(neighbour, shortage, "A+", 4)
    assert (told["outcome"], codes(told)) == ("declined", ["giver_may_confirm"])
    confirmed = {"below_floor": True, "confirmed_by": "Dawa"}
    assert (await offer(neighbour, shortage, "A+", 4, **confirmed))["outcome"] == "accepted"


async def test_c87_blood_does_not_leave_the_lead_unless_a_person_says_so(
    clinics: Clinics, clinic: Clinic
) -> None:
    lead = await open_neighbour(clinics, clinic)
    await lead.lay(*["A+"] * 4, left=20)
    await clinic.ask(quantity=4, group="A+")
    await clinic.pass_time(seconds=1)
    shortage = await find_shortage(clinic, "A+")
    await Disaster(lead).revise(magnitude=7.1)
    told = await offer(lead, shortage, "A+", 4)
    assert (told["outcome"], codes(told)) == ("declined", ["giver_leads_disaster"])
    assert "灾" in told["reasons"][0]["zh"]
    told = await offer(lead, shortage, "A+", 3, confirmed_by="Dawa")
    assert told["outcome"] == "accepted"


async def register(clinic: Clinic, number: int, **changes: object) -> list[str]:
    """Put donors on the station's register; they may all be called. Their identifiers."""
    donors: list[Told] = [
        {
            "donor_id": unique("donor"),
            "name": unique("name"),
            "contact": unique("+86"),
            "group": "A+",
            "sex": "female",
            "born_on": "1990-06-15",
            "weight_kg": 58,
            "staff": True,
            "location": dict(clinic.place),
            "consented_at": "2024-01-01T00:00:00Z",
            **changes,
        }
        for at in range(number)
    ]
    path = f"/v1/stations/{clinic.name}/donors"
    answer = await clinic.station.post(path, json={"donors": donors})
    assert answer.status_code == 200, answer.text
    return [donor["donor_id"] for donor in donors]


async def list_called(clinic: Clinic) -> list[Told]:
    found = await clinic.station.get(f"/v1/stations/{clinic.name}/call-outs")
    return list(found.json()["call_outs"])


@pytest.mark.parametrize(("need_h", "purpose"), [(2, "late"), (12, "in_time")])
async def test_c88_whoever_calls_donors_and_whoever_waits_is_told_whether_it_is_in_time(
    clinic: Clinic, need_h: int, purpose: str
) -> None:
    await register(clinic, 9)
    told = await clinic.ask(quantity=2, need_h=need_h, group="A+")
    await clinic.pass_time(seconds=1)
    assert {call["purpose"] for call in await list_called(clinic)} == {purpose}
    sought = {step["code"]: step["zh"] for step in (await clinic.see(told))["sought"]}
    assert ("不能等献血者" in sought.get("sought_donors_too_late", "")) is (purpose == "late")


async def test_c88_donors_refill_what_a_disaster_sends(clinic: Clinic) -> None:
    await register(clinic, 9)
    await Disaster(clinic).revise(casualties={"injured": 34})
    assert {call["purpose"] for call in await list_called(clinic)} == {"refill"}


async def test_c89_apheresis_donors_are_called_for_platelets(clinic: Clinic) -> None:
    await register(clinic, 6)
    givers = await register(clinic, 6, gives="apheresis_platelets")
    told = await clinic.ask("platelets", need_h=12, group="A+", priority=DYING)
    await clinic.pass_time(seconds=1)
    calls = await list_called(clinic)
    assert {call["gives"] for call in calls} == {"apheresis_platelets"}
    called = {call["donor_id"] for call in calls}
    assert called <= set(givers)
    (first, *_) = (await clinic.see(told))["sought"]
    assert (first["code"], first["params"]["calls"]) == ("sought_called", len(called))
    assert (await find_shortage(clinic, "A+", "platelets"))["donors_not_called"] is None


async def test_c29_c30_who_may_not_give_is_not_called(clinic: Clinic) -> None:
    """Six months since whole blood, and 55 years for who gives first: the law of the country."""
    long_ago, lately = "2024-05-01", "2024-10-01"
    await register(clinic, 3, last_whole_blood_on=lately)
    await register(clinic, 3, born_on="1966-06-15")
    (may, *_) = await register(clinic, 1, last_whole_blood_on=long_ago)
    await clinic.ask(quantity=2, need_h=12, group="A+", priority=DYING)
    await clinic.pass_time(seconds=1)
    assert [call["donor_id"] for call in await list_called(clinic)] == [may]
