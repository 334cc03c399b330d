"""The event that reports a refused record to those who should hear of it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import StringConstraints

from models.base import Identifier, Instant
from models.decisions import Reason
from models.events.base import EventData
from models.topics import TopicName

Claimed = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""Text as the record's own headers state it; it is not verified."""


class RecordRefused(EventData):
    """A record of the log was not accepted: nothing was done on it, and a person must look at it.

    The record itself stays in the dead letters, where personal data may be; the event carries only
    what a station or a dispatcher needs to find its sender.

    Attributes:
        station_id: The record's key, where that is a station; None is for dispatchers alone.
        is_life_threatening: The record itself states the priority `life_threatening`.
        reason: Why, without what the sender wrote in the fields.
    """

    TYPE: ClassVar[str] = "blood.record.refused.v1"
    dead_letter_id: Identifier
    topic: TopicName
    reader: Identifier
    station_id: Identifier | None = None
    event_type: Claimed | None = None
    event_id: Claimed | None = None
    source: Claimed | None = None
    about: Claimed | None = None
    is_life_threatening: bool = False
    reason: Reason
    refused_at: Instant

    @property
    def key(self) -> str:
        return self.station_id or self.topic

    @property
    def subject(self) -> str:
        return self.dead_letter_id
