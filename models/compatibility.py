"""Compatibility: the groups of a component that a patient may get, best first, each by its rule.

Pure. The table is data (`rules/data/compatibility.toml`); this module orders it. RhD- blood is
kept for those who need it: an RhD+ patient, and one whose RhD nobody knows, gets every compatible
RhD+ group before any RhD- group. What a patient would be given untyped is not taken away by typing,
except that a consent comes first where life is not in danger and the rules protect the patient.

Source: rules/data/compatibility.toml cites each rule; rule set 2026-3.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from models.base import Value
from models.components import Component, ComponentClass
from models.facilities import StationPolicy
from models.groups import Abo, BloodGroup, RhD
from models.patients import Patient, Sex
from models.recipients import Recipient, find_recipient
from models.requests import Priority
from models.rules.citations import CitedRule
from models.rules.rulebook import Rulebook
from models.rules.types.compatibility import AboRule


class Candidate(Value):
    """A donor group that may go to the patient.

    Attributes:
        rank: 0 is best; units of a lower rank are used up first.
        rule: `name@version` of the rule that allows it.
        low_titre_only: Only units with low anti-A and anti-B titre.
        capped: Counts towards the cap of unconfirmed O RhD- red cells.
    """

    group: BloodGroup
    rule: str
    rank: int = 0
    low_titre_only: bool = False
    capped: bool = False


def list_candidates(
    *,
    component: Component,
    patient: Patient,
    priority: Priority,
    policy: StationPolicy,
    rules: Rulebook,
) -> tuple[Candidate, ...]:
    """List the groups that may go to this patient, best first.

    Args:
        component: What is transfused.
        patient: A group of None means unknown, and the rules for unknown patients hold.
        priority: Some exceptions exist only while life is in danger.
        policy: The supplying station's own choices.
        rules: The rulebook to decide by.

    Returns:
        0..8 candidates with rising rank, no group twice; empty if nothing is allowed.

    Invariants: for red cells and whole blood, never ABO-incompatible, and never RhD+ to a holder
        of anti-D.
    Source: rules/data/compatibility.toml; rule set 2026-3.
    """
    # The reference only identifies the patient; the blood that the patient may get does not
    # depend on it.
    facts = patient if patient.reference is None else patient.model_copy(update={"reference": None})
    if not rules.compatibility.asian_del.served_as_positive:
        facts = facts.model_copy(update={"asian_del": False})
    return _list_candidates(component, facts, priority, policy.low_titre_a_plasma, rules)


def find_candidate(
    group: BloodGroup,
    *,
    component: Component,
    patient: Patient,
    priority: Priority,
    policy: StationPolicy,
    rules: Rulebook,
) -> Candidate | None:
    """Return the terms on which a donor group may go to this patient; None if it may not."""
    candidates = list_candidates(
        component=component, patient=patient, priority=priority, policy=policy, rules=rules
    )
    return next((candidate for candidate in candidates if candidate.group is group), None)


@lru_cache(maxsize=8192)
def _list_candidates(
    component: Component,
    patient: Patient,
    priority: Priority,
    low_titre_a_plasma: bool,
    rules: Rulebook,
) -> tuple[Candidate, ...]:
    """List the candidates, cached: a batch asks for the same few kinds of patient repeatedly."""
    to = find_recipient(component.spec.component_class, patient)
    component_class = component.spec.component_class
    if component is Component.CRYOPRECIPITATE and _is_taken_as_adult(patient, priority, rules):
        found = _plasma_of(to, rules.compatibility.abo.cryoprecipitate, rules)
    elif component_class is ComponentClass.PLASMA:
        found = _plasma(to, low_titre_a=low_titre_a_plasma, rules=rules)
    elif component_class is ComponentClass.PLATELETS:
        found = _platelets(to, patient, priority, rules)
    elif to.group is None:
        found = _unknown_red_cells(to, patient, priority, component_class, rules)
    else:
        found = _red_cells(to.group, patient, priority, component_class, rules)
    return _ranked(found)


def cite_group_rule(component: Component, rules: Rulebook) -> str:
    """Return `name@version` of the rule that says which groups of a component go together."""
    return _cite(rules.compatibility.abo.of_component(component), rules)


def may_bear_children(patient: Patient, rules: Rulebook) -> bool:
    """Return whether the patient is, or may be, a female who may bear children."""
    rule = rules.compatibility.childbearing
    if patient.sex is Sex.MALE:
        return False
    if patient.age_years is None:
        return True
    margin = _age_margin(patient, rules)
    first, last = rule.female_from_age_years, rule.female_to_age_years
    return first - margin <= patient.age_years <= last + margin


def is_preferred_for_negative(patient: Patient, rules: Rulebook) -> bool:
    """Return whether this is an RhD- patient to whom scarce RhD- goes before it goes to others."""
    is_negative = find_recipient(ComponentClass.RED_CELLS, patient).rhd is RhD.NEGATIVE
    return (is_negative or patient.has_anti_d) and (
        patient.chronically_transfused
        or patient.has_anti_d
        or may_bear_children(patient, rules)
        or _is_young(patient, rules.compatibility.preferred.to_age_years, rules)
    )


def is_kept_from_del(
    component: Component,
    *,
    patient: Patient,
    priority: Priority,
    policy: StationPolicy,
    rules: Rulebook,
) -> bool:
    """Return whether red cells with a little D are kept from this patient.

    They are from RhD- females who may bear children and are not to have RhD+ either.
    """
    to = find_recipient(component.spec.component_class, patient)
    if (
        not component.spec.carries_red_cells
        or to.rhd is not RhD.NEGATIVE
        or patient.asian_del
        or not may_bear_children(patient, rules)
    ):
        return False
    given = list_candidates(
        component=component, patient=patient, priority=priority, policy=policy, rules=rules
    )
    return not any(candidate.group.rhd is RhD.POSITIVE for candidate in given)


def _cite(rule: CitedRule, rules: Rulebook) -> str:
    return rules.compatibility.cite(rule)


def _ranked(found: Iterator[Candidate]) -> tuple[Candidate, ...]:
    first: dict[BloodGroup, Candidate] = {}
    for candidate in found:
        first.setdefault(candidate.group, candidate)
    return tuple(candidate.but(rank=rank) for rank, candidate in enumerate(first.values()))


def _age_margin(patient: Patient, rules: Rulebook) -> int:
    """Return by how many years a stated age may be wrong."""
    return rules.compatibility.estimated_age.margin_years if patient.age_estimated else 0


def _is_young(patient: Patient, to_age_years: int, rules: Rulebook) -> bool:
    """Return whether the patient is, or may be, at most so old."""
    age = patient.age_years
    return age is None or age <= to_age_years + _age_margin(patient, rules)


def _is_taken_as_adult(patient: Patient, priority: Priority, rules: Rulebook) -> bool:
    """Return whether no child's rule holds: while life is in danger, unless told to be a child."""
    last_of_childhood = rules.compatibility.abo.cryoprecipitate.adult_from_age_years - 1
    if _is_emergency(priority):
        return patient.age_years is None or patient.age_years > last_of_childhood
    return not _is_young(patient, last_of_childhood, rules)


def _is_untyped_and_protected(patient: Patient, priority: Priority, rules: Rulebook) -> bool:
    """Return whether a patient of unknown group is to have RhD-: female to 50 or male to 18.

    Only routine orders, unless the station chose the stricter rule. An unknown sex takes the higher
    limit; at an unknown age every patient is protected.
    """
    rule = rules.compatibility.unknown
    if rule.rhd_positive_for_all and priority is not Priority.ROUTINE:
        return False
    limits = {
        Sex.FEMALE: rule.female_rhd_negative_to_age_years,
        Sex.MALE: rule.male_rhd_negative_to_age_years,
    }
    limit = limits[patient.sex] if patient.sex else max(limits.values())
    return _is_young(patient, limit, rules)


def _red_cells(
    group: BloodGroup,
    patient: Patient,
    priority: Priority,
    component_class: ComponentClass,
    rules: Rulebook,
) -> Iterator[Candidate]:
    of_class: AboRule = getattr(rules.compatibility.abo, component_class)
    rule, donors = _cite(of_class, rules), of_class.list_donors(group.abo)
    served_as_positive = group.rhd is RhD.POSITIVE or patient.asian_del
    if served_as_positive and not patient.has_anti_d:
        positive_rule = _cite_positive(rule, group, rules)
        yield from _groups(donors, RhD.POSITIVE, positive_rule)
    yield from _groups(donors, RhD.NEGATIVE, rule)
    if component_class is ComponentClass.WHOLE_BLOOD and _is_emergency(priority):
        yield from _low_titre_o(patient, group, rule, rules)
    fallback = None if served_as_positive else _find_fallback(patient, priority, rules)
    if fallback is not None:
        rule, groups = (
            _cite(fallback, rules),
            rules.compatibility.rhd_fallback.list_donors(group.abo),
        )
        yield from _groups(tuple(abo for abo in groups if abo in donors), RhD.POSITIVE, rule)
        if (
            component_class is ComponentClass.WHOLE_BLOOD
            and _is_emergency(priority)
            and Abo.O in groups
        ):
            yield Candidate(group=BloodGroup.O_POS, rule=rule, low_titre_only=True)


def _cite_positive(rule: str, group: BloodGroup, rules: Rulebook) -> str:
    """Return the rule under which RhD+ is given: an RhD- patient gets it as Asian-type DEL."""
    return rule if group.rhd is RhD.POSITIVE else _cite(rules.compatibility.asian_del, rules)


def _low_titre_o(
    patient: Patient, group: BloodGroup, rule: str, rules: Rulebook
) -> Iterator[Candidate]:
    served_as_positive = group.rhd is RhD.POSITIVE or patient.asian_del
    wants_positive = served_as_positive and not patient.has_anti_d
    if wants_positive:
        positive_rule = _cite_positive(rule, group, rules)
        yield Candidate(group=BloodGroup.O_POS, rule=positive_rule, low_titre_only=True)
    yield Candidate(group=BloodGroup.O_NEG, rule=rule, low_titre_only=True)


def _find_fallback(patient: Patient, priority: Priority, rules: Rulebook) -> CitedRule | None:
    """Find the rule that gives RhD+ where RhD- is not there; None to a holder of anti-D."""
    of = rules.compatibility
    if patient.has_anti_d or priority is Priority.ROUTINE:
        return None
    if patient.rhd_consent is not None:
        return of.rhd_fallback
    is_protected = may_bear_children(patient, rules) or _is_young(
        patient, of.preferred.to_age_years, rules
    )
    if of.rhd_unprotected.allowed and not is_protected:
        return of.rhd_unprotected
    return of.rhd_lifesaving if of.rhd_lifesaving.allowed and _is_emergency(priority) else None


def _unknown_red_cells(
    to: Recipient,
    patient: Patient,
    priority: Priority,
    component_class: ComponentClass,
    rules: Rulebook,
) -> Iterator[Candidate]:
    rule = _cite(rules.compatibility.unknown, rules)
    low_titre = component_class is ComponentClass.WHOLE_BLOOD
    if low_titre and not _is_emergency(priority):
        return
    negative = Candidate(
        group=BloodGroup.O_NEG, rule=rule, low_titre_only=low_titre, capped=to.rhd is None
    )
    positive = Candidate(group=BloodGroup.O_POS, rule=rule, low_titre_only=low_titre)
    if patient.has_anti_d:
        # The cap is a rationing rule; for a holder of anti-D there is no other blood.
        yield negative.but(capped=False)
    elif to.rhd is not RhD.NEGATIVE and not _is_untyped_and_protected(patient, priority, rules):
        yield positive
        yield negative
    else:
        yield negative
        if _is_emergency(priority):
            yield positive


def _plasma(to: Recipient, *, low_titre_a: bool, rules: Rulebook) -> Iterator[Candidate]:
    of = rules.compatibility.abo
    yield from _plasma_of(to, of.plasma, rules)
    for donor in of.low_titre_plasma.list_donors(to.abo):
        # Group A for AB and unknown patients is the station's own choice as well.
        is_of_policy = donor is Abo.A and to.abo in {None, Abo.AB}
        if is_of_policy and not low_titre_a:
            continue
        rule = (
            rules.policies.cite(rules.policies.low_titre_a)
            if is_of_policy
            else _cite(of.low_titre_plasma, rules)
        )
        for rhd in (RhD.POSITIVE, RhD.NEGATIVE):
            yield Candidate(group=BloodGroup.of(donor, rhd), rule=rule, low_titre_only=True)


def _plasma_of(to: Recipient, of: AboRule, rules: Rulebook) -> Iterator[Candidate]:
    """Yield plasma: RhD is not matched; RhD+ comes first, since it is the commoner stock."""
    rule = _cite(of if to.abo else rules.compatibility.unknown, rules)
    for donor in of.list_donors(to.abo):
        yield from _groups((donor,), RhD.POSITIVE, rule)
        yield from _groups((donor,), RhD.NEGATIVE, rule)


def _platelets(
    to: Recipient, patient: Patient, priority: Priority, rules: Rulebook
) -> Iterator[Candidate]:
    of_class = rules.compatibility.abo.platelets
    rule = _cite(of_class if to.abo else rules.compatibility.unknown, rules)
    # Platelets come in plasma: its antibodies must not meet the patient's antigens.
    own = (to.abo or Abo.AB).antigens
    for rhd in _platelet_rhd_order(to, patient, priority, rules):
        for candidate in _groups(of_class.list_donors(to.abo), rhd, rule):
            yield candidate.but(low_titre_only=not own <= candidate.group.abo.antigens)


def _platelet_rhd_order(
    to: Recipient, patient: Patient, priority: Priority, rules: Rulebook
) -> tuple[RhD, ...]:
    if patient.has_anti_d:
        return (RhD.NEGATIVE,)
    if to.rhd is None:
        positive_first = not _is_untyped_and_protected(patient, priority, rules)
    else:
        positive_first = to.rhd is RhD.POSITIVE
    if positive_first or patient.asian_del:
        return (RhD.POSITIVE, RhD.NEGATIVE)
    if may_bear_children(patient, rules) and not (
        patient.anti_d_prophylaxis_ordered or _is_emergency(priority)
    ):
        return (RhD.NEGATIVE,)
    return (RhD.NEGATIVE, RhD.POSITIVE)


def _groups(donors: tuple[Abo, ...], rhd: RhD, rule: str) -> Iterator[Candidate]:
    for donor in donors:
        yield Candidate(group=BloodGroup.of(donor, rhd), rule=rule)


def _is_emergency(priority: Priority) -> bool:
    return priority is Priority.LIFE_THREATENING
