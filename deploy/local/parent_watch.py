"""Ends a child process when the process that started it is gone, however that ended.

Owns one daemon thread. Works on Linux and macOS alike: the children of a killed parent get another
parent, which shows in the parent's pid.
"""

from __future__ import annotations

import os
import signal
import threading
import time

_POLL_S = 1.0

_GRACE_S = 20.0
"""Seconds for a clean stop (finish the transaction, leave the group), which takes less."""


def follow_owner(owner_pid: int | None) -> None:
    """Stop this process once `owner_pid` is gone: by SIGTERM, and after a grace period by exit.

    Does nothing for None. Call it once, early.
    """
    if owner_pid is None:
        return
    threading.Thread(target=_follow, args=(owner_pid,), name="owner-watch", daemon=True).start()


def _follow(owner_pid: int) -> None:
    while is_owned_by(owner_pid):
        time.sleep(_POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    # The clean stop hangs: it must not keep partitions or connections of a system that is gone.
    os._exit(1)


def is_owned_by(owner_pid: int) -> bool:
    """Return whether our parent still is `owner_pid`; an orphan gets another parent."""
    return os.getppid() == owner_pid
