"""Looking after what `xuelian up` runs: what ends by itself is started again, within bounds.

Our own processes and the embedded servers alike. Owns the decision when to start again and when to
give up, and keeps the logs from growing for ever. Concurrency: one thread, that of `up`.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from cli.failures import ExitCode
from cli.rolling import roll_logs
from cli.system import LocalSystem
from models.errors import ConfigurationError, TransientError

_POLL_S = 0.3
_PAUSE_FIRST_S = 0.5
_PAUSE_MOST_S = 15.0

MAX_ENDS = 5
"""A process that ended so often within `WINDOW_S` meets the same bug each time."""

WINDOW_S = 300.0


_ROLL_EVERY = 20
"""Looks between two looks at the logs."""


class Watched(Protocol):
    """A process that is looked after."""

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


class Supervisor:
    """Starts crashed processes again, each after a pause that doubles.

    Args:
        system: Started.
        services: The servers that it stands on, if they are looked after here.
        report: Told of every end and every new start.
        monotonic: Real seconds.
    """

    def __init__(
        self,
        system: LocalSystem,
        *,
        report: Callable[[str], None],
        services: Sequence[Watched] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._system = system
        self._services = services
        self._report = report
        self._monotonic = monotonic
        self._ends: dict[str, deque[float]] = defaultdict(deque)
        self._start_at: dict[str, float] = {}

    def watch(self, stop: threading.Event) -> None:
        """Return once `stop` is set.

        Raises:
            TransientError: `child_given_up`.
            ConfigurationError: A process says that it must not run as it is set up.
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
            return
        due_at = self._start_at.get(child.name)
        if due_at is None:
            self._note_end(child)
        elif self._monotonic() >= due_at:
            del self._start_at[child.name]
            self._report(f"重启 {child.name} · starting {child.name} again")
            child.start()

    def _note_end(self, child: Watched) -> None:
        exit_code = child.exit_code
        params = {"name": child.name, "log": str(child.log)}
        if exit_code == ExitCode.CONFIGURATION:
            raise ConfigurationError(
                "child_ended", exit_code=exit_code, tail=child.tail(), **params
            )
        now, ends = self._monotonic(), self._ends[child.name]
        ends.append(now)
        while ends[0] < now - WINDOW_S:
            ends.popleft()
        if len(ends) >= MAX_ENDS:
            raise TransientError("child_given_up", times=len(ends), **params)
        pause_s = min(_PAUSE_FIRST_S * 2 ** (len(ends) - 1), _PAUSE_MOST_S)
        self._start_at[child.name] = now + pause_s
        self._report(
            f"{child.name} 退出（{_tell_exit(exit_code)}），{pause_s:.1f} 秒后重启 · "
            f"{child.name} ended, starting again in {pause_s:.1f} s; {child.log}"
        )


def _tell_exit(exit_code: int | None) -> str:
    if exit_code is None:
        return "意外停止 · by itself"
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
