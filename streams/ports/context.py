"""The context of work: what leads to it, for whom and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from streams.ports.transport import Record, Unreadable

SYSTEM = "system"
"""Who acts where nobody can be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What leads to the work, for whom and when: one for each record and each timer.

    Attributes:
        now: Aware UTC instant; whatever is written carries it.
        cause: Identifier of the event or timer.
        actor: On whose behalf, for the audit, such as `hospital/<id>`.
        traceparent: The trace that the record came with; events that follow from it carry it on.
    """

    now: datetime
    cause: str
    actor: str
    traceparent: str | None = None

    @classmethod
    def of_record(cls, record: Record, *, now: datetime) -> Self:
        """Return the context of a record; one that cannot be read is named by its place."""
        if isinstance(record, Unreadable):
            place = f"{record.topic}/{record.partition}/{record.offset}"
            return cls(now=now, cause=place, actor=SYSTEM)
        envelope = record.envelope
        return cls(
            now=now,
            cause=envelope.id,
            actor=envelope.source,
            traceparent=envelope.traceparent,
        )
