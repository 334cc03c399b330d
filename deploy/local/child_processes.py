"""A process of this system as a child process: its start, log file, readiness and end.

Owns the process and knows nothing of what runs in it. Not safe for concurrent threads.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from deploy.local.log_files import roll

ROOT = Path(__file__).resolve().parents[2]

_PROBE_TIMEOUT_S = 2.0
_TAIL_LINES = 12
_TAIL_BYTES = 16_384

# Requests to our own loopback must not go through a proxy that the environment names.
_OPENER = build_opener(ProxyHandler({}))


def find_unready_reason(ready_url: str) -> str | None:
    """Return why the process behind an address is not ready, or None if it is."""
    try:
        with _OPENER.open(ready_url, timeout=_PROBE_TIMEOUT_S) as answer:
            answer.read()
    except HTTPError as error:
        with error:
            return _read_reasons(error.read())
    except OSError as error:
        return str(getattr(error, "reason", error))
    return None


@dataclass(kw_only=True)
class Child:
    """A child process, started or not.

    Attributes:
        name: Such as `gateway`, `urgent` or `urgent-2`.
        arguments: Of the `xuelian` command.
        env: Its `XUELIAN_` variables, all of them.
        log: Appended to by every start; moved to `.1` when it has grown large.
        ready_url: Answers 200 once it is ready, else 503 with the reasons.
    """

    name: str
    arguments: Sequence[str]
    env: Mapping[str, str]
    log: Path
    ready_url: str
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _log_from: int = field(default=0, init=False)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.is_alive else None

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Exit code of the last run; a negative one is the number of the signal that ended it."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it in a session of its own, so that Ctrl-C in the terminal reaches only us."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        roll(self.log)
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, "-m", "cli.main", "--debug", *self.arguments, "--owner-pid"]
        with self.log.open("ab") as sink:
            self._process = subprocess.Popen(
                [*command, str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=_inherit(self.env),
                start_new_session=True,
            )

    def end(self, *, hard: bool = False, grace_s: float = 20.0) -> None:
        """End it and wait: SIGTERM and after the grace SIGKILL, or SIGKILL at once."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def ask_to_end(self) -> None:
        """Send SIGTERM and do not wait."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def find_reason(self) -> str | None:
        """Return why it is not ready, in its own words, or None once it is."""
        return find_unready_reason(self.ready_url)

    def tail(self) -> str:
        """Return the end of what the last run wrote."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as source:
            size = self.log.stat().st_size
            # A log that was rolled meanwhile is shorter than the offset at which this run began.
            begin = self._log_from if self._log_from <= size else 0
            source.seek(max(begin, size - _TAIL_BYTES))
            lines = source.read().decode(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:])


def _read_reasons(body: bytes) -> str:
    """Read `reasons` from a worker's answer, or the reasons of failed `checks` from a gateway's."""
    try:
        answer = json.loads(body)
        reasons = dict(answer.get("reasons", {}))
        for check in answer.get("checks", ()):
            if not check["ok"]:
                reasons[check["name"]] = check["reason"]["zh"]
    except (ValueError, AttributeError, KeyError, TypeError):
        return body.decode(errors="replace")[:200]
    return "; ".join(f"{part}: {why}" for part, why in reasons.items())


def run_command(
    arguments: Sequence[str], *, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `xuelian` to its end.

    Args:
        arguments: Of the command.
        env: The `XUELIAN_` variables it gets; none of ours.
    """
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.run(command, env=_inherit(env), capture_output=True, text=True, check=False)


def _inherit(settings: Mapping[str, str]) -> dict[str, str]:
    """Return our environment with its `XUELIAN_` variables replaced by those of the child."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("XUELIAN_")}
    paths = [str(ROOT), *filter(None, [env.get("PYTHONPATH")])]
    return {**env, **settings, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
