"""Kafka and PostgreSQL as `xuelian up` looks after them: seen dead, started again, told.

Only a server that ended by itself is started again. One that somebody stopped (`xuelian services
down`) stays down, and is told once.

Concurrency: for the thread of `up`; a start runs in a thread of its own, since it may take a minute
in which the other processes must not be left alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.embedded.services import EmbeddedServices


class ServiceChild:
    """One server of the embedded services.

    Args:
        services: Of the state folder.
        name: Such as `postgres` or `kafka-1`.
        log: Its log.
        report: Told of a start that failed, and of a stop by somebody else.
    """

    def __init__(
        self, services: EmbeddedServices, *, name: str, log: Path, report: Callable[[str], None]
    ) -> None:
        self.name = name
        self.log = log
        self._services = services
        self._report = report
        self._starting: threading.Thread | None = None
        self._stop_told = False

    @property
    def exit_code(self) -> int | None:
        """Not known: the server is nobody's child."""
        return None

    @property
    def is_alive(self) -> bool:
        """Whether it needs no start: it runs, is being started, or was stopped by somebody."""
        if self._starting is not None and self._starting.is_alive():
            return True
        if self._services.is_stopped(self.name):
            self._tell_stopped()
            return True
        self._stop_told = False
        return self._services.is_running(self.name)

    def start(self) -> None:
        """Begin to start it; returns at once."""
        self._starting = threading.Thread(
            target=self._start, name=f"start-{self.name}", daemon=True
        )
        self._starting.start()

    def tail(self) -> str:
        return ""

    def _start(self) -> None:
        try:
            self._services.restart(self.name)
        except Exception as error:  # noqa: BLE001 - told; the supervisor sees it dead and goes on
            self._report(f"{self.name} 没有启动 · {self.name} did not start: {error}")

    def _tell_stopped(self) -> None:
        if not self._stop_told:
            self._stop_told = True
            self._report(
                f"{self.name} 被人停止，不自动重启：xuelian services up · {self.name} was stopped "
                "by somebody and is left alone: xuelian services up"
            )
