"""The status of the embedded services, as callers see it, and their addresses.

Values only; reading a status probes the servers and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploy.local import kafka_config
from deploy.local.kafka import KafkaNode
from deploy.local.postgres import PostgresServer
from deploy.local.state import Record


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where clients connect: `host:port[,host:port…]` and a `postgresql://` address."""

    kafka_bootstrap: str
    postgres_dsn: str


@dataclass(frozen=True, kw_only=True)
class ServiceStatus:
    """One service as it is now; `pid` is None when it does not run."""

    name: str
    pid: int | None
    port: int
    healthy: bool
    log: Path
    detail: str


def endpoints_of(record: Record) -> Endpoints:
    return Endpoints(
        kafka_bootstrap=kafka_config.bootstrap(record.ports, brokers=record.brokers),
        postgres_dsn=f"postgresql://xuelian@127.0.0.1:{record.ports['postgres']}/xuelian",
    )


def status_of(part: PostgresServer | KafkaNode) -> ServiceStatus:
    pid = part.find_pid()
    healthy = pid is not None and part.is_healthy()
    detail = "未就绪 · not ready"
    if healthy:
        detail = "运行中 · running"
    elif pid is None:
        detail = "已停止 · stopped"
    if part.record.owner and pid is not None:
        owner = part.record.owner["pid"]
        detail += f"，属于进程 {owner} · owned by process {owner}"
    return ServiceStatus(
        name=part.name, pid=pid, port=part.port, healthy=healthy, log=part.log, detail=detail
    )
