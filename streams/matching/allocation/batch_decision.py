"""Decide urgent requests against the shelf.

Pure and deterministic: no IO, no clock; ties are broken by unit id. A batch is decided in order of
priority, then RhD- patients for whom RhD- is preferred, then of the needed-by time, then of the
request id. This module only ranks:
`models.safety` says unit by unit what may go to whom.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.base import derive_id
from models.clearance import Cleared
from models.compatibility import is_preferred_for_negative
from models.decisions import Decision, LineDecision, Outcome, Reason, ReservedUnit
from models.doses import sum_content
from models.needs import list_told
from models.requests import Priority, RequestLine
from streams.matching.allocation.batch_choice import BatchChoice
from streams.matching.allocation.frozen_red_cells import explain_matches
from streams.matching.allocation.line_explanation import describe_line
from streams.matching.allocation.line_shares import KEPT_FOR_EXPECTED, LineShare
from streams.matching.allocation.patient_follow_ups import (
    explain_follow_ups,
    explain_rare_need,
    explain_unstated,
)
from streams.matching.allocation.protected_groups import list_given_from
from streams.matching.allocation.remedies import explain_spared
from streams.matching.allocation.unit_stages import ENDS, Stage, find_stage
from streams.matching.allocation.unproven_facts import explain_unproven
from streams.matching.allocation.useful_parts import is_useful_part
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A decision, and the clearance of every unit that it reserves, in the decision's order."""

    decision: Decision
    cleared: tuple[Cleared, ...]


def decide_batch(
    cases: Sequence[Case],
    *,
    shelf: Shelf,
    now: datetime,
    hold_s: int,
    tells: Sequence[bool] | None = None,
    shares: Mapping[str, LineShare] | None = None,
) -> tuple[Matched, ...]:
    """Decide every case of a batch on one shelf.

    Args:
        cases: 1..n open requests, each once.
        shelf: Usable stock; chosen units leave it.
        now: Aware UTC instant the decisions are made for.
        hold_s: Seconds that a reservation stands past the time it is needed.
        tells: Of which cases it is explained why they get no more; None for all.
        shares: By `name_line`, what a line may have while it can wait; others are not bound.

    Returns:
        One decision per case, in the order of `cases`.

    Invariants: no unit in two decisions; every unit cleared by the safety kernel; of the highest
        priority, no other order of the batch covers more units.
    Source: models/rules/data/compatibility.toml; rule set 2026-3.
    """
    urgent_first = sorted(
        range(len(cases)),
        key=lambda at: (
            cases[at].request.priority.rank,
            not is_preferred_for_negative(cases[at].request.patient, cases[at].rules),
            cases[at].request.needed_by,
            cases[at].request.request_id,
        ),
    )
    batch = BatchChoice(
        [cases[at] for at in urgent_first], shelf=shelf, now=now, shares=shares or {}
    )
    batch.choose()
    decided: dict[int, Matched] = {}
    for at, choices in zip(urgent_first, batch.lines, strict=True):
        lines = tuple(
            describe_line(
                choice,
                shelf=shelf,
                now=now,
                capped_units=batch.count_capped(choice),
                is_told=tells is None or tells[at],
            )
            for choice in choices
        )
        cleared = tuple(cleared for choice in choices for cleared in choice.chosen)
        doubted = [chosen.unit.unit_id for chosen in cleared if chosen.unit.may_have_left]
        told = (
            *explain_matches(cases[at], lines, shelf=shelf, now=now),
            *explain_unproven(cases[at], cleared, now=now),
        )
        decision = _conclude(cases[at], lines, told, doubted=doubted, now=now, hold_s=hold_s)
        decided[at] = Matched(decision=decision, cleared=cleared)
    return tuple(decided[at] for at in range(len(cases)))


def _conclude(
    case: Case,
    lines: tuple[LineDecision, ...],
    told: tuple[Reason, ...],
    *,
    doubted: Sequence[str],
    now: datetime,
    hold_s: int,
) -> Decision:
    request = case.request
    held = case.held_units + sum(len(line.reserved) for line in lines)
    arrival_at = now + timedelta(seconds=case.journey.eta_s)
    stage = find_stage(held=held, issued=case.issued, received=case.received)
    outcome, waiting_for = _find_outcome(lines, stage)
    reasons = list(case.news)
    if disputed := request.patient.disputed_groups:
        reasons.append(Reason(code="patient_groups_differ", params={"groups": " ".join(disputed)}))
    reasons.extend(_explain_release(case, lines))
    if case.same_patient:
        same = " ".join(case.same_patient)
        reasons.append(Reason(code="same_patient_open", params={"requests": same}))
    if held and arrival_at > request.needed_by:
        late_s = round((arrival_at - request.needed_by).total_seconds())
        reasons.append(Reason(code="arrives_late", params={"late_s": late_s}))
    reserved = [unit for line in lines for unit in line.reserved]
    reasons.extend(_explain_not_needed(case, reserved))
    reasons.extend(explain_follow_ups(case, reserved))
    reasons.extend(explain_rare_need(case, lines))
    reasons.extend(explain_unstated(case))
    reasons.extend(explain_spared(case, reserved))
    reasons.extend(told)
    reasons.extend(Reason(code="may_have_left", params={"unit_id": unit}) for unit in doubted)
    for line in request.lines:
        told_of = list_told(request.patient, line.attributes, case.rules)
        reasons.extend(reason for reason in told_of if reason not in reasons)
    # A unit that expires sooner ends alone: the others stay held.
    hold_ends = max(request.needed_by, arrival_at) + timedelta(seconds=hold_s)
    return Decision(
        decision_id=derive_id("decision", request.request_id, case.version),
        request_id=request.request_id,
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        version=case.version,
        outcome=outcome,
        lines=lines,
        reasons=tuple(reasons),
        eta_s=case.journey.eta_s if held else None,
        eta_estimated=case.journey.estimated and held > 0,
        waiting_for=waiting_for,
        hold_until=hold_ends if held else None,
        deferred_until=min(list_given_from(lines, KEPT_FOR_EXPECTED), default=None),
        decided_at=now,
        rules_version=case.rules.version,
    )


def _explain_not_needed(case: Case, reserved: Sequence[ReservedUnit]) -> Iterator[Reason]:
    """Yield the bags that were given by hand, and are more than is asked now."""
    has = {unit.unit_id for unit in reserved}
    for given in case.hand.given:
        if given.unit.unit_id not in has:
            params = {"unit_id": given.unit.unit_id, "by": given.by}
            yield Reason(code="hand_given_not_needed", params=params)


def _explain_release(case: Case, lines: tuple[LineDecision, ...]) -> Iterator[Reason]:
    """Yield what was taken past a test, or that a release does not count here."""
    release = case.request.emergency_release
    if release is None:
        return
    if case.request.priority is not Priority.LIFE_THREATENING:
        yield Reason(code="emergency_release_idle", params={"clinician": release.clinician})
        return
    units = [unit for line in lines for unit in line.reserved if unit.emergency_release]
    if not units:
        return
    told = {name for unit in units for name in str(unit.reason.params["passed"]).split(", ")}
    yield Reason(
        code="emergency_release_used",
        params={
            "units": len(units),
            "clinician": release.clinician,
            "reason": release.reason,
            "passed": ", ".join(sorted(told)),
        },
        rule=case.rules.safety.cite(case.rules.safety.emergency_release),
    )


def _find_outcome(lines: Sequence[LineDecision], stage: Stage) -> tuple[Outcome, str]:
    """Return the outcome, and what is waited for first: what is looked for before any word."""
    uncovered = sum(line.uncovered for line in lines)
    if uncovered:
        is_deferred = uncovered == sum(line.deferred for line in lines)
        waiting_for = "expected_need" if is_deferred else "donors_and_neighbours"
        if stage is not Stage.NONE:
            return Outcome.PARTLY_RESERVED, waiting_for
        return Outcome.DEFERRED if is_deferred else Outcome.WAITING, waiting_for
    if any(line.unconfirmed for line in lines):
        outcome = Outcome.WAITING if stage is Stage.NONE else Outcome.PARTLY_RESERVED
        return outcome, "confirmation"
    if stage is Stage.NONE:
        return Outcome.REFUSED, ""
    return ENDS[not any(line.refused for line in lines), stage]


def is_held_in_vain(case: Case, matched: Matched) -> bool:
    """Return whether a line keeps bags of earlier that are too few, with those of now, to help.

    Once some have left, the others follow them.
    """
    if case.issued or case.received:
        return False
    lines = zip(case.request.lines, matched.decision.lines, strict=True)
    return any(_is_in_vain(case, line, decided, matched) for line, decided in lines)


def _is_in_vain(case: Case, line: RequestLine, decided: LineDecision, matched: Matched) -> bool:
    if not case.held.get(line.line_no) or not decided.uncovered:
        return False
    given = {unit.unit_id for unit in decided.reserved}
    units = case.covered_units.get(line.line_no, 0) + sum_content(
        cleared.unit for cleared in matched.cleared if cleared.unit.unit_id in given
    )
    covered = decided.covered_hundredths or 0
    return not is_useful_part(line, case.rules.policies.useful_part, covered=covered, units=units)
