"""The layout of a state folder: its record when it is first made, and ports that are still free.

Owns the choice of ports, identifiers and PostgreSQL's home. Starts nothing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection
from pathlib import Path

from deploy.local.accounts import find_server_account
from deploy.local.kafka import new_uuid
from deploy.local.kafka_jars import KAFKA_VERSION
from deploy.local.postgres_install import get_major
from deploy.local.state import (
    FORMAT,
    Record,
    StateFolder,
    choose_port,
    is_port_free,
    mismatch,
)

# Where root keeps PostgreSQL's data when PostgreSQL's account cannot enter the state folder, for
# example in a checkout below /root: the alternative would be to open root's folders to everybody.
_ROOT_HOME = Path("/var/lib/xuelian")

_PORT_PATIENCE_S = 1.0


def ensure_record(state: StateFolder, *, brokers: int, report: Callable[[str], None]) -> Record:
    """Return the folder's record; make it if there is none.

    Raises:
        StateMismatchError: It was made by another version or for another number of brokers.
    """
    wanted = f"Kafka {KAFKA_VERSION}, PostgreSQL {get_major()}, {brokers} broker(s)"
    record = state.find_record()
    if record is None:
        if (state.root / "postgres").exists():
            # Which Kafka belongs to this database is no longer known, and the database must not
            # be used beside another log.
            raise mismatch(state.root, "services.json ?", wanted)
        record = _new_record(state, brokers=brokers, report=report)
        state.save(record)
        return record
    found = f"Kafka {record.kafka}, PostgreSQL {record.postgres}, {record.brokers} broker(s)"
    if found != wanted:
        raise mismatch(state.root, found, wanted)
    return record


def move_taken_ports(
    state: StateFolder,
    record: Record,
    *,
    running: Collection[str],
    report: Callable[[str], None],
) -> Record:
    """Give another port to each stopped service whose port a foreign process took, and report it.

    Services in `running` hold their ports themselves and keep them.
    """
    ports = dict(record.ports)
    for name, port in record.ports.items():
        if name.replace("controller-", "kafka-") in running or _becomes_free(port):
            continue
        ports[name] = choose_port(set(ports.values()))
        report(
            f"端口 {port} 已被占用，{name} 改用 {ports[name]} · "
            f"port {port} was taken, {name} moves to {ports[name]}"
        )
    return record if ports == record.ports else state.update(ports=ports)


def _becomes_free(port: int) -> bool:
    """Return whether the port is free within a second: a killed server's threads end late."""
    deadline = time.monotonic() + _PORT_PATIENCE_S
    while not is_port_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _new_record(state: StateFolder, *, brokers: int, report: Callable[[str], None]) -> Record:
    ports: dict[str, int] = {}
    nodes = range(1, brokers + 1)
    for name in (
        "postgres",
        *(f"{kind}-{node}" for kind in ("kafka", "controller") for node in nodes),
    ):
        ports[name] = choose_port(set(ports.values()))
    return Record(
        format=FORMAT,
        kafka=KAFKA_VERSION,
        postgres=get_major(),
        brokers=brokers,
        cluster_id=new_uuid(),
        directory_ids=[new_uuid() for _ in nodes],
        ports=ports,
        postgres_home=str(_choose_postgres_home(state, report)),
    )


def _choose_postgres_home(state: StateFolder, report: Callable[[str], None]) -> Path:
    account = find_server_account(state.root / "postgres" / "data")
    if account is None or account.can_reach(state.root):
        return state.root / "postgres"
    # The name is new each time: a state folder that was deleted by hand and made again must not
    # find the old folder's database, which would then stand beside an empty Kafka.
    home = _ROOT_HOME / f"postgres-{secrets.token_hex(8)}"
    report(
        f"账户 {account.name} 无法进入 {state.root}，PostgreSQL 数据放在 {home} · "
        f"{account.name} cannot enter {state.root}: PostgreSQL keeps its data in {home}"
    )
    return home
