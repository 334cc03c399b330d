"""The heads of the audit's chains, published so that nobody can rewrite them unseen."""

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
"""Of one chain: as many as PostgreSQL's `bigint` counts."""


class AuditSealed(EventData):
    """A chain stood here at this instant; whoever keeps this can prove it later.

    Attributes:
        sequence: Of the newest row; the chain has so many.
        hash: SHA-256 (hex) of that row, and so of all before it.
    """

    TYPE: ClassVar[str] = "blood.audit.sealed.v1"
    chain: Chain
    sequence: int = Field(ge=1, le=MOST_ROWS)
    hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    sealed_at: Instant

    @property
    def key(self) -> str:
        return self.chain

    @property
    def subject(self) -> str:
        return self.chain
