"""Which groups of a component a patient may get, best first, and under which rule.

Pure. The table is data (`rules/data/compatibility.toml`); this module orders it. RhD- blood is
kept for those who need it: an RhD+ patient gets every compatible RhD+ group before any RhD- group.

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
from models.requests import Priority
from models.rules.citations import CitedRule
from models.rules.rulebook import Rulebook


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
    component_class = component.spec.component_class
    if component_class is ComponentClass.PLASMA:
        found = _plasma(patient, low_titre_a=low_titre_a_plasma, rules=rules)
    elif component_class is ComponentClass.PLATELETS:
        found = _platelets(patient, priority, rules)
    elif patient.group is None:
        found = _unknown_red_cells(patient, priority, component_class, rules)
    else:
        found = _red_cells(patient, patient.group, priority, component_class, rules)
    return _ranked(found)


def cite_group_rule(component: Component, rules: Rulebook) -> str:
    """Return `name@version` of the rule that says which groups of a component go together."""
    return _cite(rules.compatibility.abo.of_class(component.spec.component_class), rules)


def _cite(rule: CitedRule, rules: Rulebook) -> str:
    return rules.compatibility.cite(rule)


def _ranked(found: Iterator[Candidate]) -> tuple[Candidate, ...]:
    first: dict[BloodGroup, Candidate] = {}
    for candidate in found:
        first.setdefault(candidate.group, candidate)
    return tuple(candidate.but(rank=rank) for rank, candidate in enumerate(first.values()))


def _may_bear_children(patient: Patient, rules: Rulebook) -> bool:
    rule = rules.compatibility.childbearing
    if patient.sex is Sex.MALE:
        return False
    if patient.age_years is None:
        return True
    margin = _age_margin(patient, rules)
    first, last = rule.female_from_age_years, rule.female_to_age_years
    return first - margin <= patient.age_years <= last + margin


def _age_margin(patient: Patient, rules: Rulebook) -> int:
    """Return by how many years a stated age may be wrong."""
    return rules.compatibility.estimated_age.margin_years if patient.age_estimated else 0


def _is_unknown_but_protected(patient: Patient, rules: Rulebook) -> bool:
    """Whether a patient of unknown group is protected: female to 50 or male to 18.

    An unknown sex takes the higher limit; at an unknown age every patient is protected.
    """
    rule = rules.compatibility.unknown
    limits = {
        Sex.FEMALE: rule.female_rhd_negative_to_age_years,
        Sex.MALE: rule.male_rhd_negative_to_age_years,
    }
    limit = limits[patient.sex] if patient.sex else max(limits.values())
    return patient.age_years is None or patient.age_years <= limit + _age_margin(patient, rules)


def _red_cells(
    patient: Patient,
    group: BloodGroup,
    priority: Priority,
    component_class: ComponentClass,
    rules: Rulebook,
) -> Iterator[Candidate]:
    of_class = rules.compatibility.abo.of_class(component_class)
    rule, donors = _cite(of_class, rules), of_class.list_donors(group.abo)
    served_as_positive = group.rhd is RhD.POSITIVE or patient.asian_del
    if served_as_positive and not patient.has_anti_d:
        positive_rule = _cite_positive(rule, group, rules)
        yield from _groups(donors, RhD.POSITIVE, positive_rule)
    yield from _groups(donors, RhD.NEGATIVE, rule)
    if component_class is ComponentClass.WHOLE_BLOOD and _is_emergency(priority):
        yield from _low_titre_o(patient, group, rule, rules)
    if not served_as_positive and _may_fall_back(patient, priority):
        fallback = rules.compatibility.rhd_fallback
        rule, groups = _cite(fallback, rules), fallback.list_donors(group.abo)
        yield from _groups(tuple(abo for abo in groups if abo in donors), RhD.POSITIVE, rule)
        if component_class is ComponentClass.WHOLE_BLOOD and Abo.O in groups:
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


def _may_fall_back(patient: Patient, priority: Priority) -> bool:
    """Whether RhD+ may be given instead: signed consent, no anti-D, and life in danger."""
    return patient.rhd_consent is not None and not patient.has_anti_d and _is_emergency(priority)


def _unknown_red_cells(
    patient: Patient, priority: Priority, component_class: ComponentClass, rules: Rulebook
) -> Iterator[Candidate]:
    rule = _cite(rules.compatibility.unknown, rules)
    low_titre = component_class is ComponentClass.WHOLE_BLOOD
    if low_titre and not _is_emergency(priority):
        return
    negative = Candidate(group=BloodGroup.O_NEG, rule=rule, low_titre_only=low_titre, capped=True)
    positive = Candidate(group=BloodGroup.O_POS, rule=rule, low_titre_only=low_titre)
    if patient.has_anti_d:
        # The cap is a rationing rule; for a holder of anti-D there is no other blood.
        yield negative.but(capped=False)
    elif not _is_unknown_but_protected(patient, rules):
        yield positive
        yield negative
    else:
        yield negative
        if _is_emergency(priority):
            yield positive


def _plasma(patient: Patient, *, low_titre_a: bool, rules: Rulebook) -> Iterator[Candidate]:
    """Yield plasma: RhD is not matched; RhD+ comes first, since it is the commoner stock."""
    abo = patient.group.abo if patient.group else Abo.AB
    of_class = rules.compatibility.abo.plasma
    rule = _cite(of_class if patient.group else rules.compatibility.unknown, rules)
    for donor in of_class.list_donors(abo):
        yield from _groups((donor,), RhD.POSITIVE, rule)
        yield from _groups((donor,), RhD.NEGATIVE, rule)
    if abo is Abo.AB and low_titre_a:
        for rhd in (RhD.POSITIVE, RhD.NEGATIVE):
            group = BloodGroup.of(Abo.A, rhd)
            rule = rules.policies.cite(rules.policies.low_titre_a)
            yield Candidate(group=group, rule=rule, low_titre_only=True)


def _platelets(patient: Patient, priority: Priority, rules: Rulebook) -> Iterator[Candidate]:
    of_class = rules.compatibility.abo.platelets
    rule = _cite(of_class if patient.group else rules.compatibility.unknown, rules)
    abo = patient.group.abo if patient.group else Abo.AB
    plasma_compatible = of_class.list_donors(abo)
    out_of_group = tuple(donor for donor in Abo if donor not in plasma_compatible)
    for donors, low_titre_only in ((plasma_compatible, False), (out_of_group, True)):
        for rhd in _platelet_rhd_order(patient, priority, rules):
            for candidate in _groups(donors, rhd, rule):
                yield candidate.but(low_titre_only=low_titre_only)


def _platelet_rhd_order(patient: Patient, priority: Priority, rules: Rulebook) -> tuple[RhD, ...]:
    if patient.has_anti_d:
        return (RhD.NEGATIVE,)
    positive_first = patient.asian_del or (
        patient.group is not None and patient.group.rhd is RhD.POSITIVE
    )
    if positive_first or (patient.group is None and not _is_unknown_but_protected(patient, rules)):
        return (RhD.POSITIVE, RhD.NEGATIVE)
    unknown_and_dying = patient.group is None and _is_emergency(priority)
    if _may_bear_children(patient, rules) and not (
        patient.anti_d_prophylaxis_ordered or unknown_and_dying
    ):
        return (RhD.NEGATIVE,)
    return (RhD.NEGATIVE, RhD.POSITIVE)


def _groups(donors: tuple[Abo, ...], rhd: RhD, rule: str) -> Iterator[Candidate]:
    for donor in donors:
        yield Candidate(group=BloodGroup.of(donor, rhd), rule=rule)


def _is_emergency(priority: Priority) -> bool:
    return priority is Priority.LIFE_THREATENING
