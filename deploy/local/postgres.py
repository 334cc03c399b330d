"""PostgreSQL 18 on 127.0.0.1: the store of record, so durability is never traded for speed.

Owns the data folder, its first creation, starting and stopping. Authentication is `trust`: anyone
who has an account on this machine can connect as the superuser. That is meant for a demonstration
on one machine and for tests, which is why the server listens on 127.0.0.1 only. A production
database has passwords or certificates and a synchronous standby.

Concurrency: callers hold the state folder's lock, except while they only read the status.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.local.accounts import Account, find_server_account
from deploy.local.errors import ServicesUnavailableError
from deploy.local.health_wait import size_of, wait_healthy
from deploy.local.postgres_data import DATABASE, USER, create_data
from deploy.local.postgres_install import get_major, get_programs
from deploy.local.server_processes import PidFile, adopt, has_pid, launch, stop
from deploy.local.state import Record, StateFolder, mismatch

# Long, because recovery after a crash replays the log first.
_START_PATIENCE_S = 90.0
_FAST_PATIENCE_S = 30.0
_IMMEDIATE_PATIENCE_S = 10.0
_AGAIN_PATIENCE_S = 10.0
_BACKENDS_REMAIN = "pre-existing shared memory block"

# Passed on the command line, where neither a file nor ALTER SYSTEM can turn durability off.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%a ",
}


@dataclass(frozen=True, kw_only=True)
class PostgresServer:
    """The one database server that `record` describes."""

    state: StateFolder
    record: Record

    @property
    def name(self) -> str:
        return "postgres"

    @property
    def home(self) -> Path:
        return Path(self.record.postgres_home)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.state.logs / "postgres.log"

    @property
    def port(self) -> int:
        return self.record.ports[self.name]

    @property
    def dsn(self) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def pid_file(self) -> PidFile:
        return PidFile(path=self.state.root / "postgres.pid")

    def find_pid(self) -> int | None:
        return self.pid_file.find_alive()

    def adopt(self) -> None:
        """Note the pid of a running server whose starter was killed before it did so."""
        adopt(self.pid_file, token=self._token)

    def is_healthy(self) -> bool:
        """Return whether our own server takes connections; another on the port does not count."""
        pid = self.find_pid()
        if pid is None or self._claimed_pid() != pid:
            return False
        programs = get_programs(home=self.home, account=None)
        asked = subprocess.run(
            [programs / "pg_isready", "-q", "-t", "2", "-d", self.dsn], check=False
        )
        return asked.returncode == 0

    def create(self) -> None:
        """Make the data folder and the database, completely or not at all.

        Raises:
            StateMismatchError: The data is of another major version.
            ServicesUnavailableError: initdb failed, or root has no account to run a server as.
        """
        if self.data.exists():
            found = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
            if found != get_major():
                raise mismatch(self.state.root, f"PostgreSQL {found}", f"PostgreSQL {get_major()}")
            return
        create_data(self.data, account=self._account())

    def start(self) -> None:
        """Start the server and wait until it takes connections.

        In two cases the end of the server is not a failure of this start, and it is started again:
        the server was found running but had been killed a moment before; or it met the last
        backends of a killed server, which hold its shared memory for a moment longer.
        """
        deadline = time.monotonic() + _AGAIN_PATIENCE_S
        while True:
            was_running = self.find_pid() is not None
            log_from = self._launch()
            try:
                self._wait(log_from)
            except ServicesUnavailableError as failure:
                again = was_running or _BACKENDS_REMAIN in failure.reason
                if not again or self.find_pid() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def _launch(self) -> int:
        """Start the process, unless it already runs and is not ready yet.

        Returns:
            The byte of the log where this start begins.
        """
        log_from = size_of(self.log)
        if self.find_pid() is not None:
            return log_from
        self._drop_stale_claim()
        account = self._account()
        programs = get_programs(home=self.home, account=account)
        settings = {**_SETTINGS, "port": str(self.port)}
        launch(
            [
                programs / "postgres",
                "-D",
                self.data,
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
                "-c",
                self._token,
            ],
            log=self.log,
            pid_file=self.pid_file,
            cwd=self.home,
            account=account,
        )
        return log_from

    def _wait(self, log_from: int) -> None:
        wait_healthy(
            self.name,
            is_healthy=self.is_healthy,
            is_alive=lambda: self.find_pid() is not None,
            log=self.log,
            log_from=log_from,
            deadline_s=_START_PATIENCE_S,
        )

    def stop(self, *, hard: bool = False) -> None:
        """Shut down fast (open transactions are rolled back), or kill the server when `hard`."""
        gentle = [
            (signal.SIGINT, _FAST_PATIENCE_S),
            (signal.SIGQUIT, _IMMEDIATE_PATIENCE_S),
        ]
        stop(self.pid_file, signals=[] if hard else gentle)

    @property
    def _token(self) -> str:
        """Return a setting of our own that identifies this server's process among all others."""
        return f"xuelian.state={self.data}"

    def _account(self) -> Account | None:
        account = find_server_account(self.data)
        if account is None and os.geteuid() == 0:
            raise ServicesUnavailableError(
                "PostgreSQL 不能以 root 运行，且没有可用的普通账户 · PostgreSQL refuses root, and "
                "there is no account `postgres` or `nobody` to run it as"
            )
        return account

    def _claimed_pid(self) -> int | None:
        """Return the pid that the data folder's own lock file names."""
        try:
            first = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0]
        except (FileNotFoundError, IndexError):
            return None
        return int(first)

    def _drop_stale_claim(self) -> None:
        """Remove the lock file of a server that died, if a foreign process now has its pid.

        PostgreSQL clears the file itself when no process has the pid. If a foreign process has it
        (common where pids are small, as in containers), PostgreSQL would never start again. It
        still finds live backends of the old server by its shared memory, so the data stays guarded.
        """
        claimed = self._claimed_pid()
        if claimed is None or not has_pid(claimed):
            return
        try:
            ours = psutil.Process(claimed).cwd() == str(self.data)
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            # The process belongs to another user, as our server never does, or is a zombie.
            ours = False
        if not ours:
            (self.data / "postmaster.pid").unlink()
