"""The event that publishes the head of an audit chain, so that nobody can rewrite it unseen."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from models.base import Instant
from models.events.base import EventData

Chain = Annotated[
    str, StringConstraints(max_length=64, pattern=r"^(_system|[A-Za-z0-9][A-Za-z0-9._:-]*)$")
]
"""A station, or the chain of what belongs to no station."""


MOST_ROWS = 9_223_372_036_854_775_807
"""The most rows of one chain: as many as PostgreSQL's `bigint` counts."""


class AuditSealed(EventData):
    """The head of a chain at this instant; a kept copy of the event proves it later.

    Attributes:
        sequence: The number of the newest row, and so the number of rows in the chain.
        hash: SHA-256 (hex) of that row, and so of all before it.
    """

    TYPE: ClassVar[str] = "blood.audit.sealed.v1"
    KEY: ClassVar[str] = "chain"
    SUBJECT: ClassVar[str] = "chain"
    chain: Chain
    sequence: int = Field(ge=1, le=MOST_ROWS)
    hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    sealed_at: Instant
