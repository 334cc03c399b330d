"""The check character of a donation number: ISO/IEC 7064, modulus 37, radix 2. Pure.

It detects every wrong character and every swap of two neighbours (tests show this exhaustively for
a sample). A barcode carries it only in flags 60 to 96; a number typed by hand must carry it.
Source: ICCBBA ST-001, appendix A.
"""

from __future__ import annotations

from operator import mul

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*"
"""The character of each value; `*` occurs only as a check character."""

MODULUS = 37
FIRST_CHECK_FLAG = 60
"""Flags 60 to 96 are 60 plus the value of the check character; lower flags mean something else."""

DIN_LENGTH = 13
_VALUES = bytes(max(0, ALPHABET.find(chr(code))) for code in range(256))
_WEIGHTS = tuple((1 << DIN_LENGTH - at) % MODULUS for at in range(DIN_LENGTH))


def compute_check_value(din: str) -> int:
    """Return the value, 0 to 36, of the check character of a donation number.

    Args:
        din: The 13 characters of the number, digits and capital letters, verified by the caller.
    """
    values = din.encode("latin-1").translate(_VALUES)
    weighted: int = sum(map(mul, values, _WEIGHTS))
    return (1 - weighted) % MODULUS


def compute_check_character(din: str) -> str:
    """Return the character that is printed in the box beside the number."""
    return ALPHABET[compute_check_value(din)]


def compute_check_flags(din: str) -> str:
    """Return the two flag characters that carry the check, `60` to `96`."""
    return str(FIRST_CHECK_FLAG + compute_check_value(din))
