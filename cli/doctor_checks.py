"""The checks of `xuelian doctor`: one function per line, each says what it found and what to do.

They change nothing. A check never raises: if it cannot find out, it has failed.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from cli.altered_identifiers import FIX, FIX_ENDED, describe_strange_units, list_strange_units
from cli.failures import describe_failure
from cli.gateway import GatewayClient
from cli.output import show
from cli.overview import UNREAD_LATE_S
from deploy.local.child_processes import find_unready_reason
from deploy.local.resolved_settings import load_resolved
from deploy.local.running_systems import find_running
from models.errors import ConfigurationError, XuelianError
from streams.clock import SystemClock, parse_clock
from streams.ports import Unread
from streams.rules_file import load_rulebook
from streams.settings import Settings
from streams.store.command_database import run_on_database
from streams.store.database import Database
from streams.store.schema.repeatable import ensure_repeatable

MAX_SKEW_S = 2.0
"""If this machine's clock and the database's differ more, holds and expiries are judged wrongly."""

_PYTHON_FROM, _PYTHON_TO = (3, 11), (3, 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the report.

    Attributes:
        detail: What was found.
        fix: What to do, in both languages; empty when the check passed.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""


Look = tuple[str, Callable[[], Check]]


def run_checks() -> Iterator[Check]:
    """Yield each check as it is done; without settings the checks that need them are left out."""
    yield check_python()
    yield check_faust()
    yield check_variables(os.environ.keys())
    try:
        settings = load_resolved()
        clock = parse_clock(settings.clock)
    except ConfigurationError as error:
        yield _failed("设置 · settings", error)
        return
    yield Check(name="设置 · settings", ok=True, detail=str(settings.state_dir))
    yield _guarded("规则 · rules", lambda: check_rules(settings))
    yield from _in_turn(
        ("Kafka", lambda: check_kafka(settings)),
        ("主题 · topics", lambda: check_topics(settings)),
        ("未处理 · unread", lambda: check_unread(settings)),
    )
    yield from _in_turn(
        ("PostgreSQL", lambda: check_postgres(settings)),
        ("数据库表 · tables", lambda: check_migrations(settings)),
        ("编号 · identifiers", lambda: check_identifiers(settings)),
        ("时钟 · clock", lambda: check_clock(settings, clock.now())),
    )
    yield _guarded("进程 · processes", lambda: check_processes(settings))
    yield from _in_turn(
        ("网关 · gateway", lambda: check_gateway(settings)),
        ("密钥 · key", lambda: check_key(settings)),
    )


def _in_turn(first: Look, *others: Look) -> Iterator[Check]:
    """Check a server, and what depends on it only if the server answers."""
    found = _guarded(*first)
    yield found
    for name, look in others:
        if found.ok:
            yield _guarded(name, look)
        else:
            yield Check(
                name=name,
                ok=False,
                detail=f"未检查：先解决 {first[0]} · not looked at",
                fix=f"先解决 · first put right: {first[0]}",
            )


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - whatever went wrong is what this check found
        return _failed(name, error)


_FIXES = {
    "kafka_away": "xuelian services up，或改 · or change XUELIAN_KAFKA_BOOTSTRAP",
    "postgres_away": "xuelian services up，或改 · or change XUELIAN_POSTGRES_DSN",
    "not_migrated": "xuelian migrate",
    "topic_missing": "xuelian topics apply",
    "gateway_away": "xuelian up，或改 · or change XUELIAN_GATEWAY_URL",
    "api_key_not_set": "xuelian keys create dispatcher，再 · then export XUELIAN_API_KEY=xl_…",
    "api_key_invalid": "xuelian keys create dispatcher，再 · then export XUELIAN_API_KEY=xl_…",
    "rules_file_unreadable": "改 · change XUELIAN_RULES_FILE",
    "rules_file_refused": "xuelian rules check FILE",
    "law_file_unreadable": "改 · change XUELIAN_LAW_FILE",
    "law_file_refused": "xuelian rules laws FILE",
    "postgres_refuses": "改 · change XUELIAN_POSTGRES_DSN",
    **dict.fromkeys(
        ("topic_not_created", "topic_partitions_wrong", "topic_config_wrong"),
        "看 docs/operations.md 的主题一节 · see the topics in docs/operations.md",
    ),
    "setting_invalid": "按所说的规则改这个环境变量 · change that variable as the rule says",
    "gateway_answer_unreadable": "改 · change XUELIAN_GATEWAY_URL",
    "embedded_missing": "pip install 'xuelian[embedded]'",
    "faust_not_compiled": "重装 faust-streaming，取消 NO_CYTHON · reinstall it, unset NO_CYTHON",
}


_LOOK_CLOSER = "xuelian --debug doctor 显示出处，并看日志 · shows where; look at the logs too"


def _failed(name: str, error: BaseException) -> Check:
    failure = describe_failure(error)
    both = failure.zh if failure.zh == failure.en else f"{failure.zh} · {failure.en}"
    # A cross is never shown alone: an unknown error gets its code and where to look.
    fix = _FIXES.get(failure.code, _LOOK_CLOSER)
    return Check(name=name, ok=False, detail=both.strip(" ·") or failure.code, fix=fix)


def check_rules(settings: Settings) -> Check:
    from streams.rules_file import load_rulebook  # noqa: PLC0415 - only this check reads rules

    rules = load_rulebook(settings.rules_file, law_file=settings.law_file)
    return Check(name="规则 · rules", ok=True, detail=rules.version)


def check_python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    is_known = _PYTHON_FROM <= sys.version_info[:2] <= _PYTHON_TO
    fix = "" if is_known else "需要 Python 3.11 至 3.14 · Python 3.11 to 3.14 is needed"
    return Check(name="Python", ok=is_known, detail=found, fix=fix)


def check_faust() -> Check:
    """Check that Faust is compiled: its pure-Python fallback acknowledges stale messages."""
    name = "Faust"
    try:
        from streams.agents.app import ensure_compiled  # noqa: PLC0415 - a second of imports

        ensure_compiled()
    except (ImportError, XuelianError) as error:
        return _failed(name, error)
    return Check(name=name, ok=True, detail="已编译 · compiled")


def check_variables(names: Iterable[str]) -> Check:
    """Find misspelt variables: such a setting silently has no effect."""
    known = {f"XUELIAN_{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(name for name in names if name.startswith("XUELIAN_") and name not in known)
    guesses = []
    for name in unknown:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        guesses.append(f"{name} → {close[0]}" if close else name)
    return Check(
        name="环境变量 · variables",
        ok=not unknown,
        detail="都认识 · all known" if not unknown else f"不认识 · unknown: {', '.join(guesses)}",
        fix="" if not unknown else "改正或删去 · correct or remove them",
    )


def check_kafka(settings: Settings) -> Check:
    from streams.kafka.broker_probe import probe_broker  # noqa: PLC0415 - a driver of its own

    asyncio.run(probe_broker(settings.kafka_bootstrap))
    return Check(name="Kafka", ok=True, detail=settings.kafka_bootstrap)


def check_topics(settings: Settings) -> Check:
    from streams.kafka.topic_admin import check_topics as verify  # noqa: PLC0415 - a driver of its own

    report = asyncio.run(verify(settings.kafka_bootstrap, settings.kafka_replication))
    count = len(report.verified)
    return Check(name="主题 · topics", ok=True, detail=f"{count} 个正确 · {count} are right")


def check_unread(settings: Settings) -> Check:
    """Check that workers acknowledge accepted records: a frozen worker leaves no other trace."""
    from streams.kafka.consumer_lag import measure_unread  # noqa: PLC0415 - a driver of its own

    found = asyncio.run(measure_unread(settings.kafka_bootstrap))
    return build_unread(found, now=SystemClock().now())


def build_unread(found: Sequence[Unread], *, now: datetime) -> Check:
    name = "未处理 · unread"
    ages = {row: max((now - row.since).total_seconds(), 0) for row in found if row.since}
    if not ages:
        return Check(name=name, ok=True, detail="没有 · none")
    told = [
        f"{row.topic} {row.records}，最早 · oldest {ages[row]:.0f} s（{show(row.since)}）"
        for row in ages
    ]
    late = sorted({row.reader for row in ages if ages[row] > UNREAD_LATE_S})
    roles = " ".join(f"xuelian worker {reader.rpartition('-')[2]}" for reader in late)
    return Check(
        name=name,
        ok=not late,
        detail="；".join(told),
        fix=_START_WORKERS.format(roles=roles) if late else "",
    )


_START_WORKERS = (
    "没有 worker 在读，或卡住了：看进程一行和日志，重启 · nobody reads it, or a worker is stuck: "
    "see the processes and their logs, start again: {roles}"
)


def check_postgres(settings: Settings) -> Check:
    async def ask(database: Database) -> str:
        rows = await database.fetch("SELECT current_setting('server_version') AS version")
        return str(rows[0]["version"])

    version = run_on_database(settings, ask)
    return Check(name="PostgreSQL", ok=True, detail=f"{version} @ {_describe_host(settings)}")


def check_migrations(settings: Settings) -> Check:
    async def ask(database: Database) -> set[str]:
        return {str(row["version"]) for row in await database.fetch(_APPLIED)}

    shipped = {
        entry.name.partition("_")[0]
        for entry in files("streams.store.schema").joinpath("migrations").iterdir()
        if entry.name.endswith(".sql")
    }
    applied = run_on_database(settings, ask)
    missing = sorted(shipped - applied)
    # Older ones are those that the baseline replaced.
    ahead = sorted(version for version in applied if version > max(shipped))
    name = "数据库表 · tables"
    if missing:
        detail = f"缺 · missing {', '.join(missing)}"
        return Check(name=name, ok=False, detail=detail, fix="xuelian migrate")
    if ahead:
        detail = f"数据库比程序新 · the database is newer than this program: {', '.join(ahead)}"
        fix = "升级 xuelian · upgrade xuelian"
        return Check(name=name, ok=False, detail=detail, fix=fix)
    rules = load_rulebook(settings.rules_file, law_file=settings.law_file)
    run_on_database(settings, lambda database: ensure_repeatable(database, rules))
    return Check(name=name, ok=True, detail=f"{len(applied)} 个迁移 · migrations")


_APPLIED = "SELECT version FROM schema_migrations"


def check_identifiers(settings: Settings) -> Check:
    """Find units recorded under a number that a spreadsheet changed, such as `1E12`."""
    name = "编号 · identifiers"
    found = list_strange_units(settings)
    if not found:
        return Check(name=name, ok=True, detail="血袋与献血编号正常 · those of bags are sound")
    used = [unit for unit in found if not unit["is_ended"]]
    told = f"血袋编号被程序改写 {len(found)} 袋 · bags under changed numbers"
    stations = "、".join(dict.fromkeys(unit["station_id"] for unit in used or found))
    # A unit that has ended is on no shelf any more: it is reported, but does not fail the check.
    return Check(
        name=name,
        ok=not used,
        detail=f"{told}: {describe_strange_units(found)}",
        fix=FIX.format(stations=stations) if used else FIX_ENDED,
    )


def check_clock(settings: Settings, now: datetime) -> Check:
    """Compare this machine's clock with the database's; name a drill's clock."""

    async def ask(database: Database) -> float:
        rows = await database.fetch("SELECT clock_timestamp() AS now")
        seconds: float = (SystemClock().now() - rows[0]["now"]).total_seconds()
        return seconds

    skew_s = run_on_database(settings, ask)
    told = f"{SystemClock().now():%Y-%m-%d %H:%M:%SZ}，与数据库差 · apart {abs(skew_s):.2f} s"
    if settings.clock != "system":
        told += f"，演习时间 · a drill's time {now.isoformat()}"
    return Check(
        name="时钟 · clock",
        ok=abs(skew_s) <= MAX_SKEW_S,
        detail=told,
        fix="" if abs(skew_s) <= MAX_SKEW_S else "校准时钟（NTP） · set the clocks right (NTP)",
    )


def check_gateway(settings: Settings) -> Check:
    """Check that the gateway is ready; if not, give its own reasons, part by part."""
    name = "网关 · gateway"
    with GatewayClient(settings) as gateway:
        answer = gateway.read_readiness()
    wrong = [check for check in answer.get("checks", ()) if not check.get("ok")]
    if answer.get("status") == "ready":
        return Check(name=name, ok=True, detail=settings.gateway_url)
    reasons = [check.get("reason") or {} for check in wrong]
    told = "；".join(f"{reason.get('zh', '')} · {reason.get('en', '')}" for reason in reasons)
    fixes = [_UNREADY_FIXES[check["name"]] for check in wrong if check["name"] in _UNREADY_FIXES]
    return Check(
        name=name,
        ok=False,
        detail=f"未就绪 · not ready: {told or answer.get('status', '?')}",
        fix="；".join(fixes) or _LOOK_AT_LOGS,
    )


_LOOK_AT_LOGS = (
    "看日志（xuelian up 的 logs 文件夹） · look at the logs (folder `logs` of the state)"
)
_UNREADY_FIXES = {
    "kafka": "网关连不上 Kafka：xuelian services up，或检查网关的 · or check the gateway's "
    "XUELIAN_KAFKA_BOOTSTRAP",
    "postgres": "网关连不上 PostgreSQL：xuelian services up，或检查网关的 · or check the gateway's "
    "XUELIAN_POSTGRES_DSN",
    "gateway": "等它自动重启，不行就重启网关 · it is started again by itself, else start it again",
}


def check_processes(settings: Settings) -> Check:
    """Check that each worker of `xuelian up` on this state folder answers, is ready and lasts."""
    name = "进程 · processes"
    running = find_running(settings.state_dir)
    if running is None:
        detail = "此处没有 xuelian up，未检查 · no `xuelian up` runs here: not looked at"
        return Check(name=name, ok=True, detail=detail)
    wrong = [f"{role} 反复退出 · keeps ending" for role in running.failing]
    for role, address in running.probes.items():
        reason = find_unready_reason(f"{address}/readyz")
        if reason is not None and role not in running.failing:
            wrong.append(f"{role} 没有就绪 · is not ready: {reason}")
    if not running.probes:
        wrong.append("还没有全部启动 · not all are started yet")
    if wrong:
        return Check(name=name, ok=False, detail="；".join(wrong), fix=_LOOK_AT_LOGS)
    return Check(name=name, ok=True, detail=" ".join(running.probes))


def check_key(settings: Settings) -> Check:
    with GatewayClient(settings) as gateway:
        who = gateway.call("GET", "/v1/me")
    detail = " ".join(str(who[name]) for name in ("scope", "facility_id", "key_id") if who[name])
    return Check(name="密钥 · key", ok=True, detail=detail)


def _describe_host(settings: Settings) -> str:
    """Return where PostgreSQL is, without the password."""
    host = settings.postgres_dsn.hosts()[0]
    return f"{host['host']}:{host['port']}{settings.postgres_dsn.path or ''}"
