"""Whether this unit may go to this patient for this line, arriving then; the reasons if not.

Pure. The group itself is decided by `models.compatibility`; here stands everything else. No code
path reserves a unit that this function refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from models.compatibility import Candidate
from models.components import component_rules
from models.decisions import Reason
from models.patients import ANTI_D, Patient
from models.requests import HardAttributes, RequestLine
from models.rulebook import cite
from streams.matching.shelf import ShelfUnit

_FLAGS = ("leukoreduced", "irradiated", "cmv_negative", "washed", "low_titre")
_RULE_OF = {flag: f"attribute.{flag}" for flag in _FLAGS}


def list_obstacles(
    unit: ShelfUnit,
    *,
    line: RequestLine,
    patient: Patient,
    candidate: Candidate,
    now: datetime,
    arrival_at: datetime,
) -> Iterator[Reason]:
    """Yield every reason why the unit may not go; none if it may.

    Args:
        unit: Of the candidate's group.
        line: What is asked.
        patient: For whom.
        candidate: Under which rule the group is allowed.
        now: Aware UTC instant of the decision; the unit's age counts from collection to here.
        arrival_at: Aware UTC instant of arrival at the hospital.
    """
    if unit.component is not line.component:
        yield Reason(code="other_component")
    if unit.group is not candidate.group:
        yield Reason(code="other_group")
    # The label rules, unless a station keeps the component shorter than its label says.
    latest = component_rules().latest_expiry(unit.component, unit.collected_at)
    if unit.expires_at <= arrival_at or latest <= arrival_at:
        yield Reason(code="expires_before_arrival", rule=cite("unit.expiry"))
    if candidate.low_titre_only and not unit.traits.low_titre:
        yield Reason(code="not_low_titre", rule=candidate.rule)
    for attribute in _list_lacking_attributes(unit, line.attributes):
        rule = cite(_RULE_OF.get(attribute, "attribute.hla_matched"))
        yield Reason(code="lacks_attribute", params={"attribute": attribute}, rule=rule)
    max_age_d = line.attributes.max_age_d
    if max_age_d is not None and now - unit.collected_at > timedelta(days=max_age_d):
        rule = cite("attribute.max_age")
        yield Reason(code="too_old", params={"max_age_d": max_age_d}, rule=rule)
    if line.attributes.identical_group_only and unit.group is not patient.group:
        yield Reason(code="group_not_identical", rule=cite("attribute.identical_group_only"))
    for antigen in _list_untested_antigens(unit, line.attributes, patient):
        asked = antigen in line.attributes.antigen_negative
        rule = cite("attribute.antigen_negative" if asked else "antibody.negative_units")
        yield Reason(code="not_antigen_negative", params={"antigen": antigen}, rule=rule)


def _list_lacking_attributes(unit: ShelfUnit, wanted: HardAttributes) -> Iterator[str]:
    for flag in _FLAGS:
        if getattr(wanted, flag) and not getattr(unit.traits, flag):
            yield flag
    for hla in sorted(set(wanted.hla_matched) - set(unit.traits.hla)):
        yield f"hla:{hla}"


def _list_untested_antigens(
    unit: ShelfUnit, wanted: HardAttributes, patient: Patient
) -> Iterator[str]:
    """D is told by the group itself; every other antigen must have been tested as absent."""
    needed = set(wanted.antigen_negative)
    if unit.component.spec.carries_red_cells:
        needed.update(patient.antibodies)
    yield from sorted(needed - {ANTI_D} - set(unit.traits.antigen_negative))
