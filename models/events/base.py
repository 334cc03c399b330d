"""The base of every event body: its wire type, its key and its subject."""

from __future__ import annotations

from operator import attrgetter
from typing import ClassVar

from models.base import Value


class EventData(Value):
    """The body of one event. The wire type travels in `ce_type`, not in the body.

    Attributes:
        TYPE: Explicit wire type with its version.
        KEY: Field that has the key, or the way to it: `offer.to_station_id`.
        SUBJECT: Field that has the subject, or the way to it.
    """

    TYPE: ClassVar[str]
    KEY: ClassVar[str]
    SUBJECT: ClassVar[str]

    @property
    def key(self) -> str:
        """Return the ordering unit: the Kafka partition key."""
        return str(attrgetter(self.KEY)(self))

    @property
    def subject(self) -> str:
        """Return the entity that the event is about."""
        return str(attrgetter(self.SUBJECT)(self))

    def to_body(self) -> bytes:
        """Return the JSON body without fields of None; equal values give equal bytes."""
        return self.model_dump_json(exclude_none=True).encode()
