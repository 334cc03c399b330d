"""Events about units: counted, released, issued, arrived. Snapshots and changes are events too."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar, Self

from pydantic import Field, TypeAdapter, model_validator

from models.base import Identifier, Instant, Line, Value
from models.events.base import EventData
from models.groups import BloodGroup
from models.units import Unit


class CountedAs(StrEnum):
    """What a count says of a unit.

    Only `on_shelf` takes a unit in. The others end nothing by themselves: where our record says
    that the unit is here, it becomes an open difference.
    """

    ON_SHELF = "on_shelf"
    DISCARDED = "discarded"
    ISSUED = "issued"
    EXPIRED = "expired"


class CountedUnit(Value):
    """A unit that a count names.

    Attributes:
        released: False keeps it in quarantine: its tests are not all back.
    """

    unit: Unit
    released: bool = True
    counted_as: CountedAs = CountedAs.ON_SHELF


_UNITS: TypeAdapter[tuple[CountedUnit, ...]] = TypeAdapter(tuple[CountedUnit, ...])


def encode_units(units: Sequence[CountedUnit]) -> bytes:
    """Return the JSON array of counted units, as it stands in the body of an event."""
    return _UNITS.dump_json(tuple(units), exclude_none=True)


PART_UNITS = 500
"""Units in one event at most: some 200 kB, well within a record."""


class CountPart(Value):
    """Which part of which count an event is.

    Attributes:
        count_id: One for all parts, the same when the same count is sent again.
        part_no: From 1.
        units: Of all parts together.
        full: The count names every unit on the shelf: what it does not name is missing.
    """

    count_id: Identifier
    part_no: int = Field(ge=1)
    parts: int = Field(ge=1, le=10_000)
    units: int = Field(ge=1)
    full: bool = False

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.part_no > self.parts:
            raise ValueError("part_no is greater than parts")
        return self


class StockCounted(EventData):
    """A station reports units that it holds; unknown ones are taken in, known ones confirmed.

    What contradicts our record changes nothing and stays open as a difference.

    Large counts come in parts of at most 500 units, each an event of its own.

    Attributes:
        part: None for a count that is one event, and is not full.
    """

    TYPE: ClassVar[str] = "blood.stock.counted.v1"
    station_id: Identifier
    counted_at: Instant
    units: tuple[CountedUnit, ...] = Field(min_length=1, max_length=PART_UNITS)
    part: CountPart | None = None

    @model_validator(mode="after")
    def _one_station(self) -> Self:
        for counted in self.units:
            if counted.unit.station_id != self.station_id:
                raise ValueError(
                    f"units: {counted.unit.unit_id} belongs to {counted.unit.station_id}"
                )
        ids = [counted.unit.unit_id for counted in self.units]
        if len(set(ids)) != len(ids):
            raise ValueError("units: a unit_id stands twice in one count")
        return self

    @property
    def key(self) -> str:
        return self.station_id

    @property
    def subject(self) -> str:
        return self.station_id


class StockChange(StrEnum):
    """What happened to one unit."""

    RELEASED = "released"
    ISSUED = "issued"
    RECEIVED = "received"
    DISCARDED = "discarded"


class TestResults(Value):
    """The results that release a unit (献血法 art. 10: untested blood may not be supplied).

    Attributes:
        serology_nonreactive: HBsAg, anti-HCV, anti-HIV, syphilis and ALT, all of them.
        nat_nonreactive: Nucleic acid test.
        group: ABO and RhD as grouped in the laboratory; must agree with the unit's.
    """

    # Not a test class, whatever its name looks like to a test runner.
    __test__: ClassVar[bool] = False

    serology_nonreactive: bool
    nat_nonreactive: bool
    group: BloodGroup


class StockChanged(EventData):
    """One unit was released, issued, received or discarded.

    Attributes:
        epoch: The epoch of the promise under which it is issued or received; required there.
        results: Required for a release.
    """

    TYPE: ClassVar[str] = "blood.stock.changed.v1"
    station_id: Identifier
    unit_id: Identifier
    change: StockChange
    happened_at: Instant
    epoch: int | None = Field(default=None, ge=1)
    results: TestResults | None = None
    reason: Line = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.change is StockChange.RELEASED and self.results is None:
            raise ValueError("results: a release needs its test results")
        if self.change in {StockChange.ISSUED, StockChange.RECEIVED} and self.epoch is None:
            raise ValueError(f"epoch: {self.change} needs the epoch of the promise")
        return self

    @property
    def key(self) -> str:
        return self.station_id

    @property
    def subject(self) -> str:
        return self.unit_id


class Resolution(StrEnum):
    """How a station closes a difference between its count and our record.

    discarded, issued: the unit is gone, and so. moved_here: another station's unit lies here.
    record_stands: our record is right; nothing changes.
    """

    DISCARDED = "discarded"
    ISSUED = "issued"
    MOVED_HERE = "moved_here"
    RECORD_STANDS = "record_stands"


class DifferencesClosed(EventData):
    """A station says what became of units that differ from its count.

    Attributes:
        count_id: The count that found the differences.
        reason: Why, or on whose word; kept in the audit.
    """

    TYPE: ClassVar[str] = "blood.stock.differences-closed.v1"
    station_id: Identifier
    count_id: Identifier
    unit_ids: tuple[Identifier, ...] = Field(min_length=1, max_length=PART_UNITS)
    resolution: Resolution
    closed_at: Instant
    reason: Line = ""

    @property
    def key(self) -> str:
        return self.station_id

    @property
    def subject(self) -> str:
        return self.count_id
