"""The versioned events, one class per wire type, and the registry that decodes them."""

from models.events.base import EventData
from models.events.registry import EVENT_CLASSES, decode_event

__all__ = ["EVENT_CLASSES", "EventData", "decode_event"]
