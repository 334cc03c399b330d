"""Who released what a count calls released, as it is given for a whole count."""

from __future__ import annotations

from pydantic import Field

from models.base import Instant, Line, Value
from models.errors import ContractError
from models.events.stock import Attestation


class Attesting(Value):
    """The fields of a call, or of a JSON count, that attest all of it.

    Attributes:
        released_by: The person who answers for the release of every released row that names nobody.
        released_at: When, with its zone.
    """

    released_by: Line | None = Field(default=None, min_length=1)
    released_at: Instant | None = None

    def find_attestation(self) -> Attestation | None:
        """Return the word for the whole count; None if none is given.

        Raises:
            ContractError: `attestation_incomplete`: one of the two is missing.
        """
        if self.released_by is None and self.released_at is None:
            return None
        if self.released_by is None:
            raise ContractError("attestation_incomplete", missing="released_by")
        if self.released_at is None:
            raise ContractError("attestation_incomplete", missing="released_at")
        return Attestation(released_by=self.released_by, released_at=self.released_at)
