"""The state folder of the embedded services: its paths, its lock and its record.

Owns `services.json` (what was made here and on which ports), the lock that keeps two starters from
racing, and the choice of ports. Must not start or stop anything.

Concurrency: `lock()` is exclusive between processes and between threads; the record is replaced
atomically, so a reader without the lock sees either the old record or the new one, complete.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO

from deploy.local.errors import ServicesUnavailableError, StateMismatchError

FORMAT = 1

# Below every ephemeral range (Linux from 32768, macOS from 49152). With a port inside it, a client
# that keeps dialling a stopped server can get the server's port as its own, connect to itself, and
# keep the server from ever starting again.
_PORTS = range(21000, 32000)

# A first start resolves and downloads 55 MB under the lock.
_LOCK_PATIENCE_S = 300.0
_REMOVE_PATIENCE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Record:
    """What `services.json` keeps. `ports` maps `postgres`, `kafka-N`, `controller-N` to a port."""

    format: int
    kafka: str
    postgres: str
    brokers: int
    cluster_id: str
    directory_ids: list[str]
    ports: dict[str, int]
    postgres_home: str
    formatted: bool = False
    owner: dict[str, int | str] | None = field(default=None)
    ephemeral: bool = False


class StateFolder:
    """Paths, lock and record of one state folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.logs = self.root / "logs"

    @contextmanager
    def lock(self, report: Callable[[str], None]) -> Iterator[None]:
        """Hold the folder exclusively; create it when missing.

        Raises:
            ServicesUnavailableError: Another starter held it for five minutes.
        """
        handle = self._take_lock(report)
        try:
            yield
        finally:
            handle.close()

    def find_record(self) -> Record | None:
        """Return the record, or None when nothing was made here yet.

        Raises:
            StateMismatchError: It was written by another version of this package.
        """
        try:
            raw = json.loads((self.root / "services.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if raw.get("format") != FORMAT:
            raise mismatch(self.root, f"format {raw.get('format')}", f"format {FORMAT}")
        return Record(**raw)

    def save(self, record: Record) -> None:
        draft = self.root / "services.json.new"
        with draft.open("w", encoding="utf-8") as sink:
            json.dump(asdict(record), sink, indent=2)
            sink.flush()
            os.fsync(sink.fileno())
        draft.replace(self.root / "services.json")

    def update(self, **changes: object) -> Record:
        """Change some fields of the existing record."""
        record = self.find_record()
        if record is None:
            raise ServicesUnavailableError(
                f"{self.root} 里没有服务 · there are no services in {self.root}"
            )
        changed = replace(record, **changes)  # type: ignore[arg-type]  # names are checked at run time
        self.save(changed)
        return changed

    def remove(self) -> None:
        """Delete the folder. Call only while nothing runs from it."""
        record = self.find_record()
        if record is not None and not self._is_inside(Path(record.postgres_home)):
            _remove(Path(record.postgres_home))
        _remove(self.root)

    def _is_inside(self, path: Path) -> bool:
        return path.is_relative_to(self.root)

    def _take_lock(self, report: Callable[[str], None]) -> IO[bytes]:
        deadline = time.monotonic() + _LOCK_PATIENCE_S
        told = False
        while True:
            handle = self._open_lock()
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.close()
            else:
                if self._is_current(handle):
                    return handle
                handle.close()
                continue
            if not told:
                report(f"等待另一个启动者 · waiting for another starter: {self.root}")
                told = True
            if time.monotonic() > deadline:
                raise ServicesUnavailableError(
                    f"另一个进程占用着 {self.root} · another process holds {self.root}"
                )
            time.sleep(0.05)

    def _open_lock(self) -> IO[bytes]:
        self.root.mkdir(parents=True, exist_ok=True)
        return (self.root / "lock").open("ab")

    def _is_current(self, handle: IO[bytes]) -> bool:
        """Return whether the file that was locked is still the one at its path.

        It may be destroyed.
        """
        try:
            return os.path.samestat(os.fstat(handle.fileno()), (self.root / "lock").stat())
        except FileNotFoundError:
            return False


def _remove(folder: Path) -> None:
    """Delete `folder`; try again while a child of a killed starter (initdb, say) writes to it."""
    deadline = time.monotonic() + _REMOVE_PATIENCE_S
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def mismatch(root: Path, found: str, wanted: str) -> StateMismatchError:
    return StateMismatchError(
        f"{root} 里的数据属于 {found}，此处需要 {wanted}；"
        "请另选 XUELIAN_STATE_DIR 或先移走该文件夹 · "
        f"The data in {root} belongs to {found}, here {wanted} is needed: choose another "
        "XUELIAN_STATE_DIR or move that folder away."
    )


def is_port_free(port: int) -> bool:
    """Return whether a server could listen on 127.0.0.1:`port` now, as ours would."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(taken: set[int]) -> int:
    """Return a port that is free now and not in `taken`.

    Raises:
        ServicesUnavailableError: A thousand tries found none.
    """
    for port in random.sample(_PORTS, k=1000):
        if port not in taken and is_port_free(port):
            return port
    raise ServicesUnavailableError(
        "127.0.0.1 上找不到空闲端口 · no free port was found on 127.0.0.1"
    )
