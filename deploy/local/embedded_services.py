"""The public interface of the embedded services: Kafka and PostgreSQL under one state folder.

Owns the order in which they are created, started and stopped. Knows no topic and no table.

Concurrency: every change holds the state folder's lock, between processes and between threads, so
two starters never race; `status` and the endpoints are read without it. Kafka and PostgreSQL start
side by side in two threads, so `report` is called from several threads.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.local.child_environment import python_environment
from deploy.local.errors import ServicesUnavailableError
from deploy.local.kafka import KafkaNode, format_nodes, start_nodes
from deploy.local.kafka_jars import get_class_path
from deploy.local.postgres import PostgresServer
from deploy.local.server_processes import PidFile, find_birth, launch, stop
from deploy.local.service_status import Endpoints, ServiceStatus, endpoints_of, status_of
from deploy.local.state import Record, StateFolder
from deploy.local.state_layout import ensure_record, move_taken_ports

__all__ = ["EmbeddedServices", "Endpoints", "ServiceStatus", "ServicesUnavailableError"]


def _silent(_: str) -> None:
    return


class EmbeddedServices:
    """Kafka 4.3.1 and PostgreSQL 18 as child processes, for one machine.

    Servers outlive the process that starts them unless it names itself as their owner. The first
    starter owns them; a later `up()` uses them and does not change their owner.

    Args:
        state: Folder of data, logs, ports and locks; created when missing.
        brokers: 1 or 3 combined Kafka nodes. Fixed when the folder is first made.
        report: Called with each long step, in Chinese and English, perhaps from several threads.
        owner_pid: When that process ends, however it ends, a watchdog stops the services.
        ephemeral: With `owner_pid`: the watchdog also deletes the state folder.
    """

    def __init__(
        self,
        state: Path,
        *,
        brokers: int = 1,
        report: Callable[[str], None] = _silent,
        owner_pid: int | None = None,
        ephemeral: bool = False,
    ) -> None:
        if brokers not in {1, 3}:
            raise ValueError(f"1 or 3 brokers, not {brokers}")
        self._state = StateFolder(state)
        self._brokers = brokers
        self._report = report
        self._owner_pid = owner_pid
        self._ephemeral = ephemeral

    @property
    def state(self) -> Path:
        return self._state.root

    def up(self) -> Endpoints:
        """Start what does not run yet; safe to call again at any time.

        Returns:
            Endpoints of services that answered a moment ago.

        Raises:
            StateMismatchError: The folder is of another version or number of brokers.
            ChecksumError: A jar does not have the sum that is kept for it.
            ServicesUnavailableError: They are not available or did not start; what this call
                started is stopped again, and the message quotes the end of the log.
        """
        with self._state.lock(self._report):
            record = ensure_record(self._state, brokers=self._brokers, report=self._report)
            running = self._running(record)
            try:
                record = move_taken_ports(self._state, record, running=running, report=self._report)
                if not running or _is_orphaned(record):
                    record = self._claim()
                self._start_all(record)
            except BaseException:
                if not running:
                    self._stop_all(record)
                raise
            return endpoints_of(record)

    def get_endpoints(self) -> Endpoints:
        """Return where the services of this folder listen while they run.

        Raises:
            ServicesUnavailableError: No services were ever made here.
        """
        return endpoints_of(self._get_record())

    def down(self) -> None:
        """Stop every service cleanly and keep the data; does nothing when none runs."""
        record = self._state.find_record()
        if record is None:
            return
        with self._state.lock(self._report):
            self._report("停止 Kafka 与 PostgreSQL · stopping Kafka and PostgreSQL")
            self._stop_all(record)

    def destroy(self) -> None:
        """Stop everything and delete the state folder with its data."""
        if not self._state.root.exists():
            return
        with self._state.lock(self._report):
            record = self._state.find_record()
            if record is not None:
                self._stop_all(record, discarding=True)
            self._state.remove()

    def status(self) -> list[ServiceStatus]:
        """Return every service of the folder, PostgreSQL first; empty when none were made."""
        record = self._state.find_record()
        if record is None:
            return []
        return [status_of(part) for part in self._parts(record)]

    def is_running(self, name: str) -> bool:
        """Return whether the process of `postgres` or `kafka-N` lives.

        It is cheap: no request is sent.
        """
        return self._part(name).find_pid() is not None

    def is_healthy(self, name: str) -> bool:
        """Return whether `postgres` or `kafka-N` answers as it should.

        It takes seconds if it does not.
        """
        return self._part(name).is_healthy()

    def is_stopped(self, name: str) -> bool:
        """Return whether it was stopped on purpose.

        A server that ended by itself leaves its pid file.
        """
        return not self._part(name).pid_file.path.exists()

    def restart(self, name: str) -> None:
        """Start a server that has ended, and wait until it is healthy; others are left alone.

        Raises:
            ServicesUnavailableError: It did not start.
        """
        if name == "postgres":
            self.start_postgres()
        else:
            self.start_broker(int(name.removeprefix("kafka-")))

    def abandon(self, *, owner: dict[str, int | str]) -> None:
        """Stop the services that `owner` left behind, unless they have another owner by now.

        Only the watchdog calls it.
        """
        record = self._state.find_record()
        if record is None:
            return
        with self._state.lock(self._report):
            record = self._state.find_record()
            if record is None or record.owner != owner:
                return
            # The watchdog is not stopped: it is the caller.
            self._stop_servers(record, discarding=record.ephemeral)
            self._state.update(owner=None)
            PidFile(path=self._state.root / "watchdog.pid").clear()
            if record.ephemeral:
                self._state.remove()

    def stop_postgres(self, *, hard: bool = False) -> None:
        """Stop PostgreSQL; `hard` kills it without a shutdown."""
        with self._state.lock(self._report):
            self._postgres(self._get_record()).stop(hard=hard)

    def start_postgres(self) -> None:
        """Start PostgreSQL on its port and wait until it is healthy."""
        with self._state.lock(self._report):
            self._start_postgres(self._get_record())

    def stop_broker(self, node: int = 1, *, hard: bool = False) -> None:
        """Stop one Kafka node (1..brokers); `hard` kills it before it hands over leadership."""
        with self._state.lock(self._report):
            self._node(self._get_record(), node).stop(hard=hard)

    def start_broker(self, node: int = 1) -> None:
        """Start one Kafka node on its port and wait until the cluster has accepted it."""
        with self._state.lock(self._report):
            record = self._get_record()
            self._start_nodes(record, [self._node(record, node)])

    def _get_record(self) -> Record:
        record = self._state.find_record()
        if record is None:
            raise ServicesUnavailableError(
                f"{self._state.root} 里没有服务，请先启动 · "
                f"no services in {self._state.root}: start them"
            )
        return record

    def _postgres(self, record: Record) -> PostgresServer:
        return PostgresServer(state=self._state, record=record)

    def _node(self, record: Record, node: int) -> KafkaNode:
        if not 1 <= node <= record.brokers:
            raise ValueError(f"node 1..{record.brokers}, not {node}")
        return KafkaNode(state=self._state, record=record, node=node)

    def _part(self, name: str) -> PostgresServer | KafkaNode:
        record = self._get_record()
        return next(part for part in self._parts(record) if part.name == name)

    def _nodes(self, record: Record) -> list[KafkaNode]:
        return [self._node(record, node) for node in range(1, record.brokers + 1)]

    def _parts(self, record: Record) -> list[PostgresServer | KafkaNode]:
        return [self._postgres(record), *self._nodes(record)]

    def _running(self, record: Record) -> set[str]:
        for part in self._parts(record):
            part.adopt()
        return {part.name for part in self._parts(record) if part.find_pid() is not None}

    def _start_all(self, record: Record) -> None:
        with ThreadPoolExecutor(max_workers=2, thread_name_prefix="embedded") as side_by_side:
            started = [
                side_by_side.submit(self._start_postgres, record),
                side_by_side.submit(self._start_nodes, record, self._nodes(record)),
            ]
        for outcome in started:
            outcome.result()

    def _start_postgres(self, record: Record) -> None:
        server = self._postgres(record)
        if server.is_healthy():
            return
        self._report("启动 PostgreSQL · starting PostgreSQL")
        server.create()
        server.start()
        self._report(f"PostgreSQL 就绪 · PostgreSQL is ready: 127.0.0.1:{server.port}")

    def _start_nodes(self, record: Record, nodes: list[KafkaNode]) -> None:
        missing = [node for node in nodes if not node.is_healthy()]
        if not missing:
            return
        class_path = get_class_path(state=self._state.root, report=self._report)
        self._report("启动 Kafka · starting Kafka")
        if not record.formatted:
            format_nodes(missing, class_path)
            self._state.update(formatted=True)
        start_nodes(missing, class_path)
        self._report("Kafka 就绪 · Kafka is ready: " + endpoints_of(record).kafka_bootstrap)

    def _stop_all(self, record: Record, *, discarding: bool = False) -> None:
        self._stop_servers(record, discarding=discarding)
        stop(PidFile(path=self._state.root / "watchdog.pid"), signals=[(signal.SIGTERM, 5.0)])
        self._state.update(owner=None)

    def _stop_servers(self, record: Record, *, discarding: bool) -> None:
        """Stop all side by side; with `discarding`, Kafka is killed because its data is not kept.

        PostgreSQL is always shut down: if killed, it would leave shared memory in the kernel.
        """
        postgres, nodes = self._postgres(record), self._nodes(record)
        for part in self._parts(record):
            part.adopt()
        with ThreadPoolExecutor(max_workers=1 + len(nodes)) as side_by_side:
            stopped = [side_by_side.submit(postgres.stop)]
            stopped += [side_by_side.submit(node.stop, hard=discarding) for node in nodes]
        for outcome in stopped:
            outcome.result()

    def _claim(self) -> Record:
        """Record the owner of the services, and start the watchdog that waits for its end."""
        if self._owner_pid is None:
            return self._state.update(owner=None, ephemeral=False)
        birth = find_birth(self._owner_pid)
        if birth is None:
            raise ServicesUnavailableError(
                f"进程 {self._owner_pid} 不存在 · there is no process {self._owner_pid} to own them"
            )
        owner: dict[str, int | str] = {"pid": self._owner_pid, "birth": birth}
        record = self._state.update(owner=owner, ephemeral=self._ephemeral)
        launch(
            [sys.executable, "-m", "deploy.local.watchdog", self._state.root],
            log=self._state.logs / "watchdog.log",
            pid_file=PidFile(path=self._state.root / "watchdog.pid"),
            cwd=Path("/"),
            env=python_environment(),
        )
        return record


def _is_orphaned(record: Record) -> bool:
    """Return whether the owner is gone and its watchdog has not acted yet.

    A new claim then stops it.
    """
    owner = record.owner
    return owner is not None and find_birth(int(owner["pid"])) != owner["birth"]
