"""Supervises what `xuelian up` runs: a process that ends by itself is started again, within bounds.

Supervises our own processes and the embedded servers alike. Owns the decision when to start again
and when to give up, and keeps the logs from growing without bound. A worker that keeps ending is
reported with a warning and tried again every minute, while all others go on. Supervision gives up
only when a gateway, a server or every worker keeps ending. Concurrency: one thread, that of `up`.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

from deploy.local.exit_codes import ExitCode
from deploy.local.local_system import LocalSystem
from deploy.local.log_files import roll_logs
from models.errors import ConfigurationError, TransientError

_POLL_S = 0.3
_PAUSE_FIRST_S = 0.5
_PAUSE_MOST_S = 15.0
_PAUSE_FAILING_S = 60.0
_DOUBLINGS_MOST = 10

MAX_ENDS = 5
"""A process that ended so often within `WINDOW_S` meets the same bug each time: it is failing until
it has lived for `WINDOW_S`."""

WINDOW_S = 300.0


_ROLL_EVERY = 20
"""Rounds of supervision between two checks of the logs."""


class Watched(Protocol):
    """A process that is supervised."""

    @property
    def name(self) -> str: ...
    @property
    def log(self) -> Path: ...
    @property
    def is_alive(self) -> bool: ...
    @property
    def exit_code(self) -> int | None: ...
    def start(self) -> None: ...
    def tail(self) -> str: ...


def _ignore(_: Collection[str]) -> None:
    return


_WORKERS = frozenset({"urgent", "supply"})


class Supervisor:
    """Starts crashed processes again, each after a pause that doubles.

    Args:
        system: The started system.
        services: The servers that it depends on, if they are supervised here.
        report: Called with every end and every new start.
        report_failing: Called with all processes that keep ending, whenever they change.
        monotonic: Real seconds.
    """

    def __init__(
        self,
        system: LocalSystem,
        *,
        report: Callable[[str], None],
        services: Sequence[Watched] = (),
        report_failing: Callable[[Collection[str]], None] = _ignore,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._system = system
        self._services = services
        self._report = report
        self._monotonic = monotonic
        self._ends: dict[str, deque[float]] = defaultdict(deque)
        self._start_at: dict[str, float] = {}
        self._report_failing = report_failing
        self._failing: set[str] = set()
        self._started_at: dict[str, float] = {}

    def watch(self, stop: threading.Event) -> None:
        """Supervise until `stop` is set.

        Raises:
            TransientError: `child_given_up`: the system does not work without this process.
            ConfigurationError: A process says that its settings do not allow it to run.
        """
        looks = 0
        while not stop.wait(_POLL_S):
            for child in (*self._services, *self._system.children.values()):
                self.look_at(child)
            looks += 1
            if looks % _ROLL_EVERY == 0:
                roll_logs(self._system.settings.state_dir / "logs")

    def look_at(self, child: Watched) -> None:
        """Start one process again if it has ended and its pause is over."""
        if child.is_alive:
            self._forgive(child)
            return
        due_at = self._start_at.get(child.name)
        if due_at is None:
            self._note_end(child)
        elif self._monotonic() >= due_at:
            del self._start_at[child.name]
            self._report(f"重启 {child.name} · starting {child.name} again")
            self._started_at[child.name] = self._monotonic()
            child.start()

    def _forgive(self, child: Watched) -> None:
        """Clear the failing mark of a process that has lived long enough."""
        if child.name not in self._failing:
            return
        if self._monotonic() - self._started_at.get(child.name, 0.0) >= WINDOW_S:
            self._failing.discard(child.name)
            self._ends[child.name].clear()
            self._report_failing(self._failing)
            self._report(f"{child.name} 恢复正常 · {child.name} runs steadily again")

    def _note_end(self, child: Watched) -> None:
        exit_code = child.exit_code
        params = {"name": child.name, "log": str(child.log)}
        if exit_code == ExitCode.CONFIGURATION:
            raise ConfigurationError(
                "child_ended", exit_code=exit_code, tail=child.tail(), **params
            )
        now, ends = self._monotonic(), self._ends[child.name]
        ends.append(now)
        while child.name not in self._failing and ends[0] < now - WINDOW_S:
            ends.popleft()
        if len(ends) >= MAX_ENDS:
            self._note_failing(child.name)
            if self._is_the_end(child.name):
                raise TransientError("child_given_up", times=len(ends), **params)
        most_s = _PAUSE_FAILING_S if child.name in self._failing else _PAUSE_MOST_S
        pause_s = min(_PAUSE_FIRST_S * 2 ** min(len(ends) - 1, _DOUBLINGS_MOST), most_s)
        self._start_at[child.name] = now + pause_s
        if child.name in self._failing:
            self._report(
                f"‼ {child.name} 反复退出（{len(ends)} 次），它的工作现在没有人做；其余照常运行，"
                f"{pause_s:.0f} 秒后再试：看日志，xuelian doctor · ‼ {child.name} keeps ending "
                f"({len(ends)} times) and nobody does its work; all others go on, it is tried "
                f"again in {pause_s:.0f} s: see {child.log}"
            )
            return
        self._report(
            f"{child.name} 退出（{_describe_exit(exit_code)}），{pause_s:.1f} 秒后重启 · "
            f"{child.name} ended, starting again in {pause_s:.1f} s; {child.log}"
        )

    def _note_failing(self, name: str) -> None:
        if name not in self._failing:
            self._failing.add(name)
            self._report_failing(self._failing)

    def _is_the_end(self, name: str) -> bool:
        """Return whether to give up: `name` is a gateway or server, or every worker fails."""
        if _kind_of(name) not in _WORKERS:
            return True
        workers = {other for other in self._system.children if _kind_of(other) in _WORKERS}
        return workers <= self._failing


def _kind_of(name: str) -> str:
    return name.partition("-")[0]


def _describe_exit(exit_code: int | None) -> str:
    if exit_code is None:
        return "意外停止 · by itself"
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
