"""What one barcode says: one type per kind. Plain tuples, since a scan makes many of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from gateway.labels.check_characters import DIN_LENGTH, compute_check_character
from models.groups import BloodGroup


class Part(StrEnum):
    """A part of a bag's label that a scan must be able to name."""

    DONATION = "donation"
    PRODUCT = "product"
    GROUP = "group"
    EXPIRY = "expiry"


class Moment(StrEnum):
    """What a date on a label is the date of."""

    EXPIRY = "expiry"
    COLLECTION = "collection"
    PRODUCTION = "production"


class DonationNumber(NamedTuple):
    """The donation.

    Attributes:
        number: Without flags and check character; every label of one donation has the same.
        flags: The two flag characters of an ISBT 128 barcode; empty if typed or of another code.
    """

    number: str
    flags: str = ""

    def to_text(self) -> str:
        """As it is printed for people: `G1234 17 654321 A`; a station's own number as it is."""
        number = self.number
        if not self.flags or len(number) != DIN_LENGTH:
            return number
        return f"{number[:5]} {number[5:7]} {number[7:]} {compute_check_character(number)}"


class GroupCode(NamedTuple):
    """ABO and RhD.

    Attributes:
        code: As it was read.
        group: What it means.
    """

    code: str
    group: BloodGroup

    def to_text(self) -> str:
        return self.group.value


class ProductCode(NamedTuple):
    """The product: opaque here, the station's file says what it is."""

    code: str

    def to_text(self) -> str:
        return self.code


class Division(NamedTuple):
    """Which part of a divided product, where the product code ends in 99 (DS032)."""

    code: str

    def to_text(self) -> str:
        return self.code


class LabelMoment(NamedTuple):
    """A date or an instant.

    Attributes:
        digits: As it was read.
        at: Aware UTC; a date without a time means its last minute, 23:59 at the station.
    """

    of: Moment
    digits: str
    at: datetime

    def to_text(self) -> str:
        return self.at.isoformat()


class SpecialTesting(NamedTuple):
    """Results of special testing: which data structure, and its code as it was read."""

    structure: str
    code: str

    def to_text(self) -> str:
        return f"DS{self.structure} {self.code}"


class OtherStructure(NamedTuple):
    """A data structure of known form that no decision here uses, such as the bag's lot number."""

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
    """Return which part of the label it is; None for what no cross-check uses."""
    if isinstance(scanned, LabelMoment):
        return Part.EXPIRY if scanned.of is Moment.EXPIRY else None
    return _PART_OF.get(type(scanned))
