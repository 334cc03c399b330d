"""Dead letters on real Kafka and PostgreSQL: put back byte for byte, then decided like others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord

from deploy.local.embedded_services import Endpoints
from models.errors import ContractError
from models.events.requests import RequestOpened
from models.facilities import Hospital
from models.rules.rulebook import PACKAGED
from models.topics import TopicName
from streams.composition import build_services
from streams.kafka.codec import read_record
from streams.kafka.topic_admin import apply_topics
from streams.ports import Record, Unreadable
from streams.store.database import Database
from tests.support.commands import Ran, xuelian
from tests.support.database import fresh_dsn
from tests.support.engine import Engine
from tests.support.kafka import read_all, unique
from tests.support.world import (
    DINGRI,
    PEOPLES,
    SHIGATSE,
    FixedClock,
    build_record,
    build_request,
    build_unit,
    counted,
    opened,
)

pytestmark = pytest.mark.integration

TOPIC = TopicName.REQUESTS.value
NEW_HOSPITAL = PEOPLES.but(hospital_id="lhatse-county")


@dataclass
class Ward:
    """The engine, the log, and the command line on both."""

    engine: Engine
    bootstrap: str
    env: dict[str, str]

    async def xuelian(self, *words: object) -> Ran:
        return await xuelian(*words, env=self.env)

    async def letters(self, *words: str) -> list[dict[str, object]]:
        ran = await self.xuelian("dlq", "list", "--json", *words)
        assert ran.exit_code == 0, ran.stderr
        found: list[dict[str, object]] = ran.document["dead_letters"]
        return found

    async def last_of_log(self, topic: str = TOPIC) -> ConsumerRecord:
        """What was appended last to partition 0, where the records of these tests stand."""
        records = await read_all(self.bootstrap, topic)
        return [record for record in records if record.partition == 0][-1]

    async def read_back(self) -> Record:
        """The last record of the log as the worker would read it, at its new place."""
        record = await self.last_of_log()
        return read_record(record, headers=record.headers)

    async def register(self, hospital: Hospital) -> None:
        await self.engine.services.directory.put_hospital(hospital)
        await self.engine.services.directory.refresh()


@pytest.fixture
async def ward(endpoints: Endpoints, tmp_path: Path) -> AsyncIterator[Ward]:
    await apply_topics(endpoints.kafka_bootstrap, 1)
    async with fresh_dsn(endpoints.postgres_dsn) as dsn:
        database = await Database.open(dsn, size=4, name="test-dlq")
        try:
            clock = FixedClock()
            services = build_services(database=database, clock=clock, hold_s=3600, rules=PACKAGED)
            engine = Engine(database=database, clock=clock, services=services)
            await services.directory.put_station(SHIGATSE)
            for hospital in (PEOPLES, DINGRI):
                await services.directory.put_hospital(hospital)
            env = {
                "XUELIAN_KAFKA_BOOTSTRAP": endpoints.kafka_bootstrap,
                "XUELIAN_POSTGRES_DSN": dsn,
                "XUELIAN_STATE_DIR": str(tmp_path),
            }
            yield Ward(engine=engine, bootstrap=endpoints.kafka_bootstrap, env=env)
        finally:
            await database.close()


async def test_a_refused_request_is_replayed_and_decided(ward: Ward) -> None:
    await ward.engine.feed(counted([build_unit("A+"), build_unit("A+")]))
    request = build_request(hospital=NEW_HOSPITAL, quantity=2)
    original = opened(request, event_id=unique("refused"))
    await ward.engine.feed(original)
    (letter,) = await ward.letters()
    assert letter["code"] == "hospital_unknown"
    assert letter["event_id"] == original.envelope.id
    await ward.register(NEW_HOSPITAL)

    ran = await ward.xuelian("dlq", "replay", letter["dead_letter_id"], "--yes", "--json")

    assert ran.exit_code == 0, ran.stderr
    assert ran.document["replayed"][0]["released"] is True
    record = await ward.last_of_log()
    assert record.key == original.envelope.key.encode()
    assert record.value == original.envelope.data
    assert list(record.headers) == original.envelope.to_headers()
    await ward.engine.feed(await ward.read_back())
    assert await ward.engine.status_of(request.request_id) == "reserved"
    assert await ward.letters() == []
    (kept,) = await ward.letters("--replayed")
    assert kept["replayed_at"] is not None


async def test_replayed_twice_takes_effect_once(ward: Ward) -> None:
    request = build_request(hospital=NEW_HOSPITAL)
    await ward.engine.feed(opened(request, event_id=unique("twice")))
    (letter,) = await ward.letters()
    await ward.register(NEW_HOSPITAL)
    for released in (True, False):
        ran = await ward.xuelian("dlq", "replay", letter["dead_letter_id"], "--yes", "--json")
        assert ran.document["replayed"][0]["released"] is released
        await ward.engine.feed(await ward.read_back())
    decisions = await ward.engine.fetch("SELECT * FROM decisions")
    assert len(decisions) == 1
    assert len(await ward.letters("--replayed")) == 1


async def test_a_reused_id_leaves_the_original_known(ward: Ward) -> None:
    event_id = unique("reused")
    first, other = build_request(), build_request()
    await ward.engine.feed(opened(first, event_id=event_id))
    await ward.engine.feed(opened(other, event_id=event_id))
    (letter,) = await ward.letters()
    assert letter["code"] == "event_id_reused"

    ran = await ward.xuelian("dlq", "replay", letter["dead_letter_id"], "--yes", "--json")

    assert ran.document["replayed"][0]["released"] is False
    rows = await ward.engine.fetch("SELECT event_id FROM inbox WHERE event_id = $1", event_id)
    assert len(rows) == 1
    await ward.engine.feed(await ward.read_back())
    (again,) = await ward.letters()
    assert again["code"] == "event_id_reused"
    assert again["dead_letter_id"] != letter["dead_letter_id"]


async def test_bytes_that_are_no_text_come_back_whole(ward: Ward) -> None:
    headers = (("ce_id", b"\xff\x00\\0"), ("x-trace", b"\\\\\x00"), ("x-trace", b""))
    await ward.engine.feed(
        Unreadable(
            topic=TOPIC,
            partition=0,
            offset=9_000_001,
            key=b"\x00key",
            value=b"\x00\xfe not json",
            headers=headers,
            error=ContractError("header_not_text", field="ce_id"),
        )
    )
    (letter,) = await ward.letters()
    shown = await ward.xuelian("dlq", "show", letter["dead_letter_id"])
    assert "header_not_text" in shown.stdout
    whole = await ward.xuelian("dlq", "show", letter["dead_letter_id"], "--json")
    assert whole.document["body"] == "\x00\\xfe not json"
    ran = await ward.xuelian("dlq", "replay", letter["dead_letter_id"], "--yes", "--json")
    assert ran.document["replayed"][0]["event_id"] is None
    record = await ward.last_of_log()
    assert (record.key, record.value) == (b"\x00key", b"\x00\xfe not json")
    assert tuple(record.headers) == headers


async def test_a_corrected_body_is_a_new_event_that_is_decided(ward: Ward, tmp_path: Path) -> None:
    request = build_request(hospital=PEOPLES)
    good = opened(request, event_id=unique("broken"))
    broken = good.envelope.but(data=b"{")
    await ward.engine.feed(
        Unreadable(
            topic=TOPIC,
            partition=0,
            offset=9_000_002,
            key=broken.key.encode(),
            value=broken.data,
            headers=tuple(broken.to_headers()),
            error=ContractError("body_not_json", detail="EOF"),
        )
    )
    (letter,) = await ward.letters()
    body = tmp_path / "body.json"
    body.write_bytes(RequestOpened(request=request).to_body())
    ran = await ward.xuelian(
        "dlq", "replay", letter["dead_letter_id"], "--body", body, "--yes", "--json"
    )
    assert ran.exit_code == 0, ran.stderr
    read = await ward.read_back()
    assert not isinstance(read, Unreadable)
    assert read.envelope.id not in {good.envelope.id, ""}
    assert read.envelope.source == good.envelope.source
    await ward.engine.feed(read)
    assert await ward.engine.status_of(request.request_id) == "open"


async def test_all_of_one_reason_and_nothing_else(ward: Ward) -> None:
    for number in (1, 2):
        request = build_request(hospital=NEW_HOSPITAL, request_id=f"all-{number}")
        await ward.engine.feed(opened(request, event_id=unique("all")))
    stray = build_record(
        RequestOpened(request=build_request()), source="hospital/somebody", event_id=unique("all")
    )
    await ward.engine.feed(stray)
    assert len(await ward.letters()) == 3
    ran = await ward.xuelian(
        "dlq", "replay", "--all", "--code", "hospital_unknown", "--yes", "--json"
    )
    assert ran.document["asked"] == len(ran.document["replayed"]) == 2
    (left,) = await ward.letters()
    assert left["code"] == "source_differs"


async def test_it_asks_before_it_replays(ward: Ward) -> None:
    await ward.engine.feed(opened(build_request(hospital=NEW_HOSPITAL), event_id=unique("ask")))
    (letter,) = await ward.letters()
    ran = await ward.xuelian("dlq", "replay", letter["dead_letter_id"], "--json")
    assert ran.exit_code == 1
    assert ran.document["error"]["code"] == "not_confirmed"
    assert len(await ward.letters()) == 1


async def test_with_kafka_away_nothing_counts_as_replayed(ward: Ward) -> None:
    await ward.engine.feed(opened(build_request(hospital=NEW_HOSPITAL), event_id=unique("away")))
    (letter,) = await ward.letters()
    env = {**ward.env, "XUELIAN_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    ran = await xuelian("dlq", "replay", letter["dead_letter_id"], "--yes", env=env)
    assert ran.exit_code == 3
    assert "Kafka" in ran.stderr
    assert len(await ward.letters()) == 1


async def test_an_unknown_letter_is_code_1(ward: Ward) -> None:
    ran = await ward.xuelian("dlq", "show", "nothing", "--json")
    assert ran.exit_code == 1
    assert ran.document["error"]["code"] == "dead_letter_unknown"
