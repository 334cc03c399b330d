"""Reads a station's own barcodes, which many Chinese bags carry, by the station's file. Pure.

Their forms differ from station to station, and none is a standard. Each barcode has a fixed length
and a pattern whose named groups say what it holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from gateway.labels.barcode_values import (
    DonationNumber,
    GroupCode,
    LabelMoment,
    Moment,
    Part,
    ProductCode,
    Scanned,
)
from gateway.labels.check_characters import ALPHABET, DIN_LENGTH, compute_check_character
from gateway.labels.label_dates import LAST_MINUTE, find_local_instant
from models.base import Line, Value
from models.broken_rule import BrokenRuleError
from models.errors import ContractError
from models.groups import BloodGroup

_DAY = {"year", "month", "day"}
_TIME = {"hour", "minute"}
_NAMES = {"donation", "product", "group", "check"} | _DAY | _TIME
_PART_OF_NAME = {
    "donation": Part.DONATION,
    "product": Part.PRODUCT,
    "group": Part.GROUP,
    "year": Part.EXPIRY,
}
_SHOWN = 80
_THIS_CENTURY = 2000


class LocalBarcode(Value):
    """One kind of barcode of a station.

    Attributes:
        name: What the station calls it.
        length: Number of characters of the whole barcode.
        pattern: Regular expression of the whole; its named groups are `donation`, `product`,
            `group`, and for the expiry `year` (two or four digits), `month`, `day` and, if the
            label has them, `hour` and `minute`. `check` holds a check character.
        check: How the check character of the donation number is computed.
        example: A barcode of this kind; read when the file is loaded.
    """

    name: Line = Field(min_length=1)
    length: int = Field(ge=1, le=200)
    pattern: str = Field(min_length=1, max_length=500)
    check: Literal["none", "mod37_2"] = "none"
    example: Line = Field(min_length=1)

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            names = set(re.compile(pattern).groupindex)
        except re.error as error:
            raise BrokenRuleError("book_pattern_invalid", "pattern", detail=str(error)) from error
        if strange := names - _NAMES:
            raise BrokenRuleError(
                "book_pattern_strange",
                "pattern",
                names=", ".join(sorted(strange)),
                known=", ".join(sorted(_NAMES)),
            )
        if not names & {"donation", "product", "group", "year"}:
            raise BrokenRuleError("book_pattern_empty", "pattern")
        if names & _DAY and not names >= _DAY:
            raise BrokenRuleError("book_pattern_day", "pattern")
        if names & _TIME and not names >= _DAY | _TIME:
            raise BrokenRuleError("book_pattern_time", "pattern")
        return pattern

    @model_validator(mode="after")
    def _whole(self) -> Self:
        has_check = "check" in re.compile(self.pattern).groupindex
        if has_check != (self.check != "none"):
            raise BrokenRuleError("book_check_unpaired", "check")
        if len(self.example) != self.length or not re.fullmatch(self.pattern, self.example):
            raise BrokenRuleError("book_example_unfit", "example")
        return self


class _Compiled:
    """One kind of barcode, ready to read."""

    def __init__(self, barcode: LocalBarcode) -> None:
        self.barcode = barcode
        self.pattern = re.compile(barcode.pattern, flags=re.ASCII)
        held = self.pattern.groupindex
        self.parts = frozenset(part for name, part in _PART_OF_NAME.items() if name in held)


class LocalReader:
    """Reads a station's own barcodes; a `LabelReader`.

    Args:
        barcodes: Every kind of barcode; two kinds of the same length must differ in form.
        groups: What each group code on these labels means.
        zone: The zone of the dates on labels.
    """

    def __init__(
        self, barcodes: Sequence[LocalBarcode], *, groups: Mapping[str, BloodGroup], zone: ZoneInfo
    ) -> None:
        self._groups = dict(groups)
        self._zone = zone
        self._all = tuple(_Compiled(barcode) for barcode in barcodes)
        self._by_length: dict[int, list[_Compiled]] = {}
        for kind in self._all:
            self._by_length.setdefault(kind.barcode.length, []).append(kind)

    def read(self, text: str) -> tuple[Scanned, ...]:
        """Read one barcode.

        Raises:
            ContractError: No kind of barcode has this form, or the check character, group or date
                is wrong.
        """
        for kind in self._by_length.get(len(text), ()):
            match = kind.pattern.fullmatch(text)
            if match:
                return self._read_groups(kind, match.groupdict(), text)
        raise self._unknown_error(text)

    def knows(self, text: str) -> bool:
        return bool(self.list_matching(text))

    def guess_parts(self, text: str) -> frozenset[Part]:
        """Return the parts, if every kind of this length holds the same parts; else none."""
        found = {kind.parts for kind in self._by_length.get(len(text), ())}
        return found.pop() if len(found) == 1 else frozenset()

    def list_matching(self, text: str) -> list[str]:
        """Return the names of the kinds that a text fits; more than one is a fault of the file."""
        kinds = self._by_length.get(len(text), ())
        return [kind.barcode.name for kind in kinds if kind.pattern.fullmatch(text)]

    def _read_groups(
        self, kind: _Compiled, found: Mapping[str, str | None], text: str
    ) -> tuple[Scanned, ...]:
        name = kind.barcode.name
        values: list[Scanned] = []
        if donation := found.get("donation"):
            if kind.barcode.check == "mod37_2":
                _verify_check(name, text, donation, found.get("check") or "")
            values.append(DonationNumber(donation))
        if product := found.get("product"):
            values.append(ProductCode(product))
        if code := found.get("group"):
            values.append(self._read_group(name, text, code))
        if year := found.get("year"):
            values.append(self._read_expiry(name, text, found, year=year))
        return tuple(values)

    def _read_group(self, name: str, text: str, code: str) -> GroupCode:
        group = self._groups.get(code)
        if group is None:
            raise ContractError(
                "group_code_unknown",
                structure=name,
                read=text,
                found=code,
                expected=" ".join(self._groups),
            )
        return GroupCode(code, group)

    def _read_expiry(
        self, name: str, text: str, found: Mapping[str, str | None], *, year: str
    ) -> LabelMoment:
        full_year = int(year) + (_THIS_CENTURY if len(year) == len("25") else 0)
        month, day = found.get("month") or "", found.get("day") or ""
        time = f"{found.get('hour') or ''}{found.get('minute') or ''}" or LAST_MINUTE
        at = find_local_instant(full_year, int(month), int(day), time, self._zone)
        if at is None:
            raise ContractError(
                "date_impossible", structure=name, read=text, expected="year month day"
            )
        return LabelMoment(Moment.EXPIRY, text, at)

    def _unknown_error(self, text: str) -> ContractError:
        known = "; ".join(f"{kind.barcode.name}={kind.barcode.length}" for kind in self._all)
        return ContractError(
            "local_barcode_unknown", read=text[:_SHOWN], found=len(text), expected=known
        )


def _verify_check(name: str, text: str, donation: str, found: str) -> None:
    if len(donation) != DIN_LENGTH or not set(donation) <= set(ALPHABET):
        raise ContractError(
            "barcode_length_wrong",
            structure=name,
            read=text,
            found=len(donation),
            expected=DIN_LENGTH,
            shape="mod 37-2",
        )
    expected = compute_check_character(donation)
    if found != expected:
        raise ContractError(
            "donation_check_wrong",
            structure=name,
            read=text,
            number=donation,
            found=found,
            expected=expected,
        )
