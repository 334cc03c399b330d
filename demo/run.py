"""A demo from beginning to end: the system, the evening before, the day, the check, the report.

Owns the embedded services of the demo, in a folder of their own that is new for each run, so that
no record of an earlier run is checked. Jars and programs are cached outside of it.

Concurrency: the system is started and stopped in threads; everything else is one event loop.
"""

from __future__ import annotations

import asyncio
import json as json_text
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from checker import check
from demo.actor_context import DrillStage, KeyName, open_doors
from demo.casualties import PlannedRequest, plan_requests
from demo.clairvoyant import look_back_on
from demo.clock import DrillClock
from demo.day import play
from demo.day_record import Board
from demo.day_trace import read_requests, trace_day
from demo.donation_outcomes import read_lives
from demo.donor_reserve import make_donors
from demo.event_lines import Storyteller
from demo.http_clients import RefusedAnswer, SentLog
from demo.idle_wait import wait_for_rest
from demo.initial_stock import make_stock
from demo.kafka_clients import HospitalProducer
from demo.live_view import show
from demo.played_day import PlayedDay
from demo.registration import register
from demo.report import write_report
from demo.results import Figure, list_figures, write_result
from demo.scenario import Scenario, read_scenario
from demo.summary import print_summary
from demo.unserved import read_unserved
from models.errors import ConfigurationError

if TYPE_CHECKING:
    from deploy.local.local_system import LocalSystem

_REST_S = 30.0
"""An overloaded machine may lag this far behind; later messages count as lost."""

_REACTION_REAL_S = 5.0
"""Within this, a free unit is promised to a waiting request. Real seconds, because the simulated
day is compressed and the machine's work is not."""

_WORKERS = ("urgent", "supply")


def run_demo(
    *,
    name: str,
    state_dir: Path,
    out: Path = Path("build/demo"),
    json: bool = False,
    changes: Callable[[Scenario], Scenario] | None = None,
) -> int:
    """Run a demo and write its results.

    Args:
        name: Folder of the scenario.
        state_dir: Folder of this machine's systems; the demo's own stands in it.
        out: Folder of `result.json`, `report.html` and `sent.jsonl`.
        json: Print the results as JSON and nothing else to standard output.
        changes: Changes the scenario before it is played; tests shorten it.

    Returns:
        0 if every check holds, else 1.

    Raises:
        ConfigurationError: There is no demo of that name.
        ServicesUnavailableError: Kafka or PostgreSQL is not available on this machine.
    """
    try:
        scenario = read_scenario(name)
    except KeyError as error:
        raise ConfigurationError("demo_unknown", name=name) from error
    scenario = changes(scenario) if changes else scenario
    console = Console(stderr=json)
    out.mkdir(parents=True, exist_ok=True)
    figures = asyncio.run(_run(scenario, state_dir=state_dir, out=out, console=console))
    if json:
        sys.stdout.write((out / "result.json").read_text(encoding="utf-8"))
    return 0 if all(figure.holds for figure in figures) else 1


async def _run(scenario: Scenario, *, state_dir: Path, out: Path, console: Console) -> list[Figure]:
    started_at = datetime.now(UTC)

    def report(text: str) -> None:
        gone_s = (datetime.now(UTC) - started_at).total_seconds()
        console.print(f"[dim]{gone_s:5.1f} s[/dim]  {text}", highlight=False)

    report(f"[bold]{scenario.title_zh} · {scenario.title_en}[/bold]")
    report("库存、献血者与申请均为合成数据 · stock, donors and requests are synthetic")
    planned = plan_requests(scenario)
    async with _running(scenario, state_dir, report) as drill:
        day = await _play_and_check(drill, planned, out=out, console=console, report=report)
    figures = list_figures(day)
    write_result(out / "result.json", day, figures=figures, started_at=started_at)
    report("撰写报告 · writing the report")
    write_report(out / "report.html", day, figures=figures, started_at=started_at)
    print_summary(console, day, figures=figures, out=out)
    return figures


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drill:
    """A scenario, the system that runs for it, and the clock that both follow."""

    scenario: Scenario
    system: LocalSystem
    clock: DrillClock


@asynccontextmanager
async def _running(
    scenario: Scenario, state_dir: Path, report: Callable[[str], None]
) -> AsyncIterator[_Drill]:
    """Start services and processes on a new state folder; stop them when the block ends."""
    from deploy.local.embedded_services import EmbeddedServices  # noqa: PLC0415 - an optional extra
    from deploy.local.local_system import LocalSystem  # noqa: PLC0415 - starts processes; needed only here
    from deploy.local.resolved_settings import load_settings, with_endpoints  # noqa: PLC0415 - the same

    state = (state_dir / "demo").resolve()
    services = EmbeddedServices(state, report=report, owner_pid=os.getpid())
    await asyncio.to_thread(services.destroy)
    try:
        endpoints = await asyncio.to_thread(services.up)
        clock = DrillClock(
            start=scenario.event.occurred_at,
            real_start=datetime.now(UTC) + timedelta(seconds=scenario.timeline.lead_s),
            speed=scenario.timeline.speed,
        )
        settings = with_endpoints(load_settings(state_dir=state, gateway_port=0), endpoints)
        system = LocalSystem(settings, clock=str(clock), report=report)
        try:
            await asyncio.to_thread(system.start)
            yield _Drill(scenario=scenario, system=system, clock=clock)
        finally:
            await asyncio.to_thread(system.stop)
    finally:
        await asyncio.to_thread(services.down)


async def _play_and_check(
    drill: _Drill,
    planned: tuple[PlannedRequest, ...],
    *,
    out: Path,
    console: Console,
    report: Callable[[str], None],
) -> PlayedDay:
    system = drill.system
    report("发放密钥 · making keys")
    keys = await asyncio.to_thread(_make_keys, drill.scenario, system)
    endpoints = system.endpoints
    async with _set_stage(drill, keys=keys, out=out) as stage:
        report("登记机构、名册与库存 · registering facilities, reserves and stock")
        await register(stage)
        report(f"地震将至 · the earthquake comes in {_find_wait(stage):.0f} s")
        async with show(stage, console):
            await play(stage, planned, report=report)
        report("等待各进程处理完毕 · waiting for the workers to come to rest")
        probes = [endpoints.probes[name] for name in _WORKERS]
        if not await wait_for_rest(probes, patience_s=_REST_S):
            report("[yellow]仍有消息在途 · messages are still on their way[/]")
        lives = await read_lives(stage)
        requests = await read_requests(stage)
        unserved = await read_unserved(stage, lives, requests)
    # Nothing may change during the check: the workers end, and publish what they committed.
    for process in _WORKERS:
        await asyncio.to_thread(system.kill, process, hard=False)
    report("独立核查 · the independent check")
    verdict = await check(
        kafka_bootstrap=endpoints.kafka_bootstrap,
        postgres_dsn=endpoints.postgres_dsn,
        sent=stage.sent.path,
        as_of=None,
        reaction=timedelta(seconds=_REACTION_REAL_S * drill.clock.speed),
    )
    report("核验审计链 · verifying the audit")
    audit = await asyncio.to_thread(system.run, "audit", "verify", "--json")
    report("与事后最优相比 · beside the optimum of hindsight")
    trace = trace_day(stage, planned, lives, requests)
    return PlayedDay(
        stage=stage,
        verdict=verdict,
        audit=json_text.loads(audit.stdout),
        lives=lives,
        unserved=unserved,
        hindsight=await asyncio.to_thread(look_back_on, drill.scenario, trace),
    )


@asynccontextmanager
async def _set_stage(
    drill: _Drill, *, keys: Mapping[KeyName, str], out: Path
) -> AsyncIterator[DrillStage]:
    """Open the clients of all actors; close them when the block ends."""
    scenario, endpoints, refused = drill.scenario, drill.system.endpoints, RefusedAnswer()
    sent = SentLog(out / "sent.jsonl")
    try:
        async with (
            HospitalProducer.open(endpoints.kafka_bootstrap) as publisher,
            open_doors(url=endpoints.gateway_url, keys=keys, refused=refused) as doors,
        ):
            yield DrillStage(
                scenario=scenario,
                clock=drill.clock,
                gateway_url=endpoints.gateway_url,
                kafka_bootstrap=endpoints.kafka_bootstrap,
                doors=doors,
                publisher=publisher,
                sent=sent,
                board=Board(storyteller=Storyteller(scenario)),
                refused=refused,
                donors={donor.donor.donor_id: donor for donor in make_donors(scenario)},
                stock=make_stock(scenario),
            )
    finally:
        sent.close()


def _find_wait(stage: DrillStage) -> float:
    return stage.clock.real_s_until(stage.scenario.event.occurred_at)


def _make_keys(scenario: Scenario, system: LocalSystem) -> dict[KeyName, str]:
    """Make one API key for each actor that calls the gateway."""
    hospitals = [hospital.hospital.hospital_id for hospital in scenario.hospitals]
    stations = [station.station_id for station in scenario.stations]
    names: list[KeyName] = [
        ("dispatcher", ""),
        ("disaster", ""),
        *(("hospital", name) for name in hospitals),
        *((scope, name) for scope in ("station", "neighbour") for name in stations),
    ]
    return {
        (scope, facility): system.create_key(scope, facility_id=facility or None, label="demo")
        for scope, facility in names
    }
