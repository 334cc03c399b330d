"""The values that a barcode can hold: a type per kind. Plain tuples, since a scan makes many."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from gateway.labels.check_characters import DIN_LENGTH, compute_check_character
from models.groups import BloodGroup


class Part(StrEnum):
    """A part of a bag's label that a station may require of every scan."""

    DONATION = "donation"
    PRODUCT = "product"
    GROUP = "group"
    EXPIRY = "expiry"


class Moment(StrEnum):
    """The event that a date on a label belongs to."""

    EXPIRY = "expiry"
    COLLECTION = "collection"
    PRODUCTION = "production"


class DonationNumber(NamedTuple):
    """The donation identification number.

    Attributes:
        number: Without flags and check character; every label of a donation has the same number.
        flags: The two flag characters of an ISBT 128 barcode; empty if typed or of another code.
    """

    number: str
    flags: str = ""

    def to_text(self) -> str:
        """Return the printed form, `G1234 17 654321 A`; a station's own number is unchanged."""
        number = self.number
        if not self.flags or len(number) != DIN_LENGTH:
            return number
        return f"{number[:5]} {number[5:7]} {number[7:]} {compute_check_character(number)}"


class GroupCode(NamedTuple):
    """ABO and RhD.

    Attributes:
        code: The code as it was read.
        group: The blood group that it means.
    """

    code: str
    group: BloodGroup

    def to_text(self) -> str:
        return self.group.value


class ProductCode(NamedTuple):
    """The product code; its meaning is in the station's file."""

    code: str

    def to_text(self) -> str:
        return self.code


class Division(NamedTuple):
    """The part of a divided product, where the product code ends in 99 (DS032)."""

    code: str

    def to_text(self) -> str:
        return self.code


class LabelMoment(NamedTuple):
    """A date or an instant.

    Attributes:
        of: The event that the date belongs to.
        digits: The digits as they were read.
        at: Aware UTC; a date without a time means its last minute, 23:59 at the station.
    """

    of: Moment
    digits: str
    at: datetime

    def to_text(self) -> str:
        return self.at.isoformat()


class SpecialTesting(NamedTuple):
    """Results of special testing: the data structure, and its code as it was read."""

    structure: str
    code: str

    def to_text(self) -> str:
        return f"DS{self.structure} {self.code}"


class OtherStructure(NamedTuple):
    """A data structure of known form that is not used here, such as the bag's lot number."""

    structure: str
    content: str

    def to_text(self) -> str:
        return f"DS{self.structure} {self.content}"


Scanned = (
    DonationNumber
    | GroupCode
    | ProductCode
    | Division
    | LabelMoment
    | SpecialTesting
    | OtherStructure
)


_PART_OF: Mapping[type, Part] = {
    DonationNumber: Part.DONATION,
    ProductCode: Part.PRODUCT,
    GroupCode: Part.GROUP,
}


def find_part(scanned: Scanned) -> Part | None:
    """Return the part of the label that a value is; None for values that no comparison uses."""
    if isinstance(scanned, LabelMoment):
        return Part.EXPIRY if scanned.of is Moment.EXPIRY else None
    return _PART_OF.get(type(scanned))
