"""Reads ISBT 128 barcodes: strings to typed values. Pure; safe to share.

Every error names the data structure, what was read and what was expected. Source: ICCBBA ST-001
v6.2.2, sections 2.4 and 10; group codes from its section 3.1, the general ones only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from zoneinfo import ZoneInfo

from gateway.labels import structures
from gateway.labels.barcode_values import (
    Division,
    DonationNumber,
    GroupCode,
    LabelMoment,
    Moment,
    OtherStructure,
    Part,
    ProductCode,
    Scanned,
    SpecialTesting,
)
from gateway.labels.check_characters import (
    FIRST_CHECK_FLAG,
    MODULUS,
    compute_check_flags,
)
from gateway.labels.isbt128_form import (
    SHOWN,
    check_error,
    form_error,
    read_typed,
    split_joined,
    squeeze,
)
from gateway.labels.label_dates import find_instant
from gateway.labels.structures import BY_IDENTIFIER, COMPOUND, Structure
from models.errors import ContractError
from models.groups import BloodGroup

GENERAL_GROUPS: Mapping[str, BloodGroup] = {
    "95": BloodGroup.O_NEG,
    "51": BloodGroup.O_POS,
    "06": BloodGroup.A_NEG,
    "62": BloodGroup.A_POS,
    "17": BloodGroup.B_NEG,
    "73": BloodGroup.B_POS,
    "28": BloodGroup.AB_NEG,
    "84": BloodGroup.AB_POS,
}
"""Codes of blood for general use. All other codes say more (for one patient only, infectious, to be
destroyed, not tested) and are refused until a station's file says what it does with them."""

NOT_OF_BAGS = frozenset({"06", "07", "08", "09", "10"})
"""Flags of labels on tubes and on the donor's record: the number is right, but it is not a bag."""

UNSPECIFIED_ORDER = "000"
"""The order of a compound message that says how many structures follow, but not which."""

_CHECK_FLAGS = frozenset(str(FIRST_CHECK_FLAG + value) for value in range(MODULUS))
_MOMENTS = (
    (structures.EXPIRY_DAY, Moment.EXPIRY),
    (structures.EXPIRY, Moment.EXPIRY),
    (structures.COLLECTION_DAY, Moment.COLLECTION),
    (structures.COLLECTION, Moment.COLLECTION),
    (structures.PRODUCTION_DAY, Moment.PRODUCTION),
    (structures.PRODUCTION, Moment.PRODUCTION),
)
_PARTS = {
    structures.DONATION.number: Part.DONATION,
    structures.PRODUCT.number: Part.PRODUCT,
    structures.GROUP.number: Part.GROUP,
    structures.EXPIRY_DAY.number: Part.EXPIRY,
    structures.EXPIRY.number: Part.EXPIRY,
}
_LOOKS_TYPED = re.compile(r"[0-9A-Z]{12,14}[0-9A-Z*]")
"""A donation number with its check character, with at most a character too many or too few."""

_AIM = re.compile(r"\][A-Za-z][0-9A-Za-z]")
"""The symbology identifier that some scanners put before the text."""


class IsbtReader:
    """Reads ISBT 128; a `LabelReader`.

    Args:
        zone: The zone of the dates on labels.
        groups: Group codes in addition to the general ones; the station must confirm them.
        orders: Compound messages with a specified order: order number to structure numbers.
        needs_check: Refuse barcodes of donation numbers whose flags carry no check character.
    """

    def __init__(
        self,
        *,
        zone: ZoneInfo,
        groups: Mapping[str, BloodGroup] | None = None,
        orders: Mapping[str, Sequence[str]] | None = None,
        needs_check: bool = False,
    ) -> None:
        self._zone = zone
        self._groups = {**GENERAL_GROUPS, **(groups or {})}
        self._orders = dict(orders or {})
        self._needs_check = needs_check
        builders = self._list_builders()
        self._entries = {
            identifier: (structure.length, structure.pattern.fullmatch, builders[structure.number])
            for identifier, structure in BY_IDENTIFIER.items()
        }

    def read(self, text: str) -> tuple[Scanned, ...]:
        """Read one barcode; a compound message and joined barcodes give several values.

        Raises:
            ContractError: The barcode breaks the form of its structure, its check character is
                wrong, its date does not exist, or its group code is not known.
        """
        entry = self._entries.get(text[:2])
        if entry is not None and len(text) == entry[0] and entry[1](text):
            return (entry[2](text),)
        return self._read_more(text)

    def knows(self, text: str) -> bool:
        """Return whether it begins as ISBT 128 does, or may be a donation number typed by hand."""
        text = _strip_aim(text)
        return text.startswith(("=", "&")) or bool(self.guess_parts(text))

    def guess_parts(self, text: str) -> frozenset[Part]:
        """Return which parts a barcode claims to hold; a compound message is a whole bag."""
        text = _strip_aim(text)
        if text.startswith(COMPOUND.identifier):
            return frozenset({Part.DONATION, Part.PRODUCT})
        structure = BY_IDENTIFIER.get(text[:2])
        if structure is not None:
            return frozenset(filter(None, [_PARTS.get(structure.number)]))
        return frozenset({Part.DONATION}) if _LOOKS_TYPED.fullmatch(squeeze(text)) else frozenset()

    def _read_more(self, text: str) -> tuple[Scanned, ...]:
        """Read other texts than a single well-formed barcode: compound, joined, typed, or wrong."""
        text = _strip_aim(text)
        if text.startswith(COMPOUND.identifier):
            return self._read_compound(text)
        if not text.startswith(("=", "&")):
            return (read_typed(text),)
        pieces = split_joined(text)
        return tuple(self._build(structure, piece) for structure, piece in pieces)

    def _read_compound(self, text: str) -> tuple[Scanned, ...]:
        head, body = text[: COMPOUND.length], text[COMPOUND.length :]
        if not COMPOUND.pattern.fullmatch(head):
            raise form_error(COMPOUND, head)
        pieces = split_joined(body) if body else []
        if len(pieces) != int(head[2:4]):
            raise ContractError(
                "compound_count_wrong",
                structure=COMPOUND.title,
                read=text[:SHOWN],
                found=len(pieces),
                expected=int(head[2:4]),
            )
        if head[4:] != UNSPECIFIED_ORDER:
            self._verify_order(text, head[4:], [structure.number for structure, _ in pieces])
        return tuple(self._build(structure, piece) for structure, piece in pieces)

    def _verify_order(self, text: str, order: str, found: list[str]) -> None:
        """Refuse a compound message that does not hold its structures in the specified order."""
        expected = self._orders.get(order)
        if expected is None:
            raise ContractError(
                "compound_order_unknown", structure=COMPOUND.title, read=text[:SHOWN], order=order
            )
        if found != list(expected):
            raise ContractError(
                "compound_order_wrong",
                structure=COMPOUND.title,
                read=text[:SHOWN],
                order=order,
                found=" ".join(found),
                expected=" ".join(expected),
            )

    def _build(self, structure: Structure, piece: str) -> Scanned:
        if not structure.pattern.fullmatch(piece):
            raise form_error(structure, piece)
        return self._entries[piece[:2]][2](piece)

    def _list_builders(self) -> dict[str, Callable[[str], Scanned]]:
        special = {
            structure.number: partial(_read_special, structure.number)
            for structure in structures.SPECIAL_TESTING
        }
        others = {
            structure.number: partial(_read_other, structure.number)
            for structure in structures.OTHERS
        }
        return {
            structures.DONATION.number: self._read_donation,
            structures.GROUP.number: self._read_group,
            structures.PRODUCT.number: _read_product,
            structures.DIVISION.number: _read_division,
            **{
                structure.number: partial(self._read_moment, structure, of)
                for structure, of in _MOMENTS
            },
            **special,
            **others,
        }

    def _read_donation(self, text: str) -> DonationNumber:
        number, flags = text[1:14], text[14:]
        if flags in _CHECK_FLAGS:
            expected = compute_check_flags(number)
            if flags != expected:
                raise check_error(text, number, found=flags, expected=expected)
        elif flags in NOT_OF_BAGS:
            raise ContractError(
                "donation_not_of_bag", structure=structures.DONATION.title, read=text, flags=flags
            )
        elif self._needs_check:
            raise ContractError(
                "donation_check_missing", structure=structures.DONATION.title, read=text
            )
        return DonationNumber(number, flags)

    def _read_group(self, text: str) -> GroupCode:
        group = self._groups.get(text[2:4])
        if group is None:
            raise ContractError(
                "group_code_unknown",
                structure=structures.GROUP.title,
                read=text,
                found=text[2:4],
                expected=" ".join(self._groups),
            )
        return GroupCode(text[2:], group)

    def _read_moment(self, structure: Structure, of: Moment, text: str) -> LabelMoment:
        at = find_instant(text[2:], self._zone)
        if at is None:
            raise ContractError(
                "date_impossible", structure=structure.title, read=text, expected=structure.shape
            )
        return LabelMoment(of, text[2:], at)


def _strip_aim(text: str) -> str:
    aim = _AIM.match(text)
    return text[aim.end() :] if aim else text


def _read_product(text: str) -> ProductCode:
    return ProductCode(text[2:])


def _read_division(text: str) -> Division:
    return Division(text[2:])


def _read_special(number: str, text: str) -> SpecialTesting:
    return SpecialTesting(number, text[2:])


def _read_other(number: str, text: str) -> OtherStructure:
    return OtherStructure(number, text[2:])
