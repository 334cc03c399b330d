"""Reads single cells as stations write them: a group, a code, a date, a yes.

Pure. A reader takes a trimmed text in half width, or what a spreadsheet holds (a number, a date),
and returns what the model takes, or raises `CellError` with the reason. The model then checks the
value by its own rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from math import isfinite

from gateway.files.columns import WORDS
from gateway.files.heading_words import fold
from models.base import NO_CODES

Cell = str | int | float | bool | date | datetime | time | timedelta
Reader = Callable[[Cell], object]

_SERIALS = range(20_000, 80_000)
"""Serial days that can be dates of blood: 1954 to 2119. A number outside of this is no date."""

_SERIAL_TEXT = re.compile(r"\d{5}(\.\d+)?")

_EXACT_DIGITS = 15
"""The digits that a spreadsheet keeps of a number; further digits of a code are already lost."""


class CellError(Exception):
    """A cell cannot be read; the code gives the reason."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


_SCIENTIFIC = re.compile(r"\d(\.\d+)?[eE]\+\d+")
_NUMBER = re.compile(r"\d+\.\d*|\d+(\.\d*)?[eE][+-]?\d+")
"""A number with a point or an exponent, as programs write it."""


def read_text(cell: Cell) -> str:
    """Read a name or a word; also a number that a spreadsheet made of it, if no digit was lost."""
    if isinstance(cell, str):
        if _SCIENTIFIC.fullmatch(cell):
            raise CellError("code_shortened")
        return cell
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise CellError("code_not_text")
    if cell != int(cell) or abs(cell) >= 10**_EXACT_DIGITS:
        raise CellError("code_shortened")
    return str(int(cell))


def read_code(cell: Cell) -> str:
    """Read what identifies a bag, a product or a person; only text is accepted.

    A number in a spreadsheet has lost its leading zeros, even if the cell shows them, and a file
    does not say how the cell shows it. `6543.0` and `6.5e12` are numbers that a program wrote, and
    `nan` or `#N/A` is what a program writes for an empty value.
    """
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        raise CellError("code_is_number")
    text = read_text(cell)
    if text.upper().strip("#<>()").replace("/", "") in NO_CODES:
        raise CellError("code_is_no_code")
    if _NUMBER.fullmatch(text):
        raise CellError("code_shortened")
    return text


def read_flag(cell: Cell) -> bool:
    if isinstance(cell, bool):
        return cell
    word = str(int(cell)) if isinstance(cell, int | float) else str(cell).casefold()
    if word in WORDS.yes or word in WORDS.no:
        return word in WORDS.yes
    raise CellError("flag_invalid")


def read_names(cell: Cell) -> list[str]:
    """Read several names in one cell, separated by spaces, commas, semicolons or `|`."""
    return [name for name in re.split(r"[\s,;、|]+", read_text(cell)) if name]


@lru_cache(maxsize=512)
def _group_of(text: str) -> str:
    found = re.fullmatch(r"(AB|A|B|O)型?(.*)", text.upper().replace(" ", ""))
    if found is None:
        raise CellError("group_unknown")
    if not found[2]:
        return found[1]
    sign = _sign_of(found[2])
    if sign is None:
        raise CellError("rhd_unclear")
    return f"{found[1]}{sign}"


def read_group(cell: Cell) -> str:
    """Read ABO with RhD: `A+`, `A型RhD阳性`, `AB Rh(-)`; ABO alone if RhD has its own column."""
    return _group_of(str(cell))


def read_abo(cell: Cell) -> str:
    """Read ABO alone, from a column of its own."""
    found = re.fullmatch(r"(AB|A|B|O)型?", str(cell).upper().replace("0", "O").replace(" ", ""))
    if found is None:
        raise CellError("group_unknown")
    return found[1]


def read_rhd(cell: Cell) -> str:
    """Read RhD alone, from a column of its own; `+` or `-`."""
    sign = _sign_of(str(cell).upper().replace(" ", ""))
    if sign is None:
        raise CellError("rhd_invalid")
    return sign


def _sign_of(text: str) -> str | None:
    core = re.sub(r"[()]|^(RHD?|D)+|型", "", re.sub(r"[()]", "", text))
    if core in {"+", "阳", "阳性", "POS", "POSITIVE", "P"}:
        return "+"
    if core in {"-", "阴", "阴性", "NEG", "NEGATIVE", "N"}:
        return "-"
    return None


def read_sex(cell: Cell) -> str:
    word = str(cell).casefold()
    for sex, words in WORDS.sexes.items():
        if word in words:
            return sex
    raise CellError("sex_unknown")


def read_donation_kind(cell: Cell) -> str:
    """Read what a donor gives, as a word of `DonationKind`."""
    word = str(cell).casefold()
    for kind, words in WORDS.donation_kinds.items():
        if word in words:
            return kind
    raise CellError("donation_kind_unknown")


def read_status(cell: Cell) -> str:
    """Read the status that a count gives a unit, as a word of `CountedAs` or quarantine."""
    found = WORDS.find_status(str(cell))
    if found is None:
        raise CellError("status_unknown")
    if found == "set_aside":
        raise CellError("status_set_aside")
    if found == "unclear":
        raise CellError("status_unclear")
    return found


def read_anticoagulant(cell: Cell) -> str:
    """Read what blood was drawn into, or is suspended in."""
    found = WORDS.find_made("anticoagulant", str(cell))
    if found is None:
        raise CellError("anticoagulant_unknown")
    return found


def read_bag(cell: Cell) -> str:
    """Read the bag of platelets."""
    found = WORDS.find_made("bag", str(cell))
    if found is None:
        raise CellError("bag_unknown")
    return found


_WEIGHT = re.compile(r"(\d+(?:\.\d+)?)\s*(?:kg|公斤|千克)?", flags=re.IGNORECASE)


def read_weight(cell: Cell) -> str:
    """Read kilograms: `70`, `70.5kg`, `70公斤`. A weight in another measure is refused."""
    found = _WEIGHT.fullmatch(str(cell))
    if found is None:
        raise CellError("weight_unreadable")
    return found[1]


_DATE = re.compile(
    r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{2})(\d{2}))"
    r"(?:[T\s]*(\d{1,2})[:时](\d{1,2})(?:[:分](\d{1,2})(?:\.(\d{1,6}))?秒?|分)?)?",
    flags=re.IGNORECASE,
)
_ZONED = re.compile(
    r"(.*\d[:时]\d.*?)\s*(?:(Z|UTC|GMT)|([+-])(\d{2})(?::?([0-5]\d))?)", flags=re.IGNORECASE
)
"""A time with its zone, as ISO 8601 writes it or as databases do, with a space and `+08`."""


class InstantReader:
    """Reads instants.

    Args:
        zone: The zone of times without one; None refuses such times.
        day_ends: A date without a time means the end of that day, as the expiry on a label does;
            otherwise its beginning.
    """

    def __init__(self, zone: timezone | None, *, day_ends: bool) -> None:
        self._zone = zone
        self._day_ends = day_ends
        self._known: dict[str, datetime] = {}

    def __call__(self, cell: Cell) -> object:
        if isinstance(cell, str):
            return self._of_text(cell)
        if isinstance(cell, datetime):
            # A spreadsheet's midnight is a date without a time.
            is_date = cell.time() == time() and cell.tzinfo is None
            return self._place(cell.date() if is_date else cell)
        if isinstance(cell, date):
            return self._place(cell)
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            _ensure_no_serial(float(cell))
        raise CellError("date_unreadable")

    def _of_text(self, text: str) -> datetime:
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = self._parse(text)
        return known

    def _parse(self, text: str) -> datetime:
        zoned = _ZONED.fullmatch(text)
        if zoned is not None:
            return _of_zoned(zoned)
        if _SERIAL_TEXT.fullmatch(text):
            _ensure_no_serial(float(text))
        found = _of_date_text(text)
        if found is None:
            raise CellError("date_unreadable" if self._zone else "time_zone_missing")
        return self._place(found)

    def _place(self, found: date | datetime) -> datetime:
        """Put a date or time without a zone into the zone of the file."""
        if self._zone is None:
            raise CellError("time_zone_missing")
        if isinstance(found, datetime):
            return found.replace(tzinfo=self._zone).astimezone(UTC)
        start = datetime.combine(found, time(), tzinfo=self._zone).astimezone(UTC)
        return start + timedelta(days=1) if self._day_ends else start


def _of_zoned(zoned: re.Match[str]) -> datetime:
    """Return the instant of a date and time with its zone."""
    text, is_utc, sign, hours, minutes = zoned.groups()
    found = _of_date_text(text)
    if not isinstance(found, datetime):
        raise CellError("date_unreadable")
    offset = timedelta() if is_utc else timedelta(hours=int(hours), minutes=int(minutes or 0))
    try:
        return found.replace(tzinfo=timezone(-offset if sign == "-" else offset)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CellError("date_unreadable") from None


def read_day(cell: Cell) -> date:
    """Read a day without a time: `1990-02-28`, `1990/2/28`, `1990年2月28日`, a sheet's date."""
    found: date | datetime | None = None
    if isinstance(cell, date):
        found = cell
    elif isinstance(cell, str):
        if _SERIAL_TEXT.fullmatch(cell):
            _ensure_no_serial(float(cell))
        found = _of_date_text(cell)
    elif isinstance(cell, int | float) and not isinstance(cell, bool):
        _ensure_no_serial(float(cell))
    if isinstance(found, datetime):
        found = found.date() if found.time() == time() and found.tzinfo is None else None
    if found is None:
        raise CellError("day_unreadable")
    return found


def _of_date_text(text: str) -> date | datetime | None:
    """Read a date, or a date with its time; None if it is neither."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, month_2, day_2, hour, minute, second, part = found.groups()
    try:
        on = date(int(year), int(month or month_2), int(day or day_2))
        if hour is None:
            return on
        micro = int((part or "0").ljust(6, "0"))
        return datetime.combine(on, time(int(hour), int(minute), int(second or 0), micro))
    except ValueError:
        return None


def _ensure_no_serial(number: float) -> None:
    """Refuse a day that is written as the serial number of a spreadsheet.

    The reader of workbooks makes dates of the cells that have a date format. Any other number may
    have any meaning.
    """
    if isfinite(number) and int(number) in _SERIALS:
        raise CellError("date_is_number")


_TEXT_FORMULA = re.compile(r'="((?:[^"]|"")*)"')


def clean(cell: Cell | None) -> Cell | None:
    """Return a cell as readers take it; None where it is empty.

    What programs write around a text so that a spreadsheet does not change it is removed: `="0513"`
    and `'0513`.
    """
    if not isinstance(cell, str):
        return cell
    text = fold(cell)
    if text[:1] in {"=", "'"}:
        formula = _TEXT_FORMULA.fullmatch(text)
        text = formula[1].replace('""', '"').strip() if formula else text.removeprefix("'").strip()
    return text or None
