"""Writes typed values as ISBT 128 barcode strings: the inverse of `gateway.labels.isbt128`. Pure.

It is for tests and measurements; the reader reads back what it writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.labels import structures
from gateway.labels.barcode_values import (
    Division,
    DonationNumber,
    GroupCode,
    LabelMoment,
    Moment,
    OtherStructure,
    ProductCode,
    Scanned,
    SpecialTesting,
)
from gateway.labels.check_characters import DIN_LENGTH, compute_check_flags
from gateway.labels.isbt128 import GENERAL_GROUPS, UNSPECIFIED_ORDER
from gateway.labels.isbt128_form import form_error
from gateway.labels.label_dates import CENTURY, CENTURY_STARTS, find_instant
from models.errors import ContractError
from models.groups import BloodGroup

_CODE_OF_GROUP = {group: code for code, group in GENERAL_GROUPS.items()}
_STRUCTURES: Mapping[type, structures.Structure] = {
    GroupCode: structures.GROUP,
    ProductCode: structures.PRODUCT,
    Division: structures.DIVISION,
}
_BY_NUMBER = {structure.number: structure for structure in structures.SINGLE}
_NO_PHENOTYPE = "00"
_MOST_STRUCTURES = 99
_DIGITS_WITH_TIME = 10
_MOMENTS = {
    (Moment.EXPIRY, False): structures.EXPIRY_DAY,
    (Moment.EXPIRY, True): structures.EXPIRY,
    (Moment.COLLECTION, False): structures.COLLECTION_DAY,
    (Moment.COLLECTION, True): structures.COLLECTION,
    (Moment.PRODUCTION, False): structures.PRODUCTION_DAY,
    (Moment.PRODUCTION, True): structures.PRODUCTION,
}


def make_donation(number: str) -> DonationNumber:
    """Make a donation number with the flags that carry its check character."""
    if len(number) != DIN_LENGTH:
        raise ContractError(
            "barcode_length_wrong",
            structure=structures.DONATION.title,
            read=number,
            found=len(number),
            expected=DIN_LENGTH,
            shape=structures.DONATION.shape,
        )
    return DonationNumber(number, compute_check_flags(number))


def make_group(group: BloodGroup) -> GroupCode:
    """Make the code of a group for general use, without a phenotype."""
    return GroupCode(_CODE_OF_GROUP[group] + _NO_PHENOTYPE, group)


def make_moment(of: Moment, at: datetime, zone: ZoneInfo, *, with_time: bool = True) -> LabelMoment:
    """Make a date of a label; seconds are cut off, and without a time only the day is kept.

    Raises:
        ContractError: `date_impossible`: a label cannot express that century.
    """
    structure = _MOMENTS[of, with_time]
    digits = _render_digits(at, zone, with_time=with_time)
    told = find_instant(digits, zone) if digits else None
    if digits is None or told is None:
        raise ContractError(
            "date_impossible",
            structure=structure.title,
            read=at.isoformat(),
            expected=structure.shape,
        )
    return LabelMoment(of, digits, told)


def _render_digits(at: datetime, zone: ZoneInfo, *, with_time: bool = True) -> str | None:
    """Write an instant as a label does; None if it is of another century.

    Args:
        at: An aware instant; seconds are cut off, since a label has none.
        zone: The zone of the station.
        with_time: False writes the day alone.
    """
    local = at.astimezone(zone)
    if local.year // 100 != CENTURY_STARTS // 100:
        return None
    day = f"{CENTURY}{local.year % 100:02d}{local.timetuple().tm_yday:03d}"
    return f"{day}{local:%H%M}" if with_time else day


def render(scanned: Scanned) -> str:
    """Write one value as its barcode.

    Raises:
        ContractError: The value breaks the form of its data structure.
    """
    structure, content = _place(scanned)
    text = structure.identifier + content
    if not structure.pattern.fullmatch(text):
        raise form_error(structure, text)
    return text


def render_compound(scanned: Sequence[Scanned]) -> str:
    """Write several values as one compound message of unspecified order.

    Raises:
        ContractError: A value breaks its form, or there are no values or too many.
    """
    if not 1 <= len(scanned) <= _MOST_STRUCTURES:
        raise ContractError(
            "compound_count_wrong",
            structure=structures.COMPOUND.title,
            read="",
            found=len(scanned),
            expected=f"1-{_MOST_STRUCTURES}",
        )
    head = f"{structures.COMPOUND.identifier}{len(scanned):02d}{UNSPECIFIED_ORDER}"
    return head + "".join(map(render, scanned))


def _place(scanned: Scanned) -> tuple[structures.Structure, str]:
    match scanned:
        case DonationNumber(number=number, flags=flags):
            return structures.DONATION, number + (flags or compute_check_flags(number))
        case LabelMoment(of=of, digits=digits):
            return _MOMENTS[of, len(digits) == _DIGITS_WITH_TIME], digits
        case GroupCode(code=code) | ProductCode(code=code) | Division(code=code):
            return _STRUCTURES[type(scanned)], code
        case (
            SpecialTesting(structure=number, code=content)
            | OtherStructure(structure=number, content=content)
        ):
            return _BY_NUMBER[number], content
