"""A station's label file: how its labels are read and what its product codes mean. Pure.

Its content is decided by the station, which fills it in, confirms it with its own labels and signs
it. A file with any doubt in it (an example that cannot be read, two codes that look alike) is
refused as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from gateway.labels.bags import Session, assemble
from gateway.labels.barcode_values import Part
from gateway.labels.isbt128 import GENERAL_GROUPS, IsbtReader
from gateway.labels.label_reader import FirstThatKnows, LabelReader
from gateway.labels.station_barcodes import LocalBarcode, LocalReader
from gateway.labels.structures import PRODUCT
from models.base import Day, Identifier, Line, Value
from models.broken_rule import BrokenRuleError
from models.components import Component
from models.errors import XuelianError
from models.groups import BloodGroup
from models.station_toml import StationFile, parse_station_file
from models.texts import render

_DESCRIPTION = 5
"""Characters of an ISBT 128 product code that describe the product; the rest is its collection
type and division."""


class BookProduct(Value):
    """What a product code means at one station.

    Attributes:
        code: The whole code, or the first five characters of an ISBT 128 code; a whole code is
            looked up first.
        volume_ml: The volume that the code stands for, if any; the unit on record must have it.
    """

    code: str = Field(pattern=r"^[A-Za-z0-9]{1,20}$")
    component: Component
    volume_ml: int | None = Field(default=None, gt=0, le=1000)
    leukoreduced: bool = False
    irradiated: bool = False
    washed: bool = False
    note: Line = ""

    @property
    def traits(self) -> Mapping[str, bool]:
        """Return whether the product has each trait, by the name of the unit's trait."""
        return {name: getattr(self, name) for name in ("leukoreduced", "irradiated", "washed")}


class ScanRules(Value):
    """The parts of the label that the station scans of every bag, in any order."""

    parts: tuple[Part, ...] = tuple(Part)

    @field_validator("parts")
    @classmethod
    def _names_the_unit(cls, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        if not {Part.DONATION, Part.PRODUCT} <= set(parts):
            raise BrokenRuleError("book_parts_unnamed", "parts")
        return tuple(part for part in Part if part in parts)


class Isbt128Rules(Value):
    """How ISBT 128 labels are read.

    Attributes:
        donation_check_required: Refuse barcodes of donation numbers without a check character.
        groups: Group codes in addition to the eight for general use.
        compound_orders: Compound messages of a specified order: order number to structure numbers.
    """

    enabled: bool = True
    donation_check_required: bool = False
    groups: dict[str, BloodGroup] = Field(default_factory=dict)
    compound_orders: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @field_validator("groups")
    @classmethod
    def _changes_no_standard(cls, groups: dict[str, BloodGroup]) -> dict[str, BloodGroup]:
        if taken := sorted(set(groups) & set(GENERAL_GROUPS)):
            raise BrokenRuleError("book_groups_of_standard", "groups", codes=", ".join(taken))
        return groups


class LabelBook(StationFile):
    """The content of a station's label file.

    Attributes:
        confirmed_by: The person who compared it with the station's own labels.
        time_zone: The zone of the dates on labels, an IANA name.
        local_groups: The group codes of the station's own barcodes.
    """

    station_id: Identifier
    confirmed_by: Line = Field(min_length=1)
    confirmed_on: Day
    time_zone: str = "Asia/Shanghai"
    scan: ScanRules = ScanRules()
    isbt128: Isbt128Rules = Isbt128Rules()
    local_groups: dict[str, BloodGroup] = Field(default_factory=dict)
    barcode: tuple[LocalBarcode, ...] = ()
    product: tuple[BookProduct, ...] = Field(min_length=1)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise BrokenRuleError("book_zone_unknown", "time_zone") from error
        return name

    @model_validator(mode="after")
    def _says_each_thing_once(self) -> Self:
        codes = [product.code for product in self.product]
        if twice := sorted({code for code in codes if codes.count(code) > 1}):
            raise BrokenRuleError("book_product_twice", "product", codes=", ".join(twice))
        own = [code.upper() for code in codes if not PRODUCT.pattern.fullmatch(f"=<{code}")]
        if alike := sorted({code for code in own if own.count(code) > 1}):
            # A unit id is in capitals, so two bags of one donation would have the same unit id.
            raise BrokenRuleError("book_product_case", "product", codes=", ".join(alike))
        if not (self.isbt128.enabled or self.barcode):
            raise BrokenRuleError("book_reads_nothing", "isbt128")
        local = self._build_local()
        for barcode in self.barcode:
            if len(fits := local.list_matching(barcode.example)) > 1:
                raise BrokenRuleError(
                    "book_barcode_ambiguous",
                    "barcode",
                    example=barcode.example,
                    kinds=", ".join(fits),
                )
            try:
                local.read(barcode.example)
            except XuelianError as error:
                raise BrokenRuleError(
                    "book_example_unread",
                    "barcode",
                    name=barcode.name,
                    why=str(render(error.code, error.params)),
                ) from error
        return self

    def read_bags(self, lines: Sequence[str]) -> Session:
        """Read the lines of a scanner and put them together to bags, as `assemble` does."""
        return assemble(lines, self)

    @cached_property
    def reader(self) -> LabelReader:
        """Return the reader of this station's labels; the station's own codes are tried first."""
        isbt = IsbtReader(
            zone=ZoneInfo(self.time_zone),
            groups=self.isbt128.groups,
            orders=self.isbt128.compound_orders,
            needs_check=self.isbt128.donation_check_required,
        )
        if not self.barcode:
            return isbt
        local = self._build_local()
        return FirstThatKnows([local, isbt]) if self.isbt128.enabled else local

    @cached_property
    def _products(self) -> Mapping[str, BookProduct]:
        return {product.code: product for product in self.product}

    def find_product(self, code: str) -> BookProduct | None:
        """Return what a code means; None if the station's file does not say."""
        found = self._products.get(code)
        if found is None and self.isbt128.enabled:
            return self._products.get(code[:_DESCRIPTION])
        return found

    def _build_local(self) -> LocalReader:
        return LocalReader(self.barcode, groups=self.local_groups, zone=ZoneInfo(self.time_zone))


def parse_label_book(content: bytes, *, station_id: str | None = None, name: str) -> LabelBook:
    """Read a label file.

    Args:
        content: TOML, UTF-8.
        station_id: The station whose file it must be; None takes any.
        name: The name of the file, for errors.

    Raises:
        ConfigurationError: `labels_invalid`, with the first fault and its place.
    """
    return parse_station_file(
        LabelBook, content, code="labels_invalid", station_id=station_id, name=name
    )
