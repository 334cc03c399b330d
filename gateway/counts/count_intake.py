"""Compares a count with the stock, and sends it in parts. Knows no HTTP.

The identifier of a count follows from its content and moment, so sending the same again resumes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.counts.count_parts import Count
from gateway.counts.previews import PreviewToken
from gateway.files.table_values import RowError
from gateway.intake.acceptance import Acceptance, Caller
from gateway.invalid_content import of_refused, of_rows
from gateway.runtime import Gateway
from models.errors import DomainRefusal
from streams.services.stock_entries import CountPlan, EntryTerms, judge_count, list_doubtful


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
