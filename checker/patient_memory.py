"""Remembers what was told of each patient, by the checker's own reading of the log.

A patient of a hospital is known by a pseudonym, or else by the one request. Antibodies and special
needs hold until a named person withdraws them; two groups that differ are both doubtful until a
named person says which is right.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from checker.antigens import read_antigen

_NEEDS_OF_CELLS = ("irradiated", "cmv_negative", "leukoreduced")
_CELLS = {
    "red_cells",
    "washed_red_cells",
    "frozen_red_cells",
    "deglycerolised_red_cells",
    "whole_blood",
    "platelets",
    "platelet_concentrate",
    "pooled_platelets",
    "apheresis_granulocytes",
}
_RED_CELLS = {"red_cells", "washed_red_cells", "frozen_red_cells", "deglycerolised_red_cells"}
_WITH_RED_CELLS = _RED_CELLS | {"whole_blood"}

MOTHER_TO_D = 120
"""The last day of life on which the checker takes a child to have its mother's antibodies."""

_OTHERS = ("platelet_antibodies", "hla_antibodies")
"""Antibodies beside those against red cells."""

Body = dict[str, Any]


def name_patient(body: Mapping[str, Any]) -> tuple[str, str]:
    """Name the patient of a request: their hospital, and their pseudonym or the request."""
    reference = (body.get("patient") or {}).get("reference")
    own = f"request {body.get('request_id')}"
    return str(body.get("hospital_id")), str(reference).lower() if reference else own


@dataclass(slots=True)
class Memory:
    """What was told of one patient so far."""

    antibodies: set[str] = field(default_factory=set)
    others: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in _OTHERS})
    lacking: list[str] = field(default_factory=list)
    needs: set[str] = field(default_factory=set)
    antigens: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    transplant: Mapping[str, Any] | None = None
    rare_group: str | None = None
    mother: Body | None = None
    chronic: bool = False

    def hear(self, patient: Mapping[str, Any], lines: list[Body]) -> None:
        """Add what a request states."""
        self.antibodies |= _read(patient.get("antibodies"))
        for name, known in self.others.items():
            known |= {*(patient.get(name) or ())}
        self.lacking = list(patient.get("antigen_negative") or self.lacking)
        if patient.get("group"):
            self.groups.add(str(patient["group"]))
        self.transplant = patient.get("transplant") or self.transplant
        self.rare_group = patient.get("rare_group") or self.rare_group
        self.chronic = bool(patient.get("chronically_transfused")) or self.chronic
        self._hear_mother(patient.get("mother"))
        for line in lines:
            attributes = line.get("attributes") or {}
            component = line.get("component")
            self.needs |= {name for name in _needs_of(component) if attributes.get(name)}
            if component in _WITH_RED_CELLS:
                self.antigens |= _read(attributes.get("antigen_negative"))

    def _hear_mother(self, told: Mapping[str, Any] | None) -> None:
        if told is None:
            return
        known = self.mother or {}
        groups = {of["group"] for of in (known, told) if of.get("group")}
        self.mother = {"group": groups.pop() if len(groups) == 1 else None} | {
            name: sorted({*(known.get(name) or ()), *(told.get(name) or ())})
            for name in ("antibodies", "platelet_antibodies")
        }

    def _withdraw(self, facts: Collection[str]) -> None:
        """Take away facts that were told in error."""
        self.transplant = None if "transplant" in facts else self.transplant
        self.rare_group = None if "rare_group" in facts else self.rare_group
        self.mother = None if "mother" in facts else self.mother
        self.lacking = [] if "antigen_negative" in facts else self.lacking
        self.chronic = self.chronic and "chronically_transfused" not in facts

    def correct(self, correction: Mapping[str, Any]) -> None:
        """Take away what a named person takes away."""
        self.antibodies -= _read(correction.get("withdrawn_antibodies"))
        for name, known in self.others.items():
            known -= {*(correction.get(f"withdrawn_{name}") or ())}
        self.needs -= {*(correction.get("withdrawn_needs") or ())}
        self.antigens -= _read(correction.get("withdrawn_antigens"))
        self._withdraw(correction.get("withdrawn_facts") or ())
        if self.mother is not None:
            gone = _read(correction.get("withdrawn_antibodies"))
            others = {*(correction.get("withdrawn_platelet_antibodies") or ())}
            self.mother["antibodies"] = sorted(_read(self.mother["antibodies"]) - gone)
            self.mother["platelet_antibodies"] = sorted(
                {*self.mother["platelet_antibodies"]} - others
            )
        if correction.get("group"):
            self.groups = {str(correction["group"])}

    def complete(self, body: Mapping[str, Any]) -> Body:
        """Return a request as it is to be served by what is remembered."""
        patient = dict(body.get("patient") or {})
        patient["antibodies"] = sorted(self.antibodies)
        patient |= {name: sorted(known) for name, known in self.others.items()}
        patient["antigen_negative"] = self.lacking
        patient["disputed_groups"] = sorted(self.groups) if self._are_groups_disputed() else []
        patient |= {"transplant": self.transplant, "rare_group": self.rare_group}
        patient |= {"chronically_transfused": self.chronic}
        days = patient.get("age_days")
        is_young = days is not None and days <= MOTHER_TO_D
        patient["mother"] = self.mother if is_young or patient.get("mother") else None
        if patient.get("group") and len(self.groups) == 1:
            (patient["group"],) = self.groups
        return {
            **body,
            "patient": patient,
            "lines": [self._complete_line(line) for line in body.get("lines") or ()],
        }

    def complete_row(self, body: Mapping[str, Any]) -> Body:
        """Return a request of PostgreSQL with what is remembered added to what it says itself."""
        own = Memory()
        own.hear(body.get("patient") or {}, list(body.get("lines") or ()))
        both = Memory(
            antibodies=self.antibodies | own.antibodies,
            needs=self.needs | own.needs,
            antigens=self.antigens | own.antigens,
            groups=self.groups,
            transplant=self.transplant,
            rare_group=self.rare_group,
            mother=self.mother,
            chronic=self.chronic,
        )
        completed = both.complete(body)
        group = (body.get("patient") or {}).get("group")
        return {**completed, "patient": {**completed["patient"], "group": group}}

    def _are_groups_disputed(self) -> bool:
        """Return whether groups differ; a transplant explains the donor's and the own."""
        told = self.transplant or {}
        explained = {told.get("donor_group"), told.get("recipient_group")}
        return len(self.groups) > 1 and not self.groups <= explained

    def _complete_line(self, line: Body) -> Body:
        attributes = dict(line.get("attributes") or {})
        component = line.get("component")
        attributes |= {name: name in self.needs for name in _needs_of(component)}
        if component in _WITH_RED_CELLS:
            attributes["antigen_negative"] = sorted(self.antigens)
        return {**line, "attributes": attributes}


def _read(names: object) -> set[str]:
    """Return antigens by the one name of each; the spellings of one are one."""
    return {read_antigen(str(name)) for name in names} if isinstance(names, list) else set()


def _needs_of(component: object) -> tuple[str, ...]:
    """List the needs of a patient that count for a component."""
    if component in _RED_CELLS:
        return (*_NEEDS_OF_CELLS, "washed")
    return _NEEDS_OF_CELLS if component in _CELLS else ()
