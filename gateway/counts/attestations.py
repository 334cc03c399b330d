"""The attestation of a whole count: who released the units that it calls released, and when."""

from __future__ import annotations

from pydantic import Field

from gateway.invalid_content import FieldError, InvalidContent
from models.base import Instant, Line, Value
from models.events.stock import Attestation
from models.texts import render


class Attesting(Value):
    """The fields of a call, or of a JSON count, that attest all of it.

    Attributes:
        released_by: The person who answers for the release of every released row that names nobody.
        released_at: When they were released, with the zone.
    """

    released_by: Line | None = Field(default=None, min_length=1)
    released_at: Instant | None = None

    def find_attestation(self) -> Attestation | None:
        """Return the attestation of the whole count; None if none is given.

        Raises:
            ContractError: `fields_invalid`: one of the two fields is missing.
        """
        if self.released_by is None and self.released_at is None:
            return None
        if self.released_by is None:
            raise _incomplete("released_by")
        if self.released_at is None:
            raise _incomplete("released_at")
        return Attestation(released_by=self.released_by, released_at=self.released_at)


def _incomplete(missing: str) -> InvalidContent:
    told = render("attestation_incomplete", {"missing": missing})
    return InvalidContent("fields_invalid", [FieldError(missing, str(told), told)])
