"""Puts the lines of a scanner together to bags, and names the unit of each bag. Pure.

A station's staff scan certain parts of every bag (its label file says which), in any order; a
compound message is a whole bag by itself; an empty line ends a bag. If a line cannot be read, its
bag is refused rather than guessed. A line that repeats the last line of a full bag was either read
twice, or begins the next bag, which has the same date or group: of these two readings the one with
more complete bags is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.labels.barcode_values import (
    Division,
    DonationNumber,
    GroupCode,
    LabelMoment,
    Part,
    ProductCode,
    Scanned,
    find_part,
)
from gateway.labels.unit_names import is_divided, name_unit
from models.errors import ContractError, DomainRefusal, InvariantViolation, XuelianError
from models.groups import BloodGroup

if TYPE_CHECKING:
    from gateway.labels.label_file import BookProduct, LabelBook

_FRAME = "".join(map(chr, (*range(0x21), *range(0x7F, 0xA1), 0x3000, 0xFEFF)))
"""Control characters and spaces. Scanners put some of them around a code (STX, ETX, tab, line end),
and no code begins or ends with one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """The content of a bag's label, as far as it was scanned.

    Attributes:
        traits: Whether its product has each trait, by the name of the unit's trait.
    """

    unit_id: str
    product: BookProduct
    traits: Mapping[str, bool]
    product_code: str
    group: BloodGroup | None
    expires_at: datetime | None


@dataclass(slots=True, kw_only=True)
class ScannedLine:
    """One scanned line.

    Attributes:
        number: Counted from 1; empty lines are counted.
        fault: Why the line was not taken, independent of what became of its bag.
        bag: The index of the bag it belongs to; None if it belongs to no bag.
    """

    number: int
    text: str
    values: tuple[Scanned, ...] = ()
    fault: XuelianError | None = None
    bag: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bag:
    """The scans of one bag: its label, or why it has none."""

    lines: tuple[int, ...]
    label: Label | None
    fault: XuelianError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The lines and bags of a batch, in the order of the scanner."""

    lines: tuple[ScannedLine, ...]
    bags: tuple[Bag, ...]


def assemble(texts: Sequence[str], book: LabelBook) -> Session:
    """Read lines and put them together to bags.

    Args:
        texts: One barcode each; an empty text ends a bag.
        book: Reads the barcodes, and says which parts every bag needs and what product codes mean.
    """
    stripped = [text.strip(_FRAME) for text in texts]
    plain = _BagAssembly(book, drops_repeats=False)
    plain.take_all(stripped)
    if not plain.has_repeats:
        return plain.to_session()
    dropping = _BagAssembly(book, drops_repeats=True)
    dropping.take_all(stripped)
    return min(dropping, plain, key=_BagAssembly.count_faults).to_session()


@dataclass(slots=True)
class _Open:
    """A bag that is being scanned.

    Attributes:
        failed: Parts whose line could not be read and that were not read since.
        spoiled: Whether a line came whose part is not known either.
    """

    lines: list[ScannedLine] = field(default_factory=list)
    read: dict[Part, Scanned] = field(default_factory=dict)
    division: Division | None = None
    failed: set[Part] = field(default_factory=set)
    spoiled: bool = False

    def add(self, line: ScannedLine) -> None:
        self.lines.append(line)
        for value in line.values:
            part = find_part(value)
            if part is not None:
                self.read[part] = value
                self.failed.discard(part)
            elif isinstance(value, Division):
                self.division = value

    def contradicts(self, line: ScannedLine) -> bool:
        """Return whether the line has another value for a part of this bag, and begins the next."""
        for value in line.values:
            if isinstance(value, Division):
                known: Scanned | None = self.division
            else:
                part = find_part(value)
                known = self.read.get(part) if part else None
            if known is not None and _essence(known) != _essence(value):
                return True
        return False

    def list_missing(self, parts: Iterable[Part]) -> list[str]:
        """List the parts that still have to be scanned; failed parts are included."""
        missing: list[str] = [part for part in parts if part not in self.read]
        product = self.read.get(Part.PRODUCT)
        if self.division is None and isinstance(product, ProductCode) and is_divided(product.code):
            missing.append("division")
        return missing


class _BagAssembly:
    """Takes lines one after the other; single use.

    Args:
        book: As in `assemble`.
        drops_repeats: Count a line that repeats the last line of a full bag to that bag.
    """

    def __init__(self, book: LabelBook, *, drops_repeats: bool) -> None:
        self._book = book
        self._parts = book.scan.parts
        self._open = _Open()
        self._drops_repeats = drops_repeats
        self._last_of_full: str | None = None
        self.has_repeats = False
        self.lines: list[ScannedLine] = []
        self.bags: list[Bag] = []

    def take_all(self, texts: Iterable[str]) -> None:
        for number, text in enumerate(texts, start=1):
            self.take(number, text)
        self.close()

    def to_session(self) -> Session:
        return Session(lines=tuple(self.lines), bags=tuple(self.bags))

    def count_faults(self) -> int:
        return sum(bag.fault is not None for bag in self.bags)

    def take(self, number: int, text: str) -> None:
        line = ScannedLine(number=number, text=text)
        self.lines.append(line)
        if not text:
            self.close()
            self._last_of_full = None
            return
        if text == self._last_of_full and not self._open.lines:
            self.has_repeats = True
            if self._drops_repeats:
                self._repeat(line)
                return
        try:
            line.values = self._read(text)
        except (ContractError, DomainRefusal) as error:
            line.fault = error
            self._take_unreadable(line)
            return
        self._take(line)

    def _repeat(self, line: ScannedLine) -> None:
        """Count a line to the last bag, from which it was read before."""
        line.bag = len(self.bags) - 1
        bag = self.bags[-1]
        line.values = self.lines[bag.lines[-1] - 1].values
        self.bags[-1] = replace(bag, lines=(*bag.lines, line.number))

    def close(self) -> None:
        """End the bag that is being scanned, if any."""
        bag, self._open = self._open, _Open()
        if not bag.lines:
            return
        label: Label | None = None
        fault: XuelianError | None = None
        try:
            label = self._make_label(bag)
        except ContractError as error:
            fault = error
        for line in bag.lines:
            line.bag = len(self.bags)
        numbers = tuple(line.number for line in bag.lines)
        self.bags.append(Bag(lines=numbers, label=label, fault=fault))

    def _read(self, text: str) -> tuple[Scanned, ...]:
        values = self._book.reader.read(text)
        parts = [part for part in map(find_part, values) if part is not None]
        if len(set(parts)) != len(parts):
            raise ContractError("label_part_twice", read=text[:80])
        for value in values:
            if isinstance(value, ProductCode) and self._book.find_product(value.code) is None:
                raise DomainRefusal(
                    "product_code_unknown", read=value.code, station_id=self._book.station_id
                )
        if len(parts) == 1 and parts[0] not in self._parts:
            # It is not known which bag it belongs to, so no bag can be compared with it.
            raise DomainRefusal(
                "part_not_scanned_here",
                read=text[:80],
                part=parts[0],
                station_id=self._book.station_id,
            )
        return values

    def _take(self, line: ScannedLine) -> None:
        if all(
            find_part(value) is None and not isinstance(value, Division) for value in line.values
        ):
            return  # special testing, lot numbers: readable, but not used by any comparison
        if self._open.contradicts(line):
            self.close()
        self._open.add(line)
        self._close_if_full()

    def _take_unreadable(self, line: ScannedLine) -> None:
        """Count an unreadable line to the bag: it may be any part of it and is never skipped."""
        claimed = self._book.reader.guess_parts(line.text)
        if claimed and not claimed & set(self._parts):
            return
        if claimed & self._open.read.keys():
            self.close()
        self._open.lines.append(line)
        self._open.failed |= claimed
        self._open.spoiled |= not claimed
        self._close_if_full()

    def _close_if_full(self) -> None:
        bag = self._open
        if not bag.spoiled and set(bag.list_missing(self._parts)) <= bag.failed:
            last = bag.lines[-1]
            self.close()
            self._last_of_full = None if last.fault else last.text

    def _make_label(self, bag: _Open) -> Label:
        if bag.spoiled or bag.failed:
            number = next(line.number for line in bag.lines if line.fault)
            raise ContractError("bag_has_unread_line", line=number)
        donation, product = bag.read.get(Part.DONATION), bag.read.get(Part.PRODUCT)
        missing = bag.list_missing(self._parts)
        if missing or not isinstance(donation, DonationNumber):
            raise ContractError("bag_incomplete", missing=", ".join(missing))
        known = self._book.find_product(product.code) if isinstance(product, ProductCode) else None
        if known is None or not isinstance(product, ProductCode):
            raise InvariantViolation("label_parts_mixed", lines=str(bag.lines))
        group, expiry = bag.read.get(Part.GROUP), bag.read.get(Part.EXPIRY)
        division = bag.division.code if bag.division and is_divided(product.code) else ""
        return Label(
            unit_id=name_unit(donation.number, product.code, division),
            product=known,
            traits=known.traits,
            product_code=product.code,
            group=group.group if isinstance(group, GroupCode) else None,
            expires_at=expiry.at if isinstance(expiry, LabelMoment) else None,
        )


def _essence(value: Scanned) -> object:
    """Return what two equal scans share; the flags differ between labels of the same donation."""
    match value:
        case DonationNumber(number=number):
            return number
        case GroupCode(group=group):
            return group
        case LabelMoment(at=at):
            return at
        case other:
            return other
