"""Messages that nobody can act on: each is kept with its reason, seen on Kafka, and replayable."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.local.embedded_services import EmbeddedServices
from deploy.local.local_system import LocalSystem
from models.events.requests import RequestOpened
from models.rules.rulebook import PACKAGED
from models.topics import PARTITIONS, TopicName
from streams.settings import Settings
from streams.store.database import Database
from streams.store.directory import PgDirectory
from tests.support import chaos
from tests.support.services import new_state_folder
from tests.support.world import PEOPLES

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

DEAD_LETTERS = f"{TopicName.REQUESTS}.xuelian-urgent.dlq"
LATE = PEOPLES.but(hospital_id="late-hospital")


def bad_records() -> Mapping[str, tuple[list[tuple[str, bytes]], bytes]]:
    """Code that is expected → headers and body of a record that deserves it."""
    good, other = chaos.build_envelopes(2, prefix="bad")
    event = RequestOpened.model_validate_json(good.data)
    ghost = RequestOpened(
        request=event.request.but(request_id="ghost-1", hospital_id=LATE.hospital_id)
    )
    reused = RequestOpened(request=event.request.but(request_id="reused-1", note="other words"))
    padded = json.dumps({**json.loads(good.data), "padding": "x" * 1_000_000}).encode()
    return {
        "": (good.to_headers(), good.data),
        "body_not_json": (good.but(id="b-1").to_headers(), b"\x00 not json"),
        "body_not_utf8": (good.but(id="b-6").to_headers(), b"\xca\xd6\xca\xf5"),
        "record_too_large": (good.but(id="b-2").to_headers(), padded),
        "event_version_unknown": (
            good.but(id="b-3", type="blood.request.opened.v99").to_headers(),
            good.data,
        ),
        "hospital_unknown": (
            good.but(
                id="b-4", source=f"hospital/{LATE.hospital_id}", subject="ghost-1"
            ).to_headers(),
            ghost.to_body(),
        ),
        "event_id_reused": (good.but(subject="reused-1").to_headers(), reused.to_body()),
        "header_invalid": ([("ce_specversion", b"1.0")], other.data),
    }


async def test_each_bad_message_is_kept_told_and_replayable() -> None:
    settings = Settings(state_dir=new_state_folder(), gateway_port=0)
    system = LocalSystem(settings, processes=("urgent",))
    await asyncio.to_thread(system.start)
    try:
        at = system.endpoints
        await chaos.lay_out(at.postgres_dsn, units=20)
        records = bad_records()
        await _send(at.kafka_bootstrap, records)
        expected = set(records) - {""}
        found = await _wait_for_codes(at.postgres_dsn, expected)
        assert found == expected, found
        told = await _read_dead_letters(at.kafka_bootstrap, len(expected))
        assert sorted(str(letter["code"]) for letter in told) == sorted(expected)
        by_code = {letter["code"]: letter for letter in told}
        assert by_code["record_too_large"]["body_base64"] is None, "kept in PostgreSQL only"
        await _replay_what_was_mended(system)
        statuses = await _statuses(at.postgres_dsn)
        assert statuses == {"bad-0": "reserved", "ghost-1": "reserved"}
        assert await _wait_for_codes(at.postgres_dsn, expected) == expected
    finally:
        await asyncio.to_thread(system.stop)
        await asyncio.to_thread(EmbeddedServices(settings.state_dir).destroy)


async def _send(
    bootstrap: str, records: Mapping[str, tuple[list[tuple[str, bytes]], bytes]]
) -> None:
    """Send as a stranger would: a plain producer, raw bytes."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=1_048_000)
    await producer.start()
    try:
        for headers, body in records.values():
            await producer.send_and_wait(
                TopicName.REQUESTS, key=b"shigatse", value=body, headers=headers
            )
    finally:
        await producer.stop()


async def _wait_for_codes(dsn: str, expected: set[str]) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        for _ in range(150):
            rows = await connection.fetch("SELECT code FROM dead_letters")
            if {row["code"] for row in rows} >= expected:
                break
            await asyncio.sleep(0.2)
        return {row["code"] for row in rows}
    finally:
        await connection.close()


async def _read_dead_letters(bootstrap: str, count: int) -> list[dict[str, object]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        partitions = [TopicPartition(DEAD_LETTERS, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        letters: dict[str, dict[str, object]] = {}
        async with asyncio.timeout(20):
            # Published at least once: a repeat has the same id.
            while len(letters) < count:
                letter = json.loads((await consumer.getone()).value)
                letters[letter["dead_letter_id"]] = letter
        return list(letters.values())
    finally:
        await consumer.stop()


async def _replay_what_was_mended(system: LocalSystem) -> None:
    """The unknown hospital is registered, then its letter is replayed by the command."""
    database = await Database.open(system.endpoints.postgres_dsn, size=1, name="mend")
    try:
        await PgDirectory(database, PACKAGED).put_hospital(LATE)
    finally:
        await database.close()
    command = [
        sys.executable, "-m", "cli.main", "dlq", "replay", "--all", "--code", "hospital_unknown",
        "--yes", "--json",
    ]  # fmt: skip
    done = await asyncio.to_thread(
        subprocess.run, command, env=dict(system.env), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for _ in range(100):
        if "ghost-1" in await _statuses(system.endpoints.postgres_dsn):
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the replayed request was never decided")


async def _statuses(dsn: str) -> dict[str, str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT request_id, status FROM requests")
        return {row["request_id"]: row["status"] for row in rows}
    finally:
        await connection.close()
