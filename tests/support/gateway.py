"""A real gateway on a loopback port, with its keys, and the engine beside it in the same loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from httpx_sse import ServerSentEvent, aconnect_sse

from deploy.local.embedded_services import Endpoints
from gateway.gateway_parts import GatewayParts
from gateway.http.app import create_app
from gateway.http.server import GatewayServer, build_server
from gateway.runtime import Gateway
from models.access import KeyScope
from models.rules.rulebook import PACKAGED
from models.topics import TopicName
from streams.composition import Services, build_services
from streams.kafka.broker_probe import probe_broker
from streams.kafka.codec import read_record
from streams.kafka.consumer_lag import measure_unread
from streams.kafka.producer import KafkaPublisher
from streams.kafka.topic_admin import apply_topics
from streams.kafka.topic_follower import KafkaTail
from streams.relay.outbox import OutboxRelay
from streams.settings import Settings
from streams.store.api_keys import PgKeys
from streams.store.database import Database
from streams.store.directory import PgDirectory
from streams.store.outbox import PgOutbox
from tests.support.database import fresh_dsn
from tests.support.kafka import wait_until
from tests.support.world import DINGRI, LHASA, NOW, PEOPLES, SHIGATSE, FixedClock

ROLES: Mapping[str, tuple[KeyScope, str | None]] = {
    "hospital": (KeyScope.HOSPITAL, PEOPLES.hospital_id),
    "other_hospital": (KeyScope.HOSPITAL, DINGRI.hospital_id),
    "station": (KeyScope.STATION, SHIGATSE.station_id),
    "neighbour": (KeyScope.NEIGHBOUR, LHASA.station_id),
    "dispatcher": (KeyScope.DISPATCHER, None),
    "disaster": (KeyScope.DISASTER, None),
}


@dataclass
class RunningGateway:
    """A gateway that serves, and what a test needs to look behind it."""

    url: str
    dsn: str
    bootstrap: str
    keys: dict[str, str]
    key_store: PgKeys
    database: Database
    server: GatewayServer
    gateway: Gateway
    clock: FixedClock
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, role: str | None = None, *, key: str | None = None) -> httpx.AsyncClient:
        text = key or (self.keys[role] if role else None)
        headers = {"Authorization": f"Bearer {text}"} if text else {}
        client = httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=20.0, trust_env=False
        )
        self.clients.append(client)
        return client


@asynccontextmanager
async def running_gateway(
    endpoints: Endpoints, *, labels_dir: Path | None = None, columns_dir: Path | None = None
) -> AsyncIterator[RunningGateway]:
    """Serve on a free port, on a database of its own with two stations and two hospitals."""
    async with (
        fresh_dsn(endpoints.postgres_dsn) as dsn,
        running_gateway_on(
            endpoints, dsn=dsn, labels_dir=labels_dir, columns_dir=columns_dir
        ) as running,
    ):
        yield running


@asynccontextmanager
async def running_gateway_on(
    endpoints: Endpoints,
    *,
    dsn: str,
    labels_dir: Path | None = None,
    columns_dir: Path | None = None,
) -> AsyncIterator[RunningGateway]:
    """The same on a migrated database that the caller made; no connection outside of the pool."""
    await apply_topics(endpoints.kafka_bootstrap, 1)
    database = await Database.open(dsn, size=8, name="test-gateway")
    try:
        clock = FixedClock()
        await seed_directory(PgDirectory(database, PACKAGED))
        keys = PgKeys(database, clock)
        texts = {
            role: (await keys.create(scope=scope, facility_id=own, label=role)).text
            for role, (scope, own) in ROLES.items()
        }
        settings = Settings(
            kafka_bootstrap=endpoints.kafka_bootstrap,
            labels_dir=labels_dir,
            columns_dir=columns_dir,
        )
        async with _serve(settings, database, clock) as (server, gateway, url):
            running = RunningGateway(
                url=url,
                dsn=dsn,
                bootstrap=endpoints.kafka_bootstrap,
                keys=texts,
                key_store=keys,
                database=database,
                server=server,
                gateway=gateway,
                clock=clock,
            )
            try:
                yield running
            finally:
                for client in running.clients:
                    await client.aclose()
    finally:
        await database.close()


async def seed_directory(directory: PgDirectory) -> None:
    for station in (SHIGATSE, LHASA):
        await directory.put_station(station)
    for hospital in (PEOPLES, DINGRI):
        await directory.put_hospital(hospital)


@asynccontextmanager
async def _serve(
    settings: Settings, database: Database, clock: FixedClock
) -> AsyncIterator[tuple[GatewayServer, Gateway, str]]:
    bootstrap = settings.kafka_bootstrap
    tail = KafkaTail(bootstrap=bootstrap)
    app = create_app(
        GatewayParts(
            settings=settings,
            database=database,
            publisher=KafkaPublisher(bootstrap=bootstrap, timeout_s=3.0),
            tail=tail,
            clock=clock,
            directories=PgDirectory(database, PACKAGED),
            probe_kafka=partial(probe_broker, bootstrap),
            measure_unread=partial(measure_unread, bootstrap),
            rules=PACKAGED,
        )
    )
    server = build_server(app, host="127.0.0.1", port=0)
    # Without the signal handlers of `serve`: the signals of a test run are pytest's.
    serving = asyncio.create_task(server._serve())
    try:
        await wait_until(lambda: server.started or serving.done(), what="gateway started")
        if serving.done():
            serving.result()
        await asyncio.wait_for(tail.connected.wait(), 20)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield server, app.state.gateway, f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await asyncio.wait_for(serving, 20)


@asynccontextmanager
async def running_engine(
    gateway: RunningGateway,
    topics: Collection[TopicName] = (TopicName.REQUESTS, TopicName.STOCK),
) -> AsyncIterator[Services]:
    """Decide what arrives on some topics, and publish it, in this loop."""
    services = build_services(
        database=gateway.database, clock=gateway.clock, hold_s=3600, rules=PACKAGED
    )
    await services.directory.refresh()
    publisher = KafkaPublisher(bootstrap=gateway.bootstrap, client_id="test-relay")
    relay = OutboxRelay(
        outbox=PgOutbox(gateway.database, gateway.clock),
        publisher=publisher,
        report=lambda _part, _why: None,
    )
    stop = asyncio.Event()
    consumer = await _stand_at_end(gateway.bootstrap, topics)
    deciding = asyncio.create_task(_decide_forever(consumer, services, relay))
    relaying = asyncio.create_task(relay.run(stop))
    try:
        yield services
    finally:
        deciding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await deciding
        stop.set()
        await relaying
        await consumer.stop()
        await publisher.stop()


async def _stand_at_end(bootstrap: str, topics: Collection[TopicName]) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    partitions = [
        TopicPartition(topic, number)
        for topic in topics
        for number in sorted(await consumer._client._wait_on_metadata(topic))
    ]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    for partition in partitions:
        await consumer.position(partition)
    return consumer


async def _decide_forever(
    consumer: AIOKafkaConsumer, services: Services, relay: OutboxRelay
) -> None:
    while True:
        found = await consumer.getmany(timeout_ms=1000, max_records=64)
        for partition, records in found.items():
            batch = [read_record(record, headers=record.headers) for record in records]
            relay.wake(await services.handlers[TopicName(partition.topic)](batch))


def request_body(**changes: object) -> dict[str, Any]:
    """A request for two units of A+ red cells."""
    body: dict[str, Any] = {
        "patient": {"group": "A+"},
        "priority": "urgent",
        "needed_by": "2025-01-07T06:00:00Z",
        "lines": [{"line_no": 1, "component": "red_cells", "quantity": 2}],
    }
    return {**body, **changes}


def unit_row(number: int, *, group: str = "A+", station: str | None = None) -> dict[str, Any]:
    """A released unit as a stock import takes it."""
    row = {
        "unit_id": f"W{number:06d}",
        "donation_id": f"D{number:06d}",
        "component": "red_cells",
        "group": group,
        "volume_ml": 200,
        "collected_at": "2025-01-02T01:00:00Z",
        "expires_at": "2025-02-05T15:59:59Z",
        "released": True,
        "released_by": "quality",
        "released_at": "2025-01-06T01:00:00Z",
    }
    return row if station is None else {**row, "station_id": station}


async def add_stock(
    database: Database,
    *,
    station_id: str,
    units: int,
    group: str = "A+",
    component: str = "red_cells",
    volume_ml: int = 200,
) -> None:
    """Put released units on a shelf, straight into PostgreSQL."""
    await database.fetch(
        """
        INSERT INTO units (unit_id, donation_id, station_id, component, blood_group, volume_ml,
            collected_at, expires_at, status, source, released_at,
            attested_by)
        SELECT upper($1 || '-' || $2 || n), upper($1 || '-' || $2 || n), $1, $6, $3, $7,
            $5::timestamptz - interval '2 days', $5::timestamptz + interval '20 days',
            'available', 'stock', $5, 'test'
        FROM generate_series(1, $4::int) AS n
        """,
        station_id,
        {"+": "p", "-": "n"}[group[-1]] + group[:-1] + _mark(component, volume_ml),
        group,
        units,
        NOW,
        component,
        volume_ml,
    )


def _mark(component: str, volume_ml: int) -> str:
    """Bags that are not as most have identifiers of their own."""
    return "" if (component, volume_ml) == ("red_cells", 200) else f"{component}{volume_ml}-"


async def read_events(
    client: httpx.AsyncClient,
    count: int,
    *,
    last_event_id: str | None = None,
    topics: str | None = None,
    within_s: float = 10.0,
) -> list[ServerSentEvent]:
    """Read so many events of the stream, then hang up."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    params = {"topics": topics} if topics else {}
    events: list[ServerSentEvent] = []
    async with (
        asyncio.timeout(within_s),
        aconnect_sse(client, "GET", "/v1/events", headers=headers, params=params) as source,
    ):
        source.response.raise_for_status()
        async for event in source.aiter_sse():
            if event.id:
                events.append(event)
            if len(events) == count:
                break
    return events
