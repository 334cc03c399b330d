"""Stock, donors, calls, alerts, shortages, offers and facilities over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from models.events import decode_event
from models.events.stock import StockCounted
from streams.store.read_models.pages import PgPages
from tests.support.gateway import (
    RunningGateway,
    add_stock,
    request_body,
    running_gateway,
    unit_row,
)
from tests.support.kafka import read_all, unique
from tests.support.world import NOW, SHIGATSE

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway:
        yield gateway


async def _published(world: RunningGateway, topic: str, ids: list[str]) -> list[Any]:
    """The events with these ids, in the order of the log."""
    records = await read_all(world.bootstrap, topic)
    return [
        decode_event(headers["ce_type"].decode(), record.value)
        for record in records
        if (headers := dict(record.headers))["ce_id"].decode() in ids
    ]


async def test_stock_is_counted(world: RunningGateway) -> None:
    await add_stock(world.database, station_id="shigatse", units=24, group="O+")
    page = (await world.client("station").get("/v1/stations/shigatse/stock")).json()
    assert page["stock"] == [
        {
            "component": "red_cells",
            "group": "O+",
            "status": "available",
            "bags": 24,
            "units": 24.0,
            "counted": "U",
            "first_expires_at": "2025-01-27T01:30:00Z",
        }
    ]
    assert page["days_of_supply"] == {"red_cells": 2.0}
    world.clock.move(days=30)
    try:
        page = (await world.client("station").get("/v1/stations/shigatse/stock")).json()
        assert page["stock"][0]["status"] == "expired"
        assert page["days_of_supply"] == {"red_cells": 0.0}
    finally:
        world.clock.move(days=-30)
    unknown = await world.client("dispatcher").get("/v1/stations/nowhere/stock")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "station_unknown")


async def test_a_large_count_goes_out_in_parts(world: RunningGateway) -> None:
    body = {"counted_at": "2025-01-07T01:00:00Z", "units": [unit_row(n) for n in range(1201)]}
    headers = {"Idempotency-Key": unique("k")}
    client = world.client("station")
    answer = await client.post("/v1/stations/shigatse/stock", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    again = await client.post("/v1/stations/shigatse/stock", json=body, headers=headers)
    assert again.json() == answer.json()
    events = await _published(world, "blood.stock.v1", answer.json()["event_ids"])
    counts = [len(event.units) for event in events[:3] if isinstance(event, StockCounted)]
    assert counts == [500, 500, 201]
    assert events[:3] == events[3:]


async def test_csv_is_imported_whole_or_not_at_all(world: RunningGateway) -> None:
    head = "unit_id,donation_id,component,group,volume_ml,collected_at,expires_at,released"
    good = "c1,d1,red_cells,O+,200,2025-01-02T09:00:00+08:00,2025-02-05T23:59:59+08:00,no"
    bad = "c2,d2,red_cells,Q+,0,2025-13-02T09:00:00,2025-02-05T23:59:59+08:00,perhaps"
    client = world.client("station")
    headers = {"Content-Type": "text/csv; charset=utf-8"}
    path = "/v1/stations/shigatse/stock"
    before = len(await read_all(world.bootstrap, "blood.stock.v1"))
    refused = await client.post(path, content=f"{head}\n{good}\n{bad}\n", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "rows_invalid")
    assert {error["field"] for error in refused.json()["errors"]} == {
        "row 3, group “Q+”",
        "row 3, volume_ml “0”",
        "row 3, collected_at “2025-13-02T09:00:00”",
        "row 3, released “perhaps”",
    }
    assert len(await read_all(world.bootstrap, "blood.stock.v1")) == before
    accepted = await client.post(
        path,
        content="\ufeff" + head + "\n" + good + "\n",
        headers=headers,
        params={"counted_at": "2025-01-07T01:00:00Z"},
    )
    assert accepted.status_code == 202, accepted.text
    (event,) = await _published(world, "blood.stock.v1", accepted.json()["event_ids"])
    assert event.units[0].released is False
    assert event.units[0].unit.station_id == "shigatse"
    other = await client.post(path, content=b"x", headers={"Content-Type": "image/png"})
    assert (other.status_code, other.json()["code"]) == (415, "media_type_unknown")
    foreign = await client.post("/v1/stations/lhasa/stock", content=head, headers=headers)
    assert (foreign.status_code, foreign.json()["code"]) == (403, "facility_not_yours")


async def test_changes_are_published_when_complete(world: RunningGateway) -> None:
    client = world.client("station")
    path = "/v1/stations/shigatse/stock/changes"
    incomplete = await client.post(path, json={"unit_id": "U1", "change": "picked"})
    assert (incomplete.status_code, incomplete.json()["code"]) == (400, "fields_invalid")
    assert "epoch" in incomplete.json()["errors"][0]["rule"]
    change = {"unit_id": "U1", "change": "discarded", "reason": "leaking"}
    keyed = await client.post(path, json=change, headers={"Idempotency-Key": unique("k")})
    assert (keyed.status_code, keyed.json()["code"]) == (400, "moment_needed")
    answer = await client.post(path, json=change)
    (event,) = await _published(world, "blood.stock.v1", [answer.json()["event_id"]])
    assert event.happened_at == NOW


DONOR = {
    "donor_id": "n-1",
    "name": "扎西",
    "contact": "+86 1",
    "group": "B+",
    "sex": "male",
    "born_on": "1990-01-01",
    "weight_kg": 70,
    "last_whole_blood_on": "2024-03-01",
    "consented_at": "2024-06-01T10:00:00+08:00",
}


async def test_donors_stay_in_postgres(world: RunningGateway) -> None:
    client = world.client("station")
    path = "/v1/stations/shigatse/donors"
    answer = await client.post(path, json={"donors": [DONOR, {**DONOR, "donor_id": "n-2"}]})
    assert answer.json()["imported"] == 2
    # The same name, contact and day of birth under two numbers.
    assert [warning["donor_ids"] for warning in answer.json()["warnings"]] == [["n-1", "n-2"]]
    await world.database.fetch(
        "UPDATE donors SET last_whole_blood_on = '2024-12-01', called = 3, accepted = 2"
    )
    csv = (
        "donor_id,name,contact,group,sex,born_on,weight_kg,lat,lon,staff\n"
        "n-1,扎西,+86 2,B+,male,1990-01-01,70,29.2,88.8,是\n"
    )
    headers = {"Content-Type": "text/csv; charset=gb18030"}
    assert (
        await client.post(path, content=csv.encode("gb18030"), headers=headers)
    ).status_code == 200
    (row,) = await world.database.fetch("SELECT * FROM donors WHERE donor_id = 'n-1'")
    assert row["last_whole_blood_on"].isoformat() == "2024-12-01", "a donation is never forgotten"
    assert row["body"]["last_whole_blood_on"] == "2024-12-01"
    assert (row["called"], row["accepted"]) == (3, 2)
    assert row["body"]["contact"] == "+86 2"
    assert row["body"]["staff"] is True
    assert "consented_at" in row["body"], "a column that is missing changes nothing"
    audit = await world.database.fetch("SELECT * FROM audit WHERE subject = 'n-1'")
    assert [entry["why"] for entry in audit] == ["import", "import"]


async def test_donors_of_another_station_are_not_taken(world: RunningGateway) -> None:
    await world.database.fetch(
        "INSERT INTO donors (donor_id, station_id, blood_group, body) "
        "VALUES ('theirs', 'lhasa', 'O+', '{}')"
    )
    rows = [{**DONOR, "donor_id": "mine"}, {**DONOR, "donor_id": "theirs"}]
    client = world.client("station")
    answer = await client.post("/v1/stations/shigatse/donors", json={"donors": rows})
    assert (answer.status_code, answer.json()["code"]) == (400, "rows_invalid")
    assert [error["field"] for error in answer.json()["errors"]] == ["theirs"]
    assert not await world.database.fetch("SELECT 1 FROM donors WHERE donor_id = 'mine'")


async def test_contacts_are_for_the_station_and_recorded(world: RunningGateway) -> None:
    body = {**DONOR, "donor_id": "c-1"}
    await world.client("station").post("/v1/stations/shigatse/donors", json={"donors": [body]})
    await world.database.fetch(
        "INSERT INTO call_outs (call_out_id, donor_id, station_id, cause_id, wave, status, "
        "called_at) VALUES ('call-1', 'c-1', 'shigatse', 'cause', 1, 'called', $1)",
        NOW,
    )
    path = "/v1/stations/shigatse/call-outs"
    params = {"status": "called", "cause_id": "cause"}
    (own,) = (await world.client("station").get(path, params=params)).json()["call_outs"]
    assert (own["name"], own["contact"]) == ("扎西", "+86 1")
    (seen,) = (await world.client("dispatcher").get(path, params=params)).json()["call_outs"]
    assert "name" not in seen
    assert "contact" not in seen
    assert (await world.client("neighbour").get(path)).status_code == 403
    audit = await world.database.fetch(
        "SELECT caused_by FROM audit WHERE subject = 'c-1' AND why = 'contact_read'"
    )
    assert [row["caused_by"] for row in audit] == [world.keys["station"].split("_")[1]]
    answered = await world.client("station").post(
        "/v1/call-outs/call-1/answers", json={"answer": "accepted", "eta_s": 900}
    )
    (event,) = await _published(world, "blood.answers.v1", [answered.json()["event_id"]])
    assert (event.donor_id, event.station_id, event.eta_s) == ("c-1", "shigatse", 900)
    dispatcher = world.client("dispatcher")
    key_id = (await dispatcher.get("/v1/me")).json()["key_id"]
    for client, source in (
        (world.client("station"), "station/shigatse"),
        (dispatcher, f"dispatcher/{key_id}"),
    ):
        told = await client.post("/v1/call-outs/call-1/answers", json={"answer": "no_answer"})
        assert told.json()["source"] == source
    wrong = await world.client("station").post(
        "/v1/call-outs/call-1/answers", json={"answer": "accepted", "donor_id": "other"}
    )
    assert (wrong.status_code, wrong.json()["code"]) == (400, "donor_differs")
    none = await world.client("station").post(
        "/v1/call-outs/call-9/answers", json={"answer": "accepted"}
    )
    assert (none.status_code, none.json()["code"]) == (404, "call_out_unknown")


ALERT = {
    "alert_id": "us-1",
    "event_key": "us",
    "revision": 1,
    "source": "USGS",
    "sent_at": "2025-01-07T01:20:00Z",
    "occurred_at": "2025-01-07T01:05:16Z",
    "location": {"lat": 28.6, "lon": 87.4},
}


async def test_alerts_are_the_same_event_by_their_id(world: RunningGateway) -> None:
    client = world.client("disaster")
    first = await client.post("/v1/alerts", json=ALERT)
    again = await client.post("/v1/alerts", json=ALERT)
    assert first.status_code == 202
    assert again.json()["event_id"] == first.json()["event_id"]
    events = await _published(world, "blood.alerts.v1", [first.json()["event_id"]])
    assert [event.alert.event_key for event in events] == ["us", "us"]


async def _add_shortage(
    world: RunningGateway, shortage_id: str, status: str, *, group: str = "O+", waiting: int = 0
) -> None:
    await world.database.fetch(
        """
        INSERT INTO shortages (shortage_id, station_id, component, blood_group, level, status,
            units_missing, donor_groups, version, body, opened_at, assessed_at)
        VALUES ($1, 'shigatse', 'red_cells', $5, 'red', $2, 5, '{}', 1, $3, $4, $4)
        """,
        shortage_id,
        status,
        {
            "shortage_id": shortage_id,
            "station_id": "shigatse",
            "level": "red",
            "uncovered_units": waiting,
        },
        NOW,
        group,
    )


async def test_a_shortage_that_somebody_waits_for_is_not_cut_off_by_the_limit(
    world: RunningGateway,
) -> None:
    await _add_shortage(world, "a-nobody", "open", group="AB+")
    await _add_shortage(world, "b-somebody", "open", group="AB-", waiting=2)
    found = await PgPages(world.database, world.clock).read_overview(
        station_id=None, hospital_id=None, limit=1
    )
    await world.database.fetch("DELETE FROM shortages WHERE body ? 'uncovered_units'")
    assert [row["body"]["shortage_id"] for row in found.shortages] == ["b-somebody"]


async def test_a_neighbour_sees_a_shortage_and_offers(world: RunningGateway) -> None:
    await _add_shortage(world, "s-open", "open")
    await _add_shortage(world, "s-gone", "cleared")
    client = world.client("neighbour")
    listed = (await client.get("/v1/shortages")).json()["shortages"]
    assert [row["shortage_id"] for row in listed] == ["s-open"]
    offer = {
        "shortage_id": "s-open",
        "to_station_id": "shigatse",
        "component": "red_cells",
        "group": "O+",
        "quantity": 5,
        "valid_until": "2025-01-07T06:00:00Z",
    }
    answer = await client.post("/v1/offers", json=offer)
    assert answer.status_code == 202, answer.text
    (event,) = await _published(world, "blood.offers.v1", [answer.json()["event_id"]])
    assert event.offer.from_station_id == "lhasa"
    assert event.key == "shigatse"
    for changes, status, code in (
        ({"shortage_id": "s-none"}, 404, "shortage_unknown"),
        ({"shortage_id": "s-gone"}, 409, "shortage_cleared"),
        ({"to_station_id": "ngari"}, 422, "shortage_elsewhere"),
        ({"to_station_id": "lhasa"}, 422, "offer_to_self"),
    ):
        refused = await client.post("/v1/offers", json={**offer, **changes})
        assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_facilities_are_written_and_known_at_once(world: RunningGateway) -> None:
    client = world.client("dispatcher")
    station = SHIGATSE.but(station_id="ngari").model_dump(mode="json")
    assert (await client.put("/v1/stations/ngari", json=station)).status_code == 200
    hospital = {
        "hospital_id": "gar-county",
        "name_zh": "噶尔县人民医院",
        "name_en": "Gar County Hospital",
        "location": {"lat": 32.5, "lon": 80.1},
        "station_id": "ngari",
    }
    assert (await client.put("/v1/hospitals/gar-county", json=hospital)).status_code == 200
    opened = await client.post(
        "/v1/requests",
        json=request_body(hospital_id="gar-county"),
        headers={"Idempotency-Key": unique("k")},
    )
    assert opened.status_code == 202
    wrong = await client.put("/v1/hospitals/gar-county", json={**hospital, "station_id": "no"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "station_unknown")
    differs = await client.put("/v1/hospitals/other", json=hospital)
    assert (differs.status_code, differs.json()["code"]) == (400, "id_differs")
    routes = {"routes": [{"from_id": "ngari", "to_id": "gar-county", "eta_s": 600}]}
    assert (await client.put("/v1/routes", json=routes)).json() == {"recorded": 1}
    directory = await world.gateway.directories.refresh()
    assert directory.get_journey("ngari", "gar-county").eta_s == 600


async def test_activations_and_transfers_are_listed(world: RunningGateway) -> None:
    for station in ("shigatse", "lhasa"):
        body = {"activation_id": f"a-{station}", "station_id": station}
        await world.database.fetch(
            "INSERT INTO activations VALUES ($1, 'ev', $2, 'open', 1, 0, $3, $4, $4)",
            f"a-{station}",
            station,
            body,
            NOW,
        )
    mine = (await world.client("station").get("/v1/activations")).json()["activations"]
    assert [row["activation_id"] for row in mine] == ["a-shigatse"]
    every = (await world.client("disaster").get("/v1/activations")).json()["activations"]
    assert len(every) == 2
    await _add_transfer(world)
    for role in ("station", "neighbour"):
        (row,) = (await world.client(role).get("/v1/transfers")).json()["transfers"]
        assert row["status"] == "in_transit"
        assert row["units"] == []


async def _add_transfer(world: RunningGateway) -> None:
    await _add_shortage(world, "s-moved", "cleared")
    await world.database.fetch(
        "INSERT INTO offers VALUES ('o-1', 's-moved', 'lhasa', 'shigatse', 'accepted', '{}', $1)",
        NOW,
    )
    body = orjson.loads(b'{"transfer_id": "t-1", "status": "agreed"}')
    await world.database.fetch(
        "INSERT INTO transfers "
        "VALUES ('t-1', 'o-1', 'lhasa', 'shigatse', 'in_transit', $2, $1, $1, 0)",
        NOW,
        body,
    )
