"""Builders of embedded services for tests: real servers in a folder of their own.

Every builder names the test process as the owner and marks the folder as ephemeral, so a test run
that is killed leaves neither a server nor a folder behind.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from deploy.local.embedded_services import EmbeddedServices


def new_state_folder() -> Path:
    """A fresh folder that PostgreSQL's own account can enter too (pytest's are root's alone)."""
    folder = Path(tempfile.mkdtemp(prefix="xuelian-test-"))
    folder.chmod(0o755)
    return folder


def build_services(
    state: Path | None = None,
    *,
    brokers: int = 1,
    report: Callable[[str], None] | None = None,
    owner_pid: int | None = None,
) -> EmbeddedServices:
    """Services that belong to this process (or to `owner_pid`) and are not started yet."""
    return EmbeddedServices(
        state or new_state_folder(),
        brokers=brokers,
        report=report or _to_stderr,
        owner_pid=owner_pid or os.getpid(),
        ephemeral=True,
    )


def _to_stderr(message: str) -> None:
    sys.stderr.write(f"{message}\n")
