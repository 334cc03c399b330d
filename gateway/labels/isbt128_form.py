"""The form of ISBT 128 barcodes: cuts joined ones, tidies typed numbers, names faults. Pure."""

from __future__ import annotations

import re

from gateway.labels import structures
from gateway.labels.barcode_values import DonationNumber
from gateway.labels.check_characters import compute_check_character
from gateway.labels.structures import BY_IDENTIFIER, DIN_FORM, Structure
from models.errors import ContractError

SHOWN = 80
"""Most characters of a barcode that an error repeats; the longest real ones are compound messages.
"""

_TYPED = re.compile(rf"({DIN_FORM})([0-9A-Z*])")
_BARE = re.compile(DIN_FORM)


def read_typed(text: str) -> DonationNumber:
    """Read a donation number that was typed from the label; it needs the character in the box."""
    typed = squeeze(text)
    match = _TYPED.fullmatch(typed)
    if match is None:
        code = "donation_check_missing" if _BARE.fullmatch(typed) else "barcode_unknown"
        raise ContractError(code, structure=structures.DONATION.title, read=text[:SHOWN])
    number, found = match.groups()
    expected = compute_check_character(number)
    if found != expected:
        raise check_error(text, number, found=found, expected=expected)
    return DonationNumber(number)


def squeeze(text: str) -> str:
    """Return a typed text without the spaces of the printed form and with capital letters."""
    return text.replace(" ", "").upper()


def split_joined(text: str) -> list[tuple[Structure, str]]:
    """Cut structures apart that follow each other without a character between them.

    Each must be followed by the identifier of the next or by the end; their characters are judged
    later. So one character too many is reported as a wrong length, not as an unknown barcode.
    """
    pieces, at = [], 0
    while at < len(text):
        structure = BY_IDENTIFIER.get(text[at : at + 2])
        if structure is None:
            raise ContractError(
                "identifier_unknown", read=text[:SHOWN], found=text[at : at + 2], position=at + 1
            )
        end = at + structure.length
        if end < len(text) and text[end] not in "=&":
            end = len(text)
        pieces.append((structure, text[at:end]))
        at = end
    return pieces


def form_error(structure: Structure, read: str) -> ContractError:
    if len(read) != structure.length:
        return ContractError(
            "barcode_length_wrong",
            structure=structure.title,
            read=read[:SHOWN],
            found=len(read),
            expected=structure.length,
            shape=structure.shape,
        )
    position, found, allowed = structure.find_wrong(read)
    return ContractError(
        "barcode_form_wrong",
        structure=structure.title,
        read=read[:SHOWN],
        position=position,
        found=found,
        expected=allowed,
        shape=structure.shape,
    )


def check_error(read: str, number: str, *, found: str, expected: str) -> ContractError:
    return ContractError(
        "donation_check_wrong",
        structure=structures.DONATION.title,
        read=read,
        number=number,
        found=found,
        expected=expected,
    )
