"""A child process of ours ends with the process that started it, and tells why it is not ready."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pydantic import PostgresDsn

from deploy.local.child_processes import Child
from deploy.local.local_system import LocalSystem
from deploy.local.parent_watch import is_owned_by
from models.errors import ConfigurationError, TransientError
from streams.settings import Settings
from streams.store.schema_update import apply_migrations

pytestmark = pytest.mark.integration

OWNER = textwrap.dedent(
    """
    import os, subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])
    print(child.pid, flush=True)
    time.sleep(60)
    """
)
OWNED = textwrap.dedent(
    """
    import sys, time
    from deploy.local.parent_watch import follow_owner
    follow_owner(int(sys.argv[1]))
    time.sleep(60)
    """
)


def wait_until(condition: Callable[[], bool], *, within_s: float, what: str) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether it runs; an orphan that has ended may stay a zombie of who adopted it."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_child_ends_when_its_owner_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, OWNED], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        time.sleep(1.0)
        assert is_alive(pid), "it must live as long as its owner does"
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    wait_until(lambda: not is_alive(pid), within_s=5, what="the orphan lives on")


def test_we_are_owned_by_our_parent_alone() -> None:
    assert is_owned_by(os.getppid())
    assert not is_owned_by(os.getpid())


def build_child(folder: Path, *words: str, port: int = 1) -> Child:
    return Child(
        name="urgent",
        arguments=words,
        env={"XUELIAN_STATE_DIR": str(folder)},
        log=folder / "urgent.log",
        ready_url=f"http://127.0.0.1:{port}/readyz",
    )


def test_a_child_that_ends_leaves_its_last_words(tmp_path: Path) -> None:
    child = build_child(tmp_path, "worker", "nonsense")
    child.start()
    wait_until(lambda: not child.is_alive, within_s=20, what="it did not end")
    assert child.exit_code == 2
    assert "nonsense" in child.tail()
    assert child.pid is None


class _NotReady(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        return


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"ready":false,"reasons":{"kafka":"joining"}}', "kafka: joining"),
        (
            '{"checks":[{"name":"pg","ok":false,"reason":{"zh":"不可用","en":"away"}}]}',
            "pg: 不可用",
        ),
        ("oops", "oops"),
    ],
)
def test_why_it_is_not_ready_is_told_in_its_own_words(
    tmp_path: Path, body: str, reason: str
) -> None:
    handler = type("Handler", (_NotReady,), {"body": body.encode()})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.handle_request, daemon=True).start()
        assert build_child(tmp_path, port=server.server_port).find_reason() == reason


def test_an_unknown_process_is_named(tmp_path: Path) -> None:
    system = LocalSystem(Settings(state_dir=tmp_path), processes=("surgeon",))
    with pytest.raises(ConfigurationError, match=r"process_name_unknown.*surgeon.*gateway"):
        system.add("surgeon")


def test_nothing_is_left_when_the_servers_are_away(tmp_path: Path) -> None:
    settings = Settings(
        state_dir=tmp_path,
        kafka_bootstrap="127.0.0.1:1",
        postgres_dsn=PostgresDsn("postgresql://xuelian@127.0.0.1:1/none"),
        gateway_port=0,
    )
    system = LocalSystem(settings)
    with pytest.raises(TransientError, match="kafka_away"):
        system.start()
    assert system.children == {}


def test_a_database_that_is_away_is_no_broken_migration(tmp_path: Path) -> None:
    """Exit code 3 and not 4: waiting helps."""
    settings = Settings(
        state_dir=tmp_path,
        postgres_dsn=PostgresDsn("postgresql://xuelian@127.0.0.1:1/none"),
    )
    with pytest.raises(TransientError, match="postgres_away"):
        apply_migrations(settings, wait_s=1)
