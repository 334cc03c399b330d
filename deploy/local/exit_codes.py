"""The exit codes of our processes."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """`FAILED` is failed or refused; `AWAY` means that a dependency cannot be reached."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    AWAY = 3
    CONFIGURATION = 4
    INTERRUPTED = 130
