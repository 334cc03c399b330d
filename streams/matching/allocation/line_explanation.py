"""Explain what was decided for a line: the units that it gets, or every reason why it gets no more.

Pure and deterministic. Units that were passed over are counted under every reason that the safety
kernel gave, or that they are kept for others.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from models.base import derive_id
from models.clearance import Cleared, ForPatient, Refused
from models.compatibility import Candidate
from models.decisions import LineDecision, Reason, ReservedUnit
from models.doses import WHOLE, round_down, round_up
from models.electronic_issue import explain_issue
from models.emergency_release import name_passed
from models.errors import InvariantViolation
from models.recipients import find_recipient
from models.safety import find_release
from models.use_times import find_last_departure
from streams.matching.allocation.line_shares import KEPT_FOR_EXPECTED
from streams.matching.allocation.line_state import LineChoice
from streams.matching.allocation.protected_groups import is_kept_group
from streams.matching.allocation.remedies import explain_openings
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case

GIVEN_BY_HAND = "given_by_hand"


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


def describe_line(
    choice: LineChoice, *, shelf: Shelf, now: datetime, capped_units: int, is_told: bool
) -> LineDecision:
    """Describe a line after the whole batch has chosen.

    Args:
        choice: The line with its units.
        shelf: What is left; it explains why there were no more.
        now: Aware UTC instant that the decision is made for.
        capped_units: What this batch gave to the patient under the cap.
        is_told: Explain why there is no more.
    """
    line, case = choice.line, choice.case
    told = LineDecision(
        line_no=line.line_no,
        component=line.component,
        measure=line.measure,
        requested=line.quantity,
        covered_hundredths=choice.covered,
        reserved=tuple(_reserve(cleared, case=case) for cleared in choice.chosen),
        uncovered=round_up(choice.lacks),
        deferred=round_up(_measure_deferred(choice, shelf)),
        unconfirmed=round_up(choice.unconfirmed),
        asked_back=choice.asked_back if choice.unconfirmed else (),
        refused=round_up(choice.wanted) if choice.standing else 0,
        issue=_explain_issue(choice),
    )
    if not is_told or not (told.uncovered or told.refused):
        return told
    purpose = choice.purpose(capped=capped_units)
    return told.but(
        refusals=(
            *choice.standing,
            *(() if choice.standing else _explain_lack(choice, purpose, shelf=shelf)),
            *explain_openings(case, purpose, route=choice.route, shelf=shelf, now=now),
        )
    )


def _measure_deferred(choice: LineChoice, shelf: Shelf) -> int:
    """Return what the line lacks and is kept for expected need, in hundredths of its measure."""
    if not choice.lacks or not choice.is_shared:
        return 0
    purpose = choice.purpose(capped=0)
    kept = 0
    for unit in choice.list_choices(shelf):
        reason = choice.find_kept(unit, waiting=choice.waiting, free_on=shelf)
        is_kept = reason is not None and reason.code in KEPT_FOR_EXPECTED
        if is_kept and isinstance(choice.judge(unit, purpose=purpose), Cleared):
            kept += choice.content_of(unit)
        if kept >= choice.lacks:
            break
    return min(kept, choice.lacks)


def _explain_issue(choice: LineChoice) -> tuple[Reason, ...]:
    if not choice.chosen or not choice.line.component.spec.carries_red_cells:
        return ()
    return explain_issue(choice.case.request.patient, choice.case.rules)


def _explain_lack(choice: LineChoice, purpose: ForPatient, *, shelf: Shelf) -> Iterator[Reason]:
    """Yield why units were passed over, and which groups may be given on which terms."""
    passed = _PassedOver()
    for unit in choice.list_choices(shelf):
        kept = choice.find_kept(unit, waiting=choice.waiting, free_on=shelf)
        if kept is not None:
            passed.count(kept)
            continue
        answer = choice.judge(unit, purpose=purpose)
        for reason in answer.reasons if isinstance(answer, Refused) else ():
            passed.count(reason)
    yield from passed.list_reasons()
    if choice.part_dropped:
        yield _explain_part(choice)
    yield _summarise(choice)


def _explain_part(choice: LineChoice) -> Reason:
    policies, least = choice.case.rules.policies, choice.least_useful
    missing = round_up(least * WHOLE - choice.part_dropped)
    return Reason(
        code="part_of_no_use",
        params={"there": round_down(choice.part_dropped), "least": least, "missing": missing},
        rule=policies.cite(policies.useful_part),
    )


def _reserve(cleared: Cleared, *, case: Case) -> ReservedUnit:
    unit, candidate = cleared.unit, cleared.candidate
    if candidate is None or not isinstance(cleared.purpose, ForPatient):
        raise InvariantViolation("promise_not_cleared", unit_id=unit.unit_id)
    return ReservedUnit(
        promise_id=derive_id("promise", unit.unit_id, unit.epoch + 1),
        unit_id=unit.unit_id,
        component=unit.component,
        group=unit.group,
        expires_at=unit.expires_at,
        epoch=unit.epoch + 1,
        volume_ml=unit.volume_ml,
        capped=cleared.capped,
        emergency_release=cleared.is_emergency_release,
        leaves_by=find_last_departure(
            unit,
            cleared.purpose,
            release=find_release(cleared.purpose, case.rules),
            eta_s=case.journey.eta_s,
            rules=case.rules,
        ),
        reason=_explain_choice(cleared, candidate, cleared.purpose, case=case),
    )


def _explain_choice(
    cleared: Cleared, candidate: Candidate, purpose: ForPatient, *, case: Case
) -> Reason:
    """Return why a unit is reserved: by whose hand, past which test, or as which group."""
    of_class = cleared.unit.component.spec.component_class
    identical = cleared.unit.group is find_recipient(of_class, purpose.patient).group
    params = {"rank": candidate.rank, **_name_release(cleared, purpose)}
    given = case.hand.find(cleared.unit.unit_id)
    if given is not None:
        code = "given_by_hand_past_test" if cleared.is_emergency_release else GIVEN_BY_HAND
        told = {"by": given.by, "key": given.actor, "reason": given.reason}
        return Reason(code=code, params={**params, **told}, rule=candidate.rule)
    if cleared.is_emergency_release:
        return Reason(code="emergency_release", params=params, rule=candidate.rule)
    code = "identical_group" if identical else "compatible_group"
    return Reason(code=code, params=params, rule=candidate.rule)


def _name_release(cleared: Cleared, purpose: ForPatient) -> dict[str, str]:
    """Return who takes a unit past a test, and past what; empty if nobody does."""
    if not cleared.is_emergency_release or purpose.release is None:
        return {}
    return {"clinician": purpose.release.clinician, "passed": name_passed(cleared.passed)}


def _summarise(choice: LineChoice) -> Reason:
    """Say which groups may be given; one that is kept for others is given only as it expires."""
    given = [
        candidate
        for candidate in choice.candidates
        if not is_kept_group(
            candidate.group,
            choice.line.component,
            choice.case.request.patient,
            choice.waiting.priority,
            choice.candidates,
        )
    ]
    groups = " ".join(candidate.group for candidate in given if not candidate.low_titre_only)
    lacking = choice.line.to_units(round_up(choice.lacks))
    if not given:
        return Reason(code="stock_short_of_any", params={"units": lacking})
    params: dict[str, str | int | float] = {"units": lacking, "groups": groups}
    low_titre = " ".join(candidate.group for candidate in given if candidate.low_titre_only)
    if low_titre:
        params["low_titre_groups"] = low_titre
        return Reason(code="stock_short_low_titre", params=params)
    return Reason(code="stock_short", params=params)
