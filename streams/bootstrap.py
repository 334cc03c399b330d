"""The one composition root of the engine: from settings to services, workers and relays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import faust
import structlog

from models.errors import InvariantViolation, TransientError
from models.rules.rulebook import Rulebook
from models.topics import AppName, TopicName
from streams.agents.app import build_app
from streams.agents.consumer_loop import ConsumerLoop, LoopDependencies
from streams.agents.table import register
from streams.agents.worker import (
    Readiness,
    run_worker,
    stop_on_signals,
    wait_for_topics,
)
from streams.clock import parse_clock
from streams.composition import Services, build_services
from streams.garbage_collection import settle_heap
from streams.kafka.producer import KafkaPublisher
from streams.kafka.topic_admin import check_topics
from streams.ports import Clock, Timer, TimerKind
from streams.probe import build_server
from streams.relay.outbox import OutboxRelay
from streams.relay.timer_runner import TimerRunner, TimersFired
from streams.rules_file import load_rulebook
from streams.settings import Settings
from streams.solver.process import SolverProcess
from streams.store.database import Database
from streams.store.outbox import PgOutbox
from streams.store.schema.repeatable import ensure_repeatable
from streams.store.unit_of_work import PgBegin

log = structlog.get_logger(__name__)

DIRECTORY_EVERY_S = 5.0
"""A worker learns of a changed station policy this late at most; it looks up an unknown name at
once."""

_PERIODIC = (
    TimerKind.UNIT_EXPIRY,
    TimerKind.FEED_RETENTION,
    TimerKind.AUDIT_SEAL,
    TimerKind.STOCK_DAY,
    TimerKind.WAITING_SWEEP,
)


class Role(StrEnum):
    """What a process does. Every role relays what it commits itself."""

    URGENT = "urgent"
    SUPPLY = "supply"
    RELAY = "relay"


_TOPICS = {
    Role.URGENT: (TopicName.REQUESTS,),
    Role.SUPPLY: (TopicName.STOCK, TopicName.ALERTS, TopicName.ANSWERS, TopicName.OFFERS),
}
_APP = {Role.URGENT: AppName.URGENT, Role.SUPPLY: AppName.SUPPLY}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    settings: Settings
    rules: Rulebook
    database: Database
    clock: Clock
    services: Services
    relay: OutboxRelay
    readiness: Readiness
    solver: SolverProcess


@asynccontextmanager
async def _compose(settings: Settings, role: Role) -> AsyncIterator[_Process]:
    clock = parse_clock(settings.clock)
    rules = load_rulebook(settings.rules_file, law_file=settings.law_file)
    log.info("following_rules", version=rules.version)
    readiness = Readiness()
    database = await Database.open(
        str(settings.postgres_dsn), size=settings.postgres_pool, name=f"xuelian-{role}"
    )
    publisher = KafkaPublisher(
        bootstrap=settings.kafka_bootstrap, client_id=f"xuelian-{role}-relay"
    )
    solver = SolverProcess()
    try:
        await publisher.start()
        yield _Process(
            settings=settings,
            rules=rules,
            database=database,
            clock=clock,
            services=build_services(
                database=database,
                clock=clock,
                hold_s=settings.hold_s,
                rules=rules,
                solver=solver,
            ),
            relay=OutboxRelay(
                outbox=PgOutbox(database, clock), publisher=publisher, report=readiness.report
            ),
            readiness=readiness,
            solver=solver,
        )
    finally:
        await publisher.stop()
        await database.close()


async def run_process(settings: Settings, role: Role) -> None:
    """Run a worker or relay until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: The process must not start as it is configured.
        Exception: A bug; records in flight are unacknowledged and will be read again.
    """
    stop = asyncio.Event()
    async with _compose(settings, role) as process:
        with stop_on_signals(stop):
            await _wait_for_directory(process, stop)
            async with asyncio.TaskGroup() as group:
                relaying = asyncio.Event()
                parts = {
                    "relay": process.relay.run(relaying),
                    "directory": _keep_directory_fresh(process, stop),
                }
                if settings.metrics_port:
                    parts["probe"] = _serve_probe(process, stop)
                if role is not Role.RELAY:
                    parts["solver"] = process.solver.run(stop)
                if role is not Role.URGENT:
                    parts["timers"] = _fire_timers(process, stop)
                for name, work in parts.items():
                    group.create_task(_last(name, work, stop))
                try:
                    await _work(process, role, stop)
                finally:
                    # The relay stops last: it still publishes what the last transaction committed.
                    stop.set()
                    relaying.set()


async def _last(part: str, work: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Run a part that lasts as long as the process; without it the process must end.

    Raises:
        InvariantViolation: `process_part_ended`: the part returned before it was asked to.
    """
    try:
        await work
    except Exception as error:
        log.error(  # noqa: TRY400 - raised on, with its trace
            "process_part_died",
            part=part,
            error=repr(error)[:500],
            notes=getattr(error, "__notes__", []),
        )
        raise
    if not stop.is_set():
        log.error("process_part_ended", part=part)
        raise InvariantViolation("process_part_ended", part=part)


async def _work(process: _Process, role: Role, stop: asyncio.Event) -> None:
    if role is Role.RELAY:
        await stop.wait()
        return
    settings, report = process.settings, process.readiness.report
    check = partial(check_topics, settings.kafka_bootstrap, settings.kafka_replication)
    await wait_for_topics(check, report=report, stop=stop)
    app = build_app(settings=settings, app_name=_APP[role])
    loops = _register(app, process, role)
    settle_heap()
    await run_worker(app, loops=loops, report=report, stop=stop)


def _register(app: faust.App, process: _Process, role: Role) -> Sequence[ConsumerLoop]:
    deps = LoopDependencies(
        relay=process.relay,
        batch_max=process.settings.batch_max,
        report=process.readiness.report,
    )
    loops = [
        register(app, topic, handler=process.services.handlers[topic], deps=deps)
        for topic in _TOPICS[role]
    ]
    for loop in loops:
        process.readiness.watch(loop.name, loop.in_flight_s)
    return loops


async def _wait_for_directory(process: _Process, stop: asyncio.Event) -> None:
    """Wait for PostgreSQL: no record can be judged before the facilities are known.

    Raises:
        ConfigurationError: `schema_parts_differ`.
    """
    while not stop.is_set():
        try:
            await ensure_repeatable(process.database, process.rules)
            await process.services.directory.refresh()
        except TransientError as error:
            process.readiness.report("directory", str(error))
            await _sleep(stop, 0.5)
        else:
            process.readiness.report("directory", None)
            return


async def _keep_directory_fresh(process: _Process, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await _sleep(stop, DIRECTORY_EVERY_S)
        # While PostgreSQL is away the last snapshot stands; the parts that need it report so.
        with suppress(TransientError):
            await process.services.directory.refresh()


async def _fire_timers(process: _Process, stop: asyncio.Event) -> None:
    await _start_periodic(process, stop)

    async def fire() -> TimersFired:
        count, shards, next_due_at = await process.services.timers.fire_one()
        return TimersFired(count=count, shards=shards, next_due_at=next_due_at)

    runner = TimerRunner(
        fire=fire,
        clock=process.clock,
        relay=process.relay,
        report=process.readiness.report,
    )
    await runner.run(stop)


async def _start_periodic(process: _Process, stop: asyncio.Event) -> None:
    """Set the timers that set themselves again; a timer that is set already only moves to now."""
    begin = PgBegin(process.database, process.rules)
    while not stop.is_set():
        try:
            async with begin() as work:
                now = process.clock.now()
                for kind in _PERIODIC:
                    work.schedule(Timer(kind=kind, subject="all", due_at=now))
        except TransientError as error:
            process.readiness.report("timers", str(error))
            await _sleep(stop, 0.5)
        else:
            process.readiness.report("timers", None)
            return


async def _serve_probe(process: _Process, stop: asyncio.Event) -> None:
    settings = process.settings
    server = build_server(
        lambda: process.readiness.reasons, host=settings.gateway_host, port=settings.metrics_port
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        await stop.wait()
        server.should_exit = True


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
