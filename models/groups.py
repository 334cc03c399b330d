"""ABO and RhD blood groups."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from enum import StrEnum


class Abo(StrEnum):
    O = "O"  # noqa: E741 - the group's own name
    A = "A"
    B = "B"
    AB = "AB"

    @property
    def antigens(self) -> frozenset[str]:
        """Return the antigens of its red cells; its plasma has antibodies against the others."""
        return frozenset(self) - {"O"}

    @classmethod
    def of_antigens(cls, antigens: AbstractSet[str]) -> Abo:
        """Return the group of red cells that have just these of the antigens A and B."""
        return cls("".join(sorted(antigens)) or "O")


class RhD(StrEnum):
    POSITIVE = "+"
    NEGATIVE = "-"


class BloodGroup(StrEnum):
    """ABO with RhD, written as on a label: `O-`, `AB+`."""

    O_NEG = "O-"
    O_POS = "O+"
    A_NEG = "A-"
    A_POS = "A+"
    B_NEG = "B-"
    B_POS = "B+"
    AB_NEG = "AB-"
    AB_POS = "AB+"

    @property
    def abo(self) -> Abo:
        return Abo(self.value[:-1])

    @property
    def rhd(self) -> RhD:
        return RhD(self.value[-1])

    @classmethod
    def of(cls, abo: Abo, rhd: RhD) -> BloodGroup:
        return cls(f"{abo}{rhd}")
