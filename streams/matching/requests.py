"""Decide urgent requests against the shelf.

Pure and deterministic: no IO, no clock; ties are broken by unit id. A batch is decided in order of
priority, then of the needed-by time, then of the request id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from models.base import derive_id
from models.compatibility import Candidate, list_candidates, o_negative_cap, rules_version
from models.decisions import Decision, LineDecision, Outcome, Reason, ReservedUnit
from models.directory import Journey
from models.facilities import Hospital, StationPolicy
from models.requests import RequestLine, UrgentRequest
from models.rulebook import cite
from streams.matching.clearance import list_obstacles
from streams.matching.shelf import Cell, Shelf, ShelfUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request with all that its decision depends on beside the stock.

    Attributes:
        version: Of the decision to be made, 1 or more.
        held: Line number to units already promised and still live.
        capped_before: Unconfirmed O RhD- units the same unknown patient already got.
        cause_id: Identifier of the event that causes the decision; makes its ids unique.
    """

    request: UrgentRequest
    hospital: Hospital
    policy: StationPolicy
    journey: Journey
    version: int
    cause_id: str
    held: Mapping[int, int] = field(default_factory=dict)
    capped_before: int = 0

    def candidates(self, line: RequestLine) -> tuple[Candidate, ...]:
        return list_candidates(
            component=line.component,
            patient=self.request.patient,
            priority=self.request.priority,
            policy=self.policy,
        )

    def open_quantity(self, line: RequestLine) -> int:
        return max(0, line.quantity - self.held.get(line.line_no, 0))


def decide_batch(
    cases: Sequence[Case], *, shelf: Shelf, now: datetime, hold_s: int
) -> tuple[Decision, ...]:
    """Decide every case of a batch on one shelf.

    Args:
        cases: 1..n open requests, each once.
        shelf: Usable stock; chosen units leave it.
        now: Aware UTC instant the decisions are made for.
        hold_s: Seconds that a reservation stands past the time it is needed.

    Returns:
        One decision per case, in the order of `cases`.

    Invariants: no unit in two decisions; every unit compatible, with every hard attribute, and
        expiring after arrival.
    Source: models/rules/compatibility.toml; rule set 2026-1.
    """
    urgent_first = sorted(
        range(len(cases)),
        key=lambda at: (
            cases[at].request.priority.rank,
            cases[at].request.needed_by,
            cases[at].request.request_id,
        ),
    )
    decided: dict[int, Decision] = {}
    for at in urgent_first:
        decided[at] = _decide(cases[at], shelf=shelf, now=now, hold_s=hold_s)
    return tuple(decided[at] for at in range(len(cases)))


def _decide(case: Case, *, shelf: Shelf, now: datetime, hold_s: int) -> Decision:
    request = case.request
    if request.needed_by <= now and case.version == 1:
        reason = Reason(
            code="needed_by_passed", params={"needed_by": request.needed_by.isoformat()}
        )
        return _conclude(case, lines=_refuse_all(case, reason), now=now, hold_s=hold_s)
    arrival_at = now + timedelta(seconds=case.journey.eta_s)
    cap = _Cap(left=max(0, o_negative_cap() - case.capped_before))
    lines = tuple(
        _decide_line(case, line, shelf=shelf, now=now, arrival_at=arrival_at, cap=cap)
        for line in request.lines
    )
    return _conclude(case, lines=lines, now=now, hold_s=hold_s)


@dataclass(slots=True)
class _Cap:
    """Unconfirmed O RhD- red cells that the patient may still get, over all lines."""

    left: int

    def find_obstacle(self, candidate: Candidate, line: RequestLine) -> Reason | None:
        if self._concerns(candidate, line) and self.left <= 0:
            rule = cite("unknown.o_negative_cap")
            return Reason(code="o_negative_cap", params={"cap": o_negative_cap()}, rule=rule)
        return None

    def count(self, candidate: Candidate, line: RequestLine) -> None:
        if self._concerns(candidate, line):
            self.left -= 1

    @staticmethod
    def _concerns(candidate: Candidate, line: RequestLine) -> bool:
        return candidate.capped and line.component.spec.carries_red_cells


class _PassedOver:
    """Units that were looked at and not chosen, counted by reason."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[Reason, int]] = {}

    def count(self, reason: Reason) -> None:
        key = reason.model_dump_json()
        _, units = self._counts.get(key, (reason, 0))
        self._counts[key] = (reason, units + 1)

    def list_reasons(self) -> list[Reason]:
        return [
            reason.but(params={**reason.params, "units": units})
            for _, (reason, units) in sorted(self._counts.items())
        ]


def _refuse_all(case: Case, reason: Reason) -> tuple[LineDecision, ...]:
    return tuple(_refuse_line(case, line, reason) for line in case.request.lines)


def _refuse_line(case: Case, line: RequestLine, reason: Reason) -> LineDecision:
    return LineDecision(
        line_no=line.line_no,
        component=line.component,
        requested=line.quantity,
        refused=case.open_quantity(line),
        refusals=(reason,),
    )


def _decide_line(
    case: Case, line: RequestLine, *, shelf: Shelf, now: datetime, arrival_at: datetime, cap: _Cap
) -> LineDecision:
    if line.component.spec.frozen and not case.hospital.can_thaw:
        return _refuse_line(
            case, line, Reason(code="hospital_cannot_thaw", rule=cite("transport.thawing"))
        )
    candidates = case.candidates(line)
    if not candidates:
        # Only a patient of unknown group can be left without any.
        reason = Reason(code="no_group_allowed", rule=cite("unknown.group"))
        return _refuse_line(case, line, reason)
    wanted = case.open_quantity(line)
    chosen: list[ReservedUnit] = []
    passed = _PassedOver()
    for candidate in candidates:
        cell = Cell(
            station_id=case.request.station_id, component=line.component, group=candidate.group
        )
        for unit in shelf.first_out(cell):
            if len(chosen) == wanted:
                break
            obstacle = cap.find_obstacle(candidate, line) or next(
                list_obstacles(
                    unit,
                    line=line,
                    patient=case.request.patient,
                    candidate=candidate,
                    now=now,
                    arrival_at=arrival_at,
                ),
                None,
            )
            if obstacle:
                passed.count(obstacle)
                continue
            cap.count(candidate, line)
            shelf.take(unit)
            chosen.append(_reserve(case, unit, candidate))
    return LineDecision(
        line_no=line.line_no,
        component=line.component,
        requested=line.quantity,
        reserved=tuple(chosen),
        uncovered=wanted - len(chosen),
        refusals=_summarise(passed, candidates, uncovered=wanted - len(chosen)),
    )


def _reserve(case: Case, unit: ShelfUnit, candidate: Candidate) -> ReservedUnit:
    identical = unit.group is case.request.patient.group
    return ReservedUnit(
        promise_id=derive_id("promise", unit.unit_id, unit.epoch + 1),
        unit_id=unit.unit_id,
        component=unit.component,
        group=unit.group,
        expires_at=unit.expires_at,
        epoch=unit.epoch + 1,
        capped=candidate.capped and unit.component.spec.carries_red_cells,
        reason=Reason(
            code="identical_group" if identical else "compatible_group",
            params={"rank": candidate.rank},
            rule=candidate.rule,
        ),
    )


def _summarise(
    passed: _PassedOver, candidates: Sequence[Candidate], *, uncovered: int
) -> tuple[Reason, ...]:
    """Tell why units were passed over only where something is missing; else nobody needs it."""
    if not uncovered:
        return ()
    groups = " ".join(candidate.group for candidate in candidates)
    short = Reason(code="stock_short", params={"units": uncovered, "groups": groups})
    return (*passed.list_reasons(), short)


def _conclude(
    case: Case, *, lines: tuple[LineDecision, ...], now: datetime, hold_s: int
) -> Decision:
    request = case.request
    live = sum(case.held.values()) + sum(len(line.reserved) for line in lines)
    uncovered = sum(line.uncovered for line in lines)
    arrival_at = now + timedelta(seconds=case.journey.eta_s)
    outcome, waiting_for = _tell_outcome(live=live, uncovered=uncovered)
    reasons = []
    if live and arrival_at > request.needed_by:
        late_s = round((arrival_at - request.needed_by).total_seconds())
        reasons.append(Reason(code="arrives_late", params={"late_s": late_s}))
    return Decision(
        decision_id=derive_id("decision", request.request_id, case.version),
        request_id=request.request_id,
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        version=case.version,
        outcome=outcome,
        lines=lines,
        reasons=tuple(reasons),
        eta_s=case.journey.eta_s if live else None,
        eta_estimated=case.journey.estimated and live > 0,
        waiting_for=waiting_for,
        hold_until=max(request.needed_by, arrival_at) + timedelta(seconds=hold_s) if live else None,
        decided_at=now,
        rules_version=rules_version(),
    )


def _tell_outcome(*, live: int, uncovered: int) -> tuple[Outcome, str]:
    if live and uncovered:
        return Outcome.PARTLY_RESERVED, "donors_and_neighbours"
    if live:
        return Outcome.RESERVED, "picking"
    if uncovered:
        return Outcome.WAITING, "donors_and_neighbours"
    return Outcome.REFUSED, ""
