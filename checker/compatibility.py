"""The donor groups that may go to a patient: the checker's own table, written from the sources.

Pure. Rows are written out with their RhD, as a wall chart shows them, rather than computed, so that
an error in the engine's arithmetic on groups is not repeated here. The table says what is allowed,
not what is best, except where the source gives an order.

For unknown facts every possibility is tried: a patient who may belong to a protected group is
protected.

Source: Lifeblood component compatibility; Victoria (cap of unconfirmed O RhD-); the Chinese RhD-
emergency fallback; Mackay Memorial Hospital (RhD where it is rare); Hadjesfandiari 2021 and the UK
table for cryoprecipitate; Blood 2023;141:2141 for Asian-type DEL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from checker.antigens import read_antigen
from checker.recipients import ORDINARY, Special, find_groups

O_NEGATIVE_CAP = 4
"""Units of unconfirmed O RhD- that one unknown patient may get (Victoria)."""

LAST_CHILDBEARING_AGE = 50
LAST_PROTECTED_AGE_OF_BOYS = 18
LAST_PREFERRED_AGE = 18
ESTIMATE_MAY_BE_OFF_BY = 10
"""Years by which an estimated age may be too high."""

RED_CELLS = {
    "O-": "O-",
    "O+": "O+ O-",
    "A-": "A- O-",
    "A+": "A+ A- O+ O-",
    "B-": "B- O-",
    "B+": "B+ B- O+ O-",
    "AB-": "AB- A- B- O-",
    "AB+": "AB+ AB- A+ A- B+ B- O+ O-",
}
RHD_FALLBACK = {
    "O-": "O- O+",
    "A-": "A- O- A+ O+",
    "B-": "B- O- B+ O+",
    "AB-": "AB- A- B- O- AB+ A+ B+ O+",
}
"""For RhD- patients without anti-D who cannot wait; in the source's order."""

PLASMA = {
    "O": "O- O+ A- A+ B- B+ AB- AB+",
    "A": "A- A+ AB- AB+",
    "B": "B- B+ AB- AB+",
    "AB": "AB- AB+",
}
LOW_TITRE_PLASMA = {"O": "", "A": "B- B+", "B": "A- A+", "AB": "A- A+ B- B+", "unknown": "A- A+"}
"""Beside those of `PLASMA`, of low titre only. A for AB and unknown is the station's own policy."""

CRYOPRECIPITATE = {
    "O": "O A B AB",
    "A": "A B AB O",
    "B": "B A AB O",
    "AB": "AB A B O",
    "unknown": "A B AB O",
}
"""For adults any ABO group will do; the order is of preference."""

PLATELETS = {
    "O": "O A B AB",
    "A": "A B O AB",
    "B": "B A O AB",
    "AB": "AB A B O",
    "unknown": "A O AB B",
}
"""In order of preference: AB is kept for AB patients."""

ADULT_FROM_AGE = 18
_EVERY_GROUP = "O- O+ A- A+ B- B+ AB- AB+"
_RED_CELL_COMPONENTS = {
    "red_cells", "washed_red_cells", "frozen_red_cells", "deglycerolised_red_cells",
}  # fmt: skip
PLATELET_COMPONENTS = {"platelets", "platelet_concentrate", "pooled_platelets"}
PLASMA_COMPONENTS = {"fresh_frozen_plasma", "frozen_plasma", "cryoprecipitate"}


_WHOLE = {"whole_blood", "apheresis_granulocytes"}
_CLASSES = {
    "red_cells": _RED_CELL_COMPONENTS,
    "plasma": PLASMA_COMPONENTS,
    "platelets": PLATELET_COMPONENTS,
    "whole_blood": _WHOLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """The facts of a patient on which the choice depends; None is unknown.

    Attributes:
        antibodies: The patient's, a newborn's mother's, and anti-H of whoever has no H.
        platelet_antibodies: The mother's of a newborn among them.
        lacking: Red-cell antigens that the patient was shown to lack.
        untyped_rhd: RhD of one whose ABO group alone is in doubt; empty if nothing is known.
    """

    group: str | None = None
    sex: str | None = None
    age_years: int | None = None
    age_days: int | None = None
    age_estimated: bool = False
    antibodies: frozenset[str] = frozenset()
    platelet_antibodies: frozenset[str] = frozenset()
    hla_antibodies: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    chronically_transfused: bool = False
    asian_del: bool = False
    consented_to_rhd_positive: bool = False
    prophylaxis_ordered: bool = False
    reference: str | None = None
    special: Special = ORDINARY
    untyped_rhd: str = ""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Patient:
        special = Special.from_json(body)
        mother = body.get("mother") or {}

        def list_all(field: str) -> list[str]:
            return [*(body.get(field) or ()), *(mother.get(field) or ())]

        antibodies = {*map(read_antigen, list_all("antibodies"))}
        return cls(
            group=body.get("group"),
            sex=body.get("sex"),
            age_years=body.get("age_years"),
            age_estimated=bool(body.get("age_estimated")),
            antibodies=frozenset(antibodies | ({"H"} if special.lacks_h else set())),
            age_days=body.get("age_days"),
            platelet_antibodies=frozenset(list_all("platelet_antibodies")),
            hla_antibodies=frozenset(body.get("hla_antibodies") or ()),
            lacking=frozenset(map(read_antigen, body.get("antigen_negative") or ())),
            needs=frozenset(body.get("indications") or ()),
            chronically_transfused=bool(body.get("chronically_transfused")),
            asian_del=bool(body.get("asian_del")),
            consented_to_rhd_positive=body.get("rhd_consent") is not None,
            prophylaxis_ordered=bool(body.get("anti_d_prophylaxis_ordered")),
            reference=body.get("reference"),
            special=special,
        )

    def group_for(self, component: str) -> str | None:
        """Return the group for which a component is chosen; None where it is not known."""
        return self.seen_by(component).group

    def seen_by(self, component: str) -> Patient:
        """Return the patient with the one group for which a component is chosen."""
        of_class = next(
            (name for name, components in _CLASSES.items() if component in components), component
        )
        abo, rhd = find_groups(self.group, self.special, self.antibodies)[of_class]
        group = abo + rhd if abo and rhd else None
        return replace(self, group=group, untyped_rhd="" if group else rhd, special=ORDINARY)

    @property
    def has_anti_d(self) -> bool:
        return "D" in self.antibodies


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTerms:
    """The terms on which a group may go to a patient.

    Attributes:
        low_titre: Only units with low anti-A and anti-B titre.
        capped: Counts towards `O_NEGATIVE_CAP`.
    """

    low_titre: bool = False
    capped: bool = False

    def lacks_titre(self, traits: Mapping[str, Any]) -> bool:
        """Return whether a unit of these traits is not of the titre that is needed."""
        return self.low_titre and not traits.get("low_titre")


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything about a line except its units.

    Attributes:
        priority: Some exceptions of the sources hold only while life is in danger.
        low_titre_a_plasma: The station's policy allows low-titre A plasma for patients of group AB
            or of unknown group.
    """

    component: str
    patient: Patient
    priority: str
    low_titre_a_plasma: bool = field(default=True)

    @property
    def emergency(self) -> bool:
        return self.priority == "life_threatening"


def get_allowed(situation: Situation) -> dict[str, GroupTerms]:
    """Return every donor group that may be given, with its terms.

    Raises:
        ValueError: The table does not have the component.
    """
    component = situation.component
    situation = replace(situation, patient=situation.patient.seen_by(component))
    if component in _RED_CELL_COMPONENTS:
        return _red_cells(situation)
    if component == "cryoprecipitate" and not _may_be_a_child(situation):
        return _rows(_EVERY_GROUP)
    if component in PLASMA_COMPONENTS:
        return _plasma(situation)
    if component in PLATELET_COMPONENTS:
        return _platelets(situation)
    if component in _WHOLE:
        return _whole_blood(situation)
    raise ValueError(f"unknown component: {component}")


def is_kept_as_del(*, blood_group: str, traits: Mapping[str, Any], situation: Situation) -> bool:
    """Return whether an RhD- unit may be of a DEL donor and is kept from this patient.

    RhD- women may make anti-D by it; to whom RhD+ is given, it may be given too.
    """
    component = situation.component
    if component not in _RED_CELL_COMPONENTS | _WHOLE or not blood_group.endswith("-"):
        return False
    if not traits.get("c_positive") or traits.get("del_typed"):
        return False
    seen = situation.patient.seen_by(component)
    is_negative = (seen.group or seen.untyped_rhd).endswith("-")
    if not is_negative or seen.asian_del or not may_bear_children(seen):
        return False
    return not any(group.endswith("+") for group in get_allowed(situation))


def may_bear_children(patient: Patient) -> bool:
    """Return whether the patient is, or with unknown facts may be, a woman of childbearing age."""
    return any(
        sex == "female" and age <= LAST_CHILDBEARING_AGE for sex, age in _completions(patient)
    )


def is_protected_while_unknown(situation: Situation) -> bool:
    """Return whether a sample is waited for, if RhD- is not there: a female to 50, a male to 18.

    Where 3 in 1000 are RhD-, RhD is not waited for by whoever needs blood soon.
    """
    return situation.priority == "routine" and any(
        age <= (LAST_CHILDBEARING_AGE if sex == "female" else LAST_PROTECTED_AGE_OF_BOYS)
        for sex, age in _completions(situation.patient)
    )


def _has_nothing_to_protect(patient: Patient) -> bool:
    """Return whether the patient surely is a woman past 50 or a man past 18."""
    return all(
        age > (LAST_CHILDBEARING_AGE if sex == "female" else LAST_PREFERRED_AGE)
        for sex, age in _completions(patient)
    )


def _may_be_a_child(situation: Situation) -> bool:
    """Return whether the patient is a child.

    In an emergency nobody is one who is not said to be.
    """
    patient = situation.patient
    if situation.emergency:
        return patient.age_years is not None and patient.age_years < ADULT_FROM_AGE
    return any(age < ADULT_FROM_AGE for _, age in _completions(patient))


def _completions(patient: Patient) -> list[tuple[str, int]]:
    sexes = ("female", "male") if patient.sex is None else (patient.sex,)
    # Every limit is an upper one, so the youngest possibility stands for all of them.
    age = 0 if patient.age_years is None else patient.age_years
    if patient.age_estimated:
        age -= ESTIMATE_MAY_BE_OFF_BY
    return [(sex, age) for sex in sexes]


def _rows(text: str) -> dict[str, GroupTerms]:
    return {group: GroupTerms() for group in text.split()}


def _only_negative(allowed: Mapping[str, GroupTerms]) -> dict[str, GroupTerms]:
    return {group: terms for group, terms in allowed.items() if group.endswith("-")}


def _red_cells(situation: Situation) -> dict[str, GroupTerms]:
    patient = situation.patient
    if patient.group is None:
        return _unknown_group_o(situation)
    row = RED_CELLS[patient.group]
    if patient.group.endswith("-"):
        if patient.asian_del:
            row = RED_CELLS[patient.group.replace("-", "+")]
        elif _may_have_positive(situation):
            row = RHD_FALLBACK[patient.group]
    return _only_negative(_rows(row)) if patient.has_anti_d else _rows(row)


def _may_have_positive(situation: Situation) -> bool:
    """Return whether an RhD- patient is given RhD+ red cells where RhD- ones are not there."""
    if situation.priority == "routine":
        return False
    patient = situation.patient
    return (
        situation.emergency or patient.consented_to_rhd_positive or _has_nothing_to_protect(patient)
    )


def _unknown_group_o(situation: Situation) -> dict[str, GroupTerms]:
    if situation.patient.has_anti_d:
        # RhD+ would harm the patient and only O- is left, so the cap does not apply.
        return {"O-": GroupTerms()}
    allowed = {"O-": GroupTerms(capped=not situation.patient.untyped_rhd)}
    if not is_protected_while_unknown(situation) or situation.emergency:
        # O RhD+ is never withheld where it may save a life.
        allowed["O+"] = GroupTerms()
    return allowed


def _whole_blood(situation: Situation) -> dict[str, GroupTerms]:
    """Allow identical ABO with RhD as for red cells; in an emergency low-titre group O as well."""
    by_red_cells = _red_cells(situation)
    patient = situation.patient
    if patient.group is None:
        if not situation.emergency:
            return {}
        return {g: GroupTerms(low_titre=True, capped=t.capped) for g, t in by_red_cells.items()}
    abo = patient.group[:-1]
    allowed = {group: terms for group, terms in by_red_cells.items() if group[:-1] == abo}
    if situation.emergency:
        for group in ("O-", "O+"):
            if group in by_red_cells:
                allowed.setdefault(group, GroupTerms(low_titre=True))
    return allowed


def _plasma(situation: Situation) -> dict[str, GroupTerms]:
    group = situation.patient.group
    abo = "unknown" if group is None else group[:-1]
    allowed = _rows(PLASMA["AB" if group is None else abo])
    for donor in LOW_TITRE_PLASMA[abo].split():
        if donor[0] == "B" or abo == "B" or situation.low_titre_a_plasma:
            allowed[donor] = GroupTerms(low_titre=True)
    return allowed


def _platelets(situation: Situation) -> dict[str, GroupTerms]:
    """Allow plasma-compatible groups without condition, and every other group only of low titre."""
    patient = situation.patient
    abo = "AB" if patient.group is None else patient.group[:-1]
    compatible = PLASMA[abo].split()
    allowed = {g: GroupTerms(low_titre=g not in compatible) for g in _EVERY_GROUP.split()}
    return _only_negative(allowed) if _needs_negative_platelets(situation) else allowed


def _needs_negative_platelets(situation: Situation) -> bool:
    """Return whether RhD+ platelets are refused: they carry no D, but some red cells that do."""
    patient = situation.patient
    if patient.has_anti_d:
        return True
    if situation.emergency or patient.asian_del or patient.prophylaxis_ordered:
        return False
    rhd = patient.group[-1] if patient.group else patient.untyped_rhd
    if not rhd:
        return is_protected_while_unknown(situation) and may_bear_children(patient)
    return rhd == "-" and may_bear_children(patient)
