"""What every event body has: its wire type, its key and its subject."""

from __future__ import annotations

from typing import ClassVar

from models.base import Value


class EventData(Value):
    """The body of one event. The wire type travels in `ce_type`, not in the body.

    Attributes:
        TYPE: Explicit wire type with its version.
    """

    TYPE: ClassVar[str]

    @property
    def key(self) -> str:
        """The ordering unit: the Kafka partition key."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """The entity that the event is about."""
        raise NotImplementedError

    def to_body(self) -> bytes:
        """Return the JSON body without fields of None; equal values give equal bytes."""
        return self.model_dump_json(exclude_none=True).encode()
