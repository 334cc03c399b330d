"""A child process ends when the process that started it is gone, however it went.

Owns one daemon thread. Works on Linux and macOS alike: a killed parent leaves its children to
another, and that is seen by the parent's pid.
"""

from __future__ import annotations

import os
import signal
import threading
import time

_POLL_S = 1.0

_GRACE_S = 20.0
"""A clean stop takes less (a transaction in flight, leaving the group); then it just goes."""


def follow_owner(owner_pid: int | None) -> None:
    """Stop this process once `owner_pid` is gone: SIGTERM first, the end after a grace.

    Nothing happens for None. Call once, early.
    """
    if owner_pid is None:
        return
    threading.Thread(target=_follow, args=(owner_pid,), name="owner-watch", daemon=True).start()


def _follow(owner_pid: int) -> None:
    while is_owned_by(owner_pid):
        time.sleep(_POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    # Still here: a hung stop must not keep partitions or connections of a system that is gone.
    os._exit(1)


def is_owned_by(owner_pid: int) -> bool:
    """Whether our parent still is `owner_pid`; an orphan is given to another parent."""
    return os.getppid() == owner_pid
