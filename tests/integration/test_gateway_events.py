"""The event stream on a real server: resumable, filtered, awake at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio
from httpx_sse import aconnect_sse

from deploy.local.embedded_services import Endpoints
from models.decisions import Decision, Outcome
from models.events import EventData
from models.events.requests import RequestDecided
from models.events.shortages import ShortageDeclared, TransferAgreed
from models.rules.rulebook import PACKAGED
from models.shortages import Shortage, Transfer
from streams.kafka.producer import KafkaPublisher
from streams.ports import Context, Outgoing
from streams.store.outbox import PgOutbox
from streams.store.unit_of_work import PgBegin
from tests.support.gateway import RunningGateway, read_events, running_gateway
from tests.support.kafka import unique
from tests.support.world import NOW

CONTEXT = Context(now=NOW, cause="c", actor="system")

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway:
        yield gateway


def decided(request_id: str, *, hospital_id: str = "shigatse-people") -> Outgoing:
    decision = Decision(
        decision_id=f"d-{request_id}",
        request_id=request_id,
        hospital_id=hospital_id,
        station_id="shigatse",
        version=1,
        outcome=Outcome.WAITING,
        decided_at=NOW,
        rules_version="t",
    )
    return outgoing(RequestDecided(decision=decision), hospital_id=hospital_id)


def shortage(shortage_id: str, *, station_id: str = "lhasa") -> Outgoing:
    fields = {
        "shortage_id": shortage_id,
        "station_id": station_id,
        "component": "red_cells",
        "group": "O+",
        "level": "red",
        "status": "open",
        "units_missing": 4,
        "uncovered_units": 4,
        "donor_groups": ["O+"],
        "version": 1,
        "assessed_at": NOW,
    }
    return outgoing(ShortageDeclared(shortage=Shortage.model_validate(fields)), station_id)


def transfer(transfer_id: str, giver: str, taker: str) -> Outgoing:
    fields = {
        "transfer_id": transfer_id,
        "offer_id": "o",
        "shortage_id": "s",
        "from_station_id": giver,
        "to_station_id": taker,
        "status": "agreed",
        "unit_ids": ["U"],
        "eta_s": 60,
        "agreed_at": NOW,
    }
    return outgoing(TransferAgreed(transfer=Transfer.model_validate(fields)), taker)


def outgoing(
    event: EventData, station_id: str = "shigatse", *, hospital_id: str | None = None
) -> Outgoing:
    return Outgoing(event=event, context=CONTEXT, station_id=station_id, hospital_id=hospital_id)


async def commit(world: RunningGateway, *events: Outgoing) -> None:
    async with PgBegin(world.database, PACKAGED)() as work:
        work.enter(CONTEXT)
        for outgoing in events:
            work.emit(
                outgoing.event, station_id=outgoing.station_id, hospital_id=outgoing.hospital_id
            )


async def publish_all(world: RunningGateway) -> None:
    outbox = PgOutbox(world.database, world.clock)
    publisher = KafkaPublisher(bootstrap=world.bootstrap)
    async with outbox.claim(range(8), limit=500) as rows:
        for row in rows:
            await publisher.publish(row.topic, [row.envelope])
    await publisher.stop()


async def test_a_stream_goes_on_where_it_was(world: RunningGateway) -> None:
    ids = [unique("r") for _ in range(5)]
    for request_id in ids[:3]:
        await commit(world, decided(request_id))
    client = world.client("hospital")
    first = await read_events(client, 2, last_event_id="0-0")
    assert [orjson.loads(event.data)["subject"] for event in first] == ids[:2]
    await commit(world, decided(ids[3]), decided(ids[4]))
    rest = await read_events(client, 3, last_event_id=first[-1].id)
    told = [orjson.loads(event.data) for event in rest]
    assert [event["subject"] for event in told] == ids[2:]
    assert rest[0].event == told[0]["type"] == "blood.request.decided.v1"
    assert told[0]["data"]["decision"]["request_id"] == ids[2]
    assert [event["sequence"] for event in told] == sorted(event["sequence"] for event in told)


async def test_a_new_stream_hears_what_comes_and_at_once(world: RunningGateway) -> None:
    await commit(world, decided(unique("old")))
    request_id = unique("new")
    async with (
        asyncio.timeout(10),
        aconnect_sse(world.client("hospital"), "GET", "/v1/events") as source,
    ):
        assert source.response.headers["content-type"].startswith("text/event-stream")
        lines = source.response.aiter_lines()
        assert (await anext(lines)).startswith(": 连接成功")
        await asyncio.sleep(1.5)  # the poll has grown to its longest: only a wake is fast now
        await commit(world, decided(request_id))
        began = asyncio.get_running_loop().time()
        await publish_all(world)
        async for line in lines:
            if line.startswith("data:"):
                break
        assert orjson.loads(line[5:])["subject"] == request_id
        assert asyncio.get_running_loop().time() - began < 0.6


async def test_without_a_wake_the_poll_finds_it(world: RunningGateway) -> None:
    request_id = unique("silent")
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read_events(world.client("hospital"), 1))
        await asyncio.sleep(0.5)
        await commit(world, decided(request_id))  # and never published
    assert orjson.loads(reading.result()[0].data)["subject"] == request_id


async def _subjects(world: RunningGateway, role: str, since: str, last: str) -> list[str]:
    """What a role sees from a position to the event of a closing subject."""
    subjects: list[str] = []
    async with (
        asyncio.timeout(10),
        aconnect_sse(
            world.client(role), "GET", "/v1/events", headers={"Last-Event-ID": since}
        ) as source,
    ):
        async for event in source.aiter_sse():
            if not event.id:
                continue
            subjects.append(orjson.loads(event.data)["subject"])
            if subjects[-1] == last:
                break
    return subjects


async def test_everybody_sees_what_is_theirs(world: RunningGateway) -> None:
    since = str(await world.gateway.feed.find_end())
    await commit(
        world,
        decided("mine"),
        decided("others", hospital_id="dingri-county"),
        shortage("lack"),
        transfer("ours", "lhasa", "shigatse"),
        transfer("theirs", "ngari", "nagqu"),
        decided("last"),
        shortage("end"),
    )
    assert await _subjects(world, "hospital", since, "last") == ["mine", "last"]
    assert await _subjects(world, "other_hospital", since, "others") == ["others"]
    assert await _subjects(world, "station", since, "end") == [
        "mine",
        "others",
        "lack",
        "ours",
        "last",
        "end",
    ]
    assert await _subjects(world, "neighbour", since, "end") == ["lack", "ours", "end"]
    assert len(await _subjects(world, "dispatcher", since, "end")) == 7


async def test_topics_narrow_the_stream(world: RunningGateway) -> None:
    since = str(await world.gateway.feed.find_end())
    await commit(world, decided("d1"), shortage("s1"))
    client = world.client("dispatcher")
    (event,) = await read_events(client, 1, last_event_id=since, topics="blood.shortages.v1")
    assert orjson.loads(event.data)["subject"] == "s1"


@pytest.mark.parametrize(
    ("headers", "params", "status", "code"),
    [
        ({"Last-Event-ID": "x"}, {}, 400, "last_event_id_invalid"),
        ({"Last-Event-ID": "99999999999999999999-1"}, {}, 400, "last_event_id_invalid"),
        ({}, {"topics": "blood.nothing.v1"}, 400, "fields_invalid"),
        ({}, {"topics": "blood.transfers.v1"}, 403, "scope_not_allowed"),
    ],
)
async def test_faults_are_told_before_the_stream(
    world: RunningGateway,
    headers: dict[str, str],
    params: dict[str, str],
    status: int,
    code: str,
) -> None:
    answer = await world.client("hospital").get("/v1/events", headers=headers, params=params)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_streams_end_when_the_server_stops(endpoints: Endpoints) -> None:
    async with running_gateway(endpoints) as gateway:
        client = gateway.client("dispatcher")
        async with client.stream("GET", "/v1/events") as response:
            lines = response.aiter_lines()
            await anext(lines)
            began = asyncio.get_running_loop().time()
            gateway.server.should_exit = True
            rest = [line async for line in lines]  # a clean end: a cut connection would raise
            assert not [line for line in rest if line.startswith("data:")]
            assert asyncio.get_running_loop().time() - began < 2


async def test_nobody_is_left_listening(world: RunningGateway) -> None:
    async with asyncio.timeout(10):
        while world.gateway.wakes._sleepers:
            await asyncio.sleep(0.05)
    page = (await world.client().get("/metrics")).text
    assert "xuelian_http_streams 0.0" in page
