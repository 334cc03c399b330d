"""Server processes that outlive their starter and are never confused with another process.

Owns launching, recognising and stopping. A process is recognised by its pid together with the
instant it was born, so that a recycled pid is never signalled. Must not know Kafka or PostgreSQL.

Concurrency: callers hold the state folder's lock while they launch or stop; reading needs no lock.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.local.accounts import Account

# The starter's shell ends at once, so init adopts the server: none of our processes has to reap it,
# and it survives a starter that is killed. Its output goes where the shell's stderr goes.
_DETACH = '( exec "$@" </dev/null 1>&2 ) & echo $!'

# Worst case of one log file: this size twice (the current one and `.1`).
_LOG_LIMIT_BYTES = 8 * 1024 * 1024

_POLL_S = 0.02


def has_pid(pid: int) -> bool:
    """Return whether `pid` is taken, if only by a zombie, which other programs regard as alive."""
    return psutil.pid_exists(pid)


def find_birth(pid: int) -> str | None:
    """Return the instant `pid` was born, as an opaque text; None when it is gone or all zombie.

    A server frees its ports and locks with its last thread, a moment after its first thread became
    a zombie.

    On Linux the instant is counted in ticks since boot: the wall-clock value that psutil derives
    moves when the machine's clock is set, and our own server would then look like another process.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1:
            return None
        return _ticks(pid) if psutil.LINUX else repr(process.create_time())
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def _ticks(pid: int) -> str:
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{after_name.split()[19]}"


@dataclass(frozen=True, kw_only=True)
class PidFile:
    """Remembers one process over restarts of the process that supervises it."""

    path: Path

    def write(self, pid: int) -> None:
        birth = find_birth(pid)
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps({"pid": pid, "birth": birth}), encoding="utf-8")
        draft.replace(self.path)

    def find_alive(self) -> int | None:
        """Return the pid, if the remembered process itself still runs."""
        try:
            known = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        birth = find_birth(known["pid"])
        return int(known["pid"]) if birth is not None and birth == known["birth"] else None

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)


def adopt(pid_file: PidFile, *, token: str) -> None:
    """Remember the live process that was started with the argument `token`, if none is remembered.

    A starter may be killed between starting a server and noting its pid. That server would then
    never be stopped, and would keep a new server from its data.
    """
    if pid_file.find_alive() is not None:
        return
    for process in psutil.process_iter(["cmdline"]):
        if token in (process.info["cmdline"] or ()) and find_birth(process.pid) is not None:
            pid_file.write(process.pid)
            return


def launch(
    command: Sequence[str | Path],
    *,
    log: Path,
    pid_file: PidFile,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
) -> int:
    """Start `command` detached, in its own session, and remember it.

    Args:
        command: Program and arguments.
        log: File that takes stdout and stderr; rolled to `.1` when it has grown large.
        pid_file: Where the process is remembered.
        cwd: Its working directory, which `account` can enter.
        env: Its whole environment; the starter's own when None.
        account: Account that it runs as; the starter's own when None.

    Returns:
        The pid of the program itself, not of a shell around it.

    Raises:
        OSError: The shell could not be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(log.suffix + ".1"))
    with log.open("ab") as sink:
        started = subprocess.run(
            ["/bin/sh", "-c", _DETACH, "sh", *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
            check=True,
            **(account.as_arguments() if account else {}),
        )
    pid = int(started.stdout)
    pid_file.write(pid)
    return pid


def stop(pid_file: PidFile, *, signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """End the remembered process: send each signal and wait its number of seconds, then SIGKILL.

    Then wait for children of the process too (a killed PostgreSQL leaves backends for a moment, and
    they hold its shared memory).
    """
    pid = pid_file.find_alive()
    if pid is None:
        pid_file.clear()
        return
    family = _family(pid)
    for number, patience_s in (*signals, (signal.SIGKILL, 10.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if wait_gone(pid, patience_s=patience_s):
            break
    for member in family:
        wait_gone(member, patience_s=5.0)
    pid_file.clear()


def wait_gone(pid: int, *, patience_s: float) -> bool:
    """Wait until `pid` is no longer running; False when it still is after `patience_s` seconds."""
    birth = find_birth(pid)
    deadline = time.monotonic() + patience_s
    while birth is not None and find_birth(pid) == birth:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _family(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
