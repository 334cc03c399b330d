"""Limits of what an order is given before somebody confirms that so much is meant. Pure.

Blood that lies there is never kept from who is in danger of life for want of a word: what an order
asks beyond its first part follows by itself, as the part before leaves. Whoever can wait gets a
part that is large enough for every usual order, and the rest by confirmation or as the part before
arrives. Of two orders for one patient as much is held as the larger one asks.

Source: rules/data/policies.toml (order.at_once, order.at_once_in_danger, order.usual,
order.last_compatible, order.same_patient).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, floor

from models.clearance import UnitFacts
from models.components import Component
from models.decisions import Decision, Reason
from models.doses import WHOLE, round_up, sum_content
from models.requests import Priority
from models.rules.citations import CitedRule
from streams.matching.allocation.line_state import LineChoice
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from streams.matching.order_facts import (
    NOTHING_PENDING,
    OpenOrder,
    count_units,
    is_surely_one_patient,
    list_overlapping,
    names_same_patient,
    serves_as_well,
)

OVERLAPS = "order_overlaps"
"""The reason for which an order is held against another one for the patient."""

_HOUR_S = 3600

MayHave = Callable[[LineChoice, UnitFacts], bool]
"""Whether a free unit fits a line, and is not kept from it for patients who need it more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limit:
    """The most that a line is given beside what it has, in hundredths of its measure, and why."""

    most: int
    reason: Reason


def find_at_once(case: Case, component: Component) -> int:
    """Return the ordering units of a component that an order is given at once.

    While life is in danger it is as much for each started hour of the journey, since what follows
    comes by another one, and for each of the patients whom an order without a name is for.
    """
    policies = case.rules.policies
    if case.request.priority is not Priority.LIFE_THREATENING:
        return policies.at_once.find(component)
    rule = policies.at_once_in_danger
    patients = 1 if case.request.patient.reference else rule.unnamed
    return rule.find(component) * patients * max(1, ceil(case.journey.eta_s / _HOUR_S))


def is_beyond_usual(case: Case, component: Component) -> bool:
    """Return whether an order is asked back for its quantity, as far as facts tell."""
    asked = count_units(case.request, component)
    return asked > max(find_at_once(case, component), _find_usual_most(case, component))


def _find_usual_most(case: Case, component: Component) -> int:
    usual = case.facts.usual.get(component)
    return floor(usual.units * case.rules.policies.usual_order.multiple) if usual else 0


def may_take_last(case: Case, component: Component) -> bool:
    """Return whether an order may be asked back for what it would leave on the shelf."""
    return (
        not case.request.quantity_confirmed_by
        and case.request.priority is not Priority.LIFE_THREATENING
        and count_units(case.request, component) > _find_taken_unasked(case, component)
    )


def _find_taken_unasked(case: Case, component: Component) -> int:
    part = case.rules.policies.last_compatible.of_at_once
    return ceil(case.rules.policies.at_once.find(component) * part)


def may_repeat(case: Case) -> bool:
    """Return whether an order is held against others for the patient, if there are any."""
    least = case.rules.policies.same_order.from_units
    return (
        is_surely_one_patient(case.request)
        and not case.request.quantity_confirmed_by
        and any(count_units(case.request, line.component) >= least for line in case.request.lines)
    )


def is_next_part_due(case: Case) -> bool:
    """Return whether enough of the part before has left, or arrived, for the next to be chosen.

    Half of it while life is in danger, so that nobody waits for the last bag; all of it else.
    """
    is_in_danger = case.request.priority is Priority.LIFE_THREATENING
    for component in {line.component for line in case.request.lines}:
        ahead = sum(
            case.facts.pending.get(line.line_no, NOTHING_PENDING).measure(case.request.priority)
            for line in case.request.lines
            if line.component is component
        )
        half = find_at_once(case, component) * WHOLE // 2
        lacks = any(
            case.find_lack(line) for line in case.request.lines if line.component is component
        )
        if lacks and ahead <= (half if is_in_danger else 0):
            return True
    return False


def list_asked_back(decision: Decision) -> list[int]:
    """List what a decision asks back of each line."""
    return [line.unconfirmed for line in decision.lines]


class OrderLimits:
    """Limits the lines of a batch, each when its turn comes.

    Args:
        lines: The lines of the batch, by request; those before have chosen already.
        shelf: What lies free at the moment.
        may_have: As of the type.
        now: Aware UTC instant that the decisions are made for.
    """

    def __init__(
        self,
        lines: Sequence[Sequence[LineChoice]],
        *,
        shelf: Shelf,
        may_have: MayHave,
        now: datetime,
    ) -> None:
        self._lines = lines
        self._shelf = shelf
        self._may_have = may_have
        self._now = now

    def apply(self, line: LineChoice) -> None:
        """Hold back what is not given to a line before it is confirmed, or before its turn."""
        if line.case.request.quantity_confirmed_by:
            return
        found = [limit for limit in self._list_limits(line) if limit.most < line.lacks]
        if found:
            most = max(0, min(limit.most for limit in found))
            line.hold_back(most, tuple(limit.reason for limit in found))

    def _list_limits(self, line: LineChoice) -> Iterator[_Limit]:
        yield from self._limit_quantity(line)
        yield from self._limit_last(line)
        yield from self._limit_repeat(line)

    def _limit_quantity(self, line: LineChoice) -> Iterator[_Limit]:
        case, component = line.case, line.line.component
        if not is_beyond_usual(case, component):
            return
        usual = case.facts.usual.get(component)
        at_once = max(find_at_once(case, component), usual.units if usual else 0)
        asked = count_units(case.request, component)
        policies = case.rules.policies
        params: dict[str, str | int | float] = {"asked": asked, "at_once": at_once}
        rule: CitedRule = policies.at_once
        code = "quantity_large"
        if case.request.priority is Priority.LIFE_THREATENING:
            code, rule = "quantity_in_parts", policies.at_once_in_danger
        elif usual is not None:
            code, rule = "quantity_above_usual", policies.usual_order
            params.update(usual=usual.units, orders=usual.orders)
        reason = Reason(code=code, params=params, rule=policies.cite(rule))
        yield _Limit(most=self._find_room(line, at_once), reason=reason)

    def _limit_last(self, line: LineChoice) -> Iterator[_Limit]:
        case, component = line.case, line.line.component
        if not may_take_last(case, component):
            return
        policies = case.rules.policies
        units = line.list_choices(self._shelf)
        free = sum_content(unit for unit in units if self._may_have(line, unit))
        unasked = WHOLE * _find_taken_unasked(case, component)
        most = max(unasked, floor(free * policies.last_compatible.share))
        takes = min(free, line.line.to_units(round_up(line.lacks)) * WHOLE)
        if takes <= most:
            return
        params = {"asked": count_units(case.request, component), "free": free // WHOLE}
        yield _Limit(
            most=self._find_room(line, most // WHOLE),
            reason=Reason(
                code="quantity_takes_last",
                params={**params, "at_once": most // WHOLE},
                rule=policies.cite(policies.last_compatible),
            ),
        )

    def _find_room(self, line: LineChoice, at_once: int) -> int:
        """Return what is left of a part of an order, in hundredths of the line's measure.

        All lines of the component share it; what is ahead of the patient already uses it up.
        """
        case = line.case
        used = sum(
            case.facts.pending.get(asked.line_no, NOTHING_PENDING).measure(case.request.priority)
            for asked in case.request.lines
            if asked.component is line.line.component
        )
        used += sum(
            sum_content(cleared.unit for cleared in other.chosen)
            for other in self._list_of(case)
            if other.line.component is line.line.component
        )
        return line.line.from_units(max(0, at_once * WHOLE - used))

    def _list_of(self, case: Case) -> Sequence[LineChoice]:
        return next(lines for lines in self._lines if lines and lines[0].case is case)

    def _limit_repeat(self, line: LineChoice) -> Iterator[_Limit]:
        case = line.case
        rule = case.rules.policies.same_order
        if not may_repeat(case):
            return
        others = self._list_same_patient(case)
        overlapping = list_overlapping(self._to_order(case), line.line, others, rule)
        measure, priority = line.line.measure, case.request.priority
        held = {
            other.request.request_id: sum(
                other.find_pending(like).measure(priority, measure)
                for like in other.request.lines
                if serves_as_well(like, line.line)
            )
            for other in overlapping
        }
        total = sum(held.values())
        if not total:
            return
        lack = line.lacks
        named = " ".join(sorted(name for name, amount in held.items() if amount))
        overlap = line.line.to_units(round_up(min(total, lack)))
        yield _Limit(
            most=max(0, lack - total),
            reason=Reason(
                code=OVERLAPS,
                params={"requests": named, "units": overlap},
                rule=case.rules.policies.cite(rule),
            ),
        )

    def _list_same_patient(self, case: Case) -> list[OpenOrder]:
        """List the patient's other orders; those of the batch as they stand at this moment."""
        here = [
            self._to_order(lines[0].case, lines)
            for lines in self._lines
            if lines
            and lines[0].case is not case
            and names_same_patient(lines[0].case.request, case.request)
        ]
        seen = {order.request.request_id for order in here}
        stored = case.facts.same_patient
        return [*here, *(order for order in stored if order.request.request_id not in seen)]

    def _to_order(self, case: Case, lines: Sequence[LineChoice] = ()) -> OpenOrder:
        pending = {**case.facts.pending}
        for line in lines:
            before = pending.get(line.line.line_no, NOTHING_PENDING)
            pending[line.line.line_no] = before.with_more(cleared.unit for cleared in line.chosen)
        return OpenOrder(
            request=case.request, opened_at=case.facts.opened_at or self._now, pending=pending
        )
