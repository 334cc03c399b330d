"""Log files of limited size: a log that has grown too large is moved to `.1` while in use.

The writers are other processes that hold the file open for appending, so it is copied and emptied
in place. A line written in the microseconds between the last copy and the emptying is lost.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

LOG_LIMIT_BYTES = 8 * 1024 * 1024
"""One log takes at most twice this, plus what is written between two checks."""

_ROUNDS = 5
"""Copies at most; a writer that is faster than the copying then loses what was not copied."""


def roll_logs(folder: Path, *, limit_bytes: int = LOG_LIMIT_BYTES) -> list[Path]:
    """Roll every `*.log` of a folder that is larger than the limit; return the rolled files."""
    return [log for log in sorted(folder.glob("*.log")) if roll(log, limit_bytes=limit_bytes)]


def roll(log: Path, *, limit_bytes: int = LOG_LIMIT_BYTES) -> bool:
    """Move the content of one log to `.1` if it is larger than the limit."""
    with suppress(FileNotFoundError):
        if log.stat().st_size <= limit_bytes:
            return False
        draft = log.with_name(log.name + ".1.new")
        with log.open("r+b") as source, draft.open("wb") as sink:
            for _ in range(_ROUNDS):
                shutil.copyfileobj(source, sink)
                if log.stat().st_size == source.tell() and _ends_with_a_line(source):
                    break
            source.truncate(0)
        draft.replace(log.with_name(log.name + ".1"))
        return True
    return False


def _ends_with_a_line(source: BinaryIO) -> bool:
    """Return whether the last line is whole: one over the edge of a page is seen in two steps."""
    source.seek(-1, SEEK_END)
    return source.read(1) == b"\n"
