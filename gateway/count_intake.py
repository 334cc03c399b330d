"""A count of a station: compared with the stock, previewed, and sent in parts. Knows no HTTP.

The identifier of a count follows from its content and moment, so sending the same again resumes it.

A preview's digest names the file and what the count meant then; a count under a digest is sent only
if both are unchanged.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from gateway.files.columns import WORDS
from gateway.files.count_files import CountRead
from gateway.files.stock_imports import BLAMED
from gateway.files.table_values import RowError
from gateway.intake.acceptance import Acceptance, Caller
from gateway.invalid_content import of_refused, of_rows
from gateway.runtime import Gateway
from models.base import derive_id
from models.errors import ContractError, DomainRefusal, InvariantViolation
from models.events.stock import Attestation, CountedPart, CountedUnit, CountPart
from streams.services.stock_entries import (
    CountPlan,
    EntryTerms,
    Loud,
    RefusedUnit,
    judge_count,
    list_doubtful,
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
    def parse(cls, text: str, *, file_digest: str) -> PreviewToken:
        """Read a digest back.

        Raises:
            ContractError: `preview_file_changed`: it is no digest of a preview of this file.
        """
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            previewed, plan_digest, counted_at, outcomes = orjson.loads(raw)
            token = cls(
                file_digest=str(previewed),
                plan_digest=str(plan_digest),
                counted_at=datetime.fromisoformat(counted_at),
                outcomes={str(name): int(units) for name, units in outcomes.items()},
            )
        except (binascii.Error, ValueError, TypeError, AttributeError) as error:
            raise ContractError("preview_file_changed") from error
        if token.file_digest != file_digest:
            raise ContractError("preview_file_changed")
        return token


@dataclass(frozen=True, slots=True, kw_only=True)
class CountOutcome:
    """What became of a count.

    Attributes:
        count: As it was sent, without the units that may not be taken in.
        refused: Those units.
        unchanged: Why there was nothing to send: the count as it was taken in before, or what it
            would mean.
        parts: How many were sent.
        acceptance: What became of the parts; None if nothing was sent.
    """

    count: Count
    count_id: str
    refused: Sequence[RowError]
    unchanged: Mapping[str, Any] | None = None
    parts: int = 0
    acceptance: Acceptance | None = None


async def compare(gateway: Gateway, count: Count, *, differences: int = 0) -> CountPlan:
    """Compare a count with the stock as it is at this moment.

    Args:
        gateway: Reads the stock.
        count: The count.
        differences: Most units that contradict the record and are named one by one.
    """
    found = await gateway.count_comparison.compare(
        count.read.parts,
        station_id=count.station_id,
        counted_at=count.counted_at,
        named=count.read.unit_ids if count.full else None,
        told=differences,
    )
    entering = EntryTerms(
        counted=[count.get_counted(unit_id) for unit_id in list_doubtful(found)],
        attestation=count.attestation,
        now=gateway.clock.now(),
        rules=gateway.rules,
    )
    return judge_count(found, entering, told=differences)


async def send_count(
    gateway: Gateway,
    count: Count,
    caller: Caller,
    *,
    partial: bool = False,
    token: PreviewToken | None = None,
) -> CountOutcome:
    """Send what a count changes, in parts; a count that broke off goes on.

    Args:
        gateway: Where the parts are accepted.
        count: The count as it was read.
        caller: On whose behalf.
        partial: Send the good rows although others are wrong.
        token: What the preview saw, if there was one; the count must still mean that.

    Raises:
        ContractError: `rows_invalid`, `units_refused`: with each row that is wrong.
        DomainRefusal: `preview_stock_changed`.
        TransientError: PostgreSQL or Kafka is away; sending the same again goes on.
    """
    if count.read.errors and not (partial and count.units):
        raise of_rows(count.read.errors, in_all=count.read.errors_in_all)
    plan, refused = None, list[RowError]()
    if partial:
        plan = await compare(gateway, count)
        refused = count.list_refused(plan.refused)
        count = count.without(plan.refused)
    count_id = count.to_count_id(caller.key)
    outcome = CountOutcome(count=count, count_id=count_id, refused=refused)
    known = await gateway.count_comparison.find_count(count.station_id, count_id)
    if known is not None and known["taken_at"] is not None:
        return replace(outcome, unchanged={"count": known})
    # A count that broke off has already changed the stock by the parts that were taken in, so it is
    # not compared again: it goes on.
    if known is None:
        plan = plan or await compare(gateway, count)
        if not count.units or any(unit.unit_id not in count.left_out for unit in plan.refused):
            raise of_refused(count.list_refused(plan.refused))
        if token is not None:
            _ensure_as_previewed(token, plan)
            if plan.is_quiet and not count.full:
                return replace(outcome, unchanged={"outcomes": plan.outcomes})
    parts = count.to_parts(count_id)
    acceptance = await gateway.submissions.accept(
        parts, replace(caller, key=count_id, named_by="count_id")
    )
    return replace(outcome, parts=len(parts), acceptance=acceptance)


def _ensure_as_previewed(token: PreviewToken, plan: CountPlan) -> None:
    """Raise DomainRefusal unless the count still means what the preview showed.

    A unit that was promised or given back meanwhile makes no difference: it is confirmed either
    way.
    """
    if plan.digest == token.plan_digest:
        return
    before, now = token.outcomes, plan.outcomes
    pairs = [(name, before.get(name, 0), now.get(name, 0)) for name in sorted({*before, *now})]
    changes = ", ".join(f"{name} {was} → {units}" for name, was, units in pairs if was != units)
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


def _describe(count: Count, loud: Loud) -> dict[str, Any]:
    told: dict[str, Any] = {
        "unit_id": loud.unit_id,
        "kind": loud.kind,
        "fields": loud.fields,
        "recorded": loud.recorded,
        "request_id": loud.request_id,
    }
    found = None if loud.kind == "missing" else count.read.find_counted(loud.unit_id)
    if found is not None:
        (sheet, row), counted = found
        told |= {"sheet": sheet, "row": row, "counted": counted}
    return told


def _as_event_says(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
