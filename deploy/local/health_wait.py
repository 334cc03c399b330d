"""Waits for a server to become healthy, with a deadline and an error that quotes its log.

Owns the polling loop that the servers' starts share. Blocks the calling thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from deploy.local.errors import ServicesUnavailableError

_POLL_S = 0.05
_TAIL_LINES = 15


def wait_healthy(
    name: str,
    *,
    is_healthy: Callable[[], bool],
    is_alive: Callable[[], bool],
    log: Path,
    log_from: int,
    deadline_s: float,
) -> None:
    """Return when `is_healthy()` holds.

    Args:
        name: Name of the server, for the message.
        is_healthy: Called repeatedly.
        is_alive: Waiting stops once it returns false.
        log: Its log, quoted when it fails.
        log_from: Byte of the log where this start began.
        deadline_s: Seconds to wait at most.

    Raises:
        ServicesUnavailableError: It ended, or it was not healthy in time.
    """
    deadline = time.monotonic() + deadline_s
    while not is_healthy():
        if not is_alive():
            raise ServicesUnavailableError(
                f"{name} 启动后退出 · {name} ended while starting\n{tail(log, log_from=log_from)}"
            )
        if time.monotonic() > deadline:
            raise ServicesUnavailableError(
                f"{name} 在 {deadline_s:.0f} 秒内未就绪 · {name} was not ready within "
                f"{deadline_s:.0f} s\n{tail(log, log_from=log_from)}"
            )
        time.sleep(_POLL_S)


def size_of(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def tail(log: Path, *, log_from: int = 0) -> str:
    """Return the last lines of a log since byte `log_from`, headed by its path."""
    if not log.exists():
        return f"{log}: 没有日志 · no log"
    written = log.read_bytes()
    fresh = written[log_from:] if log_from < len(written) else written
    lines = fresh.decode("utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
    return "\n".join([f"{log}:", *(f"  {line}" for line in lines)])
