"""How our processes end, for whoever started them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """1 is failed or refused, 2 usage, 3 a dependency that is away."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    AWAY = 3
    CONFIGURATION = 4
    INTERRUPTED = 130
