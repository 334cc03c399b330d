"""The processor time of each process while requests come at a rate, as a share of a core.

The shares complement the ratios: they show which process is busy when a goal is missed. The load
itself is counted too, since it runs on the same machine.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_SERVERS = {"java": "kafka", "postgres": "postgres"}
"""Executable names of our servers to their names in a result."""


@dataclass(slots=True)
class Shares:
    """Shares of one core, and processor seconds, by process, once the `taken` block has ended.

    Args:
        children: Our own processes by name, to their process ids.
        state: Folder of the embedded servers; only servers that run in it are counted.
    """

    children: Mapping[str, int]
    state: Path
    of_a_core: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def taken(self) -> Iterator[None]:
        before, started = self._read(), time.perf_counter()
        yield
        took_s = time.perf_counter() - started
        self.seconds = {
            name: spent - before.get(name, 0.0) for name, spent in sorted(self._read().items())
        }
        self.of_a_core = {name: spent / took_s for name, spent in self.seconds.items()}

    def _read(self) -> Mapping[str, float]:
        """Return the processor seconds so far, by name."""
        spent: defaultdict[str, float] = defaultdict(float)
        for name, pid in {**self.children, "load": os.getpid()}.items():
            process = psutil.Process(pid)
            spent[name] = _seconds(process) + _seconds_of_ended(process)
        for process in psutil.process_iter():
            try:
                server = _SERVERS.get(process.name())
                if server and self._is_ours(process):
                    spent[server] += _seconds(process)
            except psutil.NoSuchProcess:
                continue  # a server process that ended between listing and looking
        return spent

    def _is_ours(self, process: psutil.Process) -> bool:
        return any(str(self.state) in part for part in _name_place(process))


def _name_place(process: psutil.Process) -> list[str]:
    # The command lines of PostgreSQL's own children do not name the folder; their parent's does.
    parent = process.parent()
    return [process.cwd(), *process.cmdline(), *(parent.cmdline() if parent else ())]


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _seconds_of_ended(process: psutil.Process) -> float:
    """Return the seconds of children that ended: a gateway reads large files in a child process."""
    times = process.cpu_times()
    return times.children_user + times.children_system
