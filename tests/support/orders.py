"""Orders for one patient of group A+, and what is decided on them."""

from __future__ import annotations

from collections.abc import Mapping

from models.clearance import UnitFacts
from models.components import Component
from models.decisions import Decision, LineDecision
from models.directory import Journey
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import HardAttributes, Priority, RequestLine, UrgentRequest
from models.rules.rulebook import PACKAGED
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from streams.matching.order_facts import (
    OrderFacts,
)
from tests.support.safety import build_facts
from tests.support.world import NOW, PEOPLES, build_request, one_unit_ml

DYING, URGENT, ROUTINE = Priority.LIFE_THREATENING, Priority.URGENT, Priority.ROUTINE
CELLS, PLASMA = Component.RED_CELLS, Component.FRESH_FROZEN_PLASMA
OF_A = Patient(group=BloodGroup.A_POS, reference="bed-9")


def lay(units: int, component: Component = CELLS, at: int = 0) -> list[UnitFacts]:
    return [
        build_facts(
            unit_id=f"u{number:04d}",
            component=component,
            group=BloodGroup.A_POS,
            volume_ml=one_unit_ml(component),
        )
        for number in range(at, at + units)
    ]


def build_case(
    request: UrgentRequest,
    *,
    facts: OrderFacts | None = None,
    eta_s: int = 1800,
    covered: Mapping[int, int] | None = None,
) -> Case:
    return Case(
        request=request,
        hospital=PEOPLES,
        policy=StationPolicy(),
        journey=Journey(eta_s=eta_s, estimated=False),
        version=1,
        cause_id="e1",
        facts=facts or OrderFacts(),
        covered=covered or {},
        rules=PACKAGED,
    )


def decide(*cases: Case, shelf: list[UnitFacts]) -> list[Decision]:
    found = decide_batch(cases, shelf=Shelf(shelf), now=NOW, hold_s=3600)
    return [matched.decision for matched in found]


def ask(
    quantity: int, priority: Priority = URGENT, component: Component = CELLS, **changes: object
) -> UrgentRequest:
    request = build_request(
        patient=OF_A, quantity=quantity, priority=priority, component=component, needed_in_h=0.25
    )
    return request.but(**changes)


def told(line: LineDecision) -> tuple[int, int, int, list[str]]:
    codes = [reason.code for reason in line.asked_back]
    return len(line.reserved), line.uncovered, line.unconfirmed, codes


def list_lines(quantity: int, attributes: HardAttributes) -> tuple[RequestLine, ...]:
    return (RequestLine(line_no=1, component=CELLS, quantity=quantity, attributes=attributes),)
