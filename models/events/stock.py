"""Events about units: stock counts, scans, and closed differences. Snapshots are events too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self

import orjson
from pydantic import Field, TypeAdapter, model_validator

from models.base import LARGEST, BagId, Identifier, Instant, Line, Value
from models.broken_rule import BrokenRuleError
from models.errors import DomainRefusal
from models.events.base import EventData
from models.units import Unit


class Attestation(Value):
    """A station's statement that it released stock before it reported the stock to us.

    Attributes:
        released_by: The person who answers for the release.
        released_at: When it was released; not before it was collected.
    """

    released_by: Line = Field(min_length=1)
    released_at: Instant


class CountedAs(StrEnum):
    """The state that a stock count gives a unit.

    on_shelf, collected, returned: the unit is here. A collected unit was drawn and is not yet in
    quarantine; a returned unit is back from a hospital and not yet decided on. The other states end
    nothing by themselves: where our record says that the unit is here, a difference is opened.
    """

    ON_SHELF = "on_shelf"
    COLLECTED = "collected"
    RETURNED = "returned"
    DISCARDED = "discarded"
    ISSUED = "issued"
    EXPIRED = "expired"


class CountedUnit(Value):
    """A unit that a count names.

    Attributes:
        released: True needs an attestation, here or for the whole count. False puts the unit into
            quarantine, which only test results end.
        attestation: Its own attestation, where that differs from the one of the count.
    """

    unit: Unit
    released: bool = True
    attestation: Attestation | None = None
    counted_as: CountedAs = CountedAs.ON_SHELF

    @property
    def is_released(self) -> bool:
        """Return whether the count says that it is on the shelf, released.

        That needs an attestation.
        """
        return self.released and self.counted_as is CountedAs.ON_SHELF


def find_attestation_fault(
    counted: CountedUnit, attested: Attestation | None, *, now: datetime | None = None
) -> DomainRefusal | None:
    """Return the fault of the attestation of a counted unit; None if there is no fault.

    Args:
        counted: The unit; it needs no attestation where it is not counted as released.
        attested: Its own attestation, else that of its count.
        now: Aware UTC instant; with None a release in the future is no fault.
    """
    unit_id = counted.unit.unit_id
    if not counted.is_released:
        return None
    if attested is None:
        return DomainRefusal("attestation_missing", unit_id=unit_id)
    released_at, collected_at = attested.released_at, counted.unit.collected_at
    if released_at < collected_at:
        return DomainRefusal(
            "released_before_collected",
            unit_id=unit_id,
            released_at=released_at.isoformat(),
            collected_at=collected_at.isoformat(),
        )
    if now is not None and released_at > now:
        at = released_at.isoformat()
        return DomainRefusal("released_in_future", unit_id=unit_id, released_at=at)
    return None


_UNITS: TypeAdapter[tuple[CountedUnit, ...]] = TypeAdapter(tuple[CountedUnit, ...])


def encode_units(units: Sequence[CountedUnit]) -> bytes:
    """Return the JSON array of counted units, as it stands in the body of an event."""
    return _UNITS.dump_json(tuple(units), exclude_none=True)


PART_UNITS = 500
"""The most units in one event: some 200 kB, well within a record."""


class CountPart(Value):
    """Which part of which count an event is.

    Attributes:
        count_id: The same for all parts, and when the same count is sent again.
        part_no: From 1.
        units: Units of all parts together.
        full: The count names every unit on the shelf: a unit that it does not name is missing.
    """

    count_id: Identifier
    part_no: int = Field(ge=1, le=10_000)
    parts: int = Field(ge=1, le=10_000)
    units: int = Field(ge=1, le=10_000 * PART_UNITS)
    full: bool = False

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.part_no > self.parts:
            raise BrokenRuleError("part_beyond_parts", "part_no")
        return self


class StockCounted(EventData):
    """A station reports units that it holds; unknown ones are taken in, known ones confirmed.

    A unit that contradicts our record changes nothing and stays open as a difference.

    Large counts come in parts of at most 500 units, each an event of its own.

    Attributes:
        attestation: Who released, and when, the released units without their own attestation.
        part: None for a count that is one event, and is not full.
    """

    TYPE: ClassVar[str] = "blood.stock.counted.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "station_id"
    station_id: Identifier
    counted_at: Instant
    units: tuple[CountedUnit, ...] = Field(min_length=1, max_length=PART_UNITS)
    attestation: Attestation | None = None
    part: CountPart | None = None

    @model_validator(mode="after")
    def _one_station(self) -> Self:
        for counted in self.units:
            if counted.unit.station_id != self.station_id:
                raise BrokenRuleError(
                    "unit_of_other_station",
                    "units",
                    unit_id=counted.unit.unit_id,
                    station_id=counted.unit.station_id,
                )
        ids = [counted.unit.unit_id for counted in self.units]
        if len(set(ids)) != len(ids):
            raise BrokenRuleError("unit_twice_in_count", "units")
        return self

    @model_validator(mode="after")
    def _attested(self) -> Self:
        for counted in self.units:
            fault = find_attestation_fault(counted, self.attestation_of(counted))
            if fault is not None:
                raise BrokenRuleError(fault.code, "attestation", **fault.params)
        return self

    def attestation_of(self, counted: CountedUnit) -> Attestation | None:
        """Return the attestation that holds for a counted unit; None if there is none."""
        return counted.attestation or self.attestation


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPart:
    """A part of a count whose units are JSON already: sent as the event that it stands for.

    The rows of a large file are not made into values again only to be written.
    """

    TYPE: ClassVar[str] = StockCounted.TYPE
    station_id: str
    counted_at: str
    units: bytes
    attestation: Attestation | None
    part: CountPart

    @property
    def key(self) -> str:
        return self.station_id

    @property
    def subject(self) -> str:
        return self.station_id

    def to_body(self) -> bytes:
        """Return the body of this part's `StockCounted`, byte for byte as the event writes it."""
        attested = self.attestation
        return b"".join(
            [
                b'{"station_id":',
                orjson.dumps(self.station_id),
                b',"counted_at":',
                orjson.dumps(self.counted_at),
                b',"units":',
                self.units,
                *([b',"attestation":', attested.model_dump_json().encode()] if attested else ()),
                b',"part":',
                self.part.model_dump_json().encode(),
                b"}",
            ]
        )


class StockChange(StrEnum):
    """What happened to one unit. There is no release among them: test results release a unit."""

    QUARANTINED = "quarantined"
    PICKED = "picked"
    ISSUED = "issued"
    DEPARTED = "departed"
    RECEIVED = "received"
    TRANSFUSED = "transfused"
    RETURNED = "returned"
    RESTOCKED = "restocked"
    DISCARDED = "discarded"


UNDER_PROMISE = frozenset(
    {
        StockChange.PICKED,
        StockChange.ISSUED,
        StockChange.DEPARTED,
        StockChange.RECEIVED,
        StockChange.TRANSFUSED,
        StockChange.RETURNED,
    }
)
"""Steps on the way to a patient or a neighbour: each presents the fencing token of its promise."""


class StockChanged(EventData):
    """One scan of one unit.

    Attributes:
        station_id: The station that holds it, or that supplies the hospital which does.
        epoch: The fencing token of the promise under which it moves; required for `UNDER_PROMISE`.
        out_of_control_s: Seconds out of temperature control since it was issued; required for a
            return.
        thawed_at: When the unit, frozen until then, was thawed; its life ends some hours later.
        done_by: Who did it: a person or a device of the station or hospital.
    """

    TYPE: ClassVar[str] = "blood.stock.changed.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "unit_id"
    station_id: Identifier
    unit_id: BagId
    change: StockChange
    happened_at: Instant
    epoch: int | None = Field(default=None, ge=1, le=LARGEST)
    out_of_control_s: int | None = Field(default=None, ge=0, le=31_536_000)
    thawed_at: Instant | None = None
    done_by: Line = ""
    reason: Line = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.change in UNDER_PROMISE and self.epoch is None:
            raise BrokenRuleError("epoch_needed", "epoch", change=self.change)
        if (self.change is StockChange.RETURNED) != (self.out_of_control_s is not None):
            raise BrokenRuleError("out_of_control_with_return", "out_of_control_s")
        return self


REASON_MOST = 400
"""The most characters of a reason: with what we add, it is still one line."""


class Resolution(StrEnum):
    """How a station closes a difference between its count and our record.

    discarded: the unit was discarded. issued: the unit left under its promise; without a promise it
    was issued outside Xuelian, ends as discarded, and is still named by a recall with that reason.
    moved_here: the unit is on record at another station and lies here. record_stands: the record is
    right and nothing changes.
    """

    DISCARDED = "discarded"
    ISSUED = "issued"
    MOVED_HERE = "moved_here"
    RECORD_STANDS = "record_stands"


class DifferencesClosed(EventData):
    """A station says what became of units that differ from its count.

    Attributes:
        count_id: The count that found the differences.
        reason: Why and on whose statement; of units given out, also to whom and in which paper
            record. The audit keeps it.
    """

    TYPE: ClassVar[str] = "blood.stock.differences-closed.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "count_id"
    station_id: Identifier
    count_id: Identifier
    unit_ids: tuple[BagId, ...] = Field(min_length=1, max_length=PART_UNITS)
    resolution: Resolution
    closed_at: Instant
    reason: Line = Field(min_length=1, max_length=REASON_MOST)
