"""Events about units: counted, released, issued, arrived. Snapshots and changes are events too."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Self

from pydantic import Field, model_validator

from models.base import Identifier, Instant, Line, Value
from models.events.base import EventData
from models.groups import BloodGroup
from models.units import Unit


class CountedUnit(Value):
    """A unit that a count found on the shelf.

    Attributes:
        released: False keeps it in quarantine: its tests are not all back.
    """

    unit: Unit
    released: bool = True


class StockCounted(EventData):
    """A station reports units that it holds; unknown ones are taken in, known ones confirmed.

    Large counts come in parts of at most 500 units, each an event of its own.
    """

    TYPE: ClassVar[str] = "blood.stock.counted.v1"
    station_id: Identifier
    counted_at: Instant
    units: tuple[CountedUnit, ...] = Field(min_length=1, max_length=500)

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
