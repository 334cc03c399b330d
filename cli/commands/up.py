"""`xuelian up`: run the whole system on this machine."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import JsonOption, Output

if TYPE_CHECKING:
    from deploy.local.local_system import LocalSystem


def up(
    *,
    keep_services: Annotated[
        bool,
        typer.Option(
            "--keep-services", help="结束时不停 Kafka 与 PostgreSQL · leave them running at the end"
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """在本机运行整个系统，Ctrl-C 停止 · Run the whole system on this machine until Ctrl-C.

    没有设置 XUELIAN_KAFKA_BOOTSTRAP 与 XUELIAN_POSTGRES_DSN 时，自带 Kafka 与 PostgreSQL。
    意外退出的进程与服务器会自动重启，并在此说明；反复退出的一个不拖垮其余的。
    Brings its own Kafka and PostgreSQL unless those two are set. Restarts what crashes, processes
    and servers alike, and says so; one that keeps ending does not take the others with it.

    例 · Examples:
      xuelian up
      XUELIAN_GATEWAY_PORT=9000 xuelian up --keep-services
    """
    from deploy.local.local_system import LocalSystem  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_settings, report_other_systems  # noqa: PLC0415 - heavy
    from deploy.local.running_systems import hold_folder  # noqa: PLC0415 - the same
    from deploy.local.supervisor import Supervisor  # noqa: PLC0415 - heavy imports stand in the commands

    out = Output(as_json=as_json)
    settings = load_settings()
    stop = threading.Event()
    with hold_folder(settings.state_dir) as note, _stop_on_signals(stop) as started:
        report_other_systems(settings, out.note)
        with out.progress("启动 · starting") as report:
            system = LocalSystem(report=report, keep_services=keep_services).start()
        try:
            started()
            note.report_places(system.endpoints.gateway_url, system.endpoints.probes)
            _report_addresses(out, system)
            services = system.list_services(report=out.note)
            Supervisor(
                system, services=services, report=out.note, report_failing=note.report_failing
            ).watch(stop)
        finally:
            system.stop()
    out.say("[green]✓[/] 已停止 · stopped")


@contextmanager
def _stop_on_signals(stop: threading.Event) -> Iterator[Callable[[], None]]:
    """Let SIGINT and SIGTERM break off the start, and set `stop` once it is over.

    Yields:
        A function to call when the start is over.
    """
    running = threading.Event()

    def on_signal(number: int, _: object) -> None:
        stop.set()
        if not running.is_set():
            running.set()  # a second signal must not break off the clean stop
            raise KeyboardInterrupt(number)

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield running.set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report_addresses(out: Output, system: LocalSystem) -> None:
    key = _ensure_first_key(system)
    endpoints = system.endpoints
    out.document(
        {
            "gateway_url": endpoints.gateway_url,
            "kafka_bootstrap": endpoints.kafka_bootstrap,
            "postgres_dsn": endpoints.postgres_dsn,
            "probes": endpoints.probes,
            "logs": system.settings.state_dir / "logs",
            "first_key": key,
        }
    )
    if out.as_json:
        return
    out.say("[green]✓[/] [bold]血联已就绪 · Xuelian is up[/]（Ctrl-C 停止 · to stop）")
    workers = " ".join(
        f"{name}={url}/metrics" for name, url in endpoints.probes.items() if name != "gateway"
    )
    for name, value in (
        ("网关 · gateway", endpoints.gateway_url),
        ("指标 · metrics", f"gateway={endpoints.gateway_url}/metrics {workers}"),
        ("Kafka", endpoints.kafka_bootstrap),
        ("PostgreSQL", endpoints.postgres_dsn),
        ("日志 · logs", system.settings.state_dir / "logs"),
    ):
        out.plain(f"  {name}: {value}")
    if "state_dir" in system.settings.model_fields_set:
        # Keys are made in the database of the state folder: elsewhere, `init` would not find it.
        out.plain(f"  export XUELIAN_STATE_DIR={system.settings.state_dir}")
    out.plain(f"  export XUELIAN_GATEWAY_URL={endpoints.gateway_url}")
    if key is not None:
        out.say(
            "首个调度密钥，只显示这一次 · the first dispatcher key, shown once:", style="yellow"
        )
        out.plain(f"  export XUELIAN_API_KEY={key}")
    out.plain("  下一步 · next: xuelian init（示例区域 · an example region）, xuelian status")


def _ensure_first_key(system: LocalSystem) -> str | None:
    """Make a dispatcher's key if no live key exists: nobody could do anything without it."""
    from cli.keystore import list_keys  # noqa: PLC0415 - heavy imports stand in the commands

    keys = list_keys(system.settings)
    if any(key.scope == "dispatcher" and key.revoked_at is None for key in keys):
        return None
    return system.create_key("dispatcher", label="first key")
