"""Demands on a unit: what the line asks for, and what the patient's needs bring with them.

Pure. The rules stand in `rules/data/needs.toml`. Each demand carries the rule that makes it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from models.clearance import ForPatient, UnitFacts
from models.components import CARRYING_RED_CELLS, Component, ComponentClass
from models.decisions import Reason
from models.patients import Indication, Patient
from models.requests import HardAttributes, Priority
from models.rules.rulebook import Rulebook
from models.rules.types.needs import NeedRule

FLAGS = (
    "leukoreduced",
    "irradiated",
    "cmv_negative",
    "washed",
    "low_titre",
    "hbs_negative",
    "iga_deficient",
)
"""The traits that a line or a need may demand, in the order in which their lack is told."""


WASHED = frozenset({Component.WASHED_RED_CELLS, Component.DEGLYCEROLISED_RED_CELLS})
"""Components that are washed in being made: of frozen red cells the glycerol is washed out."""

SERVING = {Component.RED_CELLS: (Component.WASHED_RED_CELLS,)}
"""A component to those that serve a line of it which wants it washed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """Everything that is demanded of a unit beside its group, each with the rule that demands it.

    Attributes:
        max_age: Days since collection at most.
        irradiated_within: Hours since irradiation at most.
        antigens: Red-cell antigens that it must lack.
        preferred: Traits and antigens that are waived, or cannot be matched yet: taken first.
    """

    flags: Mapping[str, str]
    max_age: tuple[int, str] | None
    irradiated_within: tuple[int, str] | None
    antigens: Mapping[str, str]
    preferred: frozenset[str]


def find_demands(purpose: ForPatient, component: Component, rules: Rulebook) -> Demands:
    """Find what is demanded of a unit of a component for a line, needs of the patient included."""
    patient = purpose.patient
    facts = patient if patient.reference is None else patient.model_copy(update={"reference": None})
    is_in_danger = purpose.priority is Priority.LIFE_THREATENING
    component_class = component.spec.component_class
    return _find(purpose.line.attributes, facts, component_class, is_in_danger, rules)


def list_needs(
    patient: Patient, attributes: HardAttributes, rules: Rulebook
) -> tuple[NeedRule, ...]:
    """List the needs of a patient and a line: what was stated, and what follows from the age."""
    found = {*patient.indications, *attributes.indications}
    newborn_to = rules.needs.need[Indication.NEWBORN].to_age_d
    if patient.age_days is not None:
        if patient.age_days <= newborn_to:
            found.add(Indication.NEWBORN)
    elif patient.age_years == 0:
        found.add(Indication.INFANT)
    if patient.chronically_transfused:
        found.add(Indication.CHRONICALLY_TRANSFUSED)
    return tuple(rules.needs.need[need] for need in Indication if need in found)


def list_told(patient: Patient, attributes: HardAttributes, rules: Rulebook) -> Iterator[Reason]:
    """Yield what the laboratory and the hospital must know of a patient's needs."""
    needs = list_needs(patient, attributes, rules)
    if rules.needs.need[Indication.ANTI_CD38] in needs:
        rule = rules.needs.cite(rules.needs.need[Indication.ANTI_CD38])
        yield Reason(code="laboratory_anti_cd38", rule=rule)
    unmatched = [need for need in needs if need.matched]
    if unmatched and not patient.antigen_negative:
        antigens = ", ".join(unmatched[0].matched)
        rule = rules.needs.cite(unmatched[0])
        yield Reason(code="phenotype_wanted", params={"antigens": antigens}, rule=rule)


def list_components(purpose: ForPatient, rules: Rulebook) -> tuple[Component, ...]:
    """List the components that serve a line: washed red cells serve one that wants them washed."""
    asked = purpose.line.component
    if asked in SERVING:
        wanted = find_demands(purpose, asked, rules).flags
        if "washed" in wanted or "iga_deficient" in wanted:
            return (asked, *SERVING[asked])
    return (asked,)


def count_unmet(unit: UnitFacts, preferred: Iterable[str]) -> int:
    """Count what is preferred of a unit and not shown to be so; units of fewer are taken first."""
    return sum(
        not (has_trait(unit, name) if name in FLAGS else name in unit.traits.antigen_negative)
        for name in preferred
    )


def has_trait(unit: UnitFacts, flag: str) -> bool:
    """Return whether a unit has what a flag demands; washed cells pass for IgA-deficient ones."""
    is_washed = unit.component in WASHED or unit.traits.washed
    if flag == "washed":
        return is_washed
    if flag == "iga_deficient" and unit.component.spec.component_class is not ComponentClass.PLASMA:
        return is_washed or unit.traits.iga_deficient
    return bool(getattr(unit.traits, flag))


@lru_cache(maxsize=8192)
def _find(
    attributes: HardAttributes,
    patient: Patient,
    component_class: ComponentClass,
    is_in_danger: bool,
    rules: Rulebook,
) -> Demands:
    found = _Collected()
    asked = rules.safety.cite(rules.safety.demand)
    found.flags = {flag: asked for flag in FLAGS if getattr(attributes, flag)}
    against = rules.safety.cite(rules.safety.antibodies)
    found.antigens = dict.fromkeys(attributes.antigen_negative, against)
    if attributes.max_age_d is not None:
        found.ages.append((attributes.max_age_d, asked))
    is_platelets = component_class is ComponentClass.PLATELETS
    if attributes.hla_matched or (patient.hla_antibodies and is_platelets):
        selected = rules.needs.hla_selected
        found.add(selected.traits, into=found.flags, cited=rules.needs.cite(selected))
    for need in list_needs(patient, attributes, rules):
        if component_class in need.classes:
            _collect(found, need, patient, component_class, is_in_danger, rules.needs.cite(need))
    return Demands(
        flags=found.flags,
        max_age=min(found.ages, default=None, key=_first),
        irradiated_within=min(found.hours, default=None, key=_first),
        antigens=found.antigens,
        preferred=frozenset(found.preferred),
    )


class _Collected:
    """Demands while they are collected; of several that say the same the first is cited."""

    def __init__(self) -> None:
        self.flags: dict[str, str] = {}
        self.antigens: dict[str, str] = {}
        self.ages: list[tuple[int, str]] = []
        self.hours: list[tuple[int, str]] = []
        self.preferred: set[str] = set()

    def add(
        self,
        names: Iterable[str],
        *,
        into: dict[str, str],
        cited: str,
        waived: Container[str] = (),
    ) -> None:
        for name in names:
            if name in waived:
                self.preferred.add(name)
            else:
                into.setdefault(name, cited)


def _first(limit: tuple[int, str]) -> int:
    return limit[0]


def _collect(  # noqa: PLR0917 - one need of many facts
    found: _Collected,
    need: NeedRule,
    patient: Patient,
    component_class: ComponentClass,
    is_in_danger: bool,
    cited: str,
) -> None:
    waived = need.waived_in_danger if is_in_danger else ()
    found.add(need.traits, into=found.flags, cited=cited, waived=waived)
    if component_class in CARRYING_RED_CELLS:
        wanted = _list_antigens(need, patient)
        found.add(wanted, into=found.antigens, cited=cited, waived=waived)
        if not patient.antigen_negative:
            found.preferred.update(need.matched)
    if need.max_age_d is not None:
        found.ages.append((need.max_age_d, cited))
    if need.irradiated_within_h is not None:
        found.hours.append((need.irradiated_within_h, cited))


def _list_antigens(need: NeedRule, patient: Patient) -> tuple[str, ...]:
    """List the antigens that a need wants a unit to lack, given the patient's phenotype."""
    lacks = set(patient.antigen_negative)
    mine = patient.all_antibodies
    wanted = [antigen for antigen in need.matched if antigen in lacks]
    # A unit that lacks K has k: for a holder of anti-k nothing is left of it.
    wanted += [name for name in need.antigen_negative if not (name == "K" and "k" in mine)]
    return tuple(dict.fromkeys(wanted))
