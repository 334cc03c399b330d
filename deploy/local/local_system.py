"""The whole system on this machine: services, schema, topics, and our processes as children.

Owns everything it starts and ends it, for `xuelian up`, drills, benchmarks and tests of faults.
It restarts nothing by itself (`deploy.local.supervisor` does), so that a test that kills a process
finds it dead.

Concurrency: blocks the calling thread (in a coroutine: `await asyncio.to_thread(system.start)`).
Use one instance from one thread at a time. Children die with the process that holds it, even by
SIGKILL.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from deploy.local.child_processes import Child, run_command
from deploy.local.process_table import (
    PROCESSES,
    Roster,
    as_target,
    ended_error,
    ensure_port_free,
    not_ready_error,
    unknown_error,
)
from deploy.local.resolved_settings import (
    build_embedded,
    env_of,
    load_settings,
    uses_own_servers,
    with_endpoints,
)
from streams.settings import Settings

if TYPE_CHECKING:
    from deploy.local.embedded_services import EmbeddedServices
    from deploy.local.services_child import ServiceChild
    from streams.store.database import Database

_READY_S = 60.0
"""A start takes about 3 s, and ten times that on a busy machine that starts everything at once."""

_SERVER_S = 10
"""The servers run already; a database in recovery takes a few seconds."""

_POLL_S = 0.05


def _silent(_: str) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemEndpoints:
    """The addresses of the running system.

    Attributes:
        probes: Process name to the address of its `/healthz`, `/readyz` and `/metrics`.
    """

    gateway_url: str
    kafka_bootstrap: str
    postgres_dsn: str
    probes: Mapping[str, str]


class LocalSystem:
    """Kafka, PostgreSQL, gateway and workers of one machine, as real processes.

    ```python
    with LocalSystem(settings, clock="scaled:…", report=print) as system:
        key = system.create_key("dispatcher")
        httpx.get(f"{system.endpoints.gateway_url}/v1/shortages", headers={"Authorization": ...})
        system.kill("urgent")      # SIGKILL, as a power cut would
        system.restart("urgent")   # ready again when it returns
    ```

    Kafka and PostgreSQL: when `settings` names both (by the environment or by arguments of
    `Settings`), those servers are used and never stopped. When it names neither, the embedded
    services of `settings.state_dir` are started, and stopped at the end unless they ran before or
    `keep_services` is set.

    Args:
        settings: Of every process; those of the environment when None. `gateway_port=0` picks a
            free port.
        clock: Overrides `settings.clock`, such as `scaled:…` for a drill.
        processes: Names of the processes to start: `gateway`, `urgent`, `supply`, `relay`, each
            perhaps with a number (`urgent-2`) for a second process of its kind. May be empty.
        report: Called with each step, Chinese first; may be called from several threads.
        keep_services: Leave the embedded services running at the end.
        ready_s: Seconds that all processes together may take to become ready.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: str | None = None,
        processes: Sequence[str] = PROCESSES,
        report: Callable[[str], None] = _silent,
        keep_services: bool = False,
        ready_s: float = _READY_S,
    ) -> None:
        settings = settings or load_settings()
        changes: dict[str, object] = {"state_dir": settings.state_dir.resolve()}
        if clock is not None:
            changes["clock"] = clock
        self._settings = settings.model_copy(update=changes)
        self._names = tuple(processes)
        self._report = report
        self._keep_services = keep_services
        self._ready_s = ready_s
        self._services: EmbeddedServices | None = None
        self._embedded: EmbeddedServices | None = None
        self._children: dict[str, Child] = {}
        self._roster = Roster()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def settings(self) -> Settings:
        """Return the settings of every process, with real addresses and ports once started."""
        return self._settings

    @property
    def env(self) -> Mapping[str, str]:
        """Return the `XUELIAN_` variables with which the command line reaches this system."""
        return env_of(self._settings)

    @property
    def endpoints(self) -> SystemEndpoints:
        return SystemEndpoints(
            gateway_url=self._settings.gateway_url,
            kafka_bootstrap=self._settings.kafka_bootstrap,
            postgres_dsn=str(self._settings.postgres_dsn),
            probes={
                name: child.ready_url.removesuffix("/readyz")
                for name, child in self._children.items()
            },
        )

    @property
    def logs(self) -> Mapping[str, Path]:
        """Process name to its log file, in `state_dir/logs`."""
        return {name: child.log for name, child in self._children.items()}

    @property
    def children(self) -> Mapping[str, Child]:
        return dict(self._children)

    def list_services(self, *, report: Callable[[str], None]) -> list[ServiceChild]:
        """List the embedded servers to supervise; none where the settings name servers.

        Args:
            report: Called with each step of a start, from a thread of its own.
        """
        if self._embedded is None:
            return []
        from deploy.local.services_child import ServiceChild  # noqa: PLC0415 - an optional extra

        services = build_embedded(self._settings, report=report)
        return [
            ServiceChild(services, name=status.name, log=status.log, report=report)
            for status in self._embedded.status()
        ]

    def start(self) -> Self:
        """Start everything; return when every process is ready.

        Raises:
            ConfigurationError: The settings do not allow it to run; nothing is left running.
            TransientError: A server cannot be reached, or a process ended or was not ready in time
                (`child_ended`, `child_not_ready`); nothing is left running.
            ServicesUnavailableError: The embedded services are not available on this machine.
        """
        try:
            self._place_gateway()
            self._prepare_services()
            self._prepare_stores()
            self.add(*self._names)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End every process cleanly, then the services that `start` started. Safe to repeat."""
        if any(child.is_alive for child in self._children.values()):
            self._report("停止各进程 · stopping the processes")
        for child in self._children.values():
            child.ask_to_end()
        for child in self._children.values():
            child.end()
        services, self._services = self._services, None
        if services is not None and not self._keep_services:
            services.down()

    def add(self, *names: str) -> None:
        """Start further processes and wait until they are ready. Raises as `start` does."""
        for name in names:
            self._children[name] = self._roster.build(name, self._settings)
            self._children[name].start()
        if names:
            self._report(f"启动进程 · starting {', '.join(names)}")
        self.wait_ready(*names)

    def kill(self, name: str, *, hard: bool = True) -> None:
        """End one process and wait for its end: SIGKILL, or a clean stop with `hard=False`."""
        self._get_child(name).end(hard=hard)

    def restart(self, name: str) -> None:
        """Start one process again, ending it first if it runs; return when it is ready."""
        child = self._get_child(name)
        child.end()
        child.start()
        self.wait_ready(name)

    def wait_ready(self, *names: str) -> None:
        """Wait until processes (all by default) are ready, else raise as `start` does."""
        waiting = [self._get_child(name) for name in names or self._children]
        deadline = time.monotonic() + self._ready_s
        while waiting:
            ended = next((child for child in waiting if not child.is_alive), None)
            if ended is not None:
                raise ended_error(ended)
            child, reason = waiting[0], waiting[0].find_reason()
            if reason is None:
                self._report(f"{child.name} 就绪 · {child.name} is ready")
                waiting.pop(0)
            elif time.monotonic() > deadline:
                raise not_ready_error(child, reason, self._ready_s)
            else:
                time.sleep(_POLL_S)

    def create_key(
        self, scope: str, *, facility_id: str | None = None, label: str = "local system"
    ) -> str:
        """Make an API key and return its text, `xl_…`."""
        from models.access import KeyScope  # noqa: PLC0415 - drivers load only where needed
        from streams.clock import parse_clock  # noqa: PLC0415 - the same
        from streams.store.api_keys import IssuedKey, PgKeys  # noqa: PLC0415 - the same
        from streams.store.command_database import run_on_database  # noqa: PLC0415 - the same

        async def create(database: Database) -> IssuedKey:
            return await PgKeys(database, parse_clock(self._settings.clock)).create(
                scope=KeyScope(scope), facility_id=facility_id, label=label
            )

        return run_on_database(self._settings, create).text

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `xuelian` with these arguments on this system; return what it wrote.

        Args:
            arguments: Of the command.
            env: `XUELIAN_` variables that are to differ from the system's own.
        """
        return run_command(arguments, env={**self.env, **env})

    def _get_child(self, name: str) -> Child:
        try:
            return self._children[name]
        except KeyError:
            raise unknown_error(name, self._children) from None

    def _prepare_services(self) -> None:
        if uses_own_servers(self._settings):
            return
        owner_pid = None if self._keep_services else os.getpid()
        embedded = build_embedded(self._settings, report=self._report, owner_pid=owner_pid)
        self._embedded = embedded
        ran_before = any(status.pid is not None for status in embedded.status())
        if not ran_before:
            self._services = embedded
        self._settings = with_endpoints(self._settings, embedded.up())

    def _prepare_stores(self) -> None:
        import asyncio  # noqa: PLC0415 - drivers load only where they are needed

        from streams.kafka.topic_admin import apply_topics  # noqa: PLC0415 - the same
        from streams.store.schema_update import apply_migrations  # noqa: PLC0415 - the same

        settings = self._settings
        self._report("数据库表与 Kafka 主题 · tables and topics")
        topics = asyncio.run(apply_topics(settings.kafka_bootstrap, settings.kafka_replication))
        apply_migrations(settings, wait_s=_SERVER_S)
        if topics.created:
            count = len(topics.created)
            self._report(f"新建 {count} 个主题 · {count} topics created")

    def _place_gateway(self) -> None:
        port = self._settings.gateway_port or self._roster.choose_port()
        if "gateway" in self._names:
            ensure_port_free(port, state_dir=self._settings.state_dir)
        url = f"http://{as_target(self._settings.gateway_host)}:{port}"
        self._settings = self._settings.model_copy(
            update={"gateway_port": port, "gateway_url": url}
        )
