"""From a station's file to a count: read, compared with the stock, and sent in parts.

The file is read and judged whole before its first part is published. A preview's digest names the
file and what the count meant then; a count under a digest is sent only if both still hold. The
identifier of a count follows from its content and moment, so sending the same again resumes it.

Concurrency: files are read in a thread, so that urgent requests are answered meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson

from models.base import derive_id
from models.errors import ContractError, DomainRefusal
from models.events.stock import PART_UNITS, CountedUnit, CountPart, StockCounted
from models.tables import Parsed
from streams.store.reconciling import Judged, PgReconciling

QUIET_OUTCOMES = frozenset({"confirmed", "gone", "changed_since"})
"""What changes nothing and leaves nothing open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountFile:
    """A file that was read.

    Attributes:
        file_digest: Of its bytes and the options under which it was read.
    """

    station_id: str
    counted_at: datetime
    full: bool
    file_digest: str
    parsed: Parsed[CountedUnit]

    @property
    def units(self) -> Sequence[CountedUnit]:
        return self.parsed.values

    def to_count_id(self, key: str | None) -> str:
        """A key names the count; without one its content and moment do."""
        if key is not None:
            return derive_id("count", self.station_id, key)
        moment = self.counted_at.isoformat()
        return derive_id("count", self.station_id, self.file_digest, moment)

    def to_events(self, count_id: str) -> Sequence[StockCounted]:
        """Return the parts, in order."""
        starts = range(0, len(self.units), PART_UNITS)
        return [
            StockCounted(
                station_id=self.station_id,
                counted_at=self.counted_at,
                units=tuple(self.units[start : start + PART_UNITS]),
                part=CountPart(
                    count_id=count_id,
                    part_no=number,
                    parts=len(starts),
                    units=len(self.units),
                    full=self.full,
                ),
            )
            for number, start in enumerate(starts, start=1)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a count would do."""

    judged: Sequence[Judged]
    outcomes: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "outcomes", dict(Counter(one.outcome for one in self.judged)))

    @property
    def is_quiet(self) -> bool:
        """Whether it changes nothing and leaves nothing open."""
        return QUIET_OUTCOMES.issuperset(self.outcomes)

    def to_digest(self) -> str:
        told = sha256()
        for one in sorted(self.judged, key=lambda one: one.unit_id):
            told.update(f"{one.unit_id}\x1f{one.outcome}\x1e".encode())
        return told.hexdigest()


async def make_plan(reconciling: PgReconciling, count: CountFile) -> Plan:
    judged = await reconciling.compare(
        count.units, station_id=count.station_id, counted_at=count.counted_at, full=count.full
    )
    return await asyncio.to_thread(lambda: Plan(judged=judged))


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewToken:
    """What a preview saw, as its caller gives it back."""

    file_digest: str
    plan_digest: str
    counted_at: datetime
    outcomes: Mapping[str, int]

    @classmethod
    def of(cls, count: CountFile, plan: Plan) -> PreviewToken:
        return cls(
            file_digest=count.file_digest,
            plan_digest=plan.to_digest(),
            counted_at=count.counted_at,
            outcomes=plan.outcomes,
        )

    def to_text(self) -> str:
        told = [self.file_digest, self.plan_digest, self.counted_at, dict(self.outcomes)]
        raw = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> PreviewToken:
        """Read a digest back.

        Raises:
            ContractError: `preview_file_changed`: none of ours.
        """
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            file_digest, plan_digest, counted_at, outcomes = orjson.loads(raw)
            return cls(
                file_digest=str(file_digest),
                plan_digest=str(plan_digest),
                counted_at=datetime.fromisoformat(counted_at),
                outcomes={str(name): int(units) for name, units in outcomes.items()},
            )
        except (binascii.Error, ValueError, TypeError, AttributeError) as error:
            raise ContractError("preview_file_changed") from error

    def ensure_file(self, count: CountFile) -> None:
        if count.file_digest != self.file_digest:
            raise ContractError("preview_file_changed")

    def ensure_plan(self, plan: Plan) -> None:
        """Raise DomainRefusal unless the count still means what it meant.

        A unit that was promised or given back meanwhile is still confirmed: that does not matter.
        """
        if plan.to_digest() == self.plan_digest:
            return
        names = sorted({*self.outcomes, *plan.outcomes})
        pairs = [(name, self.outcomes.get(name, 0), plan.outcomes.get(name, 0)) for name in names]
        changes = ", ".join(f"{name} {was} → {now}" for name, was, now in pairs if was != now)
        raise DomainRefusal("preview_stock_changed", changes=changes or "other units")


def describe_plan(count: CountFile, plan: Plan, *, most: int) -> dict[str, Any]:
    """Return what a preview tells: units by outcome, and those that contradict the record."""
    places = {
        counted.unit.unit_id: (place, counted)
        for counted, place in zip(count.units, count.parsed.places, strict=True)
    }
    loud = [one for one in plan.judged if one.outcome not in {*QUIET_OUTCOMES, *_ARRIVALS}]
    loud.sort(key=lambda one: (one.request_id is None, one.outcome, one.unit_id))
    return {
        "outcomes": plan.outcomes,
        "missing_reserved": sum(one.request_id is not None for one in loud),
        "differences": [_describe(one, places.get(one.unit_id)) for one in loud[:most]],
        "differences_in_all": len(loud),
    }


_ARRIVALS = frozenset({"new", "new_quarantined"})


def _describe(one: Judged, found: tuple[tuple[str, int], CountedUnit] | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "unit_id": one.unit_id,
        "kind": one.outcome,
        "fields": list(one.fields),
        "recorded": one.recorded,
        "request_id": one.request_id,
    }
    if found is not None:
        (sheet, row), counted = found
        told |= {"sheet": sheet, "row": row, "counted": counted.model_dump(mode="json")}
    return told
