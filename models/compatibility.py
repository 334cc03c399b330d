"""Which groups of a component a patient may get, best first, and under which rule.

Pure. The table is data (`rules/data/compatibility.toml`); this module reads and orders it. RhD-
blood is kept for those who need it: an RhD+ patient gets every compatible RhD+ group before any
RhD- group.

The packaged rules are in force until the composition root calls `follow`, once.

Source: rules/data/compatibility.toml cites each rule; rule set 2026-2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

from models.base import Value
from models.components import Component, ComponentClass
from models.facilities import StationPolicy
from models.groups import Abo, BloodGroup, RhD
from models.patients import Patient, Sex
from models.requests import Priority
from models.rules.citations import read_rules
from models.rules.types.compatibility import CompatibilityRules

_RULES: dict[str, Any] = {}
_ABO: dict[ComponentClass, Mapping[Abo, tuple[Abo, ...]]] = {}


def follow(rules: Mapping[str, Any]) -> None:
    """Make these the rules that every later answer follows.

    Args:
        rules: The whole file, of the form of `CompatibilityRules`.

    Raises:
        ValidationError: The rules are not of that form; the earlier rules stay in force.
    """
    CompatibilityRules.model_validate(rules)
    # Every file of that form has the same tables, so nothing of the earlier rules is left.
    _RULES.update(deepcopy(dict(rules)))
    for component_class in ComponentClass:
        rows = _RULES["abo"][component_class]
        _ABO[component_class] = {
            recipient: tuple(Abo(donor) for donor in rows[recipient]) for recipient in Abo
        }
    _list_candidates.cache_clear()


def rules_version() -> str:
    """Return the version of the rules in force; a station's own changes are part of it."""
    return str(_RULES["version"])


def o_negative_cap() -> int:
    """Return how many unconfirmed O RhD- red cells one unknown patient may get."""
    return int(_RULES["unknown_cap"]["o_negative_units"])


def kept_for_negative_d() -> int:
    """Return how many days before its expiry RhD- blood is no longer kept for RhD- patients."""
    return int(_RULES["kept_for_negative"]["expiring_within_d"])


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
    *, component: Component, patient: Patient, priority: Priority, policy: StationPolicy
) -> tuple[Candidate, ...]:
    """List the groups that may go to this patient, best first.

    Args:
        component: What is transfused.
        patient: A group of None means unknown, and the rules for unknown patients hold.
        priority: Some exceptions exist only while life is in danger.
        policy: The supplying station's own choices.

    Returns:
        0..8 candidates with rising rank, no group twice; empty if nothing is allowed.

    Invariants: for red cells and whole blood, never ABO-incompatible, and never RhD+ to a holder
        of anti-D.
    Source: rules/data/compatibility.toml; rule set 2026-2.
    """
    # The reference only identifies the patient; the blood that the patient may get does not
    # depend on it.
    facts = patient if patient.reference is None else patient.model_copy(update={"reference": None})
    if not _RULES["del"]["served_as_positive"]:
        facts = facts.model_copy(update={"asian_del": False})
    return _list_candidates(component, facts, priority, policy.low_titre_a_plasma)


def find_candidate(
    group: BloodGroup,
    *,
    component: Component,
    patient: Patient,
    priority: Priority,
    policy: StationPolicy,
) -> Candidate | None:
    """Return the terms on which a donor group may go to this patient; None if it may not."""
    candidates = list_candidates(
        component=component, patient=patient, priority=priority, policy=policy
    )
    return next((candidate for candidate in candidates if candidate.group is group), None)


@lru_cache(maxsize=8192)
def _list_candidates(
    component: Component, patient: Patient, priority: Priority, low_titre_a_plasma: bool
) -> tuple[Candidate, ...]:
    """List the candidates, cached: a batch asks for the same few kinds of patient repeatedly."""
    component_class = component.spec.component_class
    if component_class is ComponentClass.PLASMA:
        found = _plasma(patient, low_titre_a=low_titre_a_plasma)
    elif component_class is ComponentClass.PLATELETS:
        found = _platelets(patient, priority)
    elif patient.group is None:
        found = _unknown_red_cells(patient, priority, component_class)
    else:
        found = _red_cells(patient, patient.group, priority, component_class)
    return _ranked(found)


def cite_group_rule(component: Component) -> str:
    """Return `name@version` of the rule that says which groups of a component go together."""
    return _abo_rule(component.spec.component_class)


def cite_cap_rule() -> str:
    return _rule("unknown_cap")


def cite_kept_rule() -> str:
    return _rule("kept_for_negative")


def _rule(name: str) -> str:
    return f"{_RULES[name]['rule'] if name in _RULES else name}@{rules_version()}"


def _abo_rule(component_class: ComponentClass) -> str:
    return f"{_RULES['abo'][component_class]['rule']}@{rules_version()}"


def _ranked(found: Iterator[Candidate]) -> tuple[Candidate, ...]:
    first: dict[BloodGroup, Candidate] = {}
    for candidate in found:
        first.setdefault(candidate.group, candidate)
    return tuple(candidate.but(rank=rank) for rank, candidate in enumerate(first.values()))


def _may_bear_children(patient: Patient) -> bool:
    rule = _RULES["childbearing"]
    if patient.sex is Sex.MALE:
        return False
    if patient.age_years is None:
        return True
    margin = _age_margin(patient)
    first, last = rule["female_from_age_years"], rule["female_to_age_years"]
    return bool(first - margin <= patient.age_years <= last + margin)


def _age_margin(patient: Patient) -> int:
    """Return by how many years a stated age may be wrong."""
    return int(_RULES["estimated_age"]["margin_years"]) if patient.age_estimated else 0


def _is_unknown_but_protected(patient: Patient) -> bool:
    """Whether a patient of unknown group is protected: female to 50 or male to 18.

    An unknown sex takes the higher limit; at an unknown age every patient is protected.
    """
    rule = _RULES["unknown"]
    limits = {
        Sex.FEMALE: rule["female_rhd_negative_to_age_years"],
        Sex.MALE: rule["male_rhd_negative_to_age_years"],
    }
    limit = limits[patient.sex] if patient.sex else max(limits.values())
    return patient.age_years is None or patient.age_years <= limit + _age_margin(patient)


def _red_cells(
    patient: Patient, group: BloodGroup, priority: Priority, component_class: ComponentClass
) -> Iterator[Candidate]:
    rule = _abo_rule(component_class)
    donors = _ABO[component_class][group.abo]
    served_as_positive = group.rhd is RhD.POSITIVE or patient.asian_del
    if served_as_positive and not patient.has_anti_d:
        positive_rule = rule if group.rhd is RhD.POSITIVE else _rule("del")
        yield from _groups(donors, RhD.POSITIVE, positive_rule)
    yield from _groups(donors, RhD.NEGATIVE, rule)
    if component_class is ComponentClass.WHOLE_BLOOD and _is_emergency(priority):
        yield from _low_titre_o(patient, group, rule)
    if not served_as_positive and _may_fall_back(patient, priority):
        fallback = tuple(Abo(donor) for donor in _RULES["rhd_fallback"][group.abo])
        allowed = tuple(abo for abo in fallback if abo in donors)
        yield from _groups(allowed, RhD.POSITIVE, _rule("rhd_fallback"))
        if component_class is ComponentClass.WHOLE_BLOOD and Abo.O in fallback:
            rule = _rule("rhd_fallback")
            yield Candidate(group=BloodGroup.O_POS, rule=rule, low_titre_only=True)


def _low_titre_o(patient: Patient, group: BloodGroup, rule: str) -> Iterator[Candidate]:
    served_as_positive = group.rhd is RhD.POSITIVE or patient.asian_del
    wants_positive = served_as_positive and not patient.has_anti_d
    if wants_positive:
        positive_rule = rule if group.rhd is RhD.POSITIVE else _rule("del")
        yield Candidate(group=BloodGroup.O_POS, rule=positive_rule, low_titre_only=True)
    yield Candidate(group=BloodGroup.O_NEG, rule=rule, low_titre_only=True)


def _may_fall_back(patient: Patient, priority: Priority) -> bool:
    """Whether RhD+ may be given instead: signed consent, no anti-D, and life in danger."""
    return patient.rhd_consent is not None and not patient.has_anti_d and _is_emergency(priority)


def _unknown_red_cells(
    patient: Patient, priority: Priority, component_class: ComponentClass
) -> Iterator[Candidate]:
    rule = _rule("unknown")
    low_titre = component_class is ComponentClass.WHOLE_BLOOD
    if low_titre and not _is_emergency(priority):
        return
    negative = Candidate(group=BloodGroup.O_NEG, rule=rule, low_titre_only=low_titre, capped=True)
    positive = Candidate(group=BloodGroup.O_POS, rule=rule, low_titre_only=low_titre)
    if patient.has_anti_d:
        # The cap is a rationing rule; for a holder of anti-D there is no other blood.
        yield negative.but(capped=False)
    elif not _is_unknown_but_protected(patient):
        yield positive
        yield negative
    else:
        yield negative
        if _is_emergency(priority):
            yield positive


def _plasma(patient: Patient, *, low_titre_a: bool) -> Iterator[Candidate]:
    """Yield plasma: RhD is not matched; RhD+ comes first, since it is the commoner stock."""
    abo = patient.group.abo if patient.group else Abo.AB
    rule = _abo_rule(ComponentClass.PLASMA) if patient.group else _rule("unknown")
    for donor in _ABO[ComponentClass.PLASMA][abo]:
        yield from _groups((donor,), RhD.POSITIVE, rule)
        yield from _groups((donor,), RhD.NEGATIVE, rule)
    if abo is Abo.AB and low_titre_a:
        for rhd in (RhD.POSITIVE, RhD.NEGATIVE):
            group = BloodGroup.of(Abo.A, rhd)
            rule = _rule("plasma.low_titre_a")
            yield Candidate(group=group, rule=rule, low_titre_only=True)


def _platelets(patient: Patient, priority: Priority) -> Iterator[Candidate]:
    rule = _abo_rule(ComponentClass.PLATELETS) if patient.group else _rule("unknown")
    abo = patient.group.abo if patient.group else Abo.AB
    plasma_compatible = _ABO[ComponentClass.PLATELETS][abo]
    out_of_group = tuple(donor for donor in Abo if donor not in plasma_compatible)
    for donors, low_titre_only in ((plasma_compatible, False), (out_of_group, True)):
        for rhd in _platelet_rhd_order(patient, priority):
            for candidate in _groups(donors, rhd, rule):
                yield candidate.but(low_titre_only=low_titre_only)


def _platelet_rhd_order(patient: Patient, priority: Priority) -> tuple[RhD, ...]:
    if patient.has_anti_d:
        return (RhD.NEGATIVE,)
    positive_first = patient.asian_del or (
        patient.group is not None and patient.group.rhd is RhD.POSITIVE
    )
    if positive_first or (patient.group is None and not _is_unknown_but_protected(patient)):
        return (RhD.POSITIVE, RhD.NEGATIVE)
    unknown_and_dying = patient.group is None and _is_emergency(priority)
    if _may_bear_children(patient) and not (
        patient.anti_d_prophylaxis_ordered or unknown_and_dying
    ):
        return (RhD.NEGATIVE,)
    return (RhD.NEGATIVE, RhD.POSITIVE)


def _groups(donors: tuple[Abo, ...], rhd: RhD, rule: str) -> Iterator[Candidate]:
    for donor in donors:
        yield Candidate(group=BloodGroup.of(donor, rhd), rule=rule)


def _is_emergency(priority: Priority) -> bool:
    return priority is Priority.LIFE_THREATENING


follow(read_rules("compatibility"))
RULES_VERSION = rules_version()
"""The version of the packaged rules, whatever is in force: only to compare with."""
O_NEGATIVE_CAP = o_negative_cap()
"""The cap of the packaged rules, whatever is in force: only to compare with."""
