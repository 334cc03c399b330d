"""The locks that a supply transaction begins with, each by a name.

A station's lock has the station's identifier as its name. Whoever writes what is a station's, or
decides by it, has the station's lock; no other transaction does so until it commits.
"""

from __future__ import annotations

from collections.abc import Collection

from models.errors import TransientError

NEW_BAGS = "#new bags"
"""Name of the lock of bags and donations that no station has told of yet. It is no identifier."""


def name_disaster(event_key: str) -> str:
    """Return the name of a disaster's lock; it is no identifier of a station."""
    return f"#disaster {event_key}"


class LocksMissingError(TransientError):
    """The transaction came to something whose lock it has not: it is begun again with these too.

    Attributes:
        names: The locks that it lacks.
    """

    def __init__(self, names: Collection[str]) -> None:
        super().__init__("locks_missing", names=" ".join(sorted(names)))
        self.names = frozenset(names)
