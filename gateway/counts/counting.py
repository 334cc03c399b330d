"""Makes a count from a file that was read: compares it with the stock, names it, cuts it in parts.

A preview's digest names the file and what the count meant then; a count under a digest is sent only
if both are unchanged. The identifier of a count follows from its content and moment, so sending the
same again resumes it. What a preview read is kept for a while, so that the file is not read again
when the count is sent.
"""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

import orjson

from gateway.counts.files import CountRead
from gateway.files.columns import WORDS
from gateway.files.imports import BLAMED
from gateway.files.tables import RowError
from models.base import derive_id
from models.errors import ContractError, DomainRefusal, InvariantViolation
from models.events.stock import Attestation, CountedUnit, CountPart, StockCounted
from models.rules.rulebook import Rulebook
from streams.services.count_plans import CountPlan, Entering, Loud, RefusedUnit, judge_count
from streams.store.read_models.counts import PgReconciling

KEPT_S = 600.0
"""How long a preview's reading is kept: within this time a person decides whether to send it."""

KEPT_BYTES = 120_000_000
"""Enough for two files of 100,000 units."""


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


class KeptReads:
    """The files that were last read for a preview; kept in this process, up to `KEPT_BYTES`."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[str, tuple[float, CountRead]] = OrderedDict()

    def keep(self, file_digest: str, read: CountRead) -> None:
        self._kept[file_digest] = (self._monotonic(), read)
        self._kept.move_to_end(file_digest)
        while self._kept and self._bytes() > KEPT_BYTES:
            self._kept.popitem(last=False)

    def take(self, file_digest: str) -> CountRead | None:
        """Return what was read of a file, and remove it from the memory."""
        at, read = self._kept.pop(file_digest, (0.0, None))
        return read if read is not None and self._monotonic() - at <= KEPT_S else None

    def _bytes(self) -> int:
        return sum(len(part) for _, read in self._kept.values() for part in read.parts)


async def make_plan(
    reconciling: PgReconciling, count: Count, *, told: int, now: datetime, rules: Rulebook
) -> CountPlan:
    """Compare a count with the stock as it is at this moment."""
    found = await reconciling.compare(
        count.read.parts,
        station_id=count.station_id,
        counted_at=count.counted_at,
        named=count.read.unit_ids if count.full else None,
        told=told,
    )
    entering = Entering(get=count.get_counted, attestation=count.attestation, now=now, rules=rules)
    return judge_count(found, entering, told=told)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewToken:
    """What a preview saw; the caller gives it back with the count."""

    file_digest: str
    plan_digest: str
    counted_at: datetime
    outcomes: Mapping[str, int]

    @classmethod
    def of(cls, count: Count, plan: CountPlan) -> PreviewToken:
        return cls(
            file_digest=count.file_digest,
            plan_digest=plan.digest,
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
            ContractError: `preview_file_changed`: it is not a digest of a preview.
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

    def ensure_file(self, file_digest: str) -> None:
        if file_digest != self.file_digest:
            raise ContractError("preview_file_changed")

    def ensure_plan(self, plan: CountPlan) -> None:
        """Raise DomainRefusal unless the count still means what the preview showed.

        A unit that was promised or given back meanwhile makes no difference: it is confirmed either
        way.
        """
        if plan.digest == self.plan_digest:
            return
        names = sorted({*self.outcomes, *plan.outcomes})
        pairs = [(name, self.outcomes.get(name, 0), plan.outcomes.get(name, 0)) for name in names]
        changes = ", ".join(f"{name} {was} → {now}" for name, was, now in pairs if was != now)
        raise DomainRefusal("preview_stock_changed", changes=changes or "other units")


def describe_plan(count: Count, plan: CountPlan) -> dict[str, Any]:
    """Return the content of a preview: units by outcome, and those that contradict the record."""
    loud_kinds = ("differs", "moved", "status", "missing")
    return {
        "outcomes": plan.outcomes,
        "products": count.read.list_products(),
        "missing_reserved": plan.missing_reserved,
        "differences": [_describe(count, unit) for unit in plan.loud],
        "differences_in_all": sum(plan.outcomes.get(kind, 0) for kind in loud_kinds),
    }


def _describe(count: Count, one: Loud) -> dict[str, Any]:
    told: dict[str, Any] = {
        "unit_id": one.unit_id,
        "kind": one.kind,
        "fields": one.fields,
        "recorded": one.recorded,
        "request_id": one.request_id,
    }
    found = None if one.kind == "missing" else count.read.find_counted(one.unit_id)
    if found is not None:
        (sheet, row), counted = found
        told |= {"sheet": sheet, "row": row, "counted": counted}
    return told
