"""The safety kernel: clears a unit for a patient or a station, or lists every reason against it.

Pure: no IO, no clock, and the same answer for the same values. All code that reserves a unit,
reserves it again or lets it leave calls `clear`; matching only ranks what `clear` allows. All
reasons are listed, in a fixed order, so that they can be corrected together.

Source: compatibility.toml, components.toml and safety.toml in rules/data cite each rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from models.antigens import ABSENT_WITH
from models.clearance import (
    Cleared,
    ForPatient,
    ForStation,
    Purpose,
    Refused,
    Route,
    Step,
    UnitFacts,
)
from models.compatibility import (
    Candidate,
    cite_group_rule,
    find_candidate,
    is_kept_from_del,
    list_candidates,
)
from models.components import Component
from models.decisions import Reason
from models.emergency_release import EmergencyRelease
from models.groups import BloodGroup, RhD
from models.needs import FLAGS, Demands, find_demands, has_trait, list_components
from models.patients import ANTI_D
from models.platelet_matching import list_platelet_reasons
from models.recipients import find_recipient
from models.requests import Priority
from models.rules.rulebook import Rulebook
from models.seal import KERNEL
from models.shelf_lives import find_end
from models.units import UnitStatus
from models.use_times import Use, find_use, list_of_age, list_of_use

STEP_FROM: Mapping[UnitStatus, Step | None] = {
    UnitStatus.COLLECTED: None,
    UnitStatus.QUARANTINED: None,
    UnitStatus.SPLIT: None,
    UnitStatus.AVAILABLE: Step.RESERVE,
    UnitStatus.ON_HOLD: None,
    UnitStatus.RESERVED: Step.ISSUE,
    UnitStatus.PICKED: Step.ISSUE,
    UnitStatus.ISSUED: None,
    UnitStatus.IN_TRANSIT: None,
    UnitStatus.RECEIVED: None,
    UnitStatus.TRANSFUSED: None,
    UnitStatus.RETURNED: None,
    UnitStatus.DISCARDED: None,
    UnitStatus.EXPIRED: None,
    UnitStatus.RECALLED: None,
}
"""The step that each status allows. A status that is missing here allows nothing: the look-up
fails, and a test checks the table against every member."""

_ON_LABEL = ("A", "B", ANTI_D)
"""The antigens that the group of a unit tells."""


def clear(
    unit: UnitFacts,
    *,
    purpose: Purpose,
    step: Step,
    route: Route,
    now: datetime,
    rules: Rulebook,
) -> Cleared | Refused:
    """Decide whether this unit may go to this patient or station, by this route, now.

    Args:
        unit: The unit as it stands, locked or guarded by its fencing token (`epoch`).
        purpose: The patient or the station that is to have it.
        step: Reserving it, or letting it leave.
        route: When it would arrive, and how it travels.
        now: Aware UTC instant; with `route.arrival_at` and, for a patient, the needed-by time it
            bounds when the unit must be fit.
        rules: The rulebook to decide by.

    Returns:
        `Cleared` for exactly this unit and purpose, or `Refused` with every reason.

    Raises:
        KeyError: `STEP_FROM` lacks the status of the unit.

    Invariants: for red cells and whole blood, never ABO-incompatible, and never RhD+ to a holder of
        anti-D but by an emergency release; never unreleased, recalled, expired, expiring on the way
        or before it is needed, whoever answers for it.
    """
    if isinstance(purpose, ForPatient):
        candidate = _find_candidate(unit, purpose, rules)
        # The age of the blood counts at the moment of its use.
        used = find_use(unit, route.arrival_at, purpose, rules)
        of_purpose = _list_of_patient(unit, purpose, candidate, used, rules)
    else:
        candidate = None
        of_purpose = _list_of_station(unit, purpose)
    reasons = (
        *_list_of_unit(unit, purpose, step, route, now=now, rules=rules),
        *_list_of_route(unit, route, rules),
        *_list_of_control(unit, purpose, route, rules),
        *of_purpose,
    )
    against, passed = _part(reasons, purpose, rules)
    if against:
        return Refused(unit=unit, reasons=reasons)
    return Cleared(
        unit=unit,
        purpose=purpose,
        step=step,
        candidate=candidate,
        at=now,
        seal=KERNEL,
        passed=passed,
    )


def find_release(purpose: ForPatient, rules: Rulebook) -> EmergencyRelease | None:
    """Return the release that counts for a patient; None while life is not in danger."""
    is_in_danger = purpose.priority is Priority.LIFE_THREATENING
    return purpose.release if is_in_danger and rules.safety.emergency_release.allowed else None


def _part(
    reasons: tuple[Reason, ...], purpose: Purpose, rules: Rulebook
) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """Part the reasons that count from those that a named clinician passes."""
    release = find_release(purpose, rules) if isinstance(purpose, ForPatient) else None
    if release is None:
        return reasons, ()
    passed = tuple(reason for reason in reasons if release.may_pass(reason))
    return tuple(reason for reason in reasons if reason not in passed), passed


def list_standing_obstacles(
    purpose: ForPatient, route: Route, rules: Rulebook
) -> tuple[Reason, ...]:
    """List the reasons that hold for a line whatever the unit: no stock will ever cover it."""
    component = purpose.line.component
    found = [*_list_of_glycerol(component, rules), *_list_of_receiver(component, route, rules)]
    if not list_candidates(
        component=component,
        patient=purpose.patient,
        priority=purpose.priority,
        policy=purpose.policy,
        rules=rules,
    ):
        # Only a patient of unknown group can be left without a candidate.
        found.append(
            Reason(
                code="no_group_allowed", rule=rules.compatibility.cite(rules.compatibility.unknown)
            )
        )
    return tuple(found)


def list_patient_obstacles(
    unit: UnitFacts, purpose: ForPatient, *, used_at: datetime, rules: Rulebook
) -> tuple[Reason, ...]:
    """List the reasons against giving a unit to a patient, wherever the unit is by now.

    A unit that left with a clearance may no longer fit, since the request was amended meanwhile.
    The route, expiry and release are left out, and so is the cap, which only bounds promises.

    Args:
        unit: The unit as it stands.
        purpose: The line and the patient as they read now; its station and time do not matter.
        used_at: When it would be given, or was; its age is taken at that time.
        rules: The rulebook to decide by.
    """
    candidate = _find_candidate(unit, purpose, rules)
    found = tuple(
        reason
        for reason in _list_of_patient(unit, purpose, candidate, Use(used_at, used_at), rules)
        if reason.code != "o_negative_cap"
    )
    against, _ = _part(found, purpose, rules)
    return against


def _list_of_unit(
    unit: UnitFacts, purpose: Purpose, step: Step, route: Route, *, now: datetime, rules: Rulebook
) -> Iterator[Reason]:
    safety = rules.safety
    if unit.station_id != purpose.station_id:
        yield Reason(code="at_other_station", params={"station_id": unit.station_id})
    if STEP_FROM[unit.status] is not step:
        yield Reason(code="status_forbids", params={"status": unit.status})
    if not unit.released:
        yield Reason(code="not_released", rule=safety.cite(safety.release))
    if unit.recalled:
        yield Reason(code="recalled", rule=safety.cite(safety.recall))
    end = find_end(
        unit.component, unit.collected_at, unit.expires_at, unit.traits, rules.components
    )
    cited = safety.cite(safety.expiry) if end.rule is None else rules.components.cite(end.rule)
    if end.at <= now:
        yield Reason(code="expired", rule=cited)
    if end.at <= route.arrival_at:
        yield Reason(code="expires_before_arrival", rule=cited)
    elif isinstance(purpose, ForPatient):
        yield from list_of_use(unit, purpose, end.at, route.arrival_at, rules, cited=cited)


def _list_of_route(unit: UnitFacts, route: Route, rules: Rulebook) -> Iterator[Reason]:
    thawed = unit.traits.thawed_at is not None
    yield from _list_of_receiver(unit.component, route, rules, thawed=thawed)
    transit = rules.safety.transit
    if unit.component in transit.components and route.transport_s > transit.at_most_h * 3600:
        hours, rule = transit.at_most_h, rules.safety.cite(transit)
        yield Reason(code="transit_too_long", params={"hours": hours}, rule=rule)
    agitation = rules.safety.agitation
    if (
        unit.component in agitation.components
        and not route.agitated
        and route.transport_s > agitation.unagitated_at_most_h * 3600
    ):
        hours, rule = agitation.unagitated_at_most_h, rules.safety.cite(agitation)
        yield Reason(code="unagitated_too_long", params={"hours": hours}, rule=rule)


def _list_of_receiver(
    component: Component, route: Route, rules: Rulebook, *, thawed: bool = False
) -> Iterator[Reason]:
    is_frozen = component.spec.frozen and component not in rules.safety.glycerol.components
    if is_frozen and not thawed and not route.can_thaw:
        yield Reason(code="hospital_cannot_thaw", rule=rules.safety.cite(rules.safety.thawing))
    if component in route.unusable:
        yield Reason(code="hospital_cannot_use", params={"component": component})


def _list_of_control(
    unit: UnitFacts, purpose: Purpose, route: Route, rules: Rulebook
) -> Iterator[Reason]:
    """Yield reasons about time out of temperature control; no recorded time counts as none."""
    safety = rules.safety
    rule, cited = safety.out_of_control, safety.cite(safety.out_of_control)
    tolerant = unit.component in rule.components
    so_far_s = unit.out_of_control_s or 0
    if so_far_s > (rule.restock_within_min * 60 if tolerant else 0):
        yield Reason(code="out_of_control", rule=cited)
    if route.temperature_kept:
        return
    on_arrival_s = so_far_s + route.transport_s
    if not tolerant:
        yield Reason(code="temperature_not_kept", rule=safety.cite(safety.temperature))
    elif isinstance(purpose, ForPatient):
        # The journey must not use up the time within which the unit is transfused.
        if on_arrival_s >= rule.transfuse_within_min * 60:
            yield Reason(code="transfused_too_late", rule=cited)
    elif on_arrival_s > rule.restock_within_min * 60:
        yield Reason(code="restocked_too_late", rule=cited)


def _list_of_station(unit: UnitFacts, purpose: ForStation) -> Iterator[Reason]:
    if unit.component is not purpose.component:
        yield Reason(code="other_component")
    if unit.group not in purpose.groups:
        yield Reason(code="other_group")


def _list_of_patient(
    unit: UnitFacts,
    purpose: ForPatient,
    candidate: Candidate | None,
    used: Use,
    rules: Rulebook,
) -> Iterator[Reason]:
    if unit.component not in list_components(purpose, rules):
        yield Reason(code="other_component")
    yield from _list_of_glycerol(unit.component, rules)
    yield from _list_of_group(unit, purpose, candidate, rules)
    demands = find_demands(purpose, unit.component, rules)
    yield from _list_of_demand(unit, purpose, demands, used, rules)
    yield from _list_of_antigens(unit, purpose, demands, rules)


def _list_of_glycerol(component: Component, rules: Rulebook) -> Iterator[Reason]:
    glycerol = rules.safety.glycerol
    if component in glycerol.components:
        params = {"component": glycerol.instead}
        yield Reason(code="not_deglycerolised", params=params, rule=rules.safety.cite(glycerol))


def _list_of_group(
    unit: UnitFacts, purpose: ForPatient, candidate: Candidate | None, rules: Rulebook
) -> Iterator[Reason]:
    if candidate is None:
        yield Reason(code="other_group", rule=cite_group_rule(unit.component, rules))
        return
    if candidate.low_titre_only and not unit.traits.low_titre:
        yield Reason(code="not_low_titre", rule=candidate.rule)
    if _may_be_del(unit) and is_kept_from_del(
        unit.component,
        patient=purpose.patient,
        priority=purpose.priority,
        policy=purpose.policy,
        rules=rules,
    ):
        rule = rules.compatibility.cite(rules.compatibility.del_donors)
        yield Reason(code="del_not_excluded", rule=rule)
    cap = rules.compatibility.unknown_cap
    if candidate.capped and purpose.capped_units >= cap.o_negative_units:
        params = {"cap": cap.o_negative_units}
        yield Reason(code="o_negative_cap", params=params, rule=rules.compatibility.cite(cap))


def _list_of_demand(
    unit: UnitFacts,
    purpose: ForPatient,
    demands: Demands,
    used: Use,
    rules: Rulebook,
) -> Iterator[Reason]:
    flags, granulocytes = demands.flags, rules.safety.granulocytes
    if unit.component in granulocytes.components:
        flags = {**flags, "irradiated": rules.safety.cite(granulocytes)}
    for flag in FLAGS:
        if flag in flags and not has_trait(unit, flag):
            params = {"attribute": flag}
            yield Reason(code="lacks_attribute", params=params, rule=flags[flag])
    yield from list_platelet_reasons(unit, purpose, rules)
    yield from list_of_age(unit, demands, used)
    if unit.traits.of_relative and not (unit.traits.irradiated or unit.component.spec.is_acellular):
        rule = rules.needs.cite(rules.needs.of_relative)
        yield Reason(code="relative_not_irradiated", rule=rule)
    own = find_recipient(unit.component.spec.component_class, purpose.patient).group
    if purpose.line.attributes.identical_group_only and unit.group is not own:
        yield Reason(code="group_not_identical", rule=rules.safety.cite(rules.safety.demand))


def _list_of_antigens(
    unit: UnitFacts, purpose: ForPatient, demands: Demands, rules: Rulebook
) -> Iterator[Reason]:
    against = dict(demands.antigens)
    if unit.component.spec.carries_red_cells:
        rule = rules.safety.cite(rules.safety.antibodies)
        against |= dict.fromkeys(purpose.patient.all_antibodies, rule)
    for antigen in sorted(against):
        if not _lacks(unit, antigen):
            params = {"antigen": antigen}
            yield Reason(code="not_antigen_negative", params=params, rule=against[antigen])


def _may_be_del(unit: UnitFacts) -> bool:
    """Return whether the donor of an RhD- unit may have a little D: C+, and not typed for DEL."""
    traits = unit.traits
    is_negative = unit.group.rhd is RhD.NEGATIVE
    return is_negative and traits.c_positive and not traits.del_typed


def _lacks(unit: UnitFacts, antigen: str) -> bool:
    """Return whether an antigen is absent: A, B and D by the label alone, others only if so tested.

    Some are absent with others: a unit that lacks c and e lacks f.
    """
    tested = {name for name in unit.traits.antigen_negative if name not in _ON_LABEL}
    absent = tested | {name for name in _ON_LABEL if not _shows(unit.group, name)}
    return antigen in absent or any(with_it <= absent for with_it in ABSENT_WITH.get(antigen, ()))


def _shows(group: BloodGroup, antigen: str) -> bool:
    """Return whether a label says that the unit carries A, B or D."""
    if antigen == ANTI_D:
        return group.rhd is RhD.POSITIVE
    return antigen in group.abo.value


def _find_candidate(unit: UnitFacts, purpose: ForPatient, rules: Rulebook) -> Candidate | None:
    """Find the terms for the unit's group and its own component: the line may name another.

    A release past antibodies opens RhD+ to a holder of anti-D, on the terms of a patient without.
    """
    release = find_release(purpose, rules)
    patients = release.list_patients(purpose.patient) if release else (purpose.patient,)
    for patient in patients:
        candidate = find_candidate(
            unit.group,
            component=unit.component,
            patient=patient,
            priority=purpose.priority,
            policy=purpose.policy,
            rules=rules,
        )
        if candidate is not None:
            return candidate
    return None
