"""What somebody should look after, as stations, dispatchers and alarms see it: on a real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition

from deploy.local.embedded_services import Endpoints
from gateway.consumer_lag import KEPT_S
from streams.kafka.consumer_lag import measure_unread
from streams.store.dead_letters import PgDeadLetters
from tests.support.gateway import (
    RunningGateway,
    add_stock,
    read_events,
    request_body,
    running_engine,
    running_gateway,
)
from tests.support.kafka import acknowledge, read_end, unique
from tests.support.world import NOW, FixedClock

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway, running_engine(gateway):
        yield gateway


async def write_request(
    world: RunningGateway, request_id: str, *, key: str = "shigatse", **changes: object
) -> None:
    """Write a life-threatening request straight to Kafka, as a hospital's own system would."""
    request = {
        **request_body(priority="life_threatening"),
        "request_id": request_id,
        "hospital_id": "shigatse-people",
        "station_id": "shigatse",
        "note": "patient Tashi, bed 4",
        **changes,
    }
    headers: Mapping[str, str] = {
        "ce_specversion": "1.0",
        "ce_id": request_id,
        "ce_type": "blood.request.opened.v1",
        "ce_source": "hospital/shigatse-people",
        "ce_subject": request_id,
        "ce_time": NOW.isoformat(),
        "content-type": "application/json",
    }
    producer = AIOKafkaProducer(bootstrap_servers=world.bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(
            "blood.requests.v1",
            key=key.encode(),
            value=orjson.dumps({"request": request}),
            headers=[(name, text.encode()) for name, text in headers.items()],
        )
    finally:
        await producer.stop()


async def ask(world: RunningGateway, **changes: object) -> str:
    """Ask over HTTP and wait for the decision; the request's id."""
    answer = await world.client("hospital").post(
        "/v1/requests",
        json=request_body(**changes),
        headers={"Idempotency-Key": unique("k"), "Prefer": "wait=10"},
    )
    assert answer.status_code in {200, 201}, answer.text
    request_id: str = answer.json()["request_id"]
    return request_id


async def scrape(world: RunningGateway) -> dict[str, float]:
    await world.gateway.vital_signs.measure()
    page = (await world.client("dispatcher").get("/metrics")).text
    lines = [line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def test_f22_a_refused_life_threatening_record_is_seen_at_once(
    world: RunningGateway,
) -> None:
    before = await scrape(world)
    request_id = unique("kafka")
    since = str(await world.gateway.feed.find_end())
    watching = {
        role: asyncio.create_task(
            read_events(
                world.client(role), 1, last_event_id=since, topics="blood.refusals.v1", within_s=20
            )
        )
        for role in ("station", "dispatcher", "hospital")
    }
    await write_request(world, request_id, needed_by="2025-01-07T04:00:00")
    for role, task in watching.items():
        (event,) = await task
        assert event.event == "blood.record.refused.v1", role
        told = orjson.loads(event.data)["data"]
        assert told["about"] == request_id
        assert told["is_life_threatening"] is True
        assert told["reason"]["code"] == "body_invalid"
        assert told["reason"]["params"]["field"] == "request.needed_by"
        assert b"Tashi" not in event.data.encode()
    for role in ("station", "dispatcher"):
        answer = (await world.client(role).get("/v1/dead-letters")).json()
        (letter,) = [letter for letter in answer["dead_letters"] if letter["about"] == request_id]
        assert letter["is_life_threatening"] is True
        assert letter["source"] == "hospital/shigatse-people"
        assert "needed_by" in letter["reason"]["zh"]
        assert "Tashi" not in str(answer)
    after = await scrape(world)
    name = "xuelian_dead_letters_life_threatening"
    assert after[name] == before[name] + 1
    assert after['xuelian_dead_letters{code="body_invalid",reader="xuelian-urgent"}'] >= 1


@pytest.mark.parametrize("needed_by", [1796000000, "2099-01-01T00:00:00Z"])
async def test_f72_a_dead_letter_is_told_in_each_language(
    world: RunningGateway, needed_by: object
) -> None:
    request_id = unique("kafka")
    await write_request(world, request_id, needed_by=needed_by)
    async with asyncio.timeout(20):
        while True:
            answer = (await world.client("dispatcher").get("/v1/dead-letters")).json()
            found = [letter for letter in answer["dead_letters"] if letter["about"] == request_id]
            if found:
                break
            await asyncio.sleep(0.05)
    reason = found[0]["reason"]
    rule = reason["params"].get("rule") or reason["params"]["why"]
    zh, en = rule.split(" · ")
    assert zh in reason["zh"]
    assert en not in reason["zh"]
    assert en in reason["en"]
    assert zh not in reason["en"]
    assert "…" not in reason["zh"] + reason["en"]


async def test_f22_a_station_sees_the_dead_letters_of_its_own_key_only(
    world: RunningGateway,
) -> None:
    request_id = unique("kafka")
    await write_request(world, request_id, key="lhasa", station_id="lhasa", needed_by="tomorrow")
    dispatcher = world.client("dispatcher")

    async def ids(role: str) -> set[str]:
        answer = (await world.client(role).get("/v1/dead-letters")).json()
        return {letter["about"] for letter in answer["dead_letters"]}

    async with asyncio.timeout(20):
        while request_id not in await ids("dispatcher"):
            await asyncio.sleep(0.05)
    assert request_id not in await ids("station")
    for role, status in (("hospital", 403), ("neighbour", 403), ("disaster", 403)):
        assert (await world.client(role).get("/v1/dead-letters")).status_code == status
    # Letters of one moment are told apart by their ids: page by page each comes once.
    await world.database.fetch("UPDATE dead_letters SET quarantined_at = $1", NOW)
    whole = (await dispatcher.get("/v1/dead-letters")).json()["dead_letters"]
    seen, after = [], None
    while True:
        params = {"limit": "1", **({"after": after} if after else {})}
        page = (await dispatcher.get("/v1/dead-letters", params=params)).json()
        seen += page["dead_letters"]
        after = page["next"]
        if after is None:
            break
    assert len(whole) >= 2
    assert seen == whole


async def test_dead_letters_are_listed_lives_first_and_counted_for_their_station(
    world: RunningGateway,
) -> None:
    await world.database.fetch("DELETE FROM dead_letters")
    written = {
        "grave-old": ("shigatse", True, 1),
        "plain-a": ("shigatse", False, 2),
        "plain-b": ("shigatse", False, 2),
        "grave-new": ("shigatse", True, 3),
        "plain-new": ("shigatse", False, 4),
        "grave-of-other": ("lhasa", True, 5),
        "plain-of-other": ("lhasa", False, 0),
    }
    for at, (name, (key, is_grave, minute)) in enumerate(written.items()):
        await world.database.fetch(
            "INSERT INTO dead_letters VALUES ($1, 'blood.requests.v1', 0, $2, 'xuelian-urgent', $3,"
            " NULL, '[]', 'body_invalid', '{}', $4, NULL, $5)",
            name, 10_000_000 + at, key.encode(), NOW + timedelta(minutes=minute), is_grave,
        )  # fmt: skip
    orders = {
        "station": ["grave-new", "grave-old", "plain-new", "plain-a", "plain-b"],
        "dispatcher": [
            "grave-of-other", "grave-new", "grave-old", "plain-new", "plain-a", "plain-b",
            "plain-of-other",
        ],
    }  # fmt: skip
    for role, order in orders.items():
        for limit in (1, 2, 3, 500):
            seen: list[str] = []
            params: dict[str, str | int] = {"limit": limit}
            while True:
                page = (await world.client(role).get("/v1/dead-letters", params=params)).json()
                seen += [letter["dead_letter_id"] for letter in page["dead_letters"]]
                if page["next"] is None:
                    break
                params["after"] = page["next"]
            assert seen == order, (role, limit)
    listed = await PgDeadLetters(world.database).list_letters()
    assert [letter.dead_letter_id for letter in listed] == orders["dispatcher"]

    async def told(role: str) -> tuple[object, ...]:
        found = (await world.client(role).get("/v1/overview")).json()
        names = ("dead_letters", "dead_letters_life_threatening", "dead_letters_oldest_at")
        return tuple(found[name] for name in names)

    assert await told("station") == (5, 2, "2025-01-07T01:31:00Z")
    assert await told("dispatcher") == (7, 3, "2025-01-07T01:30:00Z")
    assert await told("hospital") == (None, None, None)
    # An alert's key is no station: what happens to read like one is not a station's own.
    change = "UPDATE dead_letters SET {} WHERE dead_letter_id = '{}'"
    await world.database.fetch(change.format("topic = 'blood.alerts.v1'", "plain-a"))
    await world.database.fetch(change.format("replayed_at = now()", "grave-old"))
    assert await told("station") == (3, 1, "2025-01-07T01:32:00Z")


async def overdue(world: RunningGateway, role: str, **params: str) -> list[dict[str, Any]]:
    answer = await world.client(role).get("/v1/overdue", params=params)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["overdue"]
    return rows


async def test_f68_what_waits_is_late_and_was_never_received_is_one_list(
    world: RunningGateway,
) -> None:
    hospital = world.client("hospital")
    starving = await ask(world, priority="life_threatening", patient={"group": "B-"})
    await add_stock(world.database, station_id="shigatse", units=2, group="A+")
    served = await ask(world)
    lines = {row["request_id"]: row for row in await overdue(world, "dispatcher")}
    assert lines[starving]["mark"] == "waiting"
    assert (lines[starving]["units"], lines[starving]["bags"]) == (2, 0)
    assert served not in lines

    # One unit leaves; the hour of its arrival passes, and nobody says that it came.
    decision = (await hospital.get(f"/v1/requests/{served}")).json()["decision"]
    unit = decision["lines"][0]["reserved"][0]
    for change in ("picked", "issued"):
        body = {"unit_id": unit["unit_id"], "change": change, "epoch": unit["epoch"]}
        answer = await world.client("station").post(
            "/v1/stations/shigatse/stock/changes", json={**body, "done_by": "store"}
        )
        assert answer.status_code == 202, answer.text

    async def marks_of(request_id: str) -> set[str]:
        rows = await overdue(world, "station")
        return {row["mark"] for row in rows if row["request_id"] == request_id}

    async with asyncio.timeout(20):
        while (
            await world.database.fetch(
                "SELECT 1 FROM units WHERE unit_id = $1 AND status = 'issued'", unit["unit_id"]
            )
            == []
        ):
            await asyncio.sleep(0.05)
    assert await marks_of(served) == set()
    world.clock.move(hours=2)
    assert await marks_of(served) == {"unacknowledged"}
    assert await marks_of(starving) == {"waiting"}
    # The needed-by hour passes: what was not picked cannot be in time, nor what never came.
    world.clock.move(hours=3)
    assert await marks_of(served) == {"unacknowledged", "late"}
    assert await marks_of(starving) == {"waiting", "late"}
    # Bags on their way are no units that are missing, and are not added to them.
    late = {row["request_id"]: row for row in await overdue(world, "station", mark="late")}
    amounts = [
        (late[request_id]["units"], late[request_id]["bags"]) for request_id in (served, starving)
    ]
    assert amounts == [(0, 2), (2, 0)]
    received = {"unit_id": unit["unit_id"], "change": "received", "epoch": unit["epoch"]}
    answer = await hospital.post("/v1/hospitals/shigatse-people/stock/changes", json=received)
    assert answer.status_code == 202, answer.text
    async with asyncio.timeout(20):
        while "unacknowledged" in await marks_of(served):
            await asyncio.sleep(0.05)
    # Lives first; each sees its own; one mark alone can be asked for.
    assert (await overdue(world, "dispatcher"))[0]["priority"] == "life_threatening"
    assert await overdue(world, "other_hospital") == []
    assert {row["mark"] for row in await overdue(world, "hospital", mark="late")} == {"late"}
    one = (await world.client("dispatcher").get("/v1/overdue", params={"limit": 1})).json()
    assert len(one["overdue"]) == 1
    assert one["counts"]["late"] == 2 or one["counts"]["waiting"] >= 1
    figures = await scrape(world)
    assert figures['xuelian_overdue{mark="late"}'] == 2
    assert figures['xuelian_requests_oldest_seconds{priority="life_threatening"}'] >= 5 * 3600


async def test_f90_the_figures_that_wake_somebody_are_there(world: RunningGateway) -> None:
    await add_stock(world.database, station_id="lhasa", units=6, group="O+")
    await world.database.fetch(
        """
        INSERT INTO stock_days (station_id, day, component, blood_group, available, burn_per_d,
            uncovered, level, taken_at)
        VALUES ('lhasa', '2025-01-06', 'red_cells', 'O+', 9, 3.0, 0, 'green', $1)
        """,
        NOW,
    )
    needed_by = (world.clock.now() + timedelta(hours=2)).isoformat()
    await ask(world, priority="life_threatening", patient={"group": "B-"}, needed_by=needed_by)
    figures = await scrape(world)
    assert figures['xuelian_requests_open{priority="life_threatening"}'] >= 1
    assert figures['xuelian_requests_oldest_seconds{priority="life_threatening"}'] >= 0
    assert figures['xuelian_overdue{mark="waiting"}'] >= 1
    assert figures['xuelian_stock_units{component="red_cells",station="lhasa"}'] == 6
    assert figures['xuelian_stock_days{component="red_cells",station="lhasa"}'] == 2
    assert figures["xuelian_outbox_rows"] >= 0
    assert figures["xuelian_vitals_age_seconds"] < 5
    assert {name for name in figures if "Tashi" in name} == set()


async def test_what_no_worker_has_acknowledged_is_told_to_who_looks(
    world: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, topic = unique("frozen"), "blood.requests.v1"
    looking = world.gateway.unread

    async def told(bootstrap: str = world.bootstrap) -> Any:  # noqa: ANN401 - JSON
        measure = partial(measure_unread, bootstrap, read_by={group: [topic]})
        monkeypatch.setattr(looking, "_measure", measure)
        monkeypatch.setattr(looking, "_found_at", -KEPT_S)
        return (await world.client("hospital").get("/v1/overview")).json()["unread"]

    ends = {
        TopicPartition(topic, partition): await read_end(
            world.bootstrap, topic, partition=partition
        )
        for partition in range(6)
    }
    await acknowledge(world.bootstrap, group, ends)
    none: dict[str, object] = {
        "known": True,
        "records": 0,
        "oldest_at": None,
        "oldest_s": 0,
        "topics": [],
    }
    assert await told() == none
    began = time.time()
    for _ in range(3):
        sent = await world.client("hospital").post(
            "/v1/requests", json=request_body(), headers={"Idempotency-Key": unique("k")}
        )
        assert sent.status_code == 202
    waits = await told()
    assert (waits["known"], waits["records"]) == (True, 3)
    assert abs(datetime.fromisoformat(waits["oldest_at"]).timestamp() - began) < 5
    monkeypatch.setattr(looking, "_wall", FixedClock(datetime.now(UTC) + timedelta(seconds=90)))
    assert 85 < (await told())["oldest_s"] < 200
    figures = await scrape(world)
    of_group = f'{{reader="{group}",topic="{topic}"}}'
    assert figures[f"xuelian_unread_records{of_group}"] == 3
    assert 85 < figures[f"xuelian_unread_oldest_seconds{of_group}"] < 200

    away = await told("127.0.0.1:9")
    assert (away["known"], away["reason"]["code"]) == (False, "kafka_unreachable")
    # What is not known is not told as it last was.
    assert not [name for name in await scrape(world) if name.startswith("xuelian_unread")]
