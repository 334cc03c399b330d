"""Find frozen red cells that would serve a line once the station has taken the glycerol out.

Pure. No patient gets them as they are; the safety kernel is asked about what would be made of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from models.clearance import Cleared, ForPatient, Step, UnitFacts
from models.compatibility import list_candidates
from models.components import Component
from models.decisions import LineDecision, Reason
from models.groups import RhD
from models.requests import RequestLine
from models.safety import clear
from models.shelf_lives import find_latest_label
from streams.matching.allocation.protected_groups import is_kept_from
from streams.matching.available_units import Cell, Shelf
from streams.matching.decision_inputs import Case
from streams.matching.kernel_routes import to_hospital

_SERVED = frozenset(
    {Component.RED_CELLS, Component.WASHED_RED_CELLS, Component.DEGLYCEROLISED_RED_CELLS}
)
"""What deglycerolised red cells can be given for; only the physician orders so."""


def list_frozen_cells(case: Case, line: RequestLine) -> Iterator[Cell]:
    """Yield the places of frozen bags that may serve a line of red cells."""
    glycerol = case.rules.safety.glycerol
    asked = line.component
    if asked in glycerol.components or asked not in _SERVED:
        return
    candidates = list_candidates(
        component=glycerol.instead,
        patient=case.request.patient,
        priority=case.request.priority,
        policy=case.policy,
        rules=case.rules,
    )
    for component in glycerol.components:
        for candidate in candidates:
            yield Cell(
                station_id=case.request.station_id, component=component, group=candidate.group
            )


def wants_match(case: Case, line: RequestLine) -> bool:
    """Return whether a line may get RhD+ red cells for an RhD- patient while its own lie frozen."""
    group = case.request.patient.group
    return group is not None and group.rhd is RhD.NEGATIVE and line.component in _SERVED


def explain_openings(
    case: Case, purpose: ForPatient, *, shelf: Shelf, now: datetime
) -> Iterator[Reason]:
    """Yield which frozen bags would serve a line that lacks something, if any would."""
    found = _find_serving(case, purpose, shelf=shelf, now=now)
    if found:
        yield Reason(
            code="deglycerolising_would_open",
            params=_describe(case, found),
            rule=case.rules.safety.cite(case.rules.safety.glycerol),
        )


def explain_matches(
    case: Case, lines: Sequence[LineDecision], *, shelf: Shelf, now: datetime
) -> Iterator[Reason]:
    """Yield which frozen bags would spare an RhD- patient the RhD+ red cells that go meanwhile."""
    for asked, decided in zip(case.request.lines, lines, strict=True):
        is_mixed = any(unit.group.rhd is RhD.POSITIVE for unit in decided.reserved)
        if not is_mixed or not wants_match(case, asked):
            continue
        purpose = case.purpose(asked, capped_units=0)
        serving = _find_serving(case, purpose, shelf=shelf, now=now)
        found = [unit for unit in serving if unit.group.rhd is RhD.NEGATIVE]
        if found:
            yield Reason(
                code="deglycerolising_would_match",
                params=_describe(case, found),
                rule=case.rules.safety.cite(case.rules.safety.glycerol),
            )


def _describe(case: Case, units: Sequence[UnitFacts]) -> dict[str, str | int | float]:
    groups = " ".join(sorted({unit.group for unit in units}))
    instead = case.rules.safety.glycerol.instead
    return {"groups": groups, "units": len(units), "component": instead}


def _find_serving(
    case: Case, purpose: ForPatient, *, shelf: Shelf, now: datetime
) -> list[UnitFacts]:
    """Find the frozen bags of which the kernel would clear what is made of them."""
    asked = replace(purpose, line=purpose.line.but(component=case.rules.safety.glycerol.instead))
    route = to_hospital(case.hospital, case.journey, now=now)
    found = []
    for cell in list_frozen_cells(case, purpose.line):
        for unit in shelf.list_units(cell):
            made = _deglycerolise(unit, case, now=now)
            answer = clear(
                made, purpose=asked, step=Step.RESERVE, route=route, now=now, rules=case.rules
            )
            free = shelf.measure(Cell.of(made))
            # The day that a deglycerolised bag lives is no reason to make one: frozen it keeps.
            kept = is_kept_from(
                replace(made, expires_at=unit.expires_at),
                asked,
                arrival_at=route.arrival_at,
                now=now,
                free=free,
                rules=case.rules,
            )
            if isinstance(answer, Cleared) and unit.expires_at > now and not kept:
                found.append(unit)
    return found


def _deglycerolise(unit: UnitFacts, case: Case, *, now: datetime) -> UnitFacts:
    """Return what a frozen bag becomes if the station deglycerolises it now."""
    component = case.rules.safety.glycerol.instead
    traits = unit.traits.but(deglycerolised_at=now)
    until = find_latest_label(component, unit.collected_at, traits, case.rules.components)
    return replace(unit, component=component, traits=traits, expires_at=until.at)
