"""Composes the gateway process: from the settings its parts, the application and the server.

It owns the database pool; the application starts and stops its publisher, and the server ends open
streams. SIGTERM and SIGINT stop the process cleanly.
"""

from __future__ import annotations

import asyncio
import functools

import structlog
import uvloop

from gateway.gateway_parts import GatewayParts
from gateway.http.app import create_app
from gateway.http.server import build_server
from gateway.runtime import Gateway
from models.errors import ConfigurationError, InvariantViolation, TransientError
from models.rules.rulebook import Rulebook
from streams.clock import parse_clock
from streams.garbage_collection import settle_heap
from streams.kafka.broker_probe import probe_broker
from streams.kafka.consumer_lag import measure_unread
from streams.kafka.producer import KafkaPublisher
from streams.kafka.topic_follower import KafkaTail
from streams.rules_file import load_rulebook
from streams.settings import Settings
from streams.store.database import Database
from streams.store.directory import PgDirectory
from streams.store.schema.repeatable import ensure_repeatable

log = structlog.get_logger(__name__)

PUBLISH_TIMEOUT_S = 3.0
"""Within this time a caller is told that its request is not confirmed; it then sends the request
again or telephones."""


def run_gateway(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: The configuration forbids the start, or the port could not be opened.
        InvariantViolation: `process_part_ended`: a part that the process needs has ended.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    rules = load_rulebook(settings.rules_file, law_file=settings.law_file)
    log.info("following_rules", version=rules.version)
    host, port = settings.gateway_host, settings.gateway_port
    database = await Database.open(
        str(settings.postgres_dsn), size=settings.postgres_pool, name="xuelian-gateway"
    )
    try:
        await _ensure_schema(database, rules)
        app = create_app(_build_parts(settings, database, rules))
        server = build_server(app, host=host, port=port)
        settle_heap()
        log.info("gateway_starting", host=host, port=port)
        try:
            await server.serve()
        except SystemExit as error:
            # The server has logged why it could not listen.
            raise ConfigurationError("cannot_listen", host=host, port=port) from error
        gateway: Gateway = app.state.gateway
        if gateway.ended is not None:
            # The exit code shows a failure, so that the supervisor starts the process again.
            raise InvariantViolation("process_part_ended", part=gateway.ended)
        log.info("gateway_stopped")
    finally:
        await database.close()


async def _ensure_schema(database: Database, rules: Rulebook) -> None:
    """Refuse a database of other rules; one that is away is no reason not to take requests in.

    Raises:
        ConfigurationError: `schema_parts_differ`.
    """
    try:
        await ensure_repeatable(database, rules)
    except TransientError as error:
        log.warning("schema_not_compared", reason=str(error))


def _build_parts(settings: Settings, database: Database, rules: Rulebook) -> GatewayParts:
    clock = parse_clock(settings.clock)
    bootstrap = settings.kafka_bootstrap
    return GatewayParts(
        settings=settings,
        rules=rules,
        database=database,
        publisher=KafkaPublisher(
            bootstrap=bootstrap, timeout_s=PUBLISH_TIMEOUT_S, client_id="xuelian-gateway"
        ),
        tail=KafkaTail(bootstrap=bootstrap, client_id="xuelian-gateway-tail"),
        clock=clock,
        directories=PgDirectory(database, rules),
        probe_kafka=functools.partial(probe_broker, bootstrap),
        measure_unread=functools.partial(measure_unread, bootstrap),
    )
