"""The system that runs on a state folder: one `xuelian up` at a time, and its addresses.

Owns the lock `up.lock` and the note `running.json` beside it. The lock ends with the process that
holds it, even by SIGKILL; a note without a held lock describes a system that has ended.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSystem:
    """The system that runs on a folder now.

    Attributes:
        gateway_url: Empty until the gateway's port is chosen.
        probes: Process name to the address of its `/readyz`, once all were started.
        failing: Processes that keep ending.
    """

    pid: int
    gateway_url: str = ""
    probes: Mapping[str, str]
    failing: tuple[str, ...] = ()


class Note:
    """The note of the system that holds the folder. For one thread at a time."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "running.json"
        self._told: dict[str, object] = {"pid": os.getpid(), "probes": {}}
        self._write()

    def report_places(self, gateway_url: str, probes: Mapping[str, str]) -> None:
        self._told |= {"gateway_url": gateway_url, "probes": dict(probes)}
        self._write()

    def report_failing(self, names: Collection[str]) -> None:
        self._told |= {"failing": sorted(names)}
        self._write()

    def _write(self) -> None:
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(self._told, indent=2), encoding="utf-8")
        draft.replace(self._path)


@contextmanager
def hold_folder(state_dir: Path) -> Iterator[Note]:
    """Hold the folder alone while inside.

    Raises:
        ConfigurationError: `system_runs_here`: another `xuelian up` holds it.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "up.lock").open("ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise runs_here_error(state_dir, _read_note(state_dir)) from None
        yield Note(state_dir)


def find_running(state_dir: Path) -> RunningSystem | None:
    """Return the system that runs on a folder now; None if no `xuelian up` holds it."""
    try:
        handle = (state_dir / "up.lock").open("rb")
    except FileNotFoundError:
        return None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_note(state_dir)
    return None


def runs_here_error(state_dir: Path, running: RunningSystem) -> ConfigurationError:
    return ConfigurationError(
        "system_runs_here",
        url=running.gateway_url or "…",
        pid=running.pid,
        state_dir=str(state_dir),
    )


def _read_note(state_dir: Path) -> RunningSystem:
    try:
        told = json.loads((state_dir / "running.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        told = {}  # the other process has only just taken the lock
    return RunningSystem(
        pid=int(told.get("pid", 0)),
        gateway_url=str(told.get("gateway_url", "")),
        probes=dict(told.get("probes", {})),
        failing=tuple(told.get("failing", ())),
    )
