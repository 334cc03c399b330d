"""Ports: what the engine needs of PostgreSQL, Kafka and the clock.

`store` and `kafka` implement the ports, `bootstrap` composes them; services and relays know only
the ports. Every method that waits for a dependency raises `TransientError` while it is away.
"""

from streams.ports.context import Context
from streams.ports.timers import Timer, TimerKind
from streams.ports.transport import (
    SHARDS,
    BatchHandler,
    Clock,
    EventPublisher,
    EventTail,
    Outbox,
    OutboxRow,
    Received,
    Record,
    Unread,
    Unreadable,
)
from streams.ports.unit_of_work import (
    Begin,
    Claim,
    DirectorySource,
    Outgoing,
    Transition,
    UnitOfWork,
)

__all__ = [
    "SHARDS",
    "BatchHandler",
    "Begin",
    "Claim",
    "Clock",
    "Context",
    "DirectorySource",
    "EventPublisher",
    "EventTail",
    "Outbox",
    "OutboxRow",
    "Outgoing",
    "Received",
    "Record",
    "Timer",
    "TimerKind",
    "Transition",
    "UnitOfWork",
    "Unread",
    "Unreadable",
]
