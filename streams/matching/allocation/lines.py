"""Choose units for one line of a request: those that the kernel clears, by rank and expiry.

Pure and deterministic. Units that are chosen leave the shelf; those passed over are counted under
every reason that the safety kernel gave.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from models.base import derive_id
from models.clearance import Cleared, ForPatient, Refused, Route, Step, UnitFacts
from models.compatibility import Candidate
from models.decisions import LineDecision, Reason, ReservedUnit
from models.errors import InvariantViolation
from models.recipients import find_recipient
from models.requests import RequestLine
from models.safety import clear, list_standing_obstacles
from streams.matching.allocation.kept_groups import is_kept, is_kept_group
from streams.matching.allocation.remedies import explain_openings
from streams.matching.available_units import Cell, Shelf
from streams.matching.decision_inputs import Case
from streams.matching.journeys import to_hospital


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedLine:
    line: LineDecision
    cleared: tuple[Cleared, ...] = ()


class _PassedOver:
    """Units that were looked at and not chosen, counted by reason."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[Reason, int]] = {}

    def count(self, refused: Refused) -> None:
        """Count a unit under each of its reasons."""
        for reason in refused.reasons:
            self.count_reason(reason)

    def count_reason(self, reason: Reason) -> None:
        key = reason.model_dump_json()
        _, units = self._counts.get(key, (reason, 0))
        self._counts[key] = (reason, units + 1)

    def list_reasons(self) -> list[Reason]:
        return [
            reason.but(params={**reason.params, "units": units})
            for _, (reason, units) in sorted(self._counts.items())
        ]


def refuse_line(case: Case, line: RequestLine, reasons: tuple[Reason, ...]) -> MatchedLine:
    return MatchedLine(
        line=LineDecision(
            line_no=line.line_no,
            component=line.component,
            requested=line.quantity,
            refused=case.open_quantity(line),
            refusals=reasons,
        )
    )


def decide_line(
    case: Case, line: RequestLine, *, shelf: Shelf, now: datetime, capped_units: int
) -> MatchedLine:
    route = to_hospital(case.hospital, case.journey, now=now)
    purpose = case.purpose(line, capped_units=capped_units)
    standing = list_standing_obstacles(purpose, route, case.rules)
    if standing:
        told = explain_openings(case, purpose, route=route, shelf=shelf, now=now)
        return refuse_line(case, line, (*standing, *told))
    candidates = case.candidates(line)
    wanted = case.open_quantity(line)
    cleared, passed = _choose(
        case, purpose, candidates, route=route, shelf=shelf, now=now, wanted=wanted
    )
    uncovered = wanted - len(cleared)
    return MatchedLine(
        line=LineDecision(
            line_no=line.line_no,
            component=line.component,
            requested=line.quantity,
            reserved=tuple(_reserve(clearance) for clearance in cleared),
            uncovered=uncovered,
            refusals=()
            if not uncovered
            else (
                *_summarise(passed, purpose, candidates, uncovered=uncovered),
                *explain_openings(case, purpose, route=route, shelf=shelf, now=now),
            ),
        ),
        cleared=cleared,
    )


def _choose(
    case: Case,
    purpose: ForPatient,
    candidates: Sequence[Candidate],
    *,
    route: Route,
    shelf: Shelf,
    now: datetime,
    wanted: int,
) -> tuple[tuple[Cleared, ...], _PassedOver]:
    """Take cleared units, best group and first expiry first; count the others by reason."""
    chosen: list[Cleared] = []
    passed = _PassedOver()
    rules = case.rules
    kept = rules.compatibility.cite(rules.compatibility.kept_for_negative)
    for unit in _in_order(case, purpose.line, candidates, shelf):
        if len(chosen) == wanted:
            break
        if is_kept(unit, purpose, now=now, rules=rules):
            passed.count_reason(Reason(code="kept_for_rhd_negative", rule=kept))
            continue
        answer = clear(unit, purpose=purpose, step=Step.RESERVE, route=route, now=now, rules=rules)
        if isinstance(answer, Refused):
            passed.count(answer)
            continue
        if answer.capped:
            purpose = replace(purpose, capped_units=purpose.capped_units + 1)
        shelf.take(unit)
        chosen.append(answer)
    return tuple(chosen), passed


def _in_order(
    case: Case, line: RequestLine, candidates: Sequence[Candidate], shelf: Shelf
) -> Iterator[UnitFacts]:
    for candidate in candidates:
        yield from shelf.first_out(
            Cell(
                station_id=case.request.station_id, component=line.component, group=candidate.group
            )
        )


def _reserve(cleared: Cleared) -> ReservedUnit:
    unit, candidate = cleared.unit, cleared.candidate
    if candidate is None or not isinstance(cleared.purpose, ForPatient):
        raise InvariantViolation("promise_not_cleared", unit_id=unit.unit_id)
    of_class = unit.component.spec.component_class
    identical = unit.group is find_recipient(of_class, cleared.purpose.patient).group
    return ReservedUnit(
        promise_id=derive_id("promise", unit.unit_id, unit.epoch + 1),
        unit_id=unit.unit_id,
        component=unit.component,
        group=unit.group,
        expires_at=unit.expires_at,
        epoch=unit.epoch + 1,
        capped=cleared.capped,
        reason=Reason(
            code="identical_group" if identical else "compatible_group",
            params={"rank": candidate.rank},
            rule=candidate.rule,
        ),
    )


def _summarise(
    passed: _PassedOver, purpose: ForPatient, candidates: Sequence[Candidate], *, uncovered: int
) -> tuple[Reason, ...]:
    """Explain why units were passed over, and which groups may be given on which terms.

    A group that is kept for RhD- patients is left out: its units are given only as they expire.
    """
    given = [
        candidate
        for candidate in candidates
        if not is_kept_group(
            candidate.group, purpose.line.component, purpose.patient, purpose.priority
        )
    ]
    groups = " ".join(candidate.group for candidate in given if not candidate.low_titre_only)
    params: dict[str, str | int | float] = {"units": uncovered, "groups": groups}
    low_titre = " ".join(candidate.group for candidate in given if candidate.low_titre_only)
    short = Reason(code="stock_short", params=params)
    if low_titre:
        params["low_titre_groups"] = low_titre
        short = Reason(code="stock_short_low_titre", params=params)
    return (*passed.list_reasons(), short)
