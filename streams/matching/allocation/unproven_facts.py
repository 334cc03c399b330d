"""List what a decision rests on unproven: the box on the way, the life of a bag. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from models.clearance import Cleared
from models.decisions import Reason
from models.directory import Journey
from models.rules.rulebook import Rulebook
from models.shelf_lives import rests_on_label
from streams.matching.decision_inputs import Case


def explain_way(journey: Journey, rules: Rulebook) -> Iterator[Reason]:
    """Yield that nobody has shown that the temperature is kept on a journey, if so."""
    if journey.unproven:
        yield Reason(
            code="temperature_not_proven", rule=rules.safety.cite(rules.safety.temperature)
        )


def explain_unproven(case: Case, cleared: Sequence[Cleared], *, now: datetime) -> Iterator[Reason]:
    """Yield what the units that are reserved now rest on, without refusing any."""
    if not cleared:
        return
    yield from explain_way(case.journey, case.rules)
    arrival_at = now + timedelta(seconds=case.journey.eta_s)
    used_at = max(arrival_at, case.request.needed_by)
    units = [
        clearance.unit.unit_id
        for clearance in cleared
        if rests_on_label(
            clearance.unit.component,
            clearance.unit.collected_at,
            clearance.unit.traits,
            case.rules.components,
            at=used_at,
        )
    ]
    if units:
        yield Reason(code="life_rests_on_label", params={"unit_ids": " ".join(units)})
