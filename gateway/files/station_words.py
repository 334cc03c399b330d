"""A station's own words: how it heads its columns, and what it calls products and states. Pure.

They are in a file of the station, and a call may add headings to them. They can only name what is
known here: no word of a station turns a refused product into stock, and no column that says whether
blood may be used is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import Field

from gateway.files.cells import Reader, read_status
from gateway.files.columns import WORDS
from gateway.files.counted_units import ATTESTED
from gateway.files.heading_words import HeadingWords, fold, to_word
from gateway.files.products import ProductReader, find_product, find_refusal
from models.base import Identifier, Value
from models.errors import ContractError
from models.station_toml import StationFile, parse_station_file

GUARDED = ("status", "released")
"""Columns that say whether blood may be used."""

UNCLEAR = "unclear"
"""The status of words by which different stations mean different things."""

_NEVER_PASSED = (*GUARDED, *ATTESTED)
"""Columns that no call and no file may pass over, because an empty cell in them holds a bag back.
"""


class OwnHeadings(Value):
    """A station's own headings of a kind of file.

    Attributes:
        headings: Heading to column.
        ignore: Headings that are passed over.
    """

    headings: dict[str, str] = Field(default_factory=dict)
    ignore: tuple[str, ...] = ()


class OwnWords(StationFile):
    """The whole file of a station; empty for a station without a file.

    Attributes:
        station_id: The station whose file it is; None if there are only the words of a call.
        products: The station's name of a product to a name that is known here.
        statuses: The station's word for a status to a word that is known here.
    """

    station_id: Identifier | None = None
    units: OwnHeadings = OwnHeadings()
    donors: OwnHeadings = OwnHeadings()
    products: dict[str, str] = Field(default_factory=dict)
    statuses: dict[str, str] = Field(default_factory=dict)

    def to_unit_words(self) -> HeadingWords:
        """Return the headings of counts, with the station's own."""
        return WORDS.units.extended(self.units.headings, self.units.ignore)

    def to_donor_words(self) -> HeadingWords:
        """Return the headings of registers, with the station's own."""
        return WORDS.donors.extended(self.donors.headings, self.donors.ignore)

    def to_readers(self) -> dict[str, Reader]:
        """Return the readers that know the station's words."""
        if not self.products and not self.statuses:
            return {"component": ProductReader(), "status": read_status}
        statuses = {to_word(word): meant for word, meant in self.statuses.items()}
        return {
            "component": ProductReader({to_word(n): meant for n, meant in self.products.items()}),
            "status": lambda cell: read_status(statuses.get(to_word(str(cell)), cell)),
        }

    def with_call(self, kind: str, maps: Sequence[str], ignore: Sequence[str]) -> Self:
        """Return the station's words together with those of a call.

        Args:
            kind: `units` or `donors`.
            maps: `heading=column` each.
            ignore: Headings to pass over.

        Raises:
            ContractError: `map_unreadable`, `map_column_unknown`, `map_moves_column`,
                `column_not_ignorable`.
        """
        if not maps and not ignore:
            return self
        own: OwnHeadings = getattr(self, kind)
        headings = {**own.headings, **dict(map(_parse_map, maps))}
        merged = OwnHeadings(headings=headings, ignore=(*own.ignore, *ignore))
        found = self.but(**{kind: merged})
        found.ensure_known()
        return found

    def ensure_known(self) -> None:
        """Raise ContractError at the first word that names nothing that is known."""
        _ensure_headings(self.units, WORDS.units, _NEVER_PASSED)
        _ensure_headings(self.donors, WORDS.donors, ())
        for name, meant in self.products.items():
            refusal = find_refusal(name)
            if refusal is not None or find_product(meant) is None:
                raise ContractError("own_product_refused", name=name[:60], meant=meant[:60])
            known = find_product(name)
            if known is not None and known.component != _component_of(meant):
                raise ContractError("own_product_refused", name=name[:60], meant=meant[:60])
        for word, meant in self.statuses.items():
            known_status, found = WORDS.find_status(word), WORDS.find_status(meant)
            # Only the station itself may settle a word that is unclear in general.
            settles = found != UNCLEAR and known_status in {None, UNCLEAR, found}
            if found is None or not settles:
                raise ContractError("own_status_refused", word=word[:60], meant=meant[:60])


NO_WORDS = OwnWords()
"""The words of a station that has no file."""


def _component_of(name: str) -> str:
    found = find_product(name)
    return found.component if found else ""


def _parse_map(text: str) -> tuple[str, str]:
    heading, sign, column = fold(text).rpartition("=")
    if not sign or not heading.strip() or not column.strip():
        raise ContractError("map_unreadable", found=text[:60])
    return heading.strip(), column.strip()


def _ensure_headings(own: OwnHeadings, words: HeadingWords, guarded: Iterable[str]) -> None:
    for heading, column in own.headings.items():
        if column not in words.headings:
            known = ", ".join(words.headings)
            raise ContractError("map_column_unknown", found=column[:60], known=known)
        meant = words.find(heading)
        # A heading that is known in general is never read as another column.
        if not to_word(heading) or meant not in {None, column}:
            raise ContractError("map_moves_column", heading=heading[:60], column=meant or column)
    for heading in own.ignore:
        if words.find(heading) in {*guarded}:
            raise ContractError("column_not_ignorable", heading=heading[:60])
        if own.headings.get(heading) in {*guarded}:
            raise ContractError("column_not_ignorable", heading=heading[:60])


def parse_own_words(content: bytes, *, station_id: str | None, name: str) -> OwnWords:
    """Read the file of a station.

    Args:
        content: TOML, UTF-8.
        station_id: The station whose file it must be; None takes any.
        name: The name of the file, for errors.

    Raises:
        ConfigurationError: `columns_invalid`, with the first fault and its place.
    """
    return parse_station_file(
        OwnWords,
        content,
        code="columns_invalid",
        station_id=station_id,
        name=name,
        check=OwnWords.ensure_known,
    )
