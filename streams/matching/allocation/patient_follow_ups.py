"""Tell what follows for a patient from the units reserved, and what the request should state.

Consent, anti-D, a rare group's need; a newborn's mother, irradiation after a transplant.

Pure. Which units these are is read from the rule that each reservation cites; no rule is stated
here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from models.compatibility import may_bear_children
from models.components import ComponentClass
from models.decisions import LineDecision, Reason, ReservedUnit
from models.groups import RhD
from models.needs import find_demands, list_needs
from models.patients import Indication
from models.recipients import find_recipient
from models.requests import Priority
from streams.matching.decision_inputs import Case


def explain_follow_ups(case: Case, reserved: Sequence[ReservedUnit]) -> Iterator[Reason]:
    """Yield what the hospital must do about RhD+ blood for an RhD- patient."""
    of = case.rules.compatibility
    unconsented = {of.cite(of.rhd_unprotected), of.cite(of.rhd_lifesaving)}
    given = [unit for unit in reserved if unit.reason.rule in unconsented]
    if given:
        in_danger = case.request.priority is Priority.LIFE_THREATENING
        yield Reason(
            code="consent_afterwards" if in_danger else "consent_before_use",
            params={"units": len(given)},
            rule=given[0].reason.rule,
        )
    immunizing = [unit for unit in reserved if _may_immunize(case, unit)]
    if immunizing and not case.request.patient.anti_d_prophylaxis_ordered:
        params = {"units": len(immunizing), "component": immunizing[0].component}
        yield Reason(code="anti_d_advised", params=params, rule=of.cite(of.childbearing))


def explain_rare_need(case: Case, lines: Sequence[LineDecision]) -> Iterator[Reason]:
    """Yield who must be asked for blood that hardly any station has."""
    uncovered = sum(line.uncovered_units for line in lines if line.component.spec.carries_red_cells)
    if uncovered and case.request.patient.lacks_h:
        rule = case.rules.compatibility.cite(case.rules.compatibility.rare)
        yield Reason(code="rare_blood_needed", params={"units": uncovered}, rule=rule)


def explain_unstated(case: Case) -> Iterator[Reason]:
    """Yield what a physician would ask about and the request leaves open."""
    patient, rules = case.request.patient, case.rules
    asked = [line for line in case.request.lines if not line.component.spec.is_acellular]
    newborn = (rules.needs.need[Indication.NEWBORN], rules.needs.need[Indication.INFANT])
    if patient.mother is None and any(
        need in newborn
        for line in asked
        if line.component.spec.carries_red_cells
        for need in list_needs(patient, line.attributes, rules)
    ):
        of = rules.compatibility
        yield Reason(code="mother_wanted", rule=of.cite(of.mother))
    if patient.transplant is not None and any(
        "irradiated"
        not in find_demands(case.purpose(line, capped_units=0), line.component, rules).flags
        for line in asked
    ):
        rule = rules.needs.cite(rules.needs.need[Indication.GVHD_RISK])
        yield Reason(code="irradiation_wanted", rule=rule)


def _may_immunize(case: Case, unit: ReservedUnit) -> bool:
    """Return whether an RhD+ unit goes to an RhD- patient who may bear children."""
    patient = case.request.patient
    of_class = unit.component.spec.component_class
    return (
        of_class is not ComponentClass.PLASMA
        and unit.group.rhd is RhD.POSITIVE
        and find_recipient(of_class, patient).rhd is RhD.NEGATIVE
        and not patient.asian_del
        and not patient.has_anti_d
        and may_bear_children(patient, case.rules)
    )
