"""Kafka and PostgreSQL under the supervision of `xuelian up`: a dead server is started again.

Only a server that ended by itself is started again. A server that somebody stopped (`xuelian
services down`) stays down and is reported once. A server that lives and does not answer is reported
once too: it may hang on a disk or be stopped by a signal, and a person must decide to kill it.

Concurrency: for the thread of `up`. A start and a health check run in threads of their own, since
they may take a minute, and the other processes must be supervised meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.local.embedded_services import EmbeddedServices


ASK_EVERY_S = 3.0
SILENT_S = 10.0
"""A server that has not answered for so long is reported; a pause of its own is shorter."""


class ServiceChild:
    """One server of the embedded services.

    Args:
        services: Of the state folder.
        name: Such as `postgres` or `kafka-1`.
        log: Its log.
        report: Called when a start failed, somebody stopped the server, or it does not answer.
        monotonic: Real seconds.
    """

    def __init__(
        self,
        services: EmbeddedServices,
        *,
        name: str,
        log: Path,
        report: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.log = log
        self._services = services
        self._report = report
        self._starting: threading.Thread | None = None
        self._stop_told = False
        self._monotonic = monotonic
        self._asking: threading.Thread | None = None
        self._ask_at = 0.0
        self._silent_since: float | None = None
        self._silence_told = False

    @property
    def exit_code(self) -> int | None:
        """Return None: the server is no child process of ours, so its exit code is not known."""
        return None

    @property
    def is_alive(self) -> bool:
        """Return whether it needs no start: it runs, is being started, or was stopped."""
        if self._starting is not None and self._starting.is_alive():
            return True
        if self._services.is_stopped(self.name):
            self._report_stopped()
            return True
        self._stop_told = False
        if not self._services.is_running(self.name):
            # The supervisor reports its end and its next start.
            self._silent_since, self._silence_told = None, False
            return False
        self._listen()
        return True

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
        except Exception as error:  # noqa: BLE001 - reported; the supervisor goes on
            self._report(f"{self.name} 没有启动 · {self.name} did not start: {error}")

    def _listen(self) -> None:
        """Check at intervals whether it answers; report once when it stops and when it resumes."""
        now, since = self._monotonic(), self._silent_since
        if now >= self._ask_at and (self._asking is None or not self._asking.is_alive()):
            self._ask_at = now + ASK_EVERY_S
            self._asking = threading.Thread(
                target=self._ask, args=(now,), name=f"ask-{self.name}", daemon=True
            )
            self._asking.start()
        if since is not None and now >= since + SILENT_S and not self._silence_told:
            self._silence_told = True
            self._report(
                f"‼ {self.name} 的进程还在，却不应答，不自动重启：看日志 {self.log}；仍不应答就用 "
                f"xuelian services down，再 xuelian services up · ‼ {self.name} runs and does not "
                "answer; it is left alone: see its log, and if it stays so, xuelian services down, "
                "then xuelian services up"
            )
        elif since is None and self._silence_told:
            self._silence_told = False
            self._report(f"{self.name} 又应答了 · {self.name} answers again")

    def _ask(self, asked_at: float) -> None:
        if self._services.is_healthy(self.name):
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = asked_at

    def _report_stopped(self) -> None:
        if not self._stop_told:
            self._stop_told = True
            self._report(
                f"{self.name} 被人停止，不自动重启：xuelian services up · {self.name} was stopped "
                "by somebody and is left alone: xuelian services up"
            )
