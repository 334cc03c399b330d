"""Finds the group for which each class of components is chosen where a patient has more than one.

Pure. Written out as tables, pair by pair, as the charts of transplant centres show them: a second
opinion on what the engine computes.

Source: the EBMT scheme as blooducation.co.uk tells it (nothing that does not suit donor and
recipient), O'Donghaile 2012; the Korean table of cis-AB; for Bombay the survival of group O cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

RED_CELLS_OF_BOTH = {
    "O O": "O", "O A": "O", "O B": "O", "O AB": "O",
    "A O": "O", "A A": "A", "A B": "O", "A AB": "A",
    "B O": "O", "B A": "O", "B B": "B", "B AB": "B",
    "AB O": "O", "AB A": "A", "AB B": "B", "AB AB": "AB",
}  # fmt: skip
"""The group whose red cells suit two groups."""

PLASMA_OF_BOTH = {
    "O O": "O", "O A": "A", "O B": "B", "O AB": "AB",
    "A O": "A", "A A": "A", "A B": "AB", "A AB": "AB",
    "B O": "B", "B A": "AB", "B B": "B", "B AB": "AB",
    "AB O": "AB", "AB A": "AB", "AB B": "AB", "AB AB": "AB",
}  # fmt: skip
"""The group whose plasma suits two groups."""

WITHOUT_A = {"O": "O", "A": "O", "B": "B", "AB": "B"}
WITHOUT_B = {"O": "O", "A": "A", "B": "O", "AB": "A"}
"""The group of red cells for a patient with that antibody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Special:
    """What makes one group not enough.

    Attributes:
        donor, recipient, engrafted: Of a transplant; empty if there is none.
        rare: The rare group, as the request names it.
        has_mother: The patient is a newborn whose mother is told of.
        mother: Her group; empty while unknown.
        disputed: Groups that contradict each other.
    """

    donor: str = ""
    recipient: str = ""
    engrafted: bool = False
    rare: str = ""
    has_mother: bool = False
    mother: str = ""
    disputed: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Special:
        transplant = body.get("transplant") or {}
        return cls(
            donor=transplant.get("donor_group") or "",
            recipient=transplant.get("recipient_group") or "",
            engrafted=transplant.get("phase") == "after_engraftment",
            rare=body.get("rare_group") or "",
            has_mother=body.get("mother") is not None,
            mother=(body.get("mother") or {}).get("group") or "",
            disputed=tuple(sorted(body.get("disputed_groups") or ())),
        )

    @property
    def lacks_h(self) -> bool:
        return self.rare in {"bombay", "para_bombay"}


ORDINARY = Special()


def find_groups(
    group: str | None, special: Special, antibodies: Iterable[str]
) -> dict[str, tuple[str, str]]:
    """Return ABO and RhD by class of components, each empty where it is not known.

    Args:
        group: What was typed; None while unknown.
        special: What makes it not enough.
        antibodies: The patient's, and for a newborn the mother's.
    """
    if special.disputed:
        rhd = "-" if any(name.endswith("-") for name in special.disputed) else "+"
        return _by_class("O", "AB", rhd, platelets="")
    of_red_cells = [group] if group else []
    of_plasma = [group] if group else []
    if special.donor:
        of_red_cells += [special.donor] if special.engrafted else [special.donor, special.recipient]
        of_plasma += [special.donor, special.recipient]
    if not of_red_cells:
        return _by_class("", "", "")
    rhd = "-" if any(name.endswith("-") for name in of_red_cells) else "+"
    red_cells = _join(of_red_cells, RED_CELLS_OF_BOTH)
    plasma = _join(of_plasma, PLASMA_OF_BOTH)
    if special.lacks_h:
        return _by_class("O", plasma, rhd)
    if special.rare == "cis_ab":
        red_cells, plasma = WITHOUT_B[red_cells], "AB"
    if special.has_mother:
        mother = special.mother[:-1] if special.mother else "O"
        red_cells = RED_CELLS_OF_BOTH[f"{red_cells} {mother}"]
    for antibody in antibodies:
        if antibody in {"A", "A1", "AB"}:
            red_cells = WITHOUT_A[red_cells]
        if antibody in {"B", "AB"}:
            red_cells = WITHOUT_B[red_cells]
    return _by_class(red_cells, plasma, rhd)


def _join(groups: list[str], table: Mapping[str, str]) -> str:
    found, *others = (name[:-1] for name in groups)
    for other in others:
        found = table[f"{found} {other}"]
    return found


def _by_class(
    red_cells: str, plasma: str, rhd: str, *, platelets: str | None = None
) -> dict[str, tuple[str, str]]:
    return {
        "red_cells": (red_cells, rhd),
        "plasma": (plasma, rhd),
        "platelets": (plasma if platelets is None else platelets, rhd),
        # Whole blood is both at once.
        "whole_blood": (red_cells if red_cells == plasma else "", rhd),
    }
