"""Build a unit of what is told of it when it is made: by a donor's visit, or of another bag."""

from __future__ import annotations

from pydantic import ValidationError

from models.donors import Donation
from models.errors import ContractError
from models.events.donations import MadeComponent
from models.texts.validation import describe_broken
from models.units import Unit


def build_unit(told: Donation | MadeComponent, **known: object) -> Unit:
    """Build a unit; the shelf life of its component bounds its expiry.

    Args:
        told: What is told of it.
        known: The fields of a unit that are known without that; they prevail.

    Raises:
        ContractError: `donation_invalid`: no such unit can be.
    """
    try:
        return Unit.model_validate({**dict(told), **known})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ContractError(
            "donation_invalid", unit_id=told.unit_id, rule=str(describe_broken(first))
        ) from error
