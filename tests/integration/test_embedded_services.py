"""The embedded services with real clients: up, stopped, killed, shared, and never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from deploy.local.embedded_services import EmbeddedServices, Endpoints
from tests.support.services import build_services

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def own() -> Iterator[EmbeddedServices]:
    """Services of this module alone: its tests take them away."""
    built = build_services()
    try:
        built.up()
        yield built
    finally:
        built.destroy()


async def create_topic(endpoints: Endpoints, name: str, *, copies: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=endpoints.kafka_bootstrap)
    await admin.start()
    try:
        made = await admin.create_topics(
            [NewTopic(name, 1, copies, topic_configs={"min.insync.replicas": str(min(2, copies))})]
        )
        assert [error for _, error, _ in made.topic_errors] == [0]
    finally:
        await admin.close()


async def produce(endpoints: Endpoints, topic: str, *values: bytes) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=endpoints.kafka_bootstrap, acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def consume(endpoints: Endpoints, topic: str) -> list[bytes]:
    """Everything that stands on partition 0."""
    consumer = AIOKafkaConsumer(bootstrap_servers=endpoints.kafka_bootstrap)
    await consumer.start()
    try:
        whole = TopicPartition(topic, 0)
        consumer.assign([whole])
        await consumer.seek_to_beginning(whole)
        end = (await consumer.end_offsets([whole]))[whole]
        return [(await consumer.getone()).value for _ in range(end)]
    finally:
        await consumer.stop()


async def execute(endpoints: Endpoints, sql: str) -> list[str]:
    link = await asyncpg.connect(endpoints.postgres_dsn)
    try:
        return [str(row[0]) for row in await link.fetch(sql)]
    finally:
        await link.close()


async def note(endpoints: Endpoints, mark: str) -> None:
    """Put `mark` on both sides: one acknowledged record, one committed row."""
    await produce(endpoints, "embedded.marks", mark.encode())
    await execute(endpoints, f"INSERT INTO marks VALUES ('{mark}')")  # noqa: S608  # our own text


async def marks(endpoints: Endpoints) -> tuple[list[bytes], list[str]]:
    kept = await execute(endpoints, "SELECT mark FROM marks ORDER BY mark")
    return await consume(endpoints, "embedded.marks"), kept


def pids(services: EmbeddedServices) -> dict[str, int | None]:
    return {part.name: part.pid for part in services.status()}


def wait_for(holds: Callable[[], bool], *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


async def test_real_clients_are_served_and_data_outlives_a_stop_and_a_kill(
    own: EmbeddedServices,
) -> None:
    first = own.get_endpoints()
    await create_topic(first, "embedded.marks")
    await execute(first, "CREATE TABLE marks (mark text PRIMARY KEY)")
    await note(first, "1-before-stop")

    own.down()
    assert set(pids(own).values()) == {None}
    assert own.up() == first
    await note(first, "2-before-kill")

    for pid in pids(own).values():
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    assert own.up() == first
    await note(first, "3-after-kill")

    names = ["1-before-stop", "2-before-kill", "3-after-kill"]
    assert await marks(first) == ([name.encode() for name in names], names)


def test_running_services_are_reused_at_once(own: EmbeddedServices) -> None:
    before = pids(own)
    began = time.monotonic()
    again = EmbeddedServices(own.state).up()
    assert time.monotonic() - began < 1.0
    assert again == own.get_endpoints()
    assert pids(own) == before
    assert all(part.healthy for part in own.status())


async def test_durability_is_on_and_text_is_utf8(own: EmbeddedServices) -> None:
    endpoints = own.get_endpoints()
    shown = {
        name: (await execute(endpoints, f"SHOW {name}"))[0]
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums",
                     "server_encoding", "TimeZone", "listen_addresses")
    }  # fmt: skip
    assert shown == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "listen_addresses": "127.0.0.1",
    }
    provider = "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname='xuelian'"
    assert await execute(endpoints, provider) == ["bC.UTF-8"]


async def test_a_topic_that_was_not_created_does_not_appear(own: EmbeddedServices) -> None:
    bootstrap = own.get_endpoints().kafka_bootstrap
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, request_timeout_ms=1500)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await producer.start()
    await admin.start()
    try:
        with pytest.raises(UnknownTopicOrPartitionError):
            await producer.send_and_wait("embedded.never-created", b"lost for good")
        assert "embedded.never-created" not in await admin.list_topics()
    finally:
        await producer.stop()
        await admin.close()


def test_everything_listens_on_loopback_alone(own: EmbeddedServices) -> None:
    for pid in pids(own).values():
        assert pid is not None
        sockets = psutil.Process(pid).net_connections(kind="inet")
        listening = {link.laddr.ip for link in sockets if link.status == psutil.CONN_LISTEN}
        assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


async def test_one_service_can_be_taken_away_and_brought_back(own: EmbeddedServices) -> None:
    endpoints = own.get_endpoints()
    broker = pids(own)["kafka-1"]
    own.stop_postgres()
    with pytest.raises(ConnectionRefusedError):
        await execute(endpoints, "SELECT 1")
    assert pids(own) == {"postgres": None, "kafka-1": broker}
    own.start_postgres()
    assert await execute(endpoints, "SELECT 1") == ["1"]


async def test_a_recycled_pid_in_the_lock_file_does_not_keep_postgres_down(
    own: EmbeddedServices,
) -> None:
    data = own.state / "postgres" / "data"
    own.stop_postgres(hard=True)
    claim = data / "postmaster.pid"
    _, *rest = claim.read_text(encoding="utf-8").splitlines()
    # Of the server's own account: PostgreSQL itself ignores a pid that it may not signal.
    account = data.stat().st_uid if os.geteuid() == 0 else None
    stranger = subprocess.Popen(["sleep", "60"], cwd="/", user=account)
    try:
        claim.write_text("\n".join([str(stranger.pid), *rest]) + "\n", encoding="utf-8")
        own.start_postgres()
        assert await execute(own.get_endpoints(), "SELECT 1") == ["1"]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_whose_starter_died_before_noting_it_is_taken_up(own: EmbeddedServices) -> None:
    before = pids(own)
    for name in before:
        (own.state / f"{name}.pid").unlink()
    own.up()
    assert pids(own) == before


async def test_ports_taken_by_strangers_are_left_to_them_and_the_data_stays(
    own: EmbeddedServices,
) -> None:
    before = own.get_endpoints()
    await create_topic(before, "embedded.moved")
    await produce(before, "embedded.moved", b"kept")
    taken = {part.port for part in own.status()}
    own.down()
    with contextlib.ExitStack() as strangers:
        for port in taken:
            stranger = strangers.enter_context(socket.socket())
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stranger.bind(("127.0.0.1", port))
            stranger.listen()
        after = own.up()
    assert taken.isdisjoint(part.port for part in own.status())
    assert await consume(after, "embedded.moved") == [b"kept"]
    assert await execute(after, "SELECT 1") == ["1"]


def test_the_watchdog_stops_everything_when_the_owner_is_killed() -> None:
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    services = build_services(owner_pid=owner.pid)
    try:
        services.up()
        running = [pid for pid in pids(services).values() if pid is not None]
        assert len(running) == 2
        owner.kill()
        owner.wait()
        wait_for(lambda: not any(map(psutil.pid_exists, running)), within_s=20)
        wait_for(lambda: not services.state.exists(), within_s=10)
    finally:
        owner.kill()
        owner.wait()
        services.destroy()


async def test_three_brokers_keep_writing_when_one_is_killed() -> None:
    services = build_services(brokers=3)
    try:
        endpoints = services.up()
        await create_topic(endpoints, "embedded.three", copies=3)
        await produce(endpoints, "embedded.three", b"all three")
        services.stop_broker(2, hard=True)
        await produce(endpoints, "embedded.three", b"two of three")
        healthy = {part.name: part.healthy for part in services.status()}
        assert healthy == {"postgres": True, "kafka-1": True, "kafka-2": False, "kafka-3": True}
        assert await consume(endpoints, "embedded.three") == [b"all three", b"two of three"]
    finally:
        services.destroy()
