"""`xuelian up` with servers of its own that are killed under it: restarted, told, and few lines."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.exit_codes import ExitCode
from tests.support.commands import xuelian
from tests.support.services import new_state_folder

pytestmark = pytest.mark.e2e


class Up:
    """A running `xuelian up`: its document, its lines, and how to wait for one of them."""

    def __init__(self, process: subprocess.Popen[str], state: Path) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.state = state
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, args=(process.stderr,), daemon=True).start()
        told = []
        for line in process.stdout:
            told.append(line)
            if line == "}\n":
                break
        self.document: dict[str, Any] = json.loads("".join(told))
        self.url: str = self.document["gateway_url"]

    def _read(self, stream: Iterator[str]) -> None:
        for line in stream:
            self.lines.put(line)

    def wait_line(self, *words: str, within_s: float = 60) -> str:
        deadline = time.monotonic() + within_s
        seen: list[str] = []
        while True:
            try:
                line = self.lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                raise AssertionError(f"no line with {words} in {seen}") from None
            seen.append(line)
            if all(word in line for word in words):
                return line

    def wait_ready(self, *, within_s: float = 60) -> None:
        deadline = time.monotonic() + within_s
        while True:
            try:
                if httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def signal_server(self, name: str, number: signal.Signals) -> None:
        pid = json.loads((self.state / f"{name}.pid").read_text(encoding="utf-8"))["pid"]
        os.kill(pid, number)

    def count_log_lines(self) -> dict[str, int]:
        return {
            name: len((self.state / "logs" / f"{name}.log").read_bytes().splitlines())
            for name in ("gateway", "urgent", "supply")
        }


def build_env(state: Path, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("XUELIAN_")}
    return {**clean, "XUELIAN_STATE_DIR": str(state), "XUELIAN_GATEWAY_PORT": "0", **more}


@contextmanager
def running_up(state: Path) -> Iterator[Up]:
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", "up", "--json"],
        env=build_env(state),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Up(process, state)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


async def test_f86_killed_servers_are_started_again_and_that_is_said() -> None:
    state = new_state_folder()
    with running_up(state) as up:
        env = {"XUELIAN_STATE_DIR": str(state), "XUELIAN_GATEWAY_URL": up.url}

        # F85: whoever wants the same port from another folder learns whose it is.
        other = new_state_folder()
        port = up.url.rpartition(":")[2]
        second = subprocess.run(
            [sys.executable, "-m", "cli.main", "up", "--json"],
            env=build_env(other, XUELIAN_GATEWAY_PORT=port),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert second.returncode == ExitCode.CONFIGURATION
        assert str(state) in json.loads(second.stdout)["error"]["zh"]
        assert str(state) in second.stderr
        assert not (other / "services.json").exists()

        up.signal_server("postgres", signal.SIGKILL)
        up.wait_line("postgres 退出", "意外停止")
        up.wait_line("重启 postgres")
        up.wait_line("PostgreSQL 就绪")
        up.wait_ready()

        before = up.count_log_lines()
        up.signal_server("kafka-1", signal.SIGKILL)
        # F87: what is wrong, and what to do, in every line.
        ran = await xuelian("doctor", "--json", env=env)
        for check in ran.document["checks"]:
            assert check["ok"] or (check["detail"].strip(" ·") and check["fix"])
        up.wait_line("kafka-1 退出", "意外停止")
        up.wait_line("Kafka 就绪")
        up.wait_ready()
        time.sleep(2)
        # F88: an outage of some ten seconds is a few lines in each log.
        after = up.count_log_lines()
        grown = {name: after[name] - before[name] for name in after}
        assert all(lines < 60 for lines in grown.values()), grown

        # What lives and does not answer is told, and left alone.
        up.signal_server("kafka-1", signal.SIGSTOP)
        up.wait_line("kafka-1 的进程还在，却不应答")
        up.signal_server("kafka-1", signal.SIGCONT)
        up.wait_line("kafka-1 又应答了")
        up.wait_ready()

        # What somebody stops is left alone, and told.
        stopped = await xuelian("services", "down", env=env)
        assert stopped.exit_code == 0
        up.wait_line("kafka-1 被人停止", "xuelian services up")
        assert (await xuelian("services", "up", env=env)).exit_code == 0
        up.wait_ready()
    assert up.process.returncode == 0
