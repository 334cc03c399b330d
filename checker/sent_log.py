"""The sent log: one JSON line per message that a driver sent to the system.

Owns the reading of that file only. Lines keep their order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REQUEST_OPENED = frozenset({"blood.request.opened.v1", "blood.request.opened.v2"})


class SentLogError(ValueError):
    """A line of the sent log is not valid; the log is then not used at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A message as its sender knows it.

    Attributes:
        accepted: True if the system accepted it, False if the gateway refused it, None if the
            sender never got an answer.
        body: The JSON body, or the text that was sent instead of JSON.
    """

    event_id: str
    source: str
    type: str
    subject: str
    accepted: bool | None
    body: Any


def read_sent(path: Path) -> tuple[SentMessage, ...]:
    """Read a sent log.

    Raises:
        SentLogError: A line is not JSON or lacks a field; the message names the line.
        OSError: The file cannot be read.
    """
    with path.open(encoding="utf-8") as lines:
        return tuple(
            _parse(line, number=number)
            for number, line in enumerate(lines, start=1)
            if line.strip()
        )


def _parse(line: str, *, number: int) -> SentMessage:
    try:
        row = json.loads(line)
        sent = SentMessage(
            event_id=str(row["event_id"]),
            source=str(row.get("source") or ""),
            type=str(row["type"]),
            subject=str(row.get("subject") or ""),
            accepted=row["accepted"],
            body=row.get("body"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SentLogError(
            f"第 {number} 行不合格 · line {number} is not valid: {error!r}"
        ) from error
    if sent.accepted not in (True, False, None):
        raise SentLogError(f"第 {number} 行 accepted 不是真、假或空 · line {number}: accepted")
    return sent
