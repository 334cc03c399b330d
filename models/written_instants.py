"""Parsing of instants and days as people and programs write them. Pure.

Only text that names a year, a month and a day in this order, with hyphens between them, is read.
Digits alone are refused: they could be a date, seconds since 1970 or a spreadsheet's number.
"""

from __future__ import annotations

from datetime import date, datetime

_DATE_LENGTH = len("2026-11-20")
_SHORTEST = len("2026-11-20T09:00")


class WrittenMomentError(ValueError):
    """The text is no instant, or no day; the code says why."""

    def __init__(self, code: str, told: str) -> None:
        self.code = code
        self.told = told
        super().__init__(told)


def read_instant(text: str) -> datetime:
    """Read `2026-11-20T09:00:00+08:00`, and the same instant as databases write it.

    A space may stand for the `T`, `+08` for `+08:00`, `Z` for `+00:00`; seconds and their fraction
    may be left out. Digits beyond microseconds are cut off.

    Returns:
        The instant; without a zone where the text names none.

    Raises:
        WrittenMomentError: `instant_unreadable`.
    """
    if (
        len(text) < _SHORTEST
        or text[4] != "-"
        or text[7] != "-"
        or text[_DATE_LENGTH] not in "Tt "
        or text[13] != ":"
    ):
        raise _unreadable()
    try:
        return datetime.fromisoformat(text if text[-1] != "z" else f"{text[:-1]}Z")
    except ValueError:
        raise _unreadable() from None


def read_day(text: str) -> date:
    """Read `1990-05-31`.

    Raises:
        WrittenMomentError: `day_unreadable`.
    """
    try:
        if len(text) == _DATE_LENGTH and text[4] == "-" and text[7] == "-":
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise WrittenMomentError("day_unreadable", "must be a day of the calendar, as 1990-05-31")


def _unreadable() -> WrittenMomentError:
    return WrittenMomentError(
        "instant_unreadable", "must be a date, a time and a zone, as 2025-01-07T09:05:00+08:00"
    )
