"""A count of a station, and the parts in which it is sent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

import orjson

from gateway.counts.count_files import CountRead
from gateway.files.columns import WORDS
from gateway.files.stock_imports import BLAMED
from gateway.files.table_values import RowError
from models.base import derive_id
from models.errors import InvariantViolation
from models.events.stock import Attestation, CountedUnit, CountPart, StockCounted
from streams.services.stock_entries import RefusedUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPart:
    """One part, ready to be sent; it has what the gateway's submissions need of an event."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A count of a station.

    Attributes:
        file_digest: Digest of the file's bytes and the options under which it was read.
        attestation: Who released the released units whose row names nobody, and when.
        left_out: Units of the file that may not be taken in, if the count is sent without them.
    """

    station_id: str
    counted_at: datetime
    full: bool
    file_digest: str
    read: CountRead
    attestation: Attestation | None = None
    left_out: Sequence[str] = ()

    @property
    def units(self) -> int:
        return len(self.read.unit_ids)

    def to_count_id(self, key: str | None) -> str:
        """Derive the count's identifier from the key; without one, from its content and moment."""
        if key is not None:
            return derive_id("count", self.station_id, key)
        moment = self.counted_at.isoformat()
        return derive_id("count", self.station_id, self.file_digest, moment, *self.left_out)

    def without(self, refused: Sequence[RefusedUnit]) -> Count:
        """Return the count without the units that may not be taken in."""
        left_out = sorted(unit.unit_id for unit in refused)
        return replace(self, read=self.read.without(left_out), left_out=left_out)

    def get_counted(self, unit_id: str) -> CountedUnit:
        """Return a unit as the file has it."""
        found = self.read.find_counted(unit_id)
        if found is None:
            raise InvariantViolation("unit_unknown", unit_id=unit_id)
        return CountedUnit.model_validate(found[1])

    def list_refused(self, refused: Sequence[RefusedUnit]) -> list[RowError]:
        """Return an error for each unit that may not be taken in: its row and the reason."""
        told = []
        for unit in refused:
            found = self.read.find_counted(unit.unit_id)
            (sheet, row), _ = found or (("", 0), None)
            code, column = unit.refusal.code, BLAMED[unit.refusal.code]
            params = {name: str(value) for name, value in unit.refusal.params.items()}
            title = WORDS.units.title_of(column)
            told.append(
                RowError(
                    sheet=sheet, row=row, column=column, code=code, params=params, heading=title
                )
            )
        return told

    def to_parts(self, count_id: str) -> Sequence[CountedPart]:
        """Return the parts, in order."""
        return [
            CountedPart(
                station_id=self.station_id,
                counted_at=_as_event_says(self.counted_at),
                units=units,
                attestation=self.attestation,
                part=CountPart(
                    count_id=count_id,
                    part_no=number,
                    parts=len(self.read.parts),
                    units=self.units,
                    full=self.full,
                ),
            )
            for number, units in enumerate(self.read.parts, start=1)
        ]


def _as_event_says(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
