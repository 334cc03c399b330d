"""What the engine needs of the outside, in its own words.

`store` and `kafka` implement these, `bootstrap` composes them, services and relays only know them.
Every method that waits on a dependency raises `TransientError` while that dependency is away.
"""

from streams.ports.transport import (
    LANES,
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
    Timer,
    TimerKind,
    Transition,
    UnitOfWork,
)

__all__ = [
    "LANES",
    "BatchHandler",
    "Begin",
    "Claim",
    "Clock",
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
