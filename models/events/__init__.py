"""The versioned events, one class per wire type, and the registry that decodes them."""

from __future__ import annotations

from models.base import Value


class EventData(Value):
    """The body of one event."""
